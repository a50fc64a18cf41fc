//! Chat messages, read.

use std::collections::{HashMap, VecDeque};

use ccproxy_core::document::{Json, Kind};

use crate::formats::hub::{
    Cache, Call, Content, Dialect, Losses, Message, Part, Raw, Role, Seal, Source, Text, Thought, ToolCall,
    ToolResult,
};
use crate::formats::json::{fields, items, text_at};

pub(super) fn read_messages<'a>(
    value: &Json<'a>,
    call: &mut Call<'a>,
    losses: &mut Losses,
) -> Result<(), String> {
    if value.kind() != Kind::Array {
        return Err("`messages` must be an array".into());
    }
    for message in items(value) {
        let message = read_message(&message, losses)?;
        call.messages.push(message);
    }
    name_old_calls(&mut call.messages);
    Ok(())
}

fn read_message<'a>(json: &Json<'a>, losses: &mut Losses) -> Result<Message<'a>, String> {
    let role = match text_at(json, "role").as_deref() {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => return Ok(assistant(json, losses)),
        Some("tool" | "function") => return Ok(result(json, losses)),
        Some(other) => return Err(format!("a message has the unknown role `{other}`")),
        None => return Err("a message needs a `role`".into()),
    };
    let mut message = Message { role, name: None, parts: Vec::new() };
    for (key, value) in fields(json) {
        match &*key {
            "role" => {}
            "content" => message.parts = content(&value, losses),
            "name" => message.name = value.as_str(),
            // Said of the whole message, it holds for its last part.
            "cache_control" => mark(&mut message.parts, json),
            _ => losses.no_home(format!("messages.{key}")),
        }
    }
    Ok(message)
}

fn mark<'a>(parts: &mut [Part<'a>], json: &Json<'a>) {
    if let (Some(last), Some(cache)) = (parts.last_mut(), json.key("cache_control")) {
        last.cache = Some(Cache::Control(Raw::of(&cache)));
    }
}

/// Thoughts first, then words, then calls: the order in which the model made them.
fn assistant<'a>(json: &Json<'a>, losses: &mut Losses) -> Message<'a> {
    let (mut thoughts, mut words, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    let mut name = None;
    let mut told: Option<Text<'a>> = None;
    for (key, value) in fields(json) {
        match &*key {
            "role" => {}
            "content" => words.splice(0..0, content(&value, losses)).for_each(drop),
            "refusal" => words.extend(value.as_str().map(|text| Content::Refusal(text).into())),
            "name" => name = value.as_str(),
            "reasoning_content" | "reasoning" => told = value.as_str().or(told),
            "reasoning_details" => thoughts.extend(items(&value).filter_map(|detail| thought(&detail))),
            "thinking_blocks" => thoughts.extend(items(&value).filter_map(|block| thinking_block(&block))),
            "tool_calls" => calls.extend(items(&value).filter_map(|call| tool_call(&call, losses))),
            "function_call" => {
                let call = function(&value, Text::default());
                calls.push(Content::Call(call).into());
            }
            "annotations" if value.raw() == b"[]" => {}
            "cache_control" => {}
            _ => losses.no_home(format!("messages.{key}")),
        }
    }
    if let Some(text) = told.filter(|text| !text.is_empty()) {
        tell(&mut thoughts, text);
    }
    let mut parts = thoughts;
    parts.append(&mut words);
    parts.append(&mut calls);
    mark(&mut parts, json);
    Message { role: Role::Assistant, name, parts }
}

/// The words of `reasoning_content` belong to the seal beside them, unless that has its words.
fn tell<'a>(thoughts: &mut Vec<Part<'a>>, text: Text<'a>) {
    for part in thoughts.iter_mut() {
        let Content::Thought(thought) = &mut part.content else { continue };
        if !thought.texts.is_empty() {
            return;
        }
        if !matches!(thought.seal, Some(Seal::Redacted(_))) {
            thought.texts.push(text);
            return;
        }
    }
    thoughts.insert(0, Content::Thought(Thought { texts: vec![text], seal: None }).into());
}

/// OpenRouter's shape: <https://openrouter.ai/docs/use-cases/reasoning-tokens>.
fn thought<'a>(detail: &Json<'a>) -> Option<Part<'a>> {
    let texts = |key: &str| text_at(detail, key).filter(|text| !text.is_empty()).into_iter().collect();
    let thought = match &*text_at(detail, "type")? {
        "reasoning.text" => {
            Thought { texts: texts("text"), seal: text_at(detail, "signature").and_then(Seal::of_signature) }
        }
        "reasoning.summary" => Thought { texts: texts("summary"), seal: None },
        "reasoning.encrypted" => {
            let data = text_at(detail, "data")?;
            let foreign = text_at(detail, "format").is_some_and(|format| format.starts_with("openai"));
            let seal =
                if foreign { Seal::of_encrypted(text_at(detail, "id"), data) } else { Seal::Redacted(data) };
            Thought { texts: Vec::new(), seal: Some(seal) }
        }
        _ => return None,
    };
    Some(Content::Thought(thought).into())
}

