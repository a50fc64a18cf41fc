//! One client request and its answer: everything the steps, the plugins and the log know about it.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode, Uri};
use parking_lot::Mutex;
use serde::Serialize;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::choice::Chosen;
use crate::document::Document;
use crate::error::{Result, Side};
use crate::format::{Format, Usage};
use crate::generation::Generation;
use crate::keys::Key;
use crate::provider::Outbound;
use crate::transform::Loss;

/// An exchange, shared by the pipeline, the plugins' handles and the body on its way to the client.
///
/// The parts that plugins may edit sit behind short locks that are never held across a wait:
/// `request` on the way down, `outbound` while `provider.request.prepared` is heard, `response` on the way up.
pub struct Exchange {
    /// Unique in this process and, being random, practically everywhere.
    pub id: ExchangeId,
    /// When step 2 began, for durations.
    pub began: Instant,
    /// When step 2 began, for people.
    pub began_at: SystemTime,
    /// The other end of the connection.
    pub peer: Peer,
    /// Whose key it was; anonymous when the server asks for none.
    pub client: Client,
    /// The plugins this exchange keeps to its end.
    pub generation: Arc<Generation>,
    /// What the client asked, as the plugins left it.
    pub request: Mutex<Request>,
    /// What the front door chose; `None` on the routes of one provider.
    pub chosen: Mutex<Option<Chosen>>,
    /// Which credentials a plugin wants, and which one was used, where a provider has several.
    pub credentials: Mutex<Credentials>,
    /// What goes to the provider; `Some` only while it may be edited.
    pub outbound: Mutex<Option<Outbound>>,
    /// The head of the answer; `Some` only while it goes up through the middleware.
    pub response: Mutex<Option<Head>>,
    /// Counts and times.
    pub tally: Tally,
    private: AtomicBool,
    moment: AtomicU8,
    slots: Mutex<SmallVec<[Slot; 2]>>,
}

/// What a plugin keeps, under its key.
type Slot = (usize, Arc<dyn Any + Send + Sync>);

/// Who is at the other end of the socket.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Address of the socket's other end.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether it speaks HTTP/2.
    pub http2: bool,
}

/// Whose request it is. Never holds the key itself.
#[derive(Clone, Debug)]
pub struct Client {
    /// `anonymous`, or the name of the key.
    pub id: Arc<str>,
    /// The key, where it has bounds of its own.
    pub key: Option<Arc<Key>>,
}

/// The request as the client sent it and the plugins edited it.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query (origin form).
    pub uri: Uri,
    /// Header fields; the client key is already taken out when the proxy itself asked for it.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Document,
    /// Values of the route's `{parameters}`, in order.
    pub params: Vec<(Arc<str>, String)>,
    /// The provider the route or a plugin chose.
    pub provider: Option<Arc<str>>,
    /// The model the body names.
    pub model: Option<Box<str>>,
    /// Whether the body asks for a stream.
    pub stream: bool,
    /// The client's wire format; `None` off the provider routes.
    pub format: Option<Arc<dyn Format>>,
}

/// Credentials of a provider that has several, by name.
#[derive(Debug, Default)]
pub struct Credentials {
    /// Those that a plugin wants, in this order; no others are used then.
    pub wanted: Option<Arc<[Arc<str>]>>,
    /// The one that was sent last.
    pub used: Option<Arc<str>>,
}

/// Head of an answer while the middleware may edit it.
#[derive(Debug)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body, present only when a middleware declared that it reads answers and this one is no stream.
    pub body: Option<Document>,
}

/// How far an exchange is. Setters look at it to say which was the last moment they would have worked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Moment {
    /// Middleware on the way down.
    Request = 1,
    /// `provider.request.prepared`.
    Prepared = 2,
    /// Waiting for the provider.
    Sent = 3,
    /// Middleware on the way up.
    Response = 4,
    /// The answer's bytes are flowing.
    Streaming = 5,
    /// Over.
    Finished = 6,
}

/// Counts and times of an exchange. Atomic, so that observers may look at any moment.
#[derive(Default)]
pub struct Tally {
    /// Body bytes the client sent.
    pub request_bytes: AtomicU64,
    /// Body bytes given to the client's connection.
    pub response_bytes: AtomicU64,
    /// Status of the answer; 0 before there is one.
    pub status: AtomicU32,
    /// Tries at an upstream.
    pub attempts: AtomicU32,
    /// Microseconds from begin to the provider's head; 0 before.
    pub head_micros: AtomicU64,
    /// Microseconds from begin to the first body byte to the client; 0 before.
    pub first_byte_micros: AtomicU64,
    /// Whether the answer is an event stream.
    pub streamed: AtomicBool,
    /// Tokens, when the answer told.
    pub usage: Mutex<Option<Usage>>,
    /// What did not survive the way into the provider's format and back.
    pub losses: Mutex<Vec<Loss>>,
    /// Why it failed, when it did.
    pub failure: Mutex<Option<Failure>>,
}

