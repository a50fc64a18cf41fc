//! Messages request -> [`Call`].

use ccproxy_core::document::{Json, Kind};

use super::blocks;
use crate::formats::hub::{
    Call, Content, Dialect, Effort, Losses, Message, OutputFormat, Part, Raw, Role, Text, Thinking, Tool,
    ToolChoice, ToolKind,
};
use crate::formats::json::{fields, items, note, text_at};

/// Reads a request; the error is for the client.
pub(in crate::formats) fn read<'a>(body: &Json<'a>, losses: &mut Losses) -> Result<Call<'a>, String> {
    let mut call = Call { from: Dialect::Messages, ..Call::default() };
    let mut system = Vec::new();
    for (key, value) in fields(body) {
        match &*key {
            "model" => call.model = value.as_str().ok_or("`model` must be a string")?,
            "stream" => call.stream = value.as_bool().unwrap_or(false),
            "system" => system = system_parts(&value, losses),
            "messages" => read_messages(&value, &mut call, losses)?,
            "tools" => call.tools = items(&value).filter_map(|tool| read_tool(&tool, losses)).collect(),
            "tool_choice" => read_choice(&value, &mut call),
            "max_tokens" => call.limits.max_tokens = value.as_number().map(Into::into),
            "temperature" => call.limits.temperature = value.as_number().map(Into::into),
            "top_p" => call.limits.top_p = value.as_number().map(Into::into),
            "top_k" => call.limits.top_k = value.as_number().map(Into::into),
            "stop_sequences" => call.limits.stop = items(&value).filter_map(|stop| stop.as_str()).collect(),
            "thinking" => read_thinking(&value, &mut call, losses),
            "output_config" => read_output(&value, &mut call, losses),
            "output_format" => read_format(&value, &mut call),
            "metadata" => read_metadata(&value, &mut call, losses),
            "service_tier" => call.service_tier = value.as_str().map(read_tier),
            "cache_control" => call.cache_all = Some(Raw::of(&value)),
            _ => call.extra.push((key, Raw::of(&value))),
        }
    }
    if !system.is_empty() {
        call.messages.insert(0, Message { role: Role::System, name: None, parts: system });
    }
    Ok(call)
}

fn system_parts<'a>(value: &Json<'a>, losses: &mut Losses) -> Vec<Part<'a>> {
    match value.as_str() {
        Some(text) if text.is_empty() => Vec::new(),
        Some(text) => vec![Content::Text(text).into()],
        None => items(value).filter_map(|block| blocks::read(&block, "system", losses)).collect(),
    }
}

fn read_messages<'a>(value: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) -> Result<(), String> {
    if value.kind() != Kind::Array {
        return Err("`messages` must be an array".into());
    }
    for message in items(value) {
        let mut parts = Vec::new();
        let mut role = None;
        for (key, value) in fields(&message) {
            match &*key {
                "role" => role = value.as_str(),
                "content" => match value.as_str() {
                    Some(text) => parts.push(Content::Text(text).into()),
                    None => parts.extend(
                        items(&value).filter_map(|block| blocks::read(&block, "messages.content", losses)),
                    ),
                },
                _ => losses.no_home(format!("messages.{key}")),
            }
        }
        let role = match role.as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some(other) => return Err(format!("a message has the unknown role `{other}`")),
            None => return Err("a message needs a `role`".into()),
        };
        call.messages.push(Message { role, name: None, parts });
    }
    Ok(())
}

