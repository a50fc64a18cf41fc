//! What Copilot wants to know of a request beside it: who began it, which decides whether it counts against the
//! subscription, and whether there are images in it. Read from the body as the client wrote it.

use ccproxy_core::document::{Document, Json};

/// Who began a request: the last word in it is a person's, or an agent goes on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Initiator {
    User,
    Agent,
}

impl Initiator {
    pub(super) fn word(self) -> &'static str {
        match self {
            Initiator::User => "user",
            Initiator::Agent => "agent",
        }
    }
}

/// Looks at a request of any of the three formats.
pub(super) fn look(body: &Document) -> (Initiator, bool) {
    let Some(root) = body.root() else { return (Initiator::User, false) };
    let Some(turns) = root.key("messages").or_else(|| root.key("input")) else {
        return (Initiator::User, false);
    };
    let (mut last, mut images) = (Initiator::User, false);
    for (_, turn) in turns.children().into_iter().flatten() {
        last = initiator(&turn);
        images = images || parts(&turn).any(|part| shows(&part));
    }
    (last, images)
}

fn initiator(turn: &Json<'_>) -> Initiator {
    let results = |part: Json<'_>| kind(&part, &["tool_result"]);
    let persons = match turn.key("role").and_then(|role| role.as_str()) {
        // In Messages results of tools are the user's words; with a text beside them a person spoke too.
        Some(role) => role == "user" && !(parts(turn).any(results) && parts(turn).all(results)),
        // A bare item of Responses: a call, its output, a thought.
        None => turn.key("type").is_none(),
    };
    if persons { Initiator::User } else { Initiator::Agent }
}

/// The parts of a message, or of what a tool put out.
fn parts<'a>(turn: &Json<'a>) -> impl Iterator<Item = Json<'a>> + use<'a> {
    children(turn.key("content")).chain(children(turn.key("output")))
}

fn children<'a>(json: Option<Json<'a>>) -> impl Iterator<Item = Json<'a>> + use<'a> {
    json.and_then(|json| json.children()).into_iter().flatten().map(|(_, part)| part)
}

/// Also one inside the result of a tool.
fn shows(part: &Json<'_>) -> bool {
    is_image(part) || children(part.key("content")).any(|inner| is_image(&inner))
}

fn is_image(part: &Json<'_>) -> bool {
    kind(part, &["image_url", "input_image", "image"])
}

fn kind(part: &Json<'_>, kinds: &[&str]) -> bool {
    part.key("type").and_then(|kind| kind.as_str()).is_some_and(|kind| kinds.contains(&&*kind))
}

#[cfg(test)]
mod tests {
    use super::Initiator::{Agent, User};
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_last_word_decides_and_images_are_found_anywhere() {
        let user = json!({ "role": "user", "content": "hi" });
        let image = |kind: &str| json!({ "role": "user", "content": [{ "type": kind }, { "type": "text", "text": "?" }] });
        let result = |content: Value| json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "1", "content": content }] });
        for (body, initiator, images) in [
            (json!({ "messages": [user] }), User, false),
            (
                json!({ "messages": [user, { "role": "assistant", "content": null }, { "role": "tool", "content": "x" }] }),
                Agent,
                false,
            ),
            (json!({ "messages": [user, { "role": "assistant", "content": "x" }] }), Agent, false),
            (
                json!({ "messages": [image("image_url"), { "role": "assistant", "content": "x" }, user] }),
                User,
                true,
            ),
            (json!({ "messages": [user, result(json!("done"))] }), Agent, false),
            (json!({ "messages": [result(json!([{ "type": "image" }]))] }), Agent, true),
            (
                json!({ "messages": [{ "role": "user", "content": [{ "type": "tool_result" }, { "type": "text", "text": "and?" }] }] }),
                User,
                false,
            ),
            (json!({ "input": "hi" }), User, false),
            (json!({ "input": [{ "role": "user", "content": [{ "type": "input_image" }] }] }), User, true),
            (
                json!({ "input": [user, { "type": "function_call" }, { "type": "function_call_output", "output": "x" }] }),
                Agent,
                false,
            ),
            (
                json!({ "input": [user, { "type": "function_call_output", "output": [{ "type": "input_image" }] }] }),
                Agent,
                true,
            ),
            (json!({ "input": ["a", "b"], "model": "text-embedding" }), User, false),
            (json!({}), User, false),
        ] {
            let document = Document::new(body.to_string().into());
            assert_eq!(look(&document), (initiator, images), "{body}");
        }
    }
}