/// Why an exchange was refused, or its answer not delivered whole.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Whose fault: `client`, `upstream`, `plugin`, `internal`.
    pub side: Side,
    /// What, in one word: `rate_limited`, `client_gone`.
    pub kind: &'static str,
    /// What the client was told.
    pub message: String,
}

static ANONYMOUS: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| Arc::from("anonymous"));

impl Client {
    /// Nobody in particular: the server asks for no key, or has not seen one yet.
    pub fn anonymous() -> Self {
        Client { id: ANONYMOUS.clone(), key: None }
    }

    /// Whether it sent no key.
    pub fn is_anonymous(&self) -> bool {
        Arc::ptr_eq(&self.id, &ANONYMOUS)
    }

    /// Whether a provider may be asked for it, with the model that is sent there.
    pub fn permit(&self, provider: &str, model: &str) -> Result<()> {
        self.key.as_ref().map_or(Ok(()), |key| key.permit(provider, model))
    }
}

impl Exchange {
    /// Step 2 of the way of an exchange.
    pub fn begin(peer: Peer, client: Client, generation: Arc<Generation>, request: Request) -> Arc<Self> {
        Arc::new(Exchange {
            id: ExchangeId::next(),
            began: Instant::now(),
            began_at: SystemTime::now(),
            peer,
            client,
            generation,
            request: Mutex::new(request),
            chosen: Mutex::new(None),
            credentials: Mutex::default(),
            outbound: Mutex::new(None),
            response: Mutex::new(None),
            tally: Tally::default(),
            private: AtomicBool::new(false),
            moment: AtomicU8::new(Moment::Request as u8),
            slots: Mutex::new(SmallVec::new()),
        })
    }

    /// Whether its bodies, and the secrets of its query, are no plugin's to see.
    pub fn is_private(&self) -> bool {
        self.private.load(Ordering::Relaxed)
    }

    /// Keeps its bodies from plugins.
    pub fn keep_private(&self) {
        self.private.store(true, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn moment(&self) -> Moment {
        match self.moment.load(Ordering::Acquire) {
            1 => Moment::Request,
            2 => Moment::Prepared,
            3 => Moment::Sent,
            4 => Moment::Response,
            5 => Moment::Streaming,
            _ => Moment::Finished,
        }
    }

    /// The pipeline says how far it is.
    pub(crate) fn enter(&self, moment: Moment) {
        self.moment.store(moment as u8, Ordering::Release);
    }

    /// What a plugin keeps for this exchange under its own `key` (its runtime's unique number).
    pub fn slot(&self, key: usize) -> Option<Arc<dyn Any + Send + Sync>> {
        self.slots.lock().iter().find(|(owner, _)| *owner == key).map(|(_, value)| value.clone())
    }

    /// Keeps something of a plugin for the rest of this exchange.
    pub fn set_slot(&self, key: usize, value: Arc<dyn Any + Send + Sync>) {
        let mut slots = self.slots.lock();
        match slots.iter_mut().find(|(owner, _)| *owner == key) {
            Some(slot) => slot.1 = value,
            None => slots.push((key, value)),
        }
    }

    /// Time since it began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The model that the front door asked its provider for, where that is another than the client's.
    pub fn sent_model(&self) -> Option<Arc<str>> {
        let chosen = self.chosen.lock();
        let chosen = chosen.as_ref()?;
        let model = &chosen.candidate()?.model;
        (**model != *chosen.choice.asked).then(|| model.clone())
    }

    /// The client's wire format, when the route has one.
    pub fn format(&self) -> Option<Arc<dyn Format>> {
        self.request.lock().format.clone()
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exchange({}, {:?})", self.id, self.moment())
    }
}

/// The name of an exchange in logs, events and headers: `x` and 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExchangeId(u64);

impl ExchangeId {
    /// A fresh one: a counter, scattered by a random start so that two processes do not meet.
    pub fn next() -> Self {
        static COUNTER: std::sync::LazyLock<AtomicU64> = std::sync::LazyLock::new(|| {
            let mut seed = [0u8; 8];
            let random = ring::rand::SystemRandom::new();
            // Without randomness ids are still unique in this process.
            let _ = ring::rand::SecureRandom::fill(&random, &mut seed);
            AtomicU64::new(u64::from_le_bytes(seed))
        });
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        // The finaliser of SplitMix64: a bijection, so ids never repeat before the counter wraps.
        let mut mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ExchangeId(mixed ^ (mixed >> 31))
    }
}

impl std::fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "x{:016x}", self.0)
    }
}

impl std::fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
