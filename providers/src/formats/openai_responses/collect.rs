//! A stream of Responses as the one answer that a client asked for: some servers only stream.

use std::collections::BTreeMap;

use bytes::Bytes;
use ccproxy_core::document::{Document, Json, Kind, Path};
use ccproxy_core::error::{Error, Kind as Side, Result};
use ccproxy_core::sse::{Decoder, Event};
use http::StatusCode;

use super::wire;
use crate::formats::json::text_at;
use crate::formats::openai_error::{fault, fault_body};

/// Most bytes of one stream.
const LONGEST: usize = 64 << 20;
/// Most items that one answer may have.
const MOST: usize = 10_000;

/// Collects one stream.
#[derive(Default)]
pub(crate) struct Collector {
    decoder: Decoder,
    came: usize,
    /// Items that are done, by their place.
    items: BTreeMap<u64, Bytes>,
    answer: Option<(StatusCode, Bytes)>,
}

impl Collector {
    /// Takes bytes, cut anywhere. True once the last event was there.
    pub(crate) fn feed(&mut self, bytes: Bytes) -> Result<bool> {
        self.came += bytes.len();
        if self.came > LONGEST {
            return Err(Error::upstream(Side::BadGateway, "the provider's stream is too long"));
        }
        self.decoder.feed(bytes);
        while self.answer.is_none() {
            let Some(event) = self.decoder.pull()? else { break };
            self.event(&event)?;
        }
        Ok(self.answer.is_some())
    }

    /// The stream is over: status and body of the answer. A stream without its last event is no answer.
    pub(crate) fn finish(mut self) -> Result<(StatusCode, Bytes)> {
        if self.answer.is_none()
            && let Some(event) = self.decoder.finish().event
        {
            self.event(&event)?;
        }
        self.answer.ok_or_else(|| {
            Error::upstream(Side::BadGateway, "the provider's stream ended before its last event")
        })
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        let kind = &*wire::kind(event);
        if kind != b"response.output_item.done" && !wire::is_terminal(kind) {
            return Ok(());
        }
        let Some(data) = Json::whole(&event.data) else {
            return Err(Error::upstream(Side::BadGateway, "an event of the provider's stream is not JSON"));
        };
        match kind {
            b"response.output_item.done" => {
                let next = self.items.last_key_value().map_or(0, |(last, _)| last + 1);
                let place = data.key("output_index").and_then(|place| place.as_u64()).unwrap_or(next);
                if let Some(item) = data.key("item").filter(|_| self.items.len() < MOST) {
                    self.items.insert(place, Bytes::copy_from_slice(item.raw()));
                }
            }
            b"error" => self.fail(&data),
            _ => {
                let response = data.key("response").unwrap_or_else(|| data.clone());
                match text_at(&response, "status").as_deref() {
                    Some("failed") => self.fail(&response),
                    _ if kind == b"response.failed" => self.fail(&response),
                    _ => self.answer = Some((StatusCode::OK, self.whole(&response)?)),
                }
            }
        }
        Ok(())
    }

    /// The response object, with the items that the backend leaves out of it (it told them already).
    fn whole(&self, response: &Json<'_>) -> Result<Bytes> {
        let mut document = Document::new(Bytes::copy_from_slice(response.raw()));
        let told = response.key("output").filter(|output| output.kind() == Kind::Array);
        if told.and_then(|output| output.len()).unwrap_or(0) == 0 {
            let items: Vec<&[u8]> = self.items.values().map(|item| &**item).collect();
            let output = [b"[", &items.join(&b","[..])[..], b"]"].concat();
            let set = Path::parse("output").map(|path| document.set(&path, &output));
            if !matches!(set, Ok(Ok(()))) {
                return Err(Error::upstream(
                    Side::BadGateway,
                    "the provider's answer is not the JSON it should be",
                ));
            }
        }
        Ok(document.bytes().clone())
    }

