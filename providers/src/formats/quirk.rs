//! Where servers of OpenAI's chat format differ from OpenAI: flags that a vendor's row or a setting holds.
//! They count for requests that were turned into that format; a client's own chat request passes as it is.

use serde::Deserialize;

use super::hub::{Call, Content, Losses, Message, OutputFormat, Raw, Role, Tool, ToolChoice, ToolKind};
use super::hub::{INPUT, fingerprint};
use super::json;

/// One difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quirk {
    /// The limit of an answer is `max_tokens`, not `max_completion_tokens`.
    MaxTokens,
    /// There is no role `developer`.
    NoDeveloper,
    /// There is no `reasoning_effort`.
    NoEffort,
    /// There is no `prompt_cache_key`.
    NoCacheKey,
    /// There are no `store`, `metadata`, `safety_identifier`, `service_tier`.
    NoAccount,
    /// There is no `user`.
    NoUser,
    /// There is no `verbosity`.
    NoVerbosity,
    /// `response_format` is no schema, only `json_object`.
    NoSchema,
    /// There are no `stream_options`; usage comes in every stream.
    NoStreamOptions,
    /// Tools take JSON only, no free text.
    NoCustomTools,
    /// Thoughts of earlier turns are refused.
    NoThoughts,
    /// Thoughts of earlier turns stand in `reasoning`, not in `reasoning_content`.
    ReasoningWord,
    /// Ids of tool calls are nine letters and digits.
    ShortIds,
}

impl Quirk {
    /// The words a setting may hold.
    pub const WORDS: [&str; 13] = [
        "max_tokens",
        "no_developer",
        "no_effort",
        "no_cache_key",
        "no_account",
        "no_user",
        "no_verbosity",
        "no_schema",
        "no_stream_options",
        "no_custom_tools",
        "no_thoughts",
        "reasoning_word",
        "short_ids",
    ];
}

/// The differences of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks(Vec<Quirk>);

impl Quirks {
    /// These.
    pub fn of(quirks: &[Quirk]) -> Self {
        Quirks(quirks.to_vec())
    }

    /// Whether this is one of them.
    pub(in crate::formats) fn has(&self, quirk: Quirk) -> bool {
        self.0.contains(&quirk)
    }

    /// Takes out of a request what the server does not know, and says so. What is only spelled differently
    /// is left to the writer, which finds the quirks in the call.
    pub(in crate::formats) fn suit(&self, call: &mut Call<'_>, losses: &mut Losses) {
        let mut lose = |quirk: Quirk, there: bool, field: &str| {
            let lost = self.has(quirk) && there;
            if lost {
                losses.add(field, UNKNOWN);
            }
            lost
        };
        if lose(Quirk::NoEffort, call.reasoning.effort().is_some(), "reasoning_effort") {
            call.reasoning = Default::default();
        }
        if lose(Quirk::NoVerbosity, call.verbosity.is_some(), "verbosity") {
            call.verbosity = None;
        }
        if lose(Quirk::NoUser, call.user.is_some(), "user") {
            call.user = None;
        }
        if lose(Quirk::NoAccount, call.metadata.is_some(), "metadata") {
            call.metadata = None;
        }
        if lose(Quirk::NoAccount, call.service_tier.is_some(), "service_tier") {
            call.service_tier = None;
        }
        if lose(Quirk::NoAccount, call.safety_identifier.is_some(), "safety_identifier") {
            call.safety_identifier = None;
        }
        if lose(Quirk::NoAccount, call.store == Some(true), "store") || self.has(Quirk::NoAccount) {
            call.store = None;
        }
        let explicit = call.cache_key.is_some() || call.cache_retention.is_some();
        if lose(Quirk::NoCacheKey, explicit, "prompt_cache_key") {
            (call.cache_key, call.cache_retention) = (None, None);
        }
        if self.has(Quirk::NoSchema) && matches!(call.output, OutputFormat::Schema { .. }) {
            losses.add("response_format", "the server takes no schema: any JSON object is asked for");
            call.output = OutputFormat::JsonObject;
        }
        if self.has(Quirk::NoCustomTools) {
            call.tools.iter_mut().for_each(|tool| as_function(tool, losses));
            if let Some(ToolChoice::Named { custom, .. }) = &mut call.tool_choice {
                *custom = false;
            }
        }
        call.messages.iter_mut().for_each(|message| self.suit_message(message, losses));
        call.server = self.clone();
    }

