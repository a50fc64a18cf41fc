//! [`Event`]s -> Messages answer, streamed or whole.

mod message;

use bytes::BytesMut;
use ccproxy_core::error::Kind;
use ccproxy_core::{Error, sse};

use super::reader::TOO_LONG;
use super::wire;
use crate::formats::hub::{
    Brief, Citation, Event, Fault, INPUT, Piece, Seal, Sink, Start, Stop, Text, Tokens, tool_id,
};
use crate::formats::json::{self, Object};
use crate::formats::openai_error::UNPAID;
use message::{counts, head, input, write_stop};

/// Longest id that is passed on as it is.
const LONGEST_ID: usize = 128;

/// Writes one answer.
pub(in crate::formats) struct Writer {
    brief: Brief,
    out: Vec<u8>,
    id: String,
    started: bool,
    done: bool,
    open: Open,
    /// The next block's index.
    index: u64,
    /// Blocks of a whole answer.
    blocks: Vec<String>,
    block: Block,
    tokens: Tokens,
    stop: Option<Stop<'static>>,
}

/// The piece that is open. A block begins with its first word, so that none is empty.
#[derive(PartialEq)]
enum Open {
    None,
    Text {
        begun: bool,
    },
    Thought {
        begun: bool,
        signature: Option<String>,
    },
    /// The free text of a custom tool waits until it is whole: here it is a field of an object.
    Call {
        custom: bool,
    },
}

/// What a block of a whole answer holds so far.
#[derive(Default)]
struct Block {
    text: String,
    citations: Vec<String>,
    id: String,
    name: String,
}

