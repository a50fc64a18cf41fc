//! The stream of events, read line by line.

use serde_json::Value;

use crate::cli::Failure;
use crate::cli::running::Running;

/// Where they come from.
pub(super) const PATH: &str = "/permissions/stream";

/// Longest event that is read, in bytes.
const LONGEST: usize = 16 << 20;

/// One event.
#[derive(Debug, Default)]
pub(super) struct Event {
    /// `snapshot`, `request`, `resolved` or `expired`.
    pub(super) name: String,
    /// What to go on after.
    pub(super) id: String,
    /// Its data.
    pub(super) data: Value,
}

/// An open stream.
pub(super) struct Events {
    response: reqwest::Response,
    lines: Lines,
}

impl Events {
    /// Opens it, to go on after the event with this id.
    pub(super) async fn open(proxy: &Running, last: Option<&str>) -> Result<Self, Failure> {
        Ok(Events { response: proxy.stream(PATH, last).await?, lines: Lines::default() })
    }

    /// The next event; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = self.lines.event() {
                return Ok(Some(event));
            }
            let piece = self.response.chunk().await;
            match piece.map_err(|error| Failure::new(format!("the stream broke: {error}")))? {
                Some(bytes) if self.lines.0.len() + bytes.len() <= LONGEST => self.lines.0.extend(&bytes),
                Some(_) => return Err(Failure::new("an event of the stream is too long")),
                None => return Ok(None),
            }
        }
    }
}

/// Bytes that are no whole event yet.
#[derive(Default)]
pub(super) struct Lines(pub(super) Vec<u8>);

impl Lines {
    /// Takes the first whole event out; comments are none.
    pub(super) fn event(&mut self) -> Option<Event> {
        loop {
            let end = self.0.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.0.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&block);
            let mut event = Event::default();
            let mut data = String::new();
            for line in text.lines() {
                match line.split_once(": ") {
                    Some(("event", name)) => event.name = name.to_owned(),
                    Some(("id", id)) => event.id = id.to_owned(),
                    Some(("data", piece)) => data.push_str(piece),
                    _ => {}
                }
            }
            if let Ok(value) = serde_json::from_str(&data) {
                event.data = value;
                return Some(event);
            }
        }
    }
}
