//! The transformer of a pair of formats: a reader of one, a writer of the other, the hub between.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ccproxy_core::document::Json;
use ccproxy_core::error::{Error, Kind, Result};
use ccproxy_core::sse::Decoder;
use ccproxy_core::transform::{Back, Facts, Loss, Transformer, Turned};
use http::StatusCode;

use super::either::{Reader, Writer};
use super::hub::{Brief, Call, Dialect, Event, Fault, Losses, Names, Restore, Sink, tell_calls_apart};
use super::openai_error::UNPAID;
use super::quirk::Quirks;
use super::wording::plain_words;
use super::{anthropic_messages, openai_chat, openai_error, openai_responses};

const CUT: &str = "the provider's stream ended before its last event";
/// Most bytes of one stream: writers keep what they must repeat at its end.
const LONGEST: usize = 64 << 20;

/// From the client's format to the provider's, and back.
#[derive(Debug)]
pub struct Pair {
    client: Dialect,
    provider: Dialect,
    quirks: Quirks,
}

impl Pair {
    /// Clients of one format on a provider of another.
    pub fn of(client: Dialect, provider: Dialect) -> Self {
        Pair { client, provider, quirks: Quirks::default() }
    }

    /// The same, for a server that differs from its format so.
    pub fn suiting(self, quirks: Quirks) -> Self {
        Pair { quirks, ..self }
    }
}

impl Transformer for Pair {
    fn request(&self, body: &Bytes, facts: Facts<'_>) -> Result<Turned> {
        let refuse = |message: String| Error::client(Kind::InvalidRequest, message);
        let json = Json::whole(body).ok_or_else(|| refuse("the body is not valid JSON".into()))?;
        if json.kind() != ccproxy_core::document::Kind::Object {
            return Err(refuse(format!("the body must be an object, not {}", json.kind().name())));
        }
        let mut losses = Losses::default();
        let mut call = read(self.client, &json, &mut losses).map_err(refuse)?;
        if facts.recalled {
            call.extra.retain(|(key, _)| key != "previous_response_id");
        }
        if call.model.is_empty() {
            return Err(refuse("`model` is missing".into()));
        }
        self.possible(&call).map_err(refuse)?;
        let names = Arc::new(Names::of(&call.tools));
        self.quirks.suit(&mut call, &mut losses);
        let body = write(self.provider, &call, &mut losses);
        let brief = Brief {
            model: facts.asked.unwrap_or(&call.model).to_owned(),
            stream: call.stream,
            include_usage: call.include_usage,
            created: facts.created,
            names,
            echo: if self.client == Dialect::Responses {
                openai_responses::echo(&json)
            } else {
                String::new()
            },
        };
        Ok(Turned { body: body.into(), losses: losses.take(), back: Box::new(Answer::new(self, brief)) })
    }
}

impl Pair {
    /// Wishes whose loss would change what the request means are refused, not dropped.
    fn possible(&self, call: &Call<'_>) -> std::result::Result<(), String> {
        if self.client != Dialect::Responses || self.provider == Dialect::Responses {
            return Ok(());
        }
        for (key, raw) in &call.extra {
            let stored = matches!(&**key, "previous_response_id" | "conversation" | "prompt");
            if stored || (key == "background" && raw.as_str() == "true") {
                return Err(format!(
                    "this provider cannot do `{key}`: it stores nothing; send the whole conversation as `input`"
                ));
            }
        }
        Ok(())
    }
}

pub(in crate::formats) fn read<'a>(
    dialect: Dialect,
    json: &Json<'a>,
    losses: &mut Losses,
) -> std::result::Result<Call<'a>, String> {
    let mut call = match dialect {
        Dialect::Messages => anthropic_messages::call::read(json, losses)?,
        Dialect::Chat => openai_chat::call::read(json, losses)?,
        Dialect::Responses => openai_responses::call::read(json, losses)?,
    };
    tell_calls_apart(&mut call.messages);
    Ok(call)
}

pub(in crate::formats) fn write(dialect: Dialect, call: &Call<'_>, losses: &mut Losses) -> Vec<u8> {
    match dialect {
        Dialect::Messages => anthropic_messages::call::write(call, losses),
        Dialect::Chat => openai_chat::call::write(call, losses),
        Dialect::Responses => openai_responses::call::write(call, losses),
    }
}

/// The answer of one exchange on its way back.
struct Answer {
    client: Dialect,
    provider: Dialect,
    brief: Brief,
    decoder: Decoder,
    reader: Reader,
    writer: Restore<Writer>,
    losses: Losses,
    came: usize,
    failed: bool,
}

impl Answer {
    fn new(pair: &Pair, brief: Brief) -> Self {
        let names = brief.names.clone();
        Answer {
            client: pair.client,
            provider: pair.provider,
            decoder: Decoder::new(),
            reader: Reader::new(pair.provider),
            writer: Restore::new(Writer::new(pair.client, brief.clone()), names),
            brief,
            losses: Losses::default(),
            came: 0,
            failed: false,
        }
    }

