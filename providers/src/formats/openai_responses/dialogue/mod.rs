//! Responses over a websocket: <https://platform.openai.com/docs/guides/websocket-mode>. `response.create` with
//! all the input, or with an earlier answer's id and what is new; the upstream always gets the whole.

mod frames;
mod head;
mod history;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use ccproxy_core::Error;
use ccproxy_core::document::{Json, Kind};
use ccproxy_core::sse::Event;
use ccproxy_core::websocket::{Dialogue, Facts, Said};
use http::{HeaderMap, StatusCode};

use super::wire;
use crate::formats::json::{self, text_at};
use frames::Refusal;
use head::Head;
use history::{History, Items};

/// One client's conversation.
pub(super) struct Responses {
    history: History,
    head: Head,
    /// What is being answered.
    asked: Option<Asked>,
    over: bool,
}

/// A request whose answer is coming.
struct Asked {
    input: Items,
    output: Items,
}

impl Responses {
    /// Keeps at most `limit` bytes of a conversation.
    pub(super) fn new(limit: usize) -> Self {
        Responses { history: History::new(limit), head: Head::default(), asked: None, over: false }
    }

    fn create(&mut self, json: &Json<'_>, headers: &mut HeaderMap, facts: &Facts) -> Result<Said, Refusal> {
        if json.key("stream_id").is_some_and(|id| id.kind() != Kind::Null) {
            return Err(
                Refusal::of("`stream_id` is not known here: one conversation a socket").about("stream_id")
            );
        }
        let mut input = match json.key("previous_response_id") {
            None => Items::default(),
            Some(id) if id.kind() == Kind::Null => Items::default(),
            Some(id) => {
                let id = id.as_str().unwrap_or_default();
                self.history.find(&id).ok_or_else(|| Refusal::unknown(&id))?
            }
        };
        match json.key("input") {
            Some(new) if new.kind() == Kind::Array => input.push_array(&new),
            Some(text) if text.kind() == Kind::String => input.push(user_message(text.raw())),
            Some(new) if new.kind() != Kind::Null => {
                let message = format!("`input` must be a string or an array, not {}", new.kind().name());
                return Err(Refusal::of(message).about("input"));
            }
            _ => {}
        }
        if json.key("generate").and_then(|generate| generate.as_bool()) == Some(false) {
            let model = text_at(json, "model").unwrap_or_default();
            let (id, messages) = frames::warmed(&model, facts);
            self.history.keep(id, input);
            return Ok(Said::Answer(messages));
        }
        let body = request(json, &input);
        self.head.ask(json, headers);
        self.asked = Some(Asked { input, output: Items::default() });
        self.over = false;
        Ok(Said::Ask(body.into()))
    }

    /// An answer is whole: what was asked and answered is what the next request may build on.
    fn remember(&mut self, event: &Json<'_>) {
        let Some(asked) = self.asked.take() else { return };
        let Some(response) = event.key("response") else { return };
        let Some(id) = text_at(&response, "id") else { return };
        let Asked { mut input, output } = asked;
        match response.key("output") {
            Some(told) if output.is_empty() && told.kind() == Kind::Array => input.push_array(&told),
            _ => input.append(output),
        }
        self.history.keep(id.into_owned(), input);
    }
}

impl Dialogue for Responses {
    fn opened(&self, headers: &mut HeaderMap) {
        head::forget_socket(headers);
    }

    fn hear(&mut self, message: &Bytes, headers: &mut HeaderMap, facts: &Facts) -> Said {
        let Some(json) = Json::whole(message).filter(|json| json.kind() == Kind::Object) else {
            return Refusal::of("a message must be one JSON object").said();
        };
        match text_at(&json, "type").as_deref() {
            Some("response.create") => self.create(&json, headers, facts).unwrap_or_else(Refusal::said),
            // Older Codex confirms what it has read.
            Some("response.processed") => Said::Nothing,
            Some(other) => Refusal::of(format!("`{other}` is not known here; send `response.create`")).said(),
            None => Refusal::of("`type` is missing; send `response.create`").about("type").said(),
        }
    }

    fn begin(&mut self, headers: &HeaderMap) -> Option<Bytes> {
        self.head.begin(headers)
    }

    fn event(&mut self, event: &Event) -> Option<Bytes> {
        // Comments say nothing here, and `[DONE]` is no event of this format.
        if self.over || event.data.first() != Some(&b'{') {
            return None;
        }
        let kind = &*wire::kind(event);
        if kind == b"response.output_item.done" {
            if let (Some(asked), Some(item)) =
                (&mut self.asked, Json::whole(&event.data).and_then(|e| e.key("item")))
            {
                asked.output.push(item.raw().to_vec());
            }
            return Some(event.data.clone());
        }
        if !wire::is_terminal(kind) {
            return Some(event.data.clone());
        }
        self.over = true;
        if let (b"response.completed" | b"response.incomplete", Some(json)) = (kind, Json::whole(&event.data))
        {
            self.remember(&json);
        }
        self.asked = None;
        Some(if kind == b"error" { frames::error_event(&event.data) } else { event.data.clone() })
    }

    fn over(&self) -> bool {
        self.over
    }

    fn whole(&mut self, body: &Bytes) -> Vec<Bytes> {
        let response =
            Json::whole(body).filter(|json| text_at(json, "object").as_deref() == Some("response"));
        let Some(response) = response else {
            return vec![frames::garbage()];
        };
        let events = frames::events_of(&response);
        events.iter().filter_map(|event| self.event(event)).collect()
    }

    fn refused(&mut self, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Bytes {
        (self.asked, self.over) = (None, true);
        frames::refused(status, headers, body)
    }

    fn broken(&mut self, error: &Error) -> Bytes {
        (self.asked, self.over) = (None, true);
        frames::broken(error)
    }
}

/// The body for HTTP: the whole input, streamed, without what is about the socket.
fn request(json: &Json<'_>, input: &Items) -> Vec<u8> {
    const OURS: [&str; 7] =
        ["type", "generate", "previous_response_id", "input", "stream", "background", "stream_id"];
    json::object(|body| {
        let children = json.children().into_iter().flatten();
        for (key, value) in children.filter_map(|(key, value)| Some((key?, value))) {
            if !OURS.contains(&&*key) {
                body.raw(&key, &String::from_utf8_lossy(value.raw()));
            }
        }
        body.boolean("stream", true);
        body.raw("input", &input.array());
    })
}

/// A text that stands for a message of the user; `text` is its JSON.
fn user_message(text: &[u8]) -> Vec<u8> {
    json::object(|message| {
        message.text("type", "message");
        message.text("role", "user");
        message.array("content", |content| {
            content.object(|part| {
                part.text("type", "input_text");
                part.raw("text", &String::from_utf8_lossy(text));
            });
        });
    })
}
