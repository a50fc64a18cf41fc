//! Scenes for real clients: a script that plays a conversation as the Anthropic API would.
//! Clients send small requests of their own beside the conversation; those get an ordinary answer.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::{Recorded, Reply, anthropic};

/// The words of the last answer of a scene.
pub const DONE: &str = "All of it, to the last word";
/// The signature of the thinking in [`tool_turn`].
pub const SIGNATURE: &str = "EqQBCgIYAhIkc2lnbmVk+/8=";

/// These replies, one after the other, to requests of the conversation; from then on [`DONE`].
pub fn first(replies: impl IntoIterator<Item = Reply>) -> impl Fn(&Recorded) -> Reply + Send + Sync {
    let queue = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
    move |request| {
        let reply = conversation(request).then(|| queue.lock().unwrap().pop_front()).flatten();
        reply.unwrap_or_else(|| done(request))
    }
}

/// This reply to every request of the conversation.
pub fn always(reply: Reply) -> impl Fn(&Recorded) -> Reply + Send + Sync {
    move |request| if conversation(request) { reply.clone() } else { done(request) }
}

/// Calls a tool with these arguments until a result comes back, thinking first; then [`DONE`].
pub fn tool_turn(tool: &str, input: &Value) -> impl Fn(&Recorded) -> Reply + Send + Sync + use<> {
    let events = tool_call(tool, input);
    let message = anthropic::message_of("tool_use", &blocks(tool, input));
    move |request| {
        if !conversation(request) || results(request).next().is_some() {
            done(request)
        } else if request.wants_stream() {
            named(Reply::stream(events.clone()))
        } else {
            named(Reply::json(200, &message))
        }
    }
}

/// The results of tools in a request's conversation.
pub fn results(request: &Recorded) -> impl Iterator<Item = Value> {
    contents(request).into_iter().filter(|block| block["type"] == "tool_result")
}

/// Every content block of every message in a request.
pub fn contents(request: &Recorded) -> Vec<Value> {
    let messages = request.json()["messages"].as_array().cloned().unwrap_or_default();
    messages.iter().flat_map(|message| message["content"].as_array().cloned().unwrap_or_default()).collect()
}

/// Whether this request is one of the conversation, not one the client makes for itself (counts, titles).
pub fn conversation(request: &Recorded) -> bool {
    let path = request.target();
    let model = request.json()["model"].as_str().unwrap_or_default().to_owned();
    path.split('?').next().is_some_and(|path| path.ends_with("/messages")) && !model.contains("haiku")
}

/// A stream that ends in the middle of its text, before anything that could end it.
pub fn half() -> Vec<String> {
    let mut events = anthropic::events("Half an answer that must never be shown as whole");
    events.truncate(8);
    events
}

/// The headers that every answer of the API has.
pub fn named(reply: Reply) -> Reply {
    reply
        .header("request-id", "req_scene_1")
        .header("anthropic-ratelimit-requests-remaining", "41")
        .header("anthropic-ratelimit-unified-status", "allowed")
}

/// What a healthy API says: [`DONE`] to a conversation, an ordinary answer to the rest.
pub fn done(request: &Recorded) -> Reply {
    let path = request.target();
    if !path.split('?').next().is_some_and(|path| path.ends_with("/messages")) {
        return anthropic::answer(request);
    }
    named(if request.wants_stream() {
        Reply::stream(anthropic::events(DONE))
    } else {
        Reply::json(200, &anthropic::message(DONE))
    })
}

fn blocks(tool: &str, input: &Value) -> Value {
    json!([
        { "type": "thinking", "thinking": "I must look – 考える", "signature": SIGNATURE },
        { "type": "text", "text": "I look" },
        { "type": "tool_use", "id": "toolu_scene_1", "name": tool, "input": input },
    ])
}

/// The stream of [`blocks`]; the tool's arguments come in pieces of five bytes.
fn tool_call(tool: &str, input: &Value) -> Vec<String> {
    let thinking = json!({ "type": "thinking", "thinking": "", "signature": "" });
    let call = json!({ "type": "tool_use", "id": "toolu_scene_1", "name": tool, "input": {} });
    let mut events = vec![anthropic::start(), anthropic::block(0, &thinking)];
    events.push(anthropic::delta(0, &json!({ "type": "thinking_delta", "thinking": "I must look " })));
    events.push(anthropic::delta(0, &json!({ "type": "thinking_delta", "thinking": "– 考える" })));
    events.push(anthropic::delta(0, &json!({ "type": "signature_delta", "signature": SIGNATURE })));
    events.push(anthropic::stop(0));
    events.push(anthropic::block(1, &json!({ "type": "text", "text": "" })));
    events.push(anthropic::delta(1, &json!({ "type": "text_delta", "text": "I look" })));
    events.push(anthropic::stop(1));
    events.push(anthropic::block(2, &call));
    let arguments: Vec<char> = input.to_string().chars().collect();
    for piece in std::iter::once(&[][..]).chain(arguments.chunks(5)) {
        let part: String = piece.iter().collect();
        events.push(anthropic::delta(2, &json!({ "type": "input_json_delta", "partial_json": part })));
    }
    events.push(anthropic::stop(2));
    events.extend(anthropic::end("tool_use"));
    events
}
