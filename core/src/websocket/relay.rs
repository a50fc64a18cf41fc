//! An answer on its way to a websocket: events become messages as they come.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;

use super::session::{End, Session, Socket, flush, say};
use crate::body::{Body, is_compressed, is_event_stream};
use crate::error::{Error, Kind};
use crate::sse::Decoder;

/// How long the rest of a stream is waited for after its last event.
const AFTER: Duration = Duration::from_secs(1);
/// Largest answer that is no stream.
const LARGEST: usize = 64 << 20;

impl Session {
    /// Hands an answer on. The client hears of whatever becomes of it: a broken answer never looks whole.
    pub(super) async fn relay(&mut self, socket: &mut Socket, response: Response<Body>) -> Result<(), End> {
        let (head, body) = response.into_parts();
        let stream = head.status.is_success() && is_event_stream(&head.headers);
        if stream && !is_compressed(&head.headers) {
            if let Some(message) = self.dialogue.begin(&head.headers) {
                say(socket, message).await?;
            }
            return self.stream(socket, body).await;
        }
        let messages = match self.collect(socket, body).await? {
            Ok(body) if head.status.is_success() => self.dialogue.whole(&body),
            Ok(body) => vec![self.dialogue.refused(head.status, &head.headers, &body)],
            Err(error) => vec![self.dialogue.broken(&error)],
        };
        for message in messages {
            say(socket, message).await?;
        }
        flush(socket).await
    }

    async fn collect(&mut self, socket: &mut Socket, body: Body) -> Result<crate::Result<Bytes>, End> {
        let mut collecting = std::pin::pin!(body.collect(LARGEST));
        loop {
            tokio::select! {
                body = &mut collecting => return Ok(body),
                attended = self.attend(socket) => attended?,
            }
        }
    }

    async fn stream(&mut self, socket: &mut Socket, mut body: Body) -> Result<(), End> {
        let mut decoder = Decoder::new();
        let broken = loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                attended = self.attend(socket) => {
                    attended?;
                    continue;
                }
            };
            match frame {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    decoder.feed(data);
                }
                Some(Err(error)) => break Some(error),
                None => {
                    if let Some(event) = decoder.finish().event
                        && let Some(message) = self.dialogue.event(&event)
                    {
                        say(socket, message).await?;
                    }
                    break None;
                }
            }
            if let Err(error) = self.events(socket, &mut decoder).await? {
                break Some(error);
            }
            if self.dialogue.over() {
                // The client has it all. What still comes only ends the exchange.
                let _ = tokio::time::timeout(AFTER, async { while let Some(Ok(_)) = body.frame().await {} })
                    .await;
                return Ok(());
            }
        };
        if !self.dialogue.over() {
            let cut = || Error::upstream(Kind::BadGateway, "the answer ended before its last event");
            let message = self.dialogue.broken(&broken.unwrap_or_else(cut));
            say(socket, message).await?;
        }
        flush(socket).await
    }

    /// The events that are whole; they are written together.
    async fn events(&mut self, socket: &mut Socket, decoder: &mut Decoder) -> Result<crate::Result<()>, End> {
        while !self.dialogue.over() {
            let event = match decoder.pull() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            };
            if let Some(message) = self.dialogue.event(&event) {
                say(socket, message).await?;
            }
        }
        flush(socket).await?;
        Ok(Ok(()))
    }
}
