//! What the upstream does with a request: bytes, waits and faults, one after the other.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

/// One thing to do on the socket.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Write(Vec<u8>),
    Pause(Duration),
    Wait(Gate),
    /// Until the peer leaves.
    Stall,
    /// FIN, whatever was promised.
    Cut,
    /// RST.
    Reset,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length,
    Chunked,
    Close,
    None,
}

/// A scripted answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    framing: Framing,
    claimed: Option<usize>,
    body: Vec<Act>,
    before: Vec<Act>,
}

/// Holds a reply back until the test opens it.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Gate(Arc::new(Semaphore::new(0)))
    }
}

impl Gate {
    /// Lets one waiting reply, or the next, go on.
    pub fn open(&self) {
        self.0.add_permits(1);
    }

    pub(crate) async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

impl Reply {
    /// A status without headers or body yet; `content-length` framing.
    pub fn status(status: u16) -> Self {
        Reply {
            status,
            headers: Vec::new(),
            framing: Framing::Length,
            claimed: None,
            body: Vec::new(),
            before: Vec::new(),
        }
    }

    /// A JSON answer.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::status(status).header("content-type", "application/json").bytes(value.to_string())
    }

    /// An event stream, chunked, one chunk a piece.
    pub fn stream<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let reply = Self::status(200).header("content-type", "text/event-stream; charset=utf-8").chunked();
        pieces.into_iter().fold(reply, |reply, piece| reply.bytes(piece))
    }

    /// These bytes and nothing of HTTP's own.
    pub fn garbage(bytes: impl AsRef<[u8]>) -> Self {
        let mut reply = Self::status(0);
        reply.framing = Framing::None;
        reply.bytes(bytes)
    }

    /// Adds a header, spelled as given.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The end is told by chunks.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// The end is told by closing.
    pub fn close_delimited(mut self) -> Self {
        self.framing = Framing::Close;
        self
    }

    /// Claims a length that need not be true.
    pub fn claim_length(mut self, length: usize) -> Self {
        self.claimed = Some(length);
        self
    }

    /// Adds a piece of the body.
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        self.act(Act::Write(bytes.as_ref().to_vec()))
    }

    /// Waits before the next piece.
    pub fn pause(self, time: Duration) -> Self {
        self.act(Act::Pause(time))
    }

    /// Waits for the gate before the next piece.
    pub fn gate(self, gate: &Gate) -> Self {
        self.act(Act::Wait(gate.clone()))
    }

    /// Sends nothing more until the peer leaves.
    pub fn stall(self) -> Self {
        self.act(Act::Stall)
    }

    /// Closes here, whatever was promised.
    pub fn cut(self) -> Self {
        self.act(Act::Cut)
    }

    /// Resets the connection here.
    pub fn reset(self) -> Self {
        self.act(Act::Reset)
    }

    /// Never sends a head.
    pub fn stall_before_head(mut self) -> Self {
        self.before.push(Act::Stall);
        self
    }

    /// Waits for the gate before the head.
    pub fn gate_before_head(mut self, gate: &Gate) -> Self {
        self.before.push(Act::Wait(gate.clone()));
        self
    }

    /// Closes without a word.
    pub fn cut_before_head(mut self) -> Self {
        self.before.push(Act::Cut);
        self
    }

    fn act(mut self, act: Act) -> Self {
        self.body.push(act);
        self
    }

    /// Everything to do, framing included, and whether the connection lives on.
    pub(crate) fn acts(self) -> (Vec<Act>, bool) {
        let mut acts = self.before.clone();
        if self.framing != Framing::None {
            acts.push(Act::Write(self.head()));
        }
        let chunked = self.framing == Framing::Chunked;
        for act in self.body {
            match act {
                Act::Write(bytes) if chunked && !bytes.is_empty() => {
                    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
                    framed.extend_from_slice(&bytes);
                    framed.extend_from_slice(b"\r\n");
                    acts.push(Act::Write(framed));
                }
                act => acts.push(act),
            }
        }
        if chunked {
            acts.push(Act::Write(b"0\r\n\r\n".to_vec()));
        }
        // A close that nobody was told of may meet the next request: only `cut` and `reset` make one.
        (acts, self.framing != Framing::Close)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        match self.framing {
            Framing::Length => {
                let size = |act: &Act| if let Act::Write(bytes) = act { bytes.len() } else { 0 };
                let length = self.claimed.unwrap_or_else(|| self.body.iter().map(size).sum());
                head += &format!("content-length: {length}\r\n");
            }
            Framing::Chunked => head += "transfer-encoding: chunked\r\n",
            Framing::Close => head += "connection: close\r\n",
            Framing::None => {}
        }
        head += "\r\n";
        head.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}
