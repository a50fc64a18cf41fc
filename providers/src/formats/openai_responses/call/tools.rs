//! Tools and their choice in Responses, both ways.

use ccproxy_core::document::Json;

use crate::formats::hub::{Call, Dialect, Losses, Raw, Text, Tool, ToolChoice, ToolKind, wire_name};
use crate::formats::json::{Array, Object, fields, items, note, text_at};

/// Reads tools; those of a namespace carry its name.
pub(super) fn read_tools<'a>(
    value: &Json<'a>,
    namespace: Option<(&Text<'a>, Option<Text<'a>>)>,
    tools: &mut Vec<Tool<'a>>,
    losses: &mut Losses,
) {
    for json in items(value) {
        let kind = text_at(&json, "type").unwrap_or_default();
        // Namespaces do not hold namespaces.
        if kind == "namespace" && namespace.is_none() {
            let name = text_at(&json, "name");
            if let (Some(name), Some(inner)) = (name, json.key("tools")) {
                let purpose = text_at(&json, "description").filter(|text| !text.is_empty());
                read_tools(&inner, Some((&name, purpose)), tools, losses);
            }
            continue;
        }
        tools.extend(read_tool(&json, kind, namespace.clone(), losses));
    }
}

fn read_tool<'a>(
    json: &Json<'a>,
    kind: Text<'a>,
    namespace: Option<(&Text<'a>, Option<Text<'a>>)>,
    losses: &mut Losses,
) -> Option<Tool<'a>> {
    let mut tool = Tool {
        namespace: namespace.as_ref().map(|(name, _)| (*name).clone()),
        purpose: namespace.and_then(|(_, purpose)| purpose),
        name: text_at(json, "name").unwrap_or_default(),
        description: text_at(json, "description"),
        kind: ToolKind::Function { schema: None, strict: None },
        cache: json.key("cache_control").filter(|cache| cache.is_container()).map(|cache| Raw::of(&cache)),
        deferred: json.key("defer_loading").and_then(|value| value.as_bool()) == Some(true),
        raw: Some(Raw::of(json)),
    };
    tool.kind = match &*kind {
        "function" => {
            // Some clients nest the function as chat does.
            let nested = json.key("function").filter(|_| tool.name.is_empty());
            let holder = nested.as_ref().unwrap_or(json);
            tool.name = text_at(holder, "name")?;
            tool.description = text_at(holder, "description");
            for (key, _) in fields(holder) {
                let known =
                    ["type", "name", "description", "parameters", "strict", "defer_loading", "cache_control"];
                if !known.contains(&&*key) {
                    losses.no_home(format!("tools.{key}"));
                }
            }
            ToolKind::Function {
                schema: holder.key("parameters").filter(Json::is_container).map(|schema| Raw::of(&schema)),
                strict: holder.key("strict").and_then(|strict| strict.as_bool()),
            }
        }
        "custom" => ToolKind::Custom { format: json.key("format").map(|format| Raw::of(&format)) },
        "web_search" | "web_search_2025_08_26" | "web_search_preview" | "web_search_preview_2025_03_11" => {
            let known = ["type", "filters", "user_location", "search_context_size"];
            note(json, &known, "tools.web_search", losses);
            let filters = json.key("filters");
            if let Some(filters) = &filters {
                note(filters, &["allowed_domains"], "tools.web_search.filters", losses);
            }
            ToolKind::WebSearch {
                domains: filters
                    .and_then(|filters| filters.key("allowed_domains"))
                    .map(|value| Raw::of(&value)),
                location: json.key("user_location").filter(Json::is_container).map(|value| Raw::of(&value)),
                max_uses: None,
                size: text_at(json, "search_context_size"),
            }
        }
        _ => ToolKind::Server { from: Dialect::Responses, kind },
    };
    Some(tool)
}

pub(super) fn read_choice<'a>(value: &Json<'a>, call: &mut Call<'a>) {
    let mode = |word: Option<&str>| match word {
        Some("none") => ToolChoice::None,
        Some("required" | "any") => ToolChoice::Any,
        _ => ToolChoice::Auto,
    };
    if let Some(word) = value.as_str() {
        call.tool_choice = Some(mode(Some(&word)));
        return;
    }
    // Chat's nesting is taken too.
    let name = || text_at(value, "name").or_else(|| text_at(&value.key("function")?, "name"));
    let choice = match text_at(value, "type").as_deref() {
        Some("allowed_tools") => {
            let name = |tool: Json<'a>| text_at(&tool, "name");
            call.allowed_tools = value.key("tools").map(|tools| items(&tools).filter_map(name).collect());
            Some(mode(text_at(value, "mode").as_deref()))
        }
        Some("custom") => name().map(|name| ToolChoice::Named { name, custom: true }),
        Some("function") => name().map(|name| ToolChoice::Named { name, custom: false }),
        Some("web_search" | "web_search_preview") => {
            Some(ToolChoice::Named { name: "web_search".into(), custom: false })
        }
        _ => None,
    };
    let other = || ToolChoice::Other { from: Dialect::Responses, raw: Raw::of(value) };
    call.tool_choice = Some(choice.unwrap_or_else(other));
}

