//! One conversation: hears the client, has its requests answered one after the other, and ends well.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::request::Parts;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Error as Fault, Message};

use super::clocks::Clocks;
use super::dialogue::{Dialogue, Facts, Said};
use crate::exchange::{Client, ExchangeId, Peer};
use crate::pipeline::Pipeline;
use crate::server::{Drain, Opened, Phase, UpgradeLimits};
use crate::unix_time;

/// Requests that may wait while one is answered.
const MOST_WAITING: usize = 8;
/// How long the end of HTTP on a connection may take.
const OPENING: Duration = Duration::from_secs(10);
/// How long a client has to confirm the end.
const CLOSING: Duration = Duration::from_secs(2);
const READ_BUFFER: usize = 16 << 10;
/// What is collected before it is written, when several events are there at once.
const WRITE_BUFFER: usize = 64 << 10;

/// The socket.
pub(super) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Why a conversation ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed, left, or cannot be reached: nothing can be told.
    Gone,
    /// The server ends where it stands.
    Now,
    /// The client is told why.
    Told(CloseCode, &'static str),
}

/// A conversation.
pub(super) struct Session {
    pipeline: Arc<Pipeline>,
    client: Client,
    peer: Peer,
    head: Parts,
    waiting: VecDeque<Bytes>,
    drain: Option<Drain>,
    pub(super) dialogue: Box<dyn Dialogue>,
    pub(super) clocks: Clocks,
    pub(super) limits: UpgradeLimits,
}

impl Session {
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        limits: UpgradeLimits,
        client: Client,
        peer: Peer,
        head: Parts,
        dialogue: Box<dyn Dialogue>,
    ) -> Self {
        let clocks = Clocks::new(limits.idle);
        Session {
            pipeline,
            client,
            peer,
            head,
            waiting: VecDeque::new(),
            drain: None,
            dialogue,
            clocks,
            limits,
        }
    }

    /// Talks until one side ends it. Dropping what is being answered cancels it upstream.
    pub(super) async fn run(mut self, opened: Opened) {
        let Ok(Ok(io)) = tokio::time::timeout(OPENING, opened.ready).await else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(self.limits.max_message))
            .max_frame_size(Some(self.limits.max_message));
        let mut socket = Socket::from_raw_socket(TokioIo::new(io), Role::Server, Some(config)).await;
        self.drain = Some(opened.drain);
        let end = match self.talk(&mut socket).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        tracing::debug!(peer = %self.peer.address, ?end, "a websocket ends");
        let close = match end {
            End::Now => return,
            // What answers the client's own close is still to be written.
            End::Gone => None,
            End::Told(code, reason) => Some(CloseFrame { code, reason: reason.into() }),
        };
        let goodbye = async {
            if close.is_some() && socket.close(close).await.is_err() {
                return;
            }
            while let Some(Ok(_)) = socket.next().await {}
        };
        // Whether the client confirms it is the client's business.
        let _ = tokio::time::timeout(CLOSING, goodbye).await;
        drop(opened.seat);
    }

    async fn talk(&mut self, socket: &mut Socket) -> Result<std::convert::Infallible, End> {
        loop {
            let message = self.listen(socket).await?;
            let mut head = self.head.clone();
            match self.dialogue.hear(&message, &mut head.headers, &facts()) {
                Said::Nothing => {}
                Said::Answer(messages) => {
                    for message in messages {
                        say(socket, message).await?;
                    }
                    flush(socket).await?;
                }
                Said::Ask(body) => {
                    let (client, peer) = (self.client.clone(), self.peer);
                    let mut asking = pin!(self.pipeline.clone().ask(head, body, client, peer));
                    let response = loop {
                        tokio::select! {
                            response = &mut asking => break response,
                            attended = self.attend(socket) => attended?,
                        }
                    };
                    self.relay(socket, response).await?;
                }
            }
            self.clocks.answered();
        }
    }

    /// The next request of the client. None is begun once the server ends.
    async fn listen(&mut self, socket: &mut Socket) -> Result<Bytes, End> {
        let away = || End::Told(CloseCode::Away, "the proxy is going away");
        if self.drain.as_ref().is_some_and(|drain| drain.phase() > Phase::Running) {
            return Err(away());
        }
        let mut leaving = pin!(reached(self.drain.clone(), Phase::Draining));
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(message);
            }
            let idle = self.clocks.idle();
            tokio::select! {
                attended = self.attend(socket) => attended?,
                () = &mut leaving => return Err(away()),
                () = idle => return Err(End::Told(CloseCode::Normal, "nothing was asked for too long")),
            }
        }
    }

    /// One thing that may happen at any time: a frame, a ping that is due, the end of the server.
    pub(super) async fn attend(&mut self, socket: &mut Socket) -> Result<(), End> {
        tokio::select! {
            frame = socket.next() => self.frame(frame.unwrap_or(Err(Fault::ConnectionClosed))),
            there = self.clocks.beat() => match there {
                true => socket.send(Message::Ping(Bytes::new())).await.map_err(|fault| lost(&fault)),
                false => Err(End::Gone),
            },
            () = reached(self.drain.clone(), Phase::Now) => Err(End::Now),
        }
    }

    /// Whether another request may wait. Those that wait may together be as large as one.
    fn has_room(&self, length: usize) -> bool {
        let waiting: usize = self.waiting.iter().map(Bytes::len).sum();
        self.waiting.is_empty()
            || self.waiting.len() < MOST_WAITING && waiting + length <= self.limits.max_message
    }

    fn frame(&mut self, frame: Result<Message, Fault>) -> Result<(), End> {
        let message = frame.map_err(|fault| lost(&fault))?;
        self.clocks.heard();
        match message {
            Message::Text(text) if self.has_room(text.len()) => {
                self.waiting.push_back(text.into());
                Ok(())
            }
            Message::Text(_) => Err(End::Told(CloseCode::Policy, "too many requests wait on this socket")),
            Message::Binary(_) => Err(End::Told(CloseCode::Unsupported, "messages must be text")),
            Message::Close(_) => Err(End::Gone),
            // The protocol answers pings by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }
}

/// Puts a message on its way; [`flush`] makes sure that it goes.
pub(super) async fn say(socket: &mut Socket, message: Bytes) -> Result<(), End> {
    let text = match tungstenite::Utf8Bytes::try_from(message.clone()) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(&message).into_owned().into(),
    };
    socket.feed(Message::Text(text)).await.map_err(|fault| lost(&fault))
}

pub(super) async fn flush(socket: &mut Socket) -> Result<(), End> {
    socket.flush().await.map_err(|fault| lost(&fault))
}

/// How a conversation ends when the socket says so.
fn lost(fault: &Fault) -> End {
    match fault {
        Fault::Capacity(CapacityError::MessageTooLong { .. }) => {
            End::Told(CloseCode::Size, "the message is too large (`server.max_body`)")
        }
        Fault::Protocol(_) => End::Told(CloseCode::Protocol, "not the websocket protocol"),
        Fault::Utf8(_) => End::Told(CloseCode::Invalid, "a text message must be UTF-8"),
        _ => End::Gone,
    }
}

/// Waits for a phase of the server's end; for ever where there is no server.
async fn reached(drain: Option<Drain>, phase: Phase) {
    match drain {
        Some(drain) => drain.reached(phase).await,
        None => std::future::pending().await,
    }
}

fn facts() -> Facts {
    Facts { id: ExchangeId::next().to_string(), now: unix_time::now() }
}
