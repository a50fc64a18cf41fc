//! A request that is read and written in its own format is the same JSON, but for what `plain` brings to one
//! spelling: that list is the documentation of what the hub does not tell apart.

use std::collections::BTreeSet;

use ccproxy_core::document::Json;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::golden::{DIALECTS, captures, cases};
use super::hub::{Dialect, Losses};
use super::transform::{read, write};

/// Written again in its own format.
fn again(dialect: Dialect, body: &Value) -> Value {
    let text = body.to_string();
    let mut losses = Losses::default();
    let json = Json::whole(text.as_bytes()).expect("JSON");
    let call = read(dialect, &json, &mut losses).unwrap_or_else(|error| panic!("{error}: {text}"));
    serde_json::from_slice(&write(dialect, &call, &mut losses)).expect("JSON")
}

/// One spelling of what may be spelled in several ways.
fn plain(dialect: Dialect, body: &Value) -> Value {
    let mut body = body.clone();
    let top = body.as_object_mut().expect("an object");
    // A null is an absent field, and what a field means when it is absent need not be said.
    top.retain(|key, value| !value.is_null() && (key != "stream" || *value == true));
    match dialect {
        Dialect::Messages => plain_messages(top),
        Dialect::Chat => plain_chat(top),
        Dialect::Responses => plain_responses(top),
    }
    body
}

/// A string is one part; parts without words are none.
fn parts(content: Option<Value>, kind: &str) -> Vec<Value> {
    let parts = match content {
        Some(Value::String(text)) => vec![json!({ "type": kind, "text": text })],
        Some(Value::Array(parts)) => parts,
        _ => Vec::new(),
    };
    parts
        .into_iter()
        .filter(|part| part["text"].as_str().is_none_or(|text| !text.trim().is_empty()))
        .collect()
}

/// Messages of one side that stand together are one.
fn joined(messages: Vec<(String, Vec<Value>)>) -> Value {
    let mut out: Vec<(String, Vec<Value>)> = Vec::new();
    for (role, parts) in messages.into_iter().filter(|(_, parts)| !parts.is_empty()) {
        match out.last_mut() {
            Some((last, together)) if *last == role => together.extend(parts),
            _ => out.push((role, parts)),
        }
    }
    out.into_iter().map(|(role, parts)| json!({ "role": role, "content": parts })).collect()
}

fn take(object: &mut Map<String, Value>, key: &str) -> Option<Value> {
    object.shift_remove(key).filter(|value| !value.is_null())
}

fn role(message: &Value) -> String {
    message["role"].as_str().unwrap_or_default().to_owned()
}

fn plain_messages(top: &mut Map<String, Value>) {
    let system = parts(take(top, "system"), "text");
    if !system.is_empty() {
        top.insert("system".into(), system.into());
    }
    let messages =
        take(top, "messages").and_then(|messages| messages.as_array().cloned()).unwrap_or_default();
    let messages = messages.into_iter().map(|mut message| {
        let mut parts = parts(Some(message["content"].take()), "text");
        // Results stand first, in the order of their calls, and hold parts.
        parts.sort_by_key(|part| match part["type"] == "tool_result" {
            true => part["tool_use_id"].as_str().unwrap_or_default().to_owned(),
            false => "~".to_owned(),
        });
        for part in &mut parts {
            if part["type"] == "tool_result" {
                let content =
                    self::parts(part.as_object_mut().and_then(|part| take(part, "content")), "text");
                if !content.is_empty() {
                    part["content"] = content.into();
                }
            }
        }
        (role(&message), parts)
    });
    let messages = joined(messages.collect());
    top.insert("messages".into(), messages);
    // Among no tools there is no choice.
    if top.get("tools").is_none_or(|tools| *tools == json!([])) {
        top.retain(|key, _| key != "tools" && key != "tool_choice");
    }
    // The older place of the answer's shape.
    if let Some(format) = take(top, "output_format") {
        top.entry("output_config").or_insert_with(|| json!({}))["format"] = format;
    }
}