    fn suit_message(&self, message: &mut Message<'_>, losses: &mut Losses) {
        if self.has(Quirk::NoDeveloper) && message.role == Role::Developer {
            message.role = Role::System;
        }
        if self.has(Quirk::NoThoughts) {
            let before = message.parts.len();
            message.parts.retain(|part| !matches!(part.content, Content::Thought(_)));
            if message.parts.len() < before {
                losses.add("messages.reasoning", UNKNOWN);
            }
        }
        for part in &mut message.parts {
            match &mut part.content {
                Content::Call(call) => {
                    if self.has(Quirk::ShortIds) {
                        call.id = short(&call.id).into();
                    }
                    if self.has(Quirk::NoCustomTools) && std::mem::take(&mut call.custom) {
                        call.arguments =
                            json::object_text(|object| object.text(INPUT, &call.arguments)).into();
                    }
                }
                Content::Result(result) => {
                    if self.has(Quirk::ShortIds) {
                        result.id = short(&result.id).into();
                    }
                    result.custom &= !self.has(Quirk::NoCustomTools);
                }
                _ => {}
            }
        }
    }
}

const UNKNOWN: &str = "the server does not know it";
const SHORT: usize = 9;

/// Nine letters and digits that stand for an id.
fn short(id: &str) -> String {
    if id.len() == SHORT && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    fingerprint(&[id])[..SHORT].to_owned()
}

/// A tool that takes free text becomes one that takes it as a field; the answer is turned back by its name.
fn as_function(tool: &mut Tool<'_>, losses: &mut Losses) {
    let ToolKind::Custom { format } = &tool.kind else { return };
    if format.is_some() {
        losses.add("tools.custom.format", "the server takes no grammar; the text is asked for as it is");
    }
    let schema = json::object_text(|schema| {
        schema.text("type", "object");
        schema.object("properties", |properties| {
            properties.object(INPUT, |input| input.text("type", "string"));
        });
        schema.array("required", |required| required.text(INPUT));
    });
    tool.kind = ToolKind::Function { schema: Some(Raw::owned(schema)), strict: None };
}

#[cfg(test)]
mod tests {
    use ccproxy_core::transform::{Facts, Transformer};
    use serde_json::{Value, json};

    use super::*;
    use crate::formats::{Dialect, Pair};

    /// The chat request that a server with these quirks gets, and the names of what was lost.
    fn turned(quirks: &[Quirk], client: Dialect, body: &Value) -> (Value, Vec<String>) {
        let pair = Pair::of(client, Dialect::Chat).suiting(Quirks::of(quirks));
        let turned = pair.request(&body.to_string().into(), Facts::default()).expect("turned");
        let lost = turned.losses.into_iter().map(|loss| loss.field).collect();
        (serde_json::from_slice(&turned.body).expect("JSON"), lost)
    }

    #[test]
    fn the_words_are_the_names() {
        for word in Quirk::WORDS {
            assert!(serde_json::from_value::<Quirk>(json!(word)).is_ok(), "{word}");
        }
    }

    #[test]
    fn fields_that_a_server_does_not_know_stay_away_and_are_told() {
        let body = json!({
            "model": "m", "max_output_tokens": 9, "reasoning": { "effort": "high" }, "store": false, "user": "u",
            "metadata": { "a": "b" }, "prompt_cache_key": "k", "service_tier": "flex", "safety_identifier": "s",
            "text": { "verbosity": "low", "format": { "type": "json_schema", "name": "x", "schema": { "type": "object" } } },
            "input": [{ "role": "developer", "content": "Be brief" }, { "role": "user", "content": "Hi" }], "stream": true,
        });
        let (plain, lost) = turned(&[], Dialect::Responses, &body);
        assert_eq!(lost, Vec::<String>::new());
        assert_eq!(plain["max_completion_tokens"], 9);
        assert_eq!(plain["messages"][0]["role"], "developer");
        let all: Vec<Quirk> =
            Quirk::WORDS.iter().map(|word| serde_json::from_value(json!(word)).expect("a quirk")).collect();
        let (suited, lost) = turned(&all, Dialect::Responses, &body);
        let expected = json!({
            "model": "m", "max_tokens": 9, "stream": true, "response_format": { "type": "json_object" },
            "messages": [{ "role": "system", "content": "Be brief" }, { "role": "user", "content": "Hi" }],
        });
        assert_eq!(suited, expected);
        for name in [
            "reasoning_effort",
            "verbosity",
            "user",
            "metadata",
            "service_tier",
            "safety_identifier",
            "prompt_cache_key",
            "response_format",
        ] {
            assert!(lost.iter().any(|lost| lost == name), "{name}: {lost:?}");
        }
        assert!(!lost.contains(&"store".to_owned()), "not to store is what happens anyway");
    }

