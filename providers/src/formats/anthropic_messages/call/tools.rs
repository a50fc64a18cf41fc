//! Tools and their choice as Messages wants them.

use std::borrow::Cow;
use std::collections::HashSet;

use super::models::Model;
use crate::formats::hub::{Call, Dialect, INPUT, Losses, Raw, Text, Tool, ToolChoice, ToolKind, wire_name};
use crate::formats::json::{Array, Object, text_at};

/// The web search tool that needs no beta.
const WEB_SEARCH: &str = "web_search_20250305";

/// `tools`, those that may be used now, and the choice among them.
pub(super) fn write_tools(body: &mut Object<'_>, call: &Call<'_>, model: Model, losses: &mut Losses) {
    let names: Option<HashSet<&Text<'_>>> = call.allowed_tools.as_ref().map(|names| names.iter().collect());
    let allowed = |tool: &&Tool<'_>| names.as_ref().is_none_or(|names| names.contains(&tool.name));
    let tools: Vec<&Tool<'_>> =
        call.tools.iter().filter(allowed).filter(|tool| has_home(tool, call, losses)).collect();
    if tools.is_empty() {
        return;
    }
    body.array("tools", |array| tools.iter().for_each(|tool| write_tool(array, tool, call)));
    write_choice(body, call, model, losses);
}

fn has_home(tool: &Tool<'_>, call: &Call<'_>, losses: &mut Losses) -> bool {
    // The search that finds deferred tools stays behind, so they are all told.
    if tool.deferred && call.from != Dialect::Messages {
        losses.no_home("tools.defer_loading");
    }
    if tool.purpose.is_some() {
        losses.no_home("tools.namespace.description");
    }
    match &tool.kind {
        ToolKind::Server { from, kind, .. } if *from != Dialect::Messages => {
            losses.no_home(format!("tools.{kind}"));
            false
        }
        ToolKind::WebSearch { size: Some(_), .. } => {
            losses.no_home("tools.web_search.search_context_size");
            true
        }
        ToolKind::Custom { format: Some(format) } if !is_text(format) => {
            losses.add("tools.custom.format", "Claude takes no grammar; the text is asked for as it is");
            true
        }
        _ => true,
    }
}

/// The format of a custom tool that asks for nothing.
fn is_text(format: &Raw<'_>) -> bool {
    format.json().is_some_and(|format| text_at(&format, "type").is_none_or(|kind| kind == "text"))
}

fn write_tool(array: &mut Array<'_>, tool: &Tool<'_>, call: &Call<'_>) {
    // A name that is too long is shortened everywhere.
    let own =
        call.from == Dialect::Messages && (tool.name.is_empty() || wire_name(None, &tool.name) == tool.name);
    if let Some(raw) = tool.raw.as_ref().filter(|_| own) {
        return array.raw(raw.as_str());
    }
    array.object(|object| {
        if let ToolKind::WebSearch { domains, location, max_uses, .. } = &tool.kind {
            object.text("type", WEB_SEARCH);
            object.text("name", "web_search");
            object.maybe_raw("allowed_domains", domains.as_ref());
            object.maybe_raw("user_location", location.as_ref());
            if let Some(uses) = max_uses {
                object.raw("max_uses", uses);
            }
            object.maybe_raw("cache_control", tool.cache.as_ref());
            return;
        }
        object.text("name", &wire_name(tool.namespace.as_deref(), &tool.name));
        object.maybe_text("description", tool.description.as_deref());
        match &tool.kind {
            ToolKind::Function { schema: Some(schema), strict } => {
                object.raw("input_schema", &typed(schema));
                object.maybe_boolean("strict", strict.filter(|strict| *strict));
            }
            ToolKind::Custom { .. } => object.object("input_schema", |schema| {
                schema.text("type", "object");
                schema.object("properties", |properties| {
                    properties.object(INPUT, |input| input.text("type", "string"));
                });
                schema.array("required", |required| required.text(INPUT));
            }),
            _ => object.object("input_schema", |schema| {
                schema.text("type", "object");
                schema.object("properties", |_| {});
            }),
        }
        object.maybe_raw("cache_control", tool.cache.as_ref());
    });
}

/// A schema says that it is one of an object; OpenAI's may leave that out.
fn typed<'s>(schema: &'s Raw<'_>) -> Cow<'s, str> {
    let text = schema.as_str();
    let Some(json) = schema.json().filter(|json| json.key("type").is_none()) else { return text.into() };
    let comma = if json.len() == Some(0) { "" } else { "," };
    match text.trim_start().strip_prefix('{') {
        Some(rest) => format!("{{\"type\":\"object\"{comma}{rest}").into(),
        None => text.into(),
    }
}

/// `tool_choice`, with the wish for one call at a time.
fn write_choice(body: &mut Object<'_>, call: &Call<'_>, model: Model, losses: &mut Losses) {
    let single = call.parallel_tools.map(|parallel| !parallel);
    let choice = match &call.tool_choice {
        None if single == Some(true) => &ToolChoice::Auto,
        None => return,
        Some(choice) => choice,
    };
    if let ToolChoice::Other { from, raw } = choice {
        match from {
            Dialect::Messages => body.raw("tool_choice", raw.as_str()),
            _ => losses.no_home("tool_choice"),
        }
        return;
    }
    let forces = matches!(choice, ToolChoice::Any | ToolChoice::Named { .. });
    let choice = match forces && call.from != Dialect::Messages && !model.takes_forced_tools() {
        true => {
            losses.add("tool_choice", "the model refuses a tool that is forced");
            &ToolChoice::Auto
        }
        false => choice,
    };
    body.object("tool_choice", |object| {
        match choice {
            ToolChoice::None => return object.text("type", "none"),
            ToolChoice::Any => object.text("type", "any"),
            ToolChoice::Named { name, .. } => {
                object.text("type", "tool");
                object.text("name", &call.wire_name(name));
            }
            _ => object.text("type", "auto"),
        }
        if call.from == Dialect::Messages || single == Some(true) {
            object.maybe_boolean("disable_parallel_tool_use", single);
        }
    });
}
