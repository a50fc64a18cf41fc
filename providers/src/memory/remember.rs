//! A transformer that remembers what it answered.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ccproxy_core::document::Json;
use ccproxy_core::error::{Error, Result};
use ccproxy_core::transform::{Back, Facts, Loss, Transformer, Turned};
use http::StatusCode;
use memchr::memmem;

use super::recall::recall;
use super::{Memory, Turn};

/// Clients of Responses on a provider that keeps nothing.
#[derive(Debug)]
pub(crate) struct Remembering<T> {
    inner: T,
    memory: Arc<Memory>,
}

impl<T> Remembering<T> {
    /// Around a transformer whose clients speak Responses.
    pub(crate) fn new(inner: T, memory: &Arc<Memory>) -> Self {
        Remembering { inner, memory: memory.clone() }
    }
}

impl<T: Transformer> Transformer for Remembering<T> {
    fn request(&self, body: &Bytes, facts: Facts<'_>) -> Result<Turned> {
        let recalled = recall(&self.memory, facts.client, body)?;
        let facts = Facts { recalled: recalled.resolved, ..facts };
        let turned = self.inner.request(&recalled.body, facts)?;
        let Some(turn) = recalled.turn else { return Ok(turned) };
        let back = Watched {
            inner: turned.back,
            memory: self.memory.clone(),
            client: facts.client.into(),
            turn: Some(turn),
        };
        Ok(Turned { back: Box::new(back), ..turned })
    }
}

/// Looks at an answer on its way to the client.
struct Watched {
    inner: Box<dyn Back>,
    memory: Arc<Memory>,
    client: Arc<str>,
    turn: Option<Turn>,
}

impl Watched {
    fn remember(&mut self, response: &Json<'_>) {
        let Some(id) = response.key("id").and_then(|id| id.as_str()) else { return };
        let Some(mut turn) = self.turn.take() else { return };
        let output = response.key("output").and_then(|output| output.children()).into_iter().flatten();
        turn.output = output
            .map(|(_, item)| {
                let id = item.key("id").and_then(|id| id.as_str()).map(|id| Arc::from(&*id));
                (id, Bytes::copy_from_slice(item.raw()))
            })
            .collect();
        self.memory.keep(&self.client, &id, turn);
    }

    /// Finds the last event of a stream in whole events.
    fn look(&mut self, events: &[u8]) {
        for last in [&b"event: response.completed\ndata: "[..], b"event: response.incomplete\ndata: "] {
            let Some(at) = memmem::find(events, last) else { continue };
            let event = Json::prefix(&events[at + last.len()..]);
            if let Some(response) = event.and_then(|event| event.key("response")) {
                self.remember(&response);
            }
        }
    }
}

impl Back for Watched {
    fn whole(&mut self, body: &[u8]) -> Result<Bytes> {
        let answer = self.inner.whole(body)?;
        match self.inner.streams() {
            true => self.look(&answer),
            false => {
                if let Some(response) = Json::whole(&answer) {
                    self.remember(&response);
                }
            }
        }
        Ok(answer)
    }

    fn error(&mut self, status: StatusCode, body: &[u8]) -> Bytes {
        self.inner.error(status, body)
    }

    fn feed(&mut self, bytes: &Bytes, out: &mut BytesMut) -> Result<()> {
        let from = out.len();
        self.inner.feed(bytes, out)?;
        self.look(&out[from..]);
        Ok(())
    }

    fn end(&mut self, broken: Option<&Error>, out: &mut BytesMut) {
        let from = out.len();
        self.inner.end(broken, out);
        self.look(&out[from..]);
    }

    fn streams(&self) -> bool {
        self.inner.streams()
    }

    fn losses(&mut self) -> Vec<Loss> {
        self.inner.losses()
    }
}
