//! An answer in no vendor's words. Readers keep this contract: one `Start` first, one piece open at a time, and
//! one of `End` or `Error` last. So writers cannot be brought into an illegal order.

use ccproxy_core::error::Kind;

use super::{Raw, Seal, Text, Tokens};

/// A step of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum Event<'a> {
    /// The answer begins.
    Start(Start<'a>),
    /// A piece of it begins.
    Open(Piece<'a>),
    /// More text of the open piece: words, thoughts, or arguments.
    Text(Text<'a>),
    /// A further part of a thought's summary begins.
    Break,
    /// How likely the tokens of the text that follows were, each as JSON.
    Logprobs(Vec<String>),
    /// The seal of the open thought.
    Seal(Seal<'a>),
    /// A source of the open text.
    Cite(Citation<'a>),
    /// The open piece is whole.
    Close,
    /// Counts so far.
    Tokens(Tokens),
    /// Why the model stopped.
    Stop(Stop<'a>),
    /// The answer is whole.
    End,
    /// The answer broke; nothing follows.
    Error(Fault<'a>),
    /// A sign of life.
    Ping,
}

/// What is known at the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::formats) struct Start<'a> {
    pub(in crate::formats) id: Text<'a>,
    /// Seconds since 1970, where the provider says.
    pub(in crate::formats) created: Option<u64>,
    pub(in crate::formats) model: Text<'a>,
}

/// What kind of piece.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum Piece<'a> {
    Text,
    Refusal,
    Thought,
    Call { id: Text<'a>, namespace: Option<Text<'a>>, name: Text<'a>, custom: bool },
}

/// Where a text comes from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) struct Citation<'a> {
    pub(in crate::formats) url: Text<'a>,
    pub(in crate::formats) title: Option<Text<'a>>,
    /// The place in the text that it stands behind, in characters, where the provider says.
    pub(in crate::formats) range: Option<(u64, u64)>,
    /// The words of the source, where the provider says.
    pub(in crate::formats) quote: Option<Text<'a>>,
}

/// Why the model stopped.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum Stop<'a> {
    Turn,
    MaxTokens,
    Sequence(Option<Text<'a>>),
    Tools,
    Refusal,
    /// The provider took a break in a long turn.
    Pause,
    ContextFull,
}

/// How an answer broke.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) struct Fault<'a> {
    pub(in crate::formats) kind: Kind,
    pub(in crate::formats) message: Text<'a>,
    /// OpenAI's code, where there is one.
    pub(in crate::formats) code: Option<Text<'a>>,
    /// OpenAI's `param`.
    pub(in crate::formats) param: Option<Raw<'a>>,
}

/// Takes the events of one answer, in order.
pub(in crate::formats) trait Sink {
    fn take(&mut self, event: Event<'_>);
}

impl Piece<'_> {
    pub(in crate::formats) fn into_owned(self) -> Piece<'static> {
        match self {
            Piece::Text => Piece::Text,
            Piece::Refusal => Piece::Refusal,
            Piece::Thought => Piece::Thought,
            Piece::Call { id, namespace, name, custom } => Piece::Call {
                id: id.into_owned().into(),
                namespace: namespace.map(|namespace| namespace.into_owned().into()),
                name: name.into_owned().into(),
                custom,
            },
        }
    }
}

impl<'a> Fault<'a> {
    pub(in crate::formats) fn new(kind: Kind, message: impl Into<Text<'a>>) -> Self {
        Fault { kind, message: message.into(), code: None, param: None }
    }
}

impl Event<'_> {
    pub(in crate::formats) fn into_owned(self) -> Event<'static> {
        let own = |text: Text<'_>| -> Text<'static> { text.into_owned().into() };
        match self {
            Event::Start(Start { id, created, model }) => {
                Event::Start(Start { id: own(id), created, model: own(model) })
            }
            Event::Open(piece) => Event::Open(piece.into_owned()),
            Event::Text(text) => Event::Text(own(text)),
            Event::Break => Event::Break,
            Event::Logprobs(entries) => Event::Logprobs(entries),
            Event::Seal(seal) => Event::Seal(seal.into_owned()),
            Event::Cite(Citation { url, title, range, quote }) => {
                Event::Cite(Citation { url: own(url), title: title.map(own), range, quote: quote.map(own) })
            }
            Event::Close => Event::Close,
            Event::Tokens(tokens) => Event::Tokens(tokens),
            Event::Stop(stop) => Event::Stop(match stop {
                Stop::Sequence(text) => Stop::Sequence(text.map(own)),
                Stop::Turn => Stop::Turn,
                Stop::MaxTokens => Stop::MaxTokens,
                Stop::Tools => Stop::Tools,
                Stop::Refusal => Stop::Refusal,
                Stop::Pause => Stop::Pause,
                Stop::ContextFull => Stop::ContextFull,
            }),
            Event::End => Event::End,
            Event::Error(Fault { kind, message, code, param }) => Event::Error(Fault {
                kind,
                message: own(message),
                code: code.map(own),
                param: param.map(|raw| Raw::owned(raw.as_str().to_owned())),
            }),
            Event::Ping => Event::Ping,
        }
    }
}
