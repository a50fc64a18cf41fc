//! [`Event`]s -> Responses answer, streamed or whole. The same output items are built both ways; a stream
//! tells them as they grow.

mod item;
mod response;

use bytes::BytesMut;

use crate::formats::hub::{Brief, Event, Fault, Sink, Start, Stop, Tokens};
use crate::formats::json::{self, Object};
use crate::formats::openai_error::{fault_detail, param};
use item::Item;

pub(in crate::formats) use response::echo;

/// Writes one answer.
pub(in crate::formats) struct Writer {
    brief: Brief,
    out: Vec<u8>,
    id: String,
    created: u64,
    started: bool,
    done: bool,
    /// The next event's number.
    number: u64,
    /// Items that are whole.
    items: Vec<String>,
    open: Option<Item>,
    refused: bool,
    tokens: Tokens,
    stop: Option<Stop<'static>>,
}

impl Writer {
    pub(in crate::formats) fn new(brief: Brief) -> Self {
        Writer {
            created: brief.created,
            brief,
            out: Vec::new(),
            id: String::new(),
            started: false,
            done: false,
            number: 0,
            items: Vec::new(),
            open: None,
            refused: false,
            tokens: Tokens::default(),
            stop: None,
        }
    }

    /// The bytes that are ready.
    pub(in crate::formats) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Appends the bytes that are ready.
    pub(in crate::formats) fn pour(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.out);
        self.out.clear();
    }

    fn emit(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        if !self.brief.stream {
            return;
        }
        self.out.extend_from_slice(b"event: ");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\ndata: ");
        let number = self.number;
        json::write_object(&mut self.out, |event| {
            event.text("type", name);
            event.number("sequence_number", number);
            fill(event);
        });
        self.out.extend_from_slice(b"\n\n");
        self.number += 1;
    }

    /// An event of the open item.
    fn emit_item(&mut self, name: &str, id: &str, fill: impl FnOnce(&mut Object<'_>)) {
        let index = self.items.len() as u64;
        self.emit(name, |event| {
            event.text("item_id", id);
            event.number("output_index", index);
            fill(event);
        });
    }

    fn start(&mut self, start: &Start<'_>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.id = self.brief.id("resp_", &start.id);
        self.created = start.created.unwrap_or(self.brief.created);
        if self.brief.stream {
            let response = self.response("in_progress", None);
            self.emit("response.created", |event| event.raw("response", &response));
            self.emit("response.in_progress", |event| event.raw("response", &response));
        }
    }

    fn end(&mut self) {
        self.start(&Start::default());
        self.close_item();
        self.done = true;
        let incomplete = match &self.stop {
            Some(Stop::MaxTokens | Stop::ContextFull) => Some("max_output_tokens"),
            // A refusal in words is an answer.
            Some(Stop::Refusal) if !self.refused => Some("content_filter"),
            _ => None,
        };
        let status = if incomplete.is_some() { "incomplete" } else { "completed" };
        let response = self.response(status, incomplete);
        match self.brief.stream {
            true => {
                let name = if incomplete.is_some() { "response.incomplete" } else { "response.completed" };
                self.emit(name, |event| event.raw("response", &response));
            }
            false => self.out = response.into_bytes(),
        }
    }

    fn fail(&mut self, fault: &Fault<'_>) {
        self.done = true;
        if self.brief.stream {
            let event = super::wire::fault_event(fault, self.number);
            self.out.extend_from_slice(&event);
        } else {
            let param = param(fault);
            let detail = serde_json::to_string(&fault_detail(fault, param.as_deref())).unwrap_or_default();
            self.out = json::object(|body| body.raw("error", &detail));
        }
    }
}

impl Sink for Writer {
    fn take(&mut self, event: Event<'_>) {
        if self.done {
            return;
        }
        if !self.started
            && !matches!(event, Event::Start(_) | Event::Tokens(_) | Event::Error(_) | Event::Ping)
        {
            self.start(&Start::default());
        }
        match event {
            Event::Start(start) => self.start(&start),
            Event::Open(piece) => self.open_piece(piece),
            Event::Text(text) => self.text(&text),
            Event::Break => self.next_summary(),
            Event::Logprobs(entries) => self.likely(entries),
            Event::Seal(seal) => self.seal(&seal),
            Event::Cite(citation) => self.cite(&citation),
            Event::Close => self.close_piece(),
            Event::Tokens(tokens) => self.tokens.update(tokens),
            Event::Stop(_) => {
                if let Event::Stop(stop) = event.into_owned() {
                    self.stop = Some(stop);
                }
            }
            Event::End => self.end(),
            Event::Error(fault) => self.fail(&fault),
            Event::Ping if self.brief.stream => self.out.extend_from_slice(b": ping\n\n"),
            Event::Ping => {}
        }
    }
}
