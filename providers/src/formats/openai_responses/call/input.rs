//! Input items of Responses, read.

use ccproxy_core::document::{Json, Kind};

use super::content::read_content;
use super::tools::read_tools;
use crate::formats::hub::{
    Call, Content, Dialect, Losses, Message, Part, Raw, Role, Seal, Text, Thought, ToolCall, ToolResult,
};
use crate::formats::json::{items, note, text_at};

pub(super) fn read_input<'a>(
    value: &Json<'a>,
    call: &mut Call<'a>,
    losses: &mut Losses,
) -> Result<(), String> {
    if let Some(text) = value.as_str() {
        call.messages.push(Message { role: Role::User, name: None, parts: vec![Content::Text(text).into()] });
        return Ok(());
    }
    if value.kind() != Kind::Array {
        return Err("`input` must be a string or an array".into());
    }
    for item in items(value) {
        read_item(&item, call, losses)?;
    }
    Ok(())
}

fn read_item<'a>(item: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) -> Result<(), String> {
    // Items of the SDKs often have no type: then they are messages.
    let kind = text_at(item, "type").unwrap_or_else(|| "message".into());
    let part = match &*kind {
        "message" => return read_message(item, call, losses),
        "reasoning" => (Role::Assistant, Content::Thought(thought(item))),
        // Fields such as `caller` tell of programs that only OpenAI runs.
        "function_call" | "custom_tool_call" | "function_call_output" | "custom_tool_call_output" => {
            let known =
                ["type", "id", "status", "call_id", "name", "namespace", "arguments", "input", "output"];
            note(item, &known, "input", losses);
            match &*kind {
                "function_call" => (Role::Assistant, Content::Call(tool_call(item, "arguments", false))),
                "custom_tool_call" => (Role::Assistant, Content::Call(tool_call(item, "input", true))),
                "function_call_output" => (Role::User, Content::Result(result(item, false, losses))),
                _ => (Role::User, Content::Result(result(item, true, losses))),
            }
        }
        // Codex puts the tools of its newer models into the conversation.
        "additional_tools" => {
            if let Some(tools) = item.key("tools") {
                read_tools(&tools, None, &mut call.tools, losses);
            }
            return Ok(());
        }
        "item_reference" => {
            let id = text_at(item, "id").unwrap_or_default();
            if id.starts_with("rs_") {
                // A thought that the provider was to keep; the conversation is whole without it.
                losses.add("input.item_reference", "stored thoughts are not kept");
                return Ok(());
            }
            return Err(format!(
                "`input` refers to the stored item `{id}`; this provider stores none: send the items themselves (`store: false`)"
            ));
        }
        _ => {
            let ours = kind.ends_with("_output") || kind.ends_with("_response");
            let role = if ours { Role::User } else { Role::Assistant };
            (role, Content::Other { from: Dialect::Responses, kind, raw: Raw::of(item) })
        }
    };
    let (role, content) = part;
    call.messages.push(Message { role, name: None, parts: vec![content.into()] });
    Ok(())
}

fn read_message<'a>(item: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) -> Result<(), String> {
    let role = match text_at(item, "role").as_deref() {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some(other) => return Err(format!("an input item has the unknown role `{other}`")),
        None => return Err("an input message needs a `role`".into()),
    };
    note(item, &["type", "id", "status", "role", "content"], "input", losses);
    let parts = item.key("content").map(|content| read_content(&content, losses)).unwrap_or_default();
    call.messages.push(Message { role, name: None, parts });
    Ok(())
}

fn thought<'a>(item: &Json<'a>) -> Thought<'a> {
    let texts = |key: &str| -> Vec<Text<'a>> {
        let list = item.key(key);
        let texts = list.iter().flat_map(items).filter_map(|part| text_at(&part, "text"));
        texts.filter(|text| !text.is_empty()).collect()
    };
    let id = text_at(item, "id");
    let seal = match text_at(item, "encrypted_content") {
        Some(content) => Some(Seal::of_encrypted(id, content)),
        None => id.map(Seal::Stored),
    };
    let summary = texts("summary");
    Thought { texts: if summary.is_empty() { texts("content") } else { summary }, seal }
}

fn tool_call<'a>(item: &Json<'a>, key: &str, custom: bool) -> ToolCall<'a> {
    ToolCall {
        id: text_at(item, "call_id").or_else(|| text_at(item, "id")).unwrap_or_default(),
        namespace: text_at(item, "namespace"),
        name: text_at(item, "name").unwrap_or_default(),
        arguments: text_at(item, key).unwrap_or_default(),
        custom,
    }
}

fn result<'a>(item: &Json<'a>, custom: bool, losses: &mut Losses) -> ToolResult<'a> {
    let parts: Vec<Part<'a>> = match item.key("output") {
        Some(output) if matches!(output.kind(), Kind::String | Kind::Array) => read_content(&output, losses),
        // Some clients send an object; its text is what the model would read.
        Some(output) if output.kind() != Kind::Null => {
            vec![Content::Text(Raw::of(&output).into_text()).into()]
        }
        _ => Vec::new(),
    };
    ToolResult { id: text_at(item, "call_id").unwrap_or_default(), parts, is_error: None, custom }
}