    fn fail(&mut self, json: &Json<'_>) {
        let fault = fault(json);
        self.answer = Some((fault.kind.status(), fault_body(&fault).into()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn collect(stream: &str, size: usize) -> Result<(u16, Value)> {
        let mut collector = Collector::default();
        for piece in stream.as_bytes().chunks(size) {
            collector.feed(Bytes::copy_from_slice(piece))?;
        }
        let (status, body) = collector.finish()?;
        Ok((status.as_u16(), serde_json::from_slice(&body).expect("JSON")))
    }

    fn stream(events: &[Value]) -> String {
        events
            .iter()
            .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("")))
            .collect()
    }

    fn done(place: Option<u64>, name: &str) -> Value {
        let mut event = json!({ "type": "response.output_item.done", "item": { "name": name } });
        if let Some(place) = place {
            event["output_index"] = place.into();
        }
        event
    }

    #[test]
    fn the_terminal_object_is_the_answer_with_the_items_that_were_told() {
        for output in [json!({}), json!({ "output": null }), json!({ "output": [] }), json!({ "output": {} })]
        {
            let mut response = json!({ "id": "r", "status": "completed", "usage": { "input_tokens": 1.0 } });
            response
                .as_object_mut()
                .expect("an object")
                .extend(output.as_object().expect("an object").clone());
            let events = [
                json!({ "type": "response.created", "response": { "id": "r" } }),
                json!({ "type": "codex.rate_limits", "x": 1 }),
                done(Some(1), "b"),
                done(Some(0), "a"),
                json!({ "type": "response.completed", "response": response }),
            ];
            for size in [1, 7, 10_000] {
                let (status, body) = collect(&stream(&events), size).expect("an answer");
                assert_eq!((status, &body["usage"]), (200, &json!({ "input_tokens": 1.0 })));
                assert_eq!(body["output"], json!([{ "name": "a" }, { "name": "b" }]), "{output}");
            }
        }
        let told = json!({ "type": "response.incomplete", "response": { "status": "incomplete", "output": [{ "own": 1 }] } });
        let (status, body) = collect(&stream(&[done(None, "a"), told.clone()]), 99).expect("an answer");
        assert_eq!((status, body), (200, told["response"].clone()));
    }

    #[test]
    fn a_failure_has_its_status() {
        for (event, status) in [
            (
                json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": "rate_limit_exceeded", "message": "slow" } } }),
                429,
            ),
            (
                json!({ "type": "response.failed", "response": { "error": { "code": "server_is_overloaded", "message": "slow" } } }),
                529,
            ),
            (
                json!({ "type": "response.failed", "response": { "error": { "code": "context_length_exceeded", "message": "slow" } } }),
                400,
            ),
            (json!({ "type": "response.failed", "response": { "error": null } }), 500),
            (json!({ "type": "error", "error": { "type": "usage_limit_reached", "message": "slow" } }), 429),
            (json!({ "type": "error", "message": "slow", "code": null }), 500),
        ] {
            let (told, body) = collect(&stream(&[done(None, "a"), event.clone()]), 50).expect("an answer");
            assert_eq!(told, status, "{event}");
            assert!(body["error"]["message"].is_string(), "{body}");
        }
    }

    /// Some servers leave the names of events out, and have their type anywhere in the data.
    #[test]
    fn events_need_no_names() {
        let text = "data: {\"item\":{\"type\":\"message\"},\"type\":\"response.output_item.done\"}\n\n\
            data: {\"response\":{\"type\":\"x\",\"id\":\"r\"},\"type\":\"response.completed\"}\n\n";
        let (status, body) = collect(text, 9).expect("an answer");
        assert_eq!(
            (status, body),
            (200, json!({ "type": "x", "id": "r", "output": [{ "type": "message" }] }))
        );
    }

    #[test]
    fn a_cut_stream_is_no_answer() {
        let events = [done(None, "a"), json!({ "type": "response.completed", "response": {} })];
        let text = stream(&events);
        for end in [0, 10, text.len() - 40, text.len() - 2] {
            let error = collect(&text[..end], 20).expect_err("no answer");
            assert_eq!(error.kind(), Side::BadGateway);
        }
        assert!(collect("event: response.completed\ndata: {oops\n\n", 20).is_err());
    }
}