impl Writer {
    pub(in crate::formats) fn new(brief: Brief) -> Self {
        Writer {
            brief,
            out: Vec::new(),
            id: String::new(),
            started: false,
            done: false,
            open: Open::None,
            index: 0,
            blocks: Vec::new(),
            block: Block::default(),
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
        json::write_object(&mut self.out, |object| {
            object.text("type", name);
            fill(object);
        });
        self.out.extend_from_slice(b"\n\n");
    }

    fn start(&mut self, start: &Start<'_>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.id = self.brief.id("msg_", &start.id);
        let (id, model, tokens) = (self.id.clone(), self.brief.model.clone(), self.tokens);
        self.emit("message_start", |event| {
            event.object("message", |message| {
                head(message, &id, &model);
                message.array("content", |_| {});
                message.null("stop_reason");
                message.null("stop_sequence");
                message.object("usage", |usage| counts(usage, &tokens));
            });
        });
        self.emit("ping", |_| {});
    }

    fn begin(&mut self, kind: &str, fill: impl FnOnce(&mut Object<'_>)) {
        let index = self.index;
        self.emit("content_block_start", |event| {
            event.number("index", index);
            event.object("content_block", |block| {
                block.text("type", kind);
                fill(block);
            });
        });
    }

    fn delta(&mut self, kind: &str, key: &str, text: &str) {
        let index = self.index;
        self.emit("content_block_delta", |event| {
            event.number("index", index);
            event.object("delta", |delta| {
                delta.text("type", kind);
                delta.text(key, text);
            });
        });
    }

    fn begin_text(&mut self) {
        if self.open == (Open::Text { begun: false }) {
            self.open = Open::Text { begun: true };
            self.begin("text", |block| block.text("text", ""));
        }
    }

    fn begin_thought(&mut self) {
        if let Open::Thought { begun, .. } = &mut self.open
            && !std::mem::replace(begun, true)
        {
            self.begin("thinking", |block| {
                block.text("thinking", "");
                block.text("signature", "");
            });
        }
    }

    fn open(&mut self, piece: Piece<'_>) {
        self.block = Block::default();
        self.open = match piece {
            Piece::Text | Piece::Refusal => Open::Text { begun: false },
            Piece::Thought => Open::Thought { begun: false, signature: None },
            Piece::Call { id, name, custom, .. } => {
                self.block.id = tool_id(&id, "toolu_", LONGEST_ID).into_owned();
                self.block.name = name.into_owned();
                let (id, name) = (self.block.id.clone(), self.block.name.clone());
                self.begin("tool_use", |block| {
                    block.text("id", &id);
                    block.text("name", &name);
                    block.object("input", |_| {});
                });
                Open::Call { custom }
            }
        };
    }

    fn text(&mut self, text: Text<'_>) {
        match self.open {
            Open::None => return,
            Open::Text { .. } => {
                self.begin_text();
                self.delta("text_delta", "text", &text);
            }
            Open::Thought { .. } => {
                self.begin_thought();
                self.delta("thinking_delta", "thinking", &text);
            }
            Open::Call { custom: true } => return self.block.text.push_str(&text),
            Open::Call { custom: false } => self.delta("input_json_delta", "partial_json", &text),
        }
        if !self.brief.stream {
            self.block.text.push_str(&text);
        }
    }

    fn seal(&mut self, seal: Seal<'_>) {
        let Open::Thought { begun, .. } = &self.open else { return };
        if let (Seal::Redacted(data), false) = (&seal, *begun) {
            self.begin("redacted_thinking", |block| block.text("data", data));
            self.stop_block();
            self.blocks.push(json::object_text(|block| {
                block.text("type", "redacted_thinking");
                block.text("data", data);
            }));
            return;
        }
        self.begin_thought();
        if let Open::Thought { signature, .. } = &mut self.open {
            *signature = seal.signature();
        }
    }

    fn cite(&mut self, citation: &Citation<'_>) {
        if !matches!(self.open, Open::Text { .. }) {
            return;
        }
        self.begin_text();
        let citation = json::object_text(|object| {
            object.text("type", "web_search_result_location");
            object.text("url", &citation.url);
            object.text_or_null("title", citation.title.as_deref());
            object.text("cited_text", citation.quote.as_deref().unwrap_or_default());
            object.text("encrypted_index", "");
        });
        let index = self.index;
        self.emit("content_block_delta", |event| {
            event.number("index", index);
            event.object("delta", |delta| {
                delta.text("type", "citations_delta");
                delta.raw("citation", &citation);
            });
        });
        if !self.brief.stream {
            self.block.citations.push(citation);
        }
    }

    fn stop_block(&mut self) {
        let index = self.index;
        self.emit("content_block_stop", |event| event.number("index", index));
        self.index += 1;
    }

    fn close(&mut self) {
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None | Open::Text { begun: false } | Open::Thought { begun: false, .. } => return,
            Open::Thought { begun: true, signature } => {
                if let Some(signature) = &signature {
                    self.delta("signature_delta", "signature", signature);
                }
                self.stop_block();
                if !self.brief.stream {
                    let text = std::mem::take(&mut self.block.text);
                    self.blocks.push(json::object_text(|block| {
                        block.text("type", "thinking");
                        block.text("thinking", &text);
                        block.text("signature", signature.as_deref().unwrap_or_default());
                    }));
                }
                return;
            }
            Open::Text { begun: true } => {
                self.stop_block();
                if !self.brief.stream {
                    let written = std::mem::take(&mut self.block);
                    self.blocks.push(json::object_text(|block| {
                        block.text("type", "text");
                        block.text("text", &written.text);
                        if !written.citations.is_empty() {
                            block.array("citations", |array| {
                                written.citations.iter().for_each(|one| array.raw(one))
                            });
                        }
                    }));
                }
                return;
            }
            Open::Call { custom } => {
                if custom {
                    let text = std::mem::take(&mut self.block.text);
                    self.block.text = json::object_text(|object| object.text(INPUT, &text));
                    let whole = self.block.text.clone();
                    self.delta("input_json_delta", "partial_json", &whole);
                }
            }
        }
        self.stop_block();
        if !self.brief.stream {
            let written = std::mem::take(&mut self.block);
            self.blocks.push(json::object_text(|block| {
                block.text("type", "tool_use");
                block.text("id", &written.id);
                block.text("name", &written.name);
                block.raw("input", &input(&written.text));
            }));
        }
    }

    fn end(&mut self) {
        self.start(&Start::default());
        self.done = true;
        let (tokens, stop) = (self.tokens, self.stop.take().unwrap_or(Stop::Turn));
        if self.brief.stream {
            self.emit("message_delta", |event| {
                event.object("delta", |delta| write_stop(delta, &stop));
                event.object("usage", |usage| counts(usage, &tokens));
            });
            self.emit("message_stop", |_| {});
            return;
        }
        let (id, model, blocks) = (&self.id, &self.brief.model, &self.blocks);
        self.out = json::object(|message| {
            head(message, id, model);
            message.array("content", |content| blocks.iter().for_each(|block| content.raw(block)));
            write_stop(message, &stop);
            message.object("usage", |usage| counts(usage, &tokens));
        });
    }

    fn fail(&mut self, fault: &Fault<'_>) {
        self.done = true;
        let too_long =
            fault.code.as_deref() == Some("context_length_exceeded") && !fault.message.contains(TOO_LONG);
        let message =
            if too_long { format!("{TOO_LONG}: {}", fault.message) } else { fault.message.to_string() };
        let unpaid = fault.kind != Kind::RateLimited && fault.code.as_deref() == Some(UNPAID);
        let error = Error::upstream(fault.kind, message);
        let body = if unpaid { wire::unpaid(&error) } else { wire::error(&error, None) };
        match self.brief.stream {
            true => self.out.extend_from_slice(&sse::Event::new("error", body).raw),
            false => self.out = body.to_vec(),
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
            // Asked for, they are reported with the request; Messages has no place for them.
            Event::Logprobs(_) => {}
            Event::Seal(seal) => self.seal(seal),
            Event::Cite(citation) => self.cite(&citation),
            Event::Close => self.close(),
            Event::Tokens(tokens) => self.tokens.update(tokens),
            Event::Stop(stop) => {
                if let Event::Stop(stop) = Event::Stop(stop).into_owned() {
                    self.stop = Some(stop);
                }
            }
            Event::End => {
                self.close();
                self.end();
            }
            Event::Error(fault) => self.fail(&fault),
            Event::Ping if self.started => self.emit("ping", |_| {}),
            Event::Ping => {}
        }
    }
}