    #[test]
    fn ids_are_short_and_still_belong_together() {
        let body = json!({ "model": "m", "max_tokens": 9, "messages": [
            { "role": "user", "content": "Look" },
            { "role": "assistant", "content": [{ "type": "tool_use", "id": "toolu_01ABCDEFGHIJKL", "name": "look", "input": {} }] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_01ABCDEFGHIJKL", "content": "there" }] },
        ] });
        let (suited, _) = turned(&[Quirk::ShortIds], Dialect::Messages, &body);
        let id = suited["messages"][1]["tool_calls"][0]["id"].as_str().expect("an id");
        assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        assert_eq!(suited["messages"][2]["tool_call_id"], id);
        assert_eq!(short("abcDEF123"), "abcDEF123");
    }

    #[test]
    fn free_text_travels_as_a_field_and_comes_back_as_text() {
        let body = json!({ "model": "m", "tools": [{ "type": "custom", "name": "apply_patch", "format": { "type": "grammar", "syntax": "lark", "definition": "x" } }],
            "tool_choice": { "type": "custom", "name": "apply_patch" },
            "input": [
                { "type": "message", "role": "user", "content": "Mend it" },
                { "type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin" },
                { "type": "custom_tool_call_output", "call_id": "c1", "output": "done" },
            ] });
        let pair = Pair::of(Dialect::Responses, Dialect::Chat).suiting(Quirks::of(&[Quirk::NoCustomTools]));
        let mut turned = pair.request(&body.to_string().into(), Facts::default()).expect("turned");
        let sent: Value = serde_json::from_slice(&turned.body).expect("JSON");
        assert_eq!(sent["tools"][0]["function"]["parameters"]["required"], json!(["input"]));
        assert_eq!(sent["tool_choice"], json!({ "type": "function", "function": { "name": "apply_patch" } }));
        assert_eq!(
            sent["messages"][1]["tool_calls"][0]["function"]["arguments"],
            "{\"input\":\"*** Begin\"}"
        );
        let answer = json!({ "id": "x", "object": "chat.completion", "model": "m", "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": null, "tool_calls": [{ "id": "c2", "type": "function", "function": { "name": "apply_patch", "arguments": "{\"input\":\"*** End\"}" } }] } }] });
        let back = turned.back.whole(answer.to_string().as_bytes()).expect("an answer");
        let back: Value = serde_json::from_slice(&back).expect("JSON");
        assert_eq!(back["output"][0]["type"], "custom_tool_call");
        assert_eq!(back["output"][0]["input"], "*** End");
    }

    #[test]
    fn thoughts_stand_where_the_server_looks_for_them() {
        let body = json!({ "model": "m", "max_tokens": 9, "messages": [
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "content": [{ "type": "thinking", "thinking": "hm", "signature": "s" }, { "type": "text", "text": "Ho" }] },
            { "role": "user", "content": "And?" },
        ] });
        let (suited, _) = turned(&[], Dialect::Messages, &body);
        assert_eq!(suited["messages"][1]["reasoning_content"], "hm");
        let (suited, _) = turned(&[Quirk::ReasoningWord], Dialect::Messages, &body);
        assert_eq!(suited["messages"][1]["reasoning"], "hm");
        let (suited, lost) = turned(&[Quirk::NoThoughts], Dialect::Messages, &body);
        assert_eq!(suited["messages"][1], json!({ "role": "assistant", "content": "Ho" }));
        assert!(lost.contains(&"messages.reasoning".to_owned()));
    }
}