    /// A whole stream where an answer was asked for: some providers only stream.
    fn collected(&mut self, body: &[u8]) -> Result<Bytes> {
        let mut seen = Seen { inner: &mut self.writer, fault: None };
        self.decoder.feed(Bytes::copy_from_slice(body));
        while let Some(event) = self.decoder.pull()? {
            if !event.data.is_empty() {
                self.reader.event(&event.data, &mut seen, &mut self.losses);
            }
        }
        if let Some(event) = self.decoder.finish().event {
            self.reader.event(&event.data, &mut seen, &mut self.losses);
        }
        self.reader.finish(&mut seen);
        if let Some((kind, message)) = seen.fault {
            return Err(Error::upstream(kind, message));
        }
        if !self.reader.done() {
            return Err(Error::upstream(Kind::BadGateway, CUT));
        }
        Ok(self.writer.inner.take_bytes().into())
    }

    fn fail(&mut self, fault: Fault<'_>) {
        if !std::mem::replace(&mut self.failed, true) && !self.reader.done() {
            self.writer.take(Event::Error(fault));
        }
    }
}

impl Back for Answer {
    fn whole(&mut self, body: &[u8]) -> Result<Bytes> {
        if body.trim_ascii_start().first() != Some(&b'{') && memchr::memmem::find(body, b"data:").is_some() {
            return self.collected(body);
        }
        let garbage =
            || Error::upstream(Kind::BadGateway, "the provider's answer is not the JSON it should be");
        let json = Json::whole(body).ok_or_else(garbage)?;
        if json.kind() != ccproxy_core::document::Kind::Object {
            return Err(garbage());
        }
        let mut seen = Seen { inner: &mut self.writer, fault: None };
        self.reader.whole(&json, &mut seen, &mut self.losses);
        if let Some((kind, message)) = seen.fault {
            return Err(Error::upstream(kind, message));
        }
        Ok(self.writer.inner.take_bytes().into())
    }

    fn error(&mut self, status: StatusCode, body: &[u8]) -> Bytes {
        let json = Json::whole(body);
        let mut fault = match &json {
            Some(json) if self.provider == Dialect::Messages => anthropic_messages::fault(json),
            Some(json) => openai_error::fault(json),
            None => Fault::new(Kind::of(status), plain_words(body)),
        };
        // The status says it better than the words, where they disagree.
        if fault.kind.status() != status {
            fault.kind = Kind::of(status);
        }
        if status == StatusCode::PAYMENT_REQUIRED && fault.code.is_none() {
            fault.code = Some(UNPAID.into());
        }
        if fault.message.is_empty() || fault.message == openai_error::FAILED {
            fault.message = format!("the provider answered {}", status.as_u16()).into();
        }
        // An error answer is whole, even where a stream was asked for.
        let brief = Brief { stream: false, ..self.brief.clone() };
        let mut writer = Writer::new(self.client, brief);
        writer.take(Event::Error(fault));
        writer.take_bytes().into()
    }

    fn feed(&mut self, bytes: &Bytes, out: &mut BytesMut) -> Result<()> {
        self.came += bytes.len();
        if self.came > LONGEST {
            self.fail(Fault::new(Kind::BadGateway, "the provider's stream is too long"));
        }
        if !self.failed {
            self.decoder.feed(bytes.clone());
            while let Some(event) = self.decoder.pull()? {
                if event.is_comment() {
                    self.writer.take(Event::Ping);
                } else if !event.data.is_empty() {
                    self.reader.event(&event.data, &mut self.writer, &mut self.losses);
                }
            }
        }
        self.writer.inner.pour(out);
        Ok(())
    }

    fn end(&mut self, broken: Option<&Error>, out: &mut BytesMut) {
        if let Some(event) = self.decoder.finish().event.filter(|_| !self.failed) {
            self.reader.event(&event.data, &mut self.writer, &mut self.losses);
        }
        match broken {
            Some(error) => self.fail(Fault::new(error.kind(), error.message().to_owned())),
            None => self.reader.finish(&mut self.writer),
        }
        self.fail(Fault::new(Kind::BadGateway, CUT));
        self.writer.inner.pour(out);
    }

    fn streams(&self) -> bool {
        self.brief.stream
    }

    fn losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }
}

/// Lets events pass and keeps the fault among them.
struct Seen<'s> {
    inner: &'s mut Restore<Writer>,
    fault: Option<(Kind, String)>,
}

impl Sink for Seen<'_> {
    fn take(&mut self, event: Event<'_>) {
        if let Event::Error(fault) = &event {
            self.fault = Some((fault.kind, fault.message.to_string()));
        }
        self.inner.take(event);
    }
}
