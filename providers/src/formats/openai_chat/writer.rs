//! [`Event`]s -> chat answer, streamed or whole.

mod whole;

use bytes::BytesMut;

use crate::formats::hub::{
    Brief, Citation, Event, Fault, Piece, Seal, Sink, Start, Stop, Text, Tokens, tool_id, wire_name,
};
use crate::formats::json::{self, Object};
use crate::formats::openai_error::fault_body;
use whole::{Call, Whole, annotation, counts, head, write_logprobs};

/// Longest id of a tool call that OpenAI's own have.
const LONGEST_ID: usize = 64;

/// Writes one answer.
pub(in crate::formats) struct Writer {
    brief: Brief,
    out: Vec<u8>,
    id: String,
    created: u64,
    started: bool,
    done: bool,
    open: Option<Open>,
    /// Calls so far.
    calls: u64,
    refused: bool,
    whole: Whole,
    /// Characters of text so far, for the places of citations.
    written: u64,
    /// Where the open text began.
    began: u64,
    /// Sources of the open text.
    sources: Vec<Citation<'static>>,
    /// How likely the next words are.
    logprobs: Vec<String>,
    tokens: Tokens,
    stop: Option<Stop<'static>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Open {
    Text,
    Refusal,
    Thought,
    Call { custom: bool },
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
            open: None,
            calls: 0,
            refused: false,
            whole: Whole::default(),
            written: 0,
            began: 0,
            sources: Vec::new(),
            logprobs: Vec::new(),
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

    fn chunk(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        if !self.brief.stream {
            return;
        }
        self.out.extend_from_slice(b"data: ");
        let (id, created, model) = (&self.id, self.created, &self.brief.model);
        json::write_object(&mut self.out, |chunk| {
            head(chunk, id, "chat.completion.chunk", created, model);
            fill(chunk);
        });
        self.out.extend_from_slice(b"\n\n");
    }

    fn delta(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        let usage = self.brief.include_usage;
        let logprobs = std::mem::take(&mut self.logprobs);
        self.chunk(|chunk| {
            chunk.array("choices", |choices| {
                choices.object(|choice| {
                    choice.number("index", 0);
                    choice.object("delta", fill);
                    if !logprobs.is_empty() {
                        write_logprobs(choice, &logprobs);
                    }
                    choice.null("finish_reason");
                });
            });
            if usage {
                chunk.null("usage");
            }
        });
    }

