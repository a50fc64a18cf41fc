//! The contract of a provider: steps 7 and 8 of the way of an exchange.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method};
use serde::Serialize;

use crate::body::Answer;
use crate::document::Document;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::format::Format;
use crate::pool::{Pool, Retry};
use crate::step::BoxFuture;
use crate::transform::{Loss, Transformer};

/// Speaks to one provider. A plugin runtime has at most one.
pub trait Provider: Send + Sync + 'static {
    /// Step 7: method, path, headers, credential and body of the request upstream. `body` is in the
    /// operation's format, whatever the client's is. Not `sent`: for someone who only looks; whatever would have to
    /// be asked for, such as a token that is not there yet, is left as it is known.
    fn prepare<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        operation: &'a Operation,
        body: Document,
        sent: bool,
    ) -> BoxFuture<'a, Result<Outbound>>;

    /// Step 8: sends it; the answer's head is back, its bytes may still be arriving, in the operation's format.
    fn send<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        operation: &'a Operation,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>>;

    /// Whether what was sent last for this exchange is to be prepared and sent once more, with another credential.
    /// Asked once after each `send`, before anything of an answer has gone to the client.
    fn retry(&self, exchange: &Arc<Exchange>) -> Retry {
        let _ = exchange;
        Retry::No
    }

    /// Whether an operation may be asked over a websocket, too; its format must have a dialogue.
    fn websocket(&self, operation: &Operation) -> bool {
        let _ = operation;
        false
    }

    /// Whether it has a credential, and how to give it one.
    fn credential(&self) -> Credential;

    /// Its credentials, where several take turns.
    fn pool(&self) -> Option<Pool> {
        None
    }
}

/// What a provider route does.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `messages`, `count_tokens`, `models`, `chat_completions`, `responses`, ...
    pub name: &'static str,
    /// The client's format on this route.
    pub format: Arc<dyn Format>,
    /// What the provider does for it, where that speaks another format. The provider sees this one only.
    pub through: Option<Arc<Through>>,
    /// What the proxy can answer by itself.
    pub local: Option<Local>,
}

/// What the proxy answers by itself for an operation that a provider has not.
#[derive(Clone, Debug)]
pub enum Local {
    /// The provider is never asked.
    Instead(Arc<dyn LocalAnswer>),
    /// The provider is asked, and may turn out not to have it (404, 405 or 501).
    WhenMissing(Arc<dyn LocalAnswer>),
}

/// Answers from a request alone.
pub trait LocalAnswer: Send + Sync + std::fmt::Debug + 'static {
    /// `body` is in the client's format, and so are the answer and the errors.
    fn answer(&self, body: &Bytes) -> Result<Answer>;
}

/// A provider's own operation, and the way to it from the client's format.
#[derive(Debug)]
pub struct Through {
    /// In the provider's format.
    pub operation: Operation,
    /// Turns requests into that format, and answers back.
    pub transformer: Arc<dyn Transformer>,
}

impl Operation {
    /// Whether a request with a body names the model that it is for.
    pub fn takes_model(&self) -> bool {
        // A stored response knows its own.
        self.name != "cancel"
    }

    /// Clients and provider speak the same format.
    pub fn new(name: &'static str, format: Arc<dyn Format>) -> Self {
        Operation { name, format, through: None, local: None }
    }

    /// The same, through an operation in the provider's format.
    pub fn through(self, operation: Operation, transformer: Arc<dyn Transformer>) -> Self {
        Operation { through: Some(Arc::new(Through { operation, transformer })), ..self }
    }

    /// The same, with an answer of the proxy's own.
    pub fn or_local(self, local: Local) -> Self {
        Operation { local: Some(local), ..self }
    }

    /// What the provider is asked to do.
    pub fn inner(&self) -> &Operation {
        self.through.as_ref().map_or(self, |through| &through.operation)
    }
}

/// A request to a provider. Plugins may edit path, headers and body, never where it goes.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The only place it may go; a credential is bound to it.
    pub origin: Arc<Origin>,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: PathAndQuery,
    /// Header fields. Credentials are kept apart, in `credential`, so that no plugin meets them.
    pub headers: HeaderMap,
    /// Credential headers, added last and never shown.
    pub credential: HeaderMap,
    /// The body.
    pub body: Document,
    /// What the provider does not take, even of its own format.
    pub losses: Vec<Loss>,
}

/// Scheme and authority of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
}

/// What is known about a provider's credential.
#[derive(Clone, Debug, Serialize)]
pub struct Credential {
    /// How it is given: `none`, `passthrough`, `api_key`, `oauth`, `pool`.
    pub kind: &'static str,
    /// Whether requests can be made with it without the client's own.
    pub present: bool,
    /// One line for people: where it came from, or how to give one.
    pub hint: String,
    /// The stored login that it is, as `provider/account`.
    pub login: Option<String>,
}
