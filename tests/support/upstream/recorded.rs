//! What the upstream was sent, to the byte, and when its peer left.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

/// One request as it came.
#[derive(Debug)]
pub struct Recorded {
    /// The whole head, from the method to the empty line.
    pub head: Vec<u8>,
    /// The body without its framing.
    pub body: Vec<u8>,
    closed: watch::Sender<Option<Instant>>,
}

impl Recorded {
    pub(crate) fn new(head: Vec<u8>, body: Vec<u8>) -> Self {
        Recorded { head, body, closed: watch::Sender::new(None) }
    }

    /// `POST`
    pub fn method(&self) -> String {
        self.word(0)
    }

    /// Path and query as they were on the wire.
    pub fn target(&self) -> String {
        self.word(1)
    }

    /// Names as written on the wire, in order.
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(&self.head);
        text.lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// The value of a header in any case; `None` when it is missing.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether the body asks for a stream.
    pub fn wants_stream(&self) -> bool {
        self.json()["stream"] == true
    }

    /// Waits until the peer closed or reset the connection while the answer was due; how long after `since`.
    pub async fn closed_after(&self, since: Instant) -> Duration {
        let mut closed = self.closed.subscribe();
        let at =
            super::super::wait::within("the upstream connection to close", closed.wait_for(Option::is_some));
        let at = at.await.unwrap().unwrap_or(since);
        at.saturating_duration_since(since)
    }

    pub(crate) fn close(&self) {
        self.closed.send_if_modified(|at| {
            let first = at.is_none();
            if first {
                *at = Some(Instant::now());
            }
            first
        });
    }

    fn word(&self, index: usize) -> String {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        line.split(' ').nth(index).unwrap_or_default().to_owned()
    }
}

/// All requests of one upstream.
#[derive(Default)]
pub struct Log(Mutex<Vec<Arc<Recorded>>>);

impl Log {
    pub(crate) fn add(&self, request: Recorded) -> Arc<Recorded> {
        let request = Arc::new(request);
        self.0.lock().unwrap().push(request.clone());
        request
    }

    pub(crate) fn all(&self) -> Vec<Arc<Recorded>> {
        self.0.lock().unwrap().clone()
    }
}