/// LiteLLM's shape, which is Anthropic's.
fn thinking_block<'a>(block: &Json<'a>) -> Option<Part<'a>> {
    let thought = match text_at(block, "data") {
        Some(data) => Thought { texts: Vec::new(), seal: Some(Seal::Redacted(data)) },
        None => Thought {
            texts: vec![text_at(block, "thinking")?],
            seal: text_at(block, "signature").and_then(Seal::of_signature),
        },
    };
    Some(Content::Thought(thought).into())
}

fn tool_call<'a>(json: &Json<'a>, losses: &mut Losses) -> Option<Part<'a>> {
    let id = text_at(json, "id").unwrap_or_default();
    let call = match (json.key("function"), json.key("custom")) {
        (Some(inner), _) if inner.kind() == Kind::Object => function(&inner, id),
        (_, Some(inner)) => ToolCall {
            id,
            namespace: None,
            name: text_at(&inner, "name").unwrap_or_default(),
            arguments: text_at(&inner, "input").unwrap_or_default(),
            custom: true,
        },
        _ => {
            losses.no_home("messages.tool_calls");
            return None;
        }
    };
    Some(Content::Call(call).into())
}

fn function<'a>(json: &Json<'a>, id: Text<'a>) -> ToolCall<'a> {
    let arguments = json.key("arguments");
    // Some clients send the object itself.
    let arguments = arguments.map(|value| value.as_str().unwrap_or_else(|| Raw::of(&value).into_text()));
    ToolCall {
        id,
        namespace: None,
        name: text_at(json, "name").unwrap_or_default(),
        arguments: arguments.unwrap_or_default(),
        custom: false,
    }
}

fn result<'a>(json: &Json<'a>, losses: &mut Losses) -> Message<'a> {
    let parts = json.key("content").map(|value| content(&value, losses)).unwrap_or_default();
    // The older spelling names the function instead.
    let id = text_at(json, "tool_call_id").unwrap_or_default();
    let name = text_at(json, "name").filter(|_| id.is_empty());
    let result = ToolResult { id, parts, is_error: None, custom: false };
    let part = Part { content: Content::Result(result), cache: Cache::of(json) };
    Message { role: Role::User, name, parts: vec![part] }
}

/// Calls in the older spelling have no id; their results go by the name, one after the other.
fn name_old_calls(messages: &mut [Message<'_>]) {
    let mut waiting: HashMap<String, VecDeque<String>> = HashMap::new();
    let mut count = 0;
    for message in messages {
        let results = message.name.clone().filter(|_| message.role == Role::User);
        for part in &mut message.parts {
            match &mut part.content {
                Content::Call(call) if call.id.is_empty() => {
                    let id = format!("call_{count}_{}", call.name);
                    count += 1;
                    waiting.entry(call.name.to_string()).or_default().push_back(id.clone());
                    call.id = id.into();
                }
                Content::Result(result) if result.id.is_empty() => {
                    let name = results.as_deref().unwrap_or_default();
                    let id = waiting.get_mut(name).and_then(VecDeque::pop_front);
                    result.id = id.unwrap_or_else(|| name.to_owned()).into();
                    message.name = None;
                }
                _ => {}
            }
        }
    }
}

fn content<'a>(value: &Json<'a>, losses: &mut Losses) -> Vec<Part<'a>> {
    match value.as_str() {
        Some(text) => vec![Content::Text(text).into()],
        None => items(value).filter_map(|part| read_part(&part, losses)).collect(),
    }
}

fn read_part<'a>(part: &Json<'a>, losses: &mut Losses) -> Option<Part<'a>> {
    let kind = text_at(part, "type").unwrap_or_default();
    let content = match &*kind {
        "text" | "input_text" | "output_text" => Content::Text(text_at(part, "text")?),
        "refusal" => Content::Refusal(text_at(part, "refusal")?),
        "image_url" => {
            let image = part.key("image_url")?;
            let url = image.as_str().or_else(|| text_at(&image, "url"))?;
            Content::Image { source: Source::of_url(url), detail: text_at(&image, "detail") }
        }
        "file" => file(&part.key("file")?)?,
        "input_audio" => Content::Audio(Raw::of(&part.key("input_audio")?)),
        // What other compatible servers call thoughts.
        "thinking" => return thinking_block(part),
        _ => {
            if kind.is_empty() {
                losses.no_home("messages.content");
            }
            Content::Other { from: Dialect::Chat, kind, raw: Raw::of(part) }
        }
    };
    Some(Part { content, cache: Cache::of(part) })
}

fn file<'a>(file: &Json<'a>) -> Option<Content<'a>> {
    let name = text_at(file, "filename");
    let source = match text_at(file, "file_data") {
        Some(data) => match Source::of_url(data) {
            Source::Url(data) => Source::Base64 { media: "application/pdf".into(), data },
            source => source,
        },
        None => Source::Id(text_at(file, "file_id")?),
    };
    Some(match source {
        Source::Base64 { ref media, .. } if media.starts_with("image/") => {
            Content::Image { source, detail: None }
        }
        source => Content::Document { source, name, context: None, citations: None },
    })
}
