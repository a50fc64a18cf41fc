//! A reader and a writer of whichever format.

use bytes::BytesMut;
use ccproxy_core::document::Json;

use super::hub::{Brief, Dialect, Event, Losses, Sink};
use super::{anthropic_messages, openai_chat, openai_responses};

/// A reader of any format.
pub(super) enum Reader {
    Messages(anthropic_messages::Reader),
    Chat(openai_chat::Reader),
    Responses(openai_responses::Reader),
}

impl Reader {
    pub(super) fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Messages => Reader::Messages(Default::default()),
            Dialect::Chat => Reader::Chat(Default::default()),
            Dialect::Responses => Reader::Responses(Default::default()),
        }
    }

    pub(super) fn event(&mut self, data: &[u8], sink: &mut dyn Sink, losses: &mut Losses) {
        match self {
            Reader::Messages(reader) => reader.event(data, sink, losses),
            Reader::Chat(reader) => reader.event(data, sink, losses),
            Reader::Responses(reader) => reader.event(data, sink, losses),
        }
    }

    pub(super) fn whole(&mut self, json: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        match self {
            Reader::Messages(reader) => reader.whole(json, sink, losses),
            Reader::Chat(reader) => reader.whole(json, sink, losses),
            Reader::Responses(reader) => reader.whole(json, sink, losses),
        }
    }

    pub(super) fn finish(&mut self, sink: &mut dyn Sink) {
        match self {
            Reader::Messages(reader) => reader.finish(sink),
            Reader::Chat(reader) => reader.finish(sink),
            Reader::Responses(reader) => reader.finish(sink),
        }
    }

    pub(super) fn done(&self) -> bool {
        match self {
            Reader::Messages(reader) => reader.done(),
            Reader::Chat(reader) => reader.done(),
            Reader::Responses(reader) => reader.done(),
        }
    }
}

/// A writer of any format.
pub(super) enum Writer {
    Messages(anthropic_messages::Writer),
    Chat(openai_chat::Writer),
    Responses(openai_responses::Writer),
}

impl Writer {
    pub(super) fn new(dialect: Dialect, brief: Brief) -> Self {
        match dialect {
            Dialect::Messages => Writer::Messages(anthropic_messages::Writer::new(brief)),
            Dialect::Chat => Writer::Chat(openai_chat::Writer::new(brief)),
            Dialect::Responses => Writer::Responses(openai_responses::Writer::new(brief)),
        }
    }

    /// Appends the bytes that are ready.
    pub(super) fn pour(&mut self, out: &mut BytesMut) {
        match self {
            Writer::Messages(writer) => writer.pour(out),
            Writer::Chat(writer) => writer.pour(out),
            Writer::Responses(writer) => writer.pour(out),
        }
    }

    pub(super) fn take_bytes(&mut self) -> Vec<u8> {
        match self {
            Writer::Messages(writer) => writer.take_bytes(),
            Writer::Chat(writer) => writer.take_bytes(),
            Writer::Responses(writer) => writer.take_bytes(),
        }
    }
}

impl Sink for Writer {
    fn take(&mut self, event: Event<'_>) {
        match self {
            Writer::Messages(writer) => writer.take(event),
            Writer::Chat(writer) => writer.take(event),
            Writer::Responses(writer) => writer.take(event),
        }
    }
}