pub(super) fn write_tools(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    let tools: Vec<&Tool<'_>> = call.tools.iter().filter(|tool| has_home(tool, call, losses)).collect();
    if tools.is_empty() {
        return;
    }
    call.report_binding(losses);
    let own = call.from == Dialect::Responses;
    body.array("tools", |array| {
        let mut rest = &tools[..];
        while let Some(first) = rest.first() {
            let namespace = first.namespace.as_ref().filter(|_| own);
            let together = match namespace {
                Some(_) => rest.iter().take_while(|tool| tool.namespace.as_ref() == namespace).count(),
                None => 1,
            };
            let (group, others) = rest.split_at(together);
            match namespace {
                Some(name) => array.object(|object| {
                    object.text("type", "namespace");
                    object.text("name", name);
                    object.maybe_text("description", first.purpose.as_deref());
                    object
                        .array("tools", |inner| group.iter().for_each(|tool| write_tool(inner, tool, call)));
                }),
                None => write_tool(array, first, call),
            }
            rest = others;
        }
    });
    write_choice(body, call, losses);
    body.maybe_boolean("parallel_tool_calls", call.parallel_tools);
}

fn has_home(tool: &Tool<'_>, call: &Call<'_>, losses: &mut Losses) -> bool {
    // The search that finds deferred tools stays behind, so they are all told.
    if tool.deferred && call.from != Dialect::Responses {
        losses.no_home("tools.defer_loading");
    }
    if tool.cache.is_some() {
        losses.add("cache_control", "the provider caches by itself");
    }
    match &tool.kind {
        ToolKind::Server { from, kind, .. } if *from != Dialect::Responses => {
            losses.no_home(format!("tools.{kind}"));
            false
        }
        ToolKind::WebSearch { max_uses: Some(_), .. } => {
            losses.no_home("tools.web_search.max_uses");
            true
        }
        _ => true,
    }
}

fn write_tool(array: &mut Array<'_>, tool: &Tool<'_>, call: &Call<'_>) {
    let own = call.from == Dialect::Responses;
    if let Some(raw) = tool.raw.as_ref().filter(|_| own) {
        return array.raw(raw.as_str());
    }
    let name = wire_name(tool.namespace.as_deref(), &tool.name);
    array.object(|object| match &tool.kind {
        ToolKind::WebSearch { domains, location, size, .. } => {
            object.text("type", "web_search");
            object.maybe_text("search_context_size", size.as_deref());
            if let Some(domains) = domains {
                object.object("filters", |filters| filters.raw("allowed_domains", domains.as_str()));
            }
            object.maybe_raw("user_location", location.as_ref());
        }
        ToolKind::Custom { format } => {
            object.text("type", "custom");
            object.text("name", &name);
            object.maybe_text("description", tool.description.as_deref());
            if let Some(format) = format {
                write_format(object, format);
            }
        }
        ToolKind::Function { schema, strict } => {
            object.text("type", "function");
            object.text("name", &name);
            object.maybe_text("description", tool.description.as_deref());
            // Left out it would mean true here, and false in the other formats.
            let strict = strict.or((!own).then_some(false));
            let (schema, strict) = match schema {
                Some(schema) => call.binding(schema, strict),
                None => ("{\"type\":\"object\",\"properties\":{}}".into(), strict),
            };
            object.raw("parameters", &schema);
            object.maybe_boolean("strict", strict);
        }
        ToolKind::Server { .. } => {}
    });
}

/// Chat nests a grammar, Responses writes it beside its type.
fn write_format(object: &mut Object<'_>, format: &Raw<'_>) {
    let Some(json) = format.json() else { return };
    let Some(grammar) = json.key("grammar") else { return object.raw("format", format.as_str()) };
    object.object("format", |object| {
        object.text("type", "grammar");
        object.maybe_text("syntax", text_at(&grammar, "syntax").as_deref());
        object.maybe_text("definition", text_at(&grammar, "definition").as_deref());
    });
}

fn write_choice(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    let word = match &call.tool_choice {
        Some(ToolChoice::None) => "none",
        Some(ToolChoice::Any) => "required",
        Some(ToolChoice::Auto) => "auto",
        None if call.allowed_tools.is_some() => "auto",
        None => return,
        Some(ToolChoice::Named { name, custom }) => {
            return body.object("tool_choice", |object| {
                let search = call
                    .tools
                    .iter()
                    .any(|tool| tool.name == *name && matches!(tool.kind, ToolKind::WebSearch { .. }));
                if search {
                    return object.text("type", "web_search");
                }
                object.text("type", if *custom { "custom" } else { "function" });
                object.text("name", &call.wire_name(name));
            });
        }
        Some(ToolChoice::Other { from: Dialect::Responses, raw }) => {
            return body.raw("tool_choice", raw.as_str());
        }
        Some(ToolChoice::Other { .. }) => return losses.no_home("tool_choice"),
    };
    let Some(allowed) = &call.allowed_tools else { return body.text("tool_choice", word) };
    body.object("tool_choice", |object| {
        object.text("type", "allowed_tools");
        object.text("mode", word);
        object.array("tools", |tools| {
            for name in allowed {
                tools.object(|tool| {
                    tool.text("type", call.tool_type(name));
                    tool.text("name", &call.wire_name(name));
                });
            }
        });
    });
}
