//! Server-sent events on bytes: framing that is right wherever the network cuts.
//!
//! Rules: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>.

mod decoder;
mod keepalive;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

pub use decoder::{Decoder, End, MAX_EVENT};
pub use keepalive::only_keepalive;

/// One whole event. `raw` is what came, so an untouched event goes out byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field, empty when there was none.
    pub name: Bytes,
    /// The `data:` lines, joined by line feeds.
    pub data: Bytes,
    /// The bytes as they came, with the blank line that ends them.
    pub raw: Bytes,
}

impl Event {
    /// An event of our own making. Line ends inside `data` become further `data:` lines; a name ends at
    /// its first line end.
    pub fn new(name: &str, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        let name = name.split(['\r', '\n']).next().unwrap_or_default();
        let mut raw = BytesMut::with_capacity(name.len() + data.len() + 24);
        if !name.is_empty() {
            raw.extend_from_slice(b"event: ");
            raw.extend_from_slice(name.as_bytes());
            raw.extend_from_slice(b"\n");
        }
        let mut rest = data;
        loop {
            let end = memchr::memchr2(b'\r', b'\n', rest);
            raw.extend_from_slice(b"data: ");
            raw.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
            raw.extend_from_slice(b"\n");
            let Some(end) = end else { break };
            rest = &rest[end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
        }
        raw.extend_from_slice(b"\n");
        Self::parse(raw.freeze(), 0)
    }

    /// Whether it carries no data: a comment or a lone field, forwarded but not shown to plugins.
    pub fn is_comment(&self) -> bool {
        self.data.is_empty() && self.name.is_empty()
    }

    /// Reads the fields of one whole event, its first `skip` bytes aside (a byte order mark). A single
    /// `data:` line is borrowed from `raw`.
    fn parse(raw: Bytes, skip: usize) -> Self {
        let mut name = Bytes::new();
        let mut data: Option<Bytes> = None;
        let mut joined: Option<BytesMut> = None;
        for line in lines(&raw[skip..]) {
            let (field, value) = field(line);
            match field {
                b"event" => name = raw.slice_ref(value),
                b"data" => match (data.take(), &mut joined) {
                    (None, None) => data = Some(raw.slice_ref(value)),
                    (None, Some(joined)) => {
                        joined.extend_from_slice(b"\n");
                        joined.extend_from_slice(value);
                    }
                    (Some(first), _) => {
                        let mut both = BytesMut::from(&first[..]);
                        both.extend_from_slice(b"\n");
                        both.extend_from_slice(value);
                        joined = Some(both);
                    }
                },
                _ => {}
            }
        }
        let data = data.or(joined.map(BytesMut::freeze)).unwrap_or_default();
        Event { name, data, raw }
    }
}

/// The lines of a text, without their ends: CRLF, LF or CR.
fn lines(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else { return Some(std::mem::take(&mut rest)) };
        let (line, after) = rest.split_at(end);
        rest = &after[if after.starts_with(b"\r\n") { 2 } else { 1 }..];
        Some(line)
    })
}

/// The field name and value of a line: one space after the colon does not count, a line without a colon
/// is a name alone, a comment has an empty name.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', line) {
        None => (line, &line[line.len()..]),
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
    }
}
