//! Tools and their choice in chat requests, both ways.

use ccproxy_core::document::Json;

use crate::formats::hub::{Call, Dialect, Losses, Raw, Text, Tool, ToolChoice, ToolKind, wire_name};
use crate::formats::json::{Array, Object, fields, items, text_at};

pub(super) fn read_tool<'a>(json: &Json<'a>, losses: &mut Losses) -> Option<Tool<'a>> {
    let kind = text_at(json, "type");
    let cache = json.key("cache_control").filter(|cache| cache.is_container()).map(|cache| Raw::of(&cache));
    let mut tool = match (json.key("function"), json.key("custom")) {
        (Some(function), _) => read_function(&function, losses)?,
        (None, Some(custom)) => Tool {
            namespace: None,
            purpose: None,
            name: text_at(&custom, "name")?,
            description: text_at(&custom, "description"),
            kind: ToolKind::Custom { format: custom.key("format").map(|format| Raw::of(&format)) },
            cache: None,
            deferred: false,
            raw: None,
        },
        // Some clients write the fields of the function beside its type.
        (None, None) if text_at(json, "name").is_some() && json.key("parameters").is_some() => {
            read_function(json, losses)?
        }
        (None, None) => Tool {
            namespace: None,
            purpose: None,
            name: text_at(json, "name").unwrap_or_default(),
            description: None,
            kind: ToolKind::Server { from: Dialect::Chat, kind: kind.unwrap_or_default() },
            cache: None,
            deferred: false,
            raw: None,
        },
    };
    tool.cache = tool.cache.or(cache);
    tool.raw = Some(Raw::of(json));
    Some(tool)
}

pub(super) fn read_function<'a>(json: &Json<'a>, losses: &mut Losses) -> Option<Tool<'a>> {
    let mut tool = Tool {
        namespace: None,
        purpose: None,
        name: Text::default(),
        description: None,
        kind: ToolKind::Function { schema: None, strict: None },
        cache: None,
        deferred: false,
        raw: None,
    };
    let (mut schema, mut strict) = (None, None);
    for (key, value) in fields(json) {
        match &*key {
            "type" => {}
            "name" => tool.name = value.as_str()?,
            "description" => tool.description = value.as_str(),
            "parameters" => schema = Some(Raw::of(&value)),
            "strict" => strict = value.as_bool(),
            "cache_control" => tool.cache = Some(Raw::of(&value)),
            _ => losses.no_home(format!("tools.function.{key}")),
        }
    }
    tool.kind = ToolKind::Function { schema, strict };
    (!tool.name.is_empty()).then_some(tool)
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
    let inner = |key: &str| value.key(key);
    let choice = match text_at(value, "type").as_deref() {
        Some("allowed_tools") => {
            let allowed = inner("allowed_tools").unwrap_or_else(|| value.clone());
            let name = |tool: Json<'a>| {
                let holder = tool.key("function").or(tool.key("custom")).unwrap_or(tool);
                text_at(&holder, "name")
            };
            call.allowed_tools = allowed.key("tools").map(|tools| items(&tools).filter_map(name).collect());
            Some(mode(text_at(&allowed, "mode").as_deref()))
        }
        Some("custom") => inner("custom")
            .and_then(|custom| text_at(&custom, "name"))
            .map(|name| ToolChoice::Named { name, custom: true }),
        _ => inner("function")
            .and_then(|function| text_at(&function, "name"))
            .or_else(|| text_at(value, "name"))
            .map(|name| ToolChoice::Named { name, custom: false }),
    };
    call.tool_choice =
        Some(choice.unwrap_or_else(|| ToolChoice::Other { from: Dialect::Chat, raw: Raw::of(value) }));
}

pub(super) fn write_tools(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    let tools: Vec<&Tool<'_>> = call.tools.iter().filter(|tool| has_home(tool, losses)).collect();
    call.report_binding(losses);
    if !tools.is_empty() {
        body.array("tools", |array| tools.iter().for_each(|tool| write_tool(array, tool, call)));
        write_choice(body, call, losses);
        body.maybe_boolean("parallel_tool_calls", call.parallel_tools);
    }
    for tool in &call.tools {
        if let ToolKind::WebSearch { domains, location, max_uses, size } = &tool.kind {
            if domains.is_some() || max_uses.is_some() {
                losses.no_home("tools.web_search");
            }
            write_search(body, location.as_ref(), size.as_deref());
        }
    }
}