fn read_tool<'a>(json: &Json<'a>, losses: &mut Losses) -> Option<Tool<'a>> {
    let kind = text_at(json, "type");
    let mut tool = Tool {
        namespace: None,
        purpose: None,
        name: text_at(json, "name").unwrap_or_default(),
        description: None,
        kind: ToolKind::Function { schema: None, strict: None },
        cache: None,
        deferred: false,
        raw: Some(Raw::of(json)),
    };
    if let Some(kind) = kind.filter(|kind| kind != "custom") {
        tool.cache = json.key("cache_control").filter(Json::is_container).map(|value| Raw::of(&value));
        tool.kind = if kind.starts_with("web_search_") {
            let known = ["type", "name", "cache_control", "allowed_domains", "user_location", "max_uses"];
            note(json, &known, "tools.web_search", losses);
            let domains = json.key("allowed_domains").map(|value| Raw::of(&value));
            let location = json.key("user_location").map(|value| Raw::of(&value));
            let max_uses = json.key("max_uses").and_then(|value| value.as_number()).map(Into::into);
            ToolKind::WebSearch { domains, location, max_uses, size: None }
        } else {
            ToolKind::Server { from: Dialect::Messages, kind }
        };
        return Some(tool);
    }
    let (mut schema, mut strict) = (None, None);
    for (key, value) in fields(json) {
        match &*key {
            "name" | "type" => {}
            "description" => tool.description = value.as_str(),
            "input_schema" => schema = Some(Raw::of(&value)),
            "strict" => strict = value.as_bool(),
            "cache_control" => tool.cache = Some(Raw::of(&value)),
            "defer_loading" => tool.deferred = value.as_bool().unwrap_or(false),
            _ => losses.no_home(format!("tools.{key}")),
        }
    }
    tool.kind = ToolKind::Function { schema, strict };
    (!tool.name.is_empty()).then_some(tool)
}

fn read_choice<'a>(value: &Json<'a>, call: &mut Call<'a>) {
    call.tool_choice = match text_at(value, "type").as_deref() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("any") => Some(ToolChoice::Any),
        Some("none") => Some(ToolChoice::None),
        Some("tool") => text_at(value, "name").map(|name| ToolChoice::Named { name, custom: false }),
        _ => Some(ToolChoice::Other { from: Dialect::Messages, raw: Raw::of(value) }),
    };
    let single = value.key("disable_parallel_tool_use").and_then(|value| value.as_bool());
    call.parallel_tools = single.map(|single| !single);
}

fn read_thinking<'a>(value: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) {
    let budget = value.key("budget_tokens").and_then(|budget| budget.as_u64());
    call.reasoning.thinking = match text_at(value, "type").as_deref() {
        Some("enabled") => Some(budget.map_or(Thinking::Adaptive, Thinking::Budget)),
        Some("adaptive") => Some(Thinking::Adaptive),
        Some("disabled") => Some(Thinking::Disabled),
        Some("between_tools") => Some(Thinking::BetweenTools),
        _ => {
            losses.no_home("thinking.type");
            None
        }
    };
    call.reasoning.summary = text_at(value, "display");
}

fn read_output<'a>(value: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) {
    for (key, value) in fields(value) {
        match &*key {
            "effort" => call.reasoning.effort = value.as_str().and_then(|word| Effort::read(&word)),
            "format" => read_format(&value, call),
            _ => losses.no_home(format!("output_config.{key}")),
        }
    }
}

fn read_format<'a>(value: &Json<'a>, call: &mut Call<'a>) {
    if let Some(schema) = value.key("schema") {
        let schema = Raw::of(&schema);
        call.output = OutputFormat::Schema { name: None, description: None, schema, strict: None };
    }
}

/// Claude Code writes a JSON object into `user_id`; its session is the conversation.
fn read_metadata<'a>(value: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) {
    for (key, value) in fields(value) {
        match (&*key, value.as_str()) {
            ("user_id", Some(user)) => {
                call.cache_key = session(&user);
                call.user = Some(user);
            }
            _ => losses.no_home(format!("metadata.{key}")),
        }
    }
}

fn session<'a>(user: &str) -> Option<Text<'a>> {
    let named = Json::whole(user.as_bytes()).and_then(|user| text_at(&user, "session_id"));
    let old = || user.rsplit_once("_session_").map(|(_, session)| session.into());
    let session = named.or_else(old).filter(|session| !session.is_empty())?;
    Some(session.into_owned().into())
}

fn read_tier(tier: Text<'_>) -> Text<'_> {
    if tier == "standard_only" { "default".into() } else { tier }
}