    fn start(&mut self, start: &Start<'_>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.id = self.brief.id("chatcmpl-", &start.id);
        self.created = start.created.unwrap_or(self.brief.created);
        self.delta(|delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        });
    }

    fn open(&mut self, piece: Piece<'_>) {
        self.open = Some(match piece {
            Piece::Text => {
                self.began = self.written;
                Open::Text
            }
            Piece::Refusal => {
                self.refused = true;
                Open::Refusal
            }
            Piece::Thought => Open::Thought,
            Piece::Call { id, namespace, name, custom } => {
                let id = tool_id(&id, "call_", LONGEST_ID).into_owned();
                let name = wire_name(namespace.as_deref(), &name).into_owned();
                self.begin_call(&id, &name, custom);
                self.calls += 1;
                self.whole.calls.push(Call { id, name, arguments: String::new(), custom });
                Open::Call { custom }
            }
        });
    }

    fn begin_call(&mut self, id: &str, name: &str, custom: bool) {
        let index = self.calls;
        let (kind, key) = if custom { ("custom", "input") } else { ("function", "arguments") };
        self.delta(|delta| {
            delta.array("tool_calls", |calls| {
                calls.object(|call| {
                    call.number("index", index);
                    call.text("id", id);
                    call.text("type", kind);
                    call.object(kind, |inner| {
                        inner.text("name", name);
                        inner.text(key, "");
                    });
                });
            });
        });
    }

    fn text(&mut self, text: Text<'_>) {
        let stream = self.brief.stream;
        match self.open {
            Some(Open::Text) => {
                self.written += text.chars().count() as u64;
                self.delta(|delta| delta.text("content", &text));
                if !stream {
                    self.whole.text.push_str(&text);
                }
            }
            Some(Open::Refusal) => {
                self.delta(|delta| delta.text("refusal", &text));
                if !stream {
                    self.whole.refusal.push_str(&text);
                }
            }
            Some(Open::Thought) => {
                self.delta(|delta| delta.text("reasoning_content", &text));
                if !stream {
                    self.whole.thoughts.push_str(&text);
                }
            }
            Some(Open::Call { custom }) => {
                let index = self.calls.saturating_sub(1);
                self.delta(|delta| {
                    delta.array("tool_calls", |calls| {
                        calls.object(|call| {
                            call.number("index", index);
                            let (kind, key) =
                                if custom { ("custom", "input") } else { ("function", "arguments") };
                            call.object(kind, |inner| inner.text(key, &text));
                        });
                    });
                });
                if let Some(call) = self.whole.calls.last_mut().filter(|_| !stream) {
                    call.arguments.push_str(&text);
                }
            }
            None => {}
        }
    }

    /// The seal goes where OpenRouter's clients look for it, and comes back from there.
    fn seal(&mut self, seal: &Seal<'_>) {
        let detail = json::object_text(|detail| match seal {
            Seal::Signature(signature) => {
                detail.text("type", "reasoning.text");
                detail.text("signature", signature);
                detail.text("format", "anthropic-claude-v1");
                detail.number("index", 0);
            }
            Seal::Redacted(data) => {
                detail.text("type", "reasoning.encrypted");
                detail.text("data", data);
                detail.text("format", "anthropic-claude-v1");
                detail.number("index", 0);
            }
            Seal::Encrypted { id, content } => {
                detail.text("type", "reasoning.encrypted");
                detail.maybe_text("id", id.as_deref());
                detail.text("data", content);
                detail.text("format", "openai-responses-v1");
                detail.number("index", 0);
            }
            Seal::Stored(_) => {}
        });
        self.delta(|delta| delta.array("reasoning_details", |details| details.raw(&detail)));
        if !self.brief.stream {
            self.whole.details.push(detail);
        }
    }

    fn close(&mut self) {
        if self.open.take() == Some(Open::Text) && !self.sources.is_empty() {
            let (began, end) = (self.began, self.written);
            let sources = std::mem::take(&mut self.sources);
            let written: Vec<String> = sources.iter().map(|source| annotation(source, began, end)).collect();
            self.delta(|delta| {
                delta.array("annotations", |array| written.iter().for_each(|one| array.raw(one)));
            });
            if !self.brief.stream {
                self.whole.annotations.extend(written);
            }
        }
    }

    fn end(&mut self) {
        self.start(&Start::default());
        self.done = true;
        let reason = self.reason();
        let tokens = self.tokens;
        if !self.brief.stream {
            return self.write_whole(reason);
        }
        let usage = self.brief.include_usage;
        self.chunk(|chunk| {
            chunk.array("choices", |choices| {
                choices.object(|choice| {
                    choice.number("index", 0);
                    choice.object("delta", |_| {});
                    choice.text("finish_reason", reason);
                });
            });
            if usage {
                chunk.null("usage");
            }
        });
        if usage {
            self.chunk(|chunk| {
                chunk.array("choices", |_| {});
                chunk.object("usage", |usage| counts(usage, &tokens));
            });
        }
        self.out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn reason(&self) -> &'static str {
        match &self.stop {
            Some(Stop::MaxTokens | Stop::ContextFull) => "length",
            Some(Stop::Tools) if self.calls > 0 => "tool_calls",
            // A refusal in words is an answer.
            Some(Stop::Refusal) if !self.refused => "content_filter",
            _ => "stop",
        }
    }

    fn write_whole(&mut self, reason: &str) {
        let (id, created, model, tokens, whole) =
            (&self.id, self.created, &self.brief.model, &self.tokens, &self.whole);
        self.out = json::object(|body| {
            head(body, id, "chat.completion", created, model);
            body.array("choices", |choices| {
                choices.object(|choice| {
                    choice.number("index", 0);
                    choice.object("message", |message| whole.write(message));
                    match whole.logprobs.is_empty() {
                        true => choice.null("logprobs"),
                        false => write_logprobs(choice, &whole.logprobs),
                    }
                    choice.text("finish_reason", reason);
                });
            });
            body.object("usage", |usage| counts(usage, tokens));
        });
    }

    fn fail(&mut self, fault: &Fault<'_>) {
        self.done = true;
        let body = fault_body(fault);
        if self.brief.stream {
            // No `[DONE]` follows: the answer is not done.
            self.out.extend_from_slice(&ccproxy_core::sse::Event::new("", body).raw);
        } else {
            self.out = body;
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
            Event::Open(piece) => {
                self.close();
                self.open(piece);
            }
            Event::Text(text) => self.text(text),
            Event::Break => self.text("\n\n".into()),
            Event::Logprobs(entries) if self.brief.stream => self.logprobs.extend(entries),
            Event::Logprobs(entries) => self.whole.logprobs.extend(entries),
            Event::Seal(seal) => self.seal(&seal),
            Event::Cite(_) => {
                if let Event::Cite(citation) = event.into_owned() {
                    self.sources.push(citation);
                }
            }
            Event::Close => self.close(),
            Event::Tokens(tokens) => self.tokens.update(tokens),
            Event::Stop(_) => {
                if let Event::Stop(stop) = event.into_owned() {
                    self.stop = Some(stop);
                }
            }
            Event::End => {
                self.close();
                self.end();
            }
            Event::Error(fault) => self.fail(&fault),
            Event::Ping if self.brief.stream => self.out.extend_from_slice(b": ping\n\n"),
            Event::Ping => {}
        }
    }
}