fn plain_chat(top: &mut Map<String, Value>) {
    let messages =
        take(top, "messages").and_then(|messages| messages.as_array().cloned()).unwrap_or_default();
    let mut out: Vec<Value> = Vec::new();
    for mut message in messages {
        let fields = message.as_object_mut().expect("a message");
        let content = parts(take(fields, "content"), "text");
        let is = |role: &str| fields["role"] == role;
        // A tool answers one text, instructions are one text, and the user may say several.
        let content = match is("user") {
            true => Value::from(content),
            false => {
                let separator = if is("tool") {
                    "\n"
                } else if is("assistant") {
                    ""
                } else {
                    "\n\n"
                };
                let texts: Vec<&str> = content.iter().filter_map(|part| part["text"].as_str()).collect();
                texts.join(separator).into()
            }
        };
        let silent = content == json!("") || content == json!([]);
        fields.insert("content".into(), content);
        // Sealed thoughts have no place in OpenAI's own format.
        let seals = |key: &str| matches!(key, "reasoning_details" | "thinking_blocks");
        fields.retain(|key, value| {
            !(value.is_null() || seals(key) || (key == "annotations" && *value == json!([])))
        });
        for call in fields.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            // No arguments are an empty object.
            if call["function"]["arguments"] == "" {
                call["function"]["arguments"] = "{}".into();
            }
        }
        let empty = silent && fields.get("role").is_some_and(|role| role != "tool") && fields.len() == 2;
        let joins = out.last().is_some_and(|last| {
            last["role"] == message["role"] && last["name"] == message["name"] && message["role"] == "user"
        });
        if empty {
            continue;
        }
        match out.last_mut().filter(|_| joins) {
            Some(last) => {
                let more = message["content"].as_array().cloned().unwrap_or_default();
                last["content"].as_array_mut().expect("parts").extend(more);
            }
            None => out.push(message),
        }
    }
    top.insert("messages".into(), out.into());
    // The older names of fields, and a list of one stop sequence.
    if let Some(limit) = take(top, "max_tokens") {
        top.entry("max_completion_tokens").or_insert(limit);
    }
    if let Some(Value::String(stop)) = top.get("stop").cloned() {
        top.insert("stop".into(), json!([stop]));
    }
    top.retain(|key, value| !(key == "tools" && *value == json!([])));
}