fn has_home(tool: &Tool<'_>, losses: &mut Losses) -> bool {
    if tool.purpose.is_some() {
        losses.no_home("tools.namespace.description");
    }
    if tool.cache.is_some() {
        losses.add("cache_control", "the provider caches by itself");
    }
    if tool.deferred {
        losses.no_home("tools.defer_loading");
    }
    match &tool.kind {
        ToolKind::Server { from: Dialect::Chat, .. }
        | ToolKind::Function { .. }
        | ToolKind::Custom { .. } => true,
        ToolKind::Server { kind, .. } => {
            losses.no_home(format!("tools.{kind}"));
            false
        }
        ToolKind::WebSearch { .. } => false,
    }
}

fn write_tool(array: &mut Array<'_>, tool: &Tool<'_>, call: &Call<'_>) {
    // A name that is too long is shortened everywhere.
    let own =
        call.from == Dialect::Chat && (tool.name.is_empty() || wire_name(None, &tool.name) == tool.name);
    if let Some(raw) = tool.raw.as_ref().filter(|_| own) {
        return array.raw(raw.as_str());
    }
    let name = wire_name(tool.namespace.as_deref(), &tool.name);
    match &tool.kind {
        ToolKind::Custom { format } => array.object(|object| {
            object.text("type", "custom");
            object.object("custom", |custom| {
                custom.text("name", &name);
                custom.maybe_text("description", tool.description.as_deref());
                if let Some(format) = format {
                    write_format(custom, format);
                }
            });
        }),
        ToolKind::Function { schema, strict } => array.object(|object| {
            object.text("type", "function");
            object.object("function", |function| {
                function.text("name", &name);
                function.maybe_text("description", tool.description.as_deref());
                let Some(schema) = schema else { return function.maybe_boolean("strict", *strict) };
                let (schema, strict) = call.binding(schema, *strict);
                function.raw("parameters", &schema);
                function.maybe_boolean("strict", strict);
            });
        }),
        ToolKind::Server { .. } | ToolKind::WebSearch { .. } => {}
    }
}

/// Responses writes a grammar beside its type, chat nests it.
fn write_format(custom: &mut Object<'_>, format: &Raw<'_>) {
    let Some(json) = format.json() else { return };
    if text_at(&json, "type").as_deref() != Some("grammar") || json.key("grammar").is_some() {
        return custom.raw("format", format.as_str());
    }
    custom.object("format", |object| {
        object.text("type", "grammar");
        object.object("grammar", |grammar| {
            grammar.maybe_text("syntax", text_at(&json, "syntax").as_deref());
            grammar.maybe_text("definition", text_at(&json, "definition").as_deref());
        });
    });
}

fn write_search(body: &mut Object<'_>, location: Option<&Raw<'_>>, size: Option<&str>) {
    body.object("web_search_options", |options| {
        options.maybe_text("search_context_size", size);
        let place = location.and_then(|location| location.json());
        let Some(place) = place.filter(Json::is_container) else { return };
        options.object("user_location", |user| {
            user.text("type", "approximate");
            user.object("approximate", |approximate| {
                for (key, value) in fields(&place).iter().filter(|(key, _)| key != "type") {
                    approximate.raw(key, Raw::of(value).as_str());
                }
            });
        });
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
            let kind = if *custom { "custom" } else { "function" };
            return body.object("tool_choice", |object| {
                object.text("type", kind);
                object.object(kind, |inner| inner.text("name", &call.wire_name(name)));
            });
        }
        Some(ToolChoice::Other { from: Dialect::Chat, raw }) => return body.raw("tool_choice", raw.as_str()),
        Some(ToolChoice::Other { .. }) => return losses.no_home("tool_choice"),
    };
    let Some(allowed) = &call.allowed_tools else { return body.text("tool_choice", word) };
    body.object("tool_choice", |object| {
        object.text("type", "allowed_tools");
        object.object("allowed_tools", |inner| {
            inner.text("mode", word);
            inner.array("tools", |tools| {
                for name in allowed {
                    tools.object(|tool| {
                        let kind = call.tool_type(name);
                        tool.text("type", kind);
                        tool.object(kind, |inner| inner.text("name", &call.wire_name(name)));
                    });
                }
            });
        });
    });
}