fn plain_responses(top: &mut Map<String, Value>) {
    let mut input = match take(top, "input") {
        Some(Value::String(text)) => vec![json!({ "role": "user", "content": text })],
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    // The first instructions stand apart or among the messages.
    if let Some(text) = take(top, "instructions") {
        input.insert(0, json!({ "role": "system", "content": text }));
    }
    let mut tools: Vec<Value> =
        take(top, "tools").and_then(|tools| tools.as_array().cloned()).unwrap_or_default();
    let mut out: Vec<Value> = Vec::new();
    for mut item in input {
        let fields = item.as_object_mut().expect("an item");
        // Tools that stand in the conversation stand with the others.
        if fields.get("type").is_some_and(|kind| kind == "additional_tools") {
            tools.extend(fields["tools"].as_array().cloned().unwrap_or_default());
            continue;
        }
        // Thoughts that the provider was to keep are not sent again.
        if fields.get("type").is_some_and(|kind| kind == "item_reference") {
            continue;
        }
        // Seals of other makers are theirs.
        let foreign = |text: &str| text.starts_with("ccproxy.");
        if fields.get("encrypted_content").and_then(Value::as_str).is_some_and(foreign) {
            continue;
        }
        // Ids and states of items are for those that store them; phases are reported.
        let thought = fields.get("type").is_some_and(|kind| kind == "reasoning");
        let idle = |key: &str| matches!(key, "status" | "phase") || (key == "id" && !thought);
        fields.retain(|key, value| !(value.is_null() || idle(key)));
        fields.entry("type").or_insert_with(|| "message".into());
        if fields["type"] == "message" {
            let kind = if fields["role"] == "assistant" { "output_text" } else { "input_text" };
            let mut content = parts(take(fields, "content"), kind);
            for part in content.iter_mut().filter_map(Value::as_object_mut) {
                let file = part.get("type").is_some_and(|kind| kind == "input_file");
                // Places of citations, and how closely a file is looked at, are reported.
                let idle = |key: &str| matches!(key, "logprobs" | "annotations") || (key == "detail" && file);
                part.retain(|key, _| !idle(key));
            }
            if content.is_empty() {
                continue;
            }
            fields.insert("content".into(), content.into());
            let joins = |last: &&mut Value| last["type"] == "message" && last["role"] == fields["role"];
            if let Some(last) = out.last_mut().filter(joins) {
                let more = fields["content"].as_array().cloned().unwrap_or_default();
                last["content"].as_array_mut().expect("parts").extend(more);
                continue;
            }
        }
        if fields.get("arguments").is_some_and(|arguments| arguments == "") {
            fields.insert("arguments".into(), "{}".into());
        }
        // A list of one text is the text.
        if let Some([Value::Object(part)]) = fields.get("output").and_then(Value::as_array).map(Vec::as_slice)
            && part.len() == 2
            && let Some(text) = part.get("text").cloned()
        {
            fields.insert("output".into(), text);
        }
        out.push(item);
    }
    // Results stand in the order of their calls.
    let result = |item: &Value| item["type"].as_str().is_some_and(|kind| kind.ends_with("call_output"));
    for run in out.chunk_by_mut(|one, other| result(one) && result(other)) {
        run.sort_by_key(|item| item["call_id"].as_str().unwrap_or_default().to_owned());
    }
    top.insert("input".into(), out.into());
    for tool in tools.iter_mut().filter_map(Value::as_object_mut) {
        tool.retain(|key, value| !(key == "description" && value == ""));
    }
    if !tools.is_empty() {
        top.insert("tools".into(), tools.into());
    }
}

/// Fields that come back as something else.
fn changed(case: &str, dialect: Dialect, body: &Value) -> Vec<String> {
    let (before, after) = (plain(dialect, body), plain(dialect, &again(dialect, body)));
    let keys: BTreeSet<&String> =
        [&before, &after].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    let differs = keys.into_iter().filter(|key| before.get(key.as_str()) != after.get(key.as_str()));
    let tell = |key: &Value| key.to_string();
    differs
        .map(|key| {
            format!("{case}: `{key}` of {dialect:?}\n  {}\n  {}", tell(&before[key]), tell(&after[key]))
        })
        .collect()
}

/// Conversations that had to be repaired; names that are too long; what is no request for an answer; and what OpenRouter and LiteLLM say of
/// thinking, which becomes an effort.
const OTHERS: [&str; 12] = [
    "repeated_ids",
    "long_names",
    "orphans",
    "lost_call",
    "old_functions",
    "files",
    "tool_results",
    "instructions_",
    "count-tokens",
    "reasoning_e",
    "thinking_budget",
    "thinking_off",
];

#[test]
fn true_requests_come_back_as_they_were() {
    let mut all = Vec::new();
    let mut seen = 0;
    for dialect in DIALECTS {
        for (case, bytes) in cases(dialect, "requests", ".json").into_iter().chain(captures(dialect)) {
            let name = case.file_name().expect("a name").to_string_lossy().into_owned();
            if !OTHERS.iter().any(|other| name.contains(other)) {
                all.extend(changed(&name, dialect, &serde_json::from_slice(&bytes).expect("JSON")));
                seen += 1;
            }
        }
    }
    assert!(seen > 55, "{seen}");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Fields of a request and values they may have.
fn fields(dialect: Dialect) -> Value {
    let schema =
        json!({ "type": "object", "properties": { "a": { "type": ["string", "null"], "minLength": 1e0 } } });
    match dialect {
        Dialect::Messages => json!({
            "system": ["rules", [{ "type": "text", "text": "one" }, { "type": "text", "text": "two", "cache_control": { "type": "ephemeral", "ttl": "1h" } }]],
            "temperature": [0, 0.50, 1.0], "top_p": [0.9], "top_k": [5], "stop_sequences": [["x"], ["\n", "y", "z", "a", "b"]],
            "thinking": [{ "type": "enabled", "budget_tokens": 2048 }, { "type": "adaptive", "display": "omitted" }, { "type": "disabled" }, { "type": "between_tools" }],
            "output_config": [{ "effort": "max" }, { "effort": "low", "format": { "type": "json_schema", "schema": schema } }],
            "metadata": [{ "user_id": "u" }], "service_tier": ["auto", "standard_only"], "stream": [true, false],
            "tool_choice": [{ "type": "auto" }, { "type": "any", "disable_parallel_tool_use": true }, { "type": "tool", "name": "w" }, { "type": "none" }],
            "cache_control": [{ "type": "ephemeral" }], "speed": ["fast"], "mcp_servers": [[{ "type": "url", "url": "https://example.com", "name": "s" }]],
            "unknown_to_all": [{ "z": [1, 2.50, null] }],
        }),
        Dialect::Chat => json!({
            "temperature": [0, 1.5], "top_p": [0.9], "seed": [7], "n": [2], "stop": ["x", ["y", "z"]], "max_tokens": [9], "max_completion_tokens": [8],
            "presence_penalty": [0.5], "frequency_penalty": [-1], "logit_bias": [{ "5": -100 }], "logprobs": [true], "user": ["u"], "metadata": [{ "k": "v" }],
            "reasoning_effort": ["none", "minimal", "low", "medium", "high", "xhigh", "max"], "verbosity": ["low"], "service_tier": ["flex", "fast"], "store": [true, false],
            "response_format": [{ "type": "json_object" }, { "type": "json_schema", "json_schema": { "name": "n", "description": "d", "schema": schema, "strict": true } }],
            "tool_choice": ["none", "auto", "required", { "type": "function", "function": { "name": "w" } }, { "type": "allowed_tools", "allowed_tools": { "mode": "auto", "tools": [{ "type": "function", "function": { "name": "w" } }] } }],
            "parallel_tool_calls": [true, false], "prompt_cache_key": ["k"], "prompt_cache_retention": ["24h"], "safety_identifier": ["s"], "moderation": [{ "model": "m" }],
            "stream": [true], "prediction": [{ "type": "content", "content": "c" }], "modalities": [["text"]], "web_search_options": [{ "search_context_size": "low", "user_location": { "type": "approximate", "approximate": { "city": "Bern" } } }],
            "unknown_to_all": [{ "z": [1, 2.50, null] }],
        }),
        Dialect::Responses => json!({
            "instructions": ["rules"], "temperature": [0, 1.5], "top_p": [0.9], "max_output_tokens": [9], "max_tool_calls": [3], "top_logprobs": [2], "user": ["u"],
            "reasoning": [{ "effort": "none" }, { "effort": "max", "summary": "detailed", "context": "all_turns" }, { "summary": "auto", "mode": "pro" }],
            "text": [{ "format": { "type": "json_object" }, "verbosity": "high" }, { "format": { "type": "json_schema", "name": "n", "schema": schema, "strict": false } }],
            "tool_choice": ["none", "required", { "type": "function", "name": "w" }, { "type": "custom", "name": "sh" }, { "type": "mcp", "server_label": "s" }, { "type": "allowed_tools", "mode": "required", "tools": [{ "type": "function", "name": "w" }] }],
            "parallel_tool_calls": [true, false], "store": [true, false], "include": [["reasoning.encrypted_content"]], "truncation": ["auto"], "service_tier": ["flex"],
            "metadata": [{ "k": "v" }], "safety_identifier": ["s"], "prompt_cache_key": ["k"], "prompt_cache_options": [{ "mode": "explicit" }], "stream": [true], "background": [true],
            "previous_response_id": ["resp_1"], "conversation": [{ "id": "c" }], "client_metadata": [{ "a": "b" }], "context_management": [[{ "type": "compaction" }]],
            "unknown_to_all": [{ "z": [1, 2.50, null] }],
        }),
    }
}

/// Tools and turns of a conversation.
fn body(dialect: Dialect, words: &[String]) -> Value {
    let arguments = json!({ "a": words[0], "n": [1.0, null, { "b": words[1] }] });
    match dialect {
        Dialect::Messages => json!({
            "model": "claude-opus-5", "max_tokens": 100,
            "tools": [{ "name": "w", "description": words[0], "input_schema": { "type": "object" }, "strict": true, "input_examples": [{}] }, { "type": "bash_20250124", "name": "bash" }, { "type": "web_search_20260209", "name": "web_search", "blocked_domains": ["x.org"] }],
            "messages": [
                { "role": "user", "content": words[0] },
                { "role": "assistant", "content": [{ "type": "thinking", "thinking": words[1], "signature": "c2ln" }, { "type": "redacted_thinking", "data": "cmVk" }, { "type": "text", "text": words[2] }, { "type": "tool_use", "id": "toolu_1", "name": "w", "input": arguments }, { "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {} }] },
                { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_1", "content": words[3], "is_error": false }, { "type": "image", "source": { "type": "url", "url": "https://example.com/a.png" } }, { "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBERg==" }, "title": words[1], "context": "c", "citations": { "enabled": true } }] },
                { "role": "system", "content": words[2] },
            ],
        }),
        Dialect::Chat => json!({
            "model": "gpt-5.6",
            "tools": [{ "type": "function", "function": { "name": "w", "description": words[0], "parameters": { "type": "object" }, "strict": false } }, { "type": "custom", "custom": { "name": "sh", "format": { "type": "grammar", "grammar": { "syntax": "regex", "definition": "a+" } } } }],
            "messages": [
                { "role": "system", "content": words[0] }, { "role": "developer", "name": "d", "content": words[1] },
                { "role": "user", "name": "ann", "content": [{ "type": "text", "text": words[2] }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA==", "detail": "low" } }, { "type": "input_audio", "input_audio": { "data": "UklG", "format": "wav" } }, { "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg==" } }] },
                { "role": "assistant", "content": words[3], "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "w", "arguments": arguments.to_string() } }, { "id": "call_2", "type": "custom", "custom": { "name": "sh", "input": words[0] } }] },
                { "role": "tool", "tool_call_id": "call_1", "content": words[1] }, { "role": "tool", "tool_call_id": "call_2", "content": [{ "type": "text", "text": words[2] }] },
                { "role": "assistant", "content": null, "refusal": words[3] }, { "role": "user", "content": "and?" },
            ],
        }),
        Dialect::Responses => json!({
            "model": "gpt-5.6",
            "tools": [{ "type": "function", "name": "w", "parameters": { "type": "object" }, "strict": true, "output_schema": {} }, { "type": "custom", "name": "sh" }, { "type": "namespace", "name": "ns", "description": words[0], "tools": [{ "type": "function", "name": "x", "parameters": {}, "strict": false, "defer_loading": true }] }, { "type": "mcp", "server_label": "s", "server_url": "https://example.com" }],
            "input": [
                { "role": "developer", "content": words[0] },
                { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": words[1] }, { "type": "input_image", "image_url": "https://example.com/a.png", "detail": "high" }, { "type": "input_file", "file_url": "https://example.com/a.pdf" }] },
                { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": words[2] }], "encrypted_content": "gAAAA" },
                { "type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [{ "type": "output_text", "text": words[3], "annotations": [], "logprobs": [] }, { "type": "refusal", "refusal": "no" }] },
                { "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "w", "arguments": arguments.to_string() }, { "type": "custom_tool_call", "call_id": "call_2", "name": "sh", "input": words[0] },
                { "type": "function_call_output", "call_id": "call_1", "output": [{ "type": "input_text", "text": words[1] }, { "type": "input_image", "file_id": "file-1", "detail": "auto" }] }, { "type": "custom_tool_call_output", "call_id": "call_2", "output": words[2] },
                { "type": "web_search_call", "id": "ws_1", "status": "completed", "action": { "type": "search", "query": words[3] } },
            ],
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn generated_requests_come_back_as_they_were(
        words in prop::collection::vec("[^ ].{0,12}[^ ]", 4),
        picks in prop::collection::vec(any::<Option<prop::sample::Index>>(), 40),
    ) {
        for dialect in DIALECTS {
            let mut body = body(dialect, &words);
            let fields = fields(dialect);
            for ((key, values), pick) in fields.as_object().expect("fields").iter().zip(&picks) {
                let values = values.as_array().expect("values");
                if let Some(pick) = pick {
                    body[key] = values[pick.index(values.len())].clone();
                }
            }
            let changed = changed("generated", dialect, &body);
            prop_assert!(changed.is_empty(), "{}", changed.join("\n"));
        }
    }
}
