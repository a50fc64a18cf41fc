//! Cuts a byte stream into events. A chunk that holds whole events is not copied.

use bytes::{Buf, Bytes, BytesMut};

use super::Event;
use crate::error::{Error, Kind, Result};

/// Largest event that is accepted by default, in bytes.
pub const MAX_EVENT: usize = 16 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Cuts a byte stream into events: feed a chunk, then pull until there is none.
pub struct Decoder {
    /// The chunk fed last, while nothing was left over before it.
    chunk: Bytes,
    /// Left over from earlier chunks, with what was fed since.
    rest: BytesMut,
    /// How far the bytes in hand are known.
    seen: Seen,
    /// No byte of the stream was taken yet, so a byte order mark may come.
    fresh: bool,
    limit: usize,
}

/// Places in the bytes in hand.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Start of the current line.
    line: usize,
    /// Up to here the line has no end.
    searched: usize,
}

/// What was in hand when the stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// A last whole event, whose end could have been half a line end.
    pub event: Option<Event>,
    /// Bytes of an event that was never finished. Not empty: the stream was cut, or its writer was careless.
    pub partial: Bytes,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT)
    }
}

impl Decoder {
    /// Accepts events of up to [`MAX_EVENT`] bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts events of up to `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Decoder { chunk: Bytes::new(), rest: BytesMut::new(), seen: Seen::default(), fresh: true, limit }
    }

    /// Takes the next chunk, cut anywhere. Pull until `None` before the next one.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() && self.rest.is_empty() {
            self.chunk = chunk;
            return;
        }
        self.keep_chunk();
        self.rest.extend_from_slice(&chunk);
    }

    /// The next whole event. An event larger than the limit is an error of the upstream, and the stream's end.
    pub fn pull(&mut self) -> Result<Option<Event>> {
        let event = self.cut(false);
        let size = event.as_ref().map_or_else(|| self.in_hand().len(), |event| event.raw.len());
        if size > self.limit {
            let limit = self.limit;
            return Err(Error::upstream(
                Kind::BadGateway,
                format!("an event of the upstream's stream is larger than {limit} bytes"),
            ));
        }
        if event.is_none() {
            self.keep_chunk();
        }
        Ok(event)
    }

    /// Whether the bytes so far end between two events.
    pub fn at_boundary(&self) -> bool {
        self.in_hand().is_empty()
    }

    /// The stream has ended: what is left.
    pub fn finish(&mut self) -> End {
        let event = self.cut(true);
        self.keep_chunk();
        self.seen = Seen::default();
        End { event, partial: std::mem::take(&mut self.rest).freeze() }
    }

    fn in_hand(&self) -> &[u8] {
        if self.rest.is_empty() { &self.chunk } else { &self.rest }
    }

    fn keep_chunk(&mut self) {
        if !self.chunk.is_empty() {
            self.rest.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
        }
    }

    fn cut(&mut self, ended: bool) -> Option<Event> {
        let bom = if self.fresh { self.byte_order_mark()? } else { 0 };
        self.seen.line = self.seen.line.max(bom);
        self.seen.searched = self.seen.searched.max(bom);
        let mut seen = self.seen;
        let end = event_end(self.in_hand(), &mut seen, ended);
        self.seen = seen;
        let end = end?;
        let raw = match self.rest.is_empty() {
            true => self.chunk.copy_to_bytes(end),
            false => self.rest.split_to(end).freeze(),
        };
        self.seen = Seen::default();
        self.fresh = false;
        Some(Event::parse(raw, bom))
    }

    /// Length of the mark at the start of the stream; `None` while that cannot be told.
    fn byte_order_mark(&self) -> Option<usize> {
        let start = self.in_hand();
        match start.starts_with(BOM) {
            true => Some(BOM.len()),
            false => (!BOM.starts_with(start)).then_some(0),
        }
    }
}

/// Where the first event ends: behind its blank line. A CR that is the last byte in hand may be half of a
/// CRLF, so it is no end before the next byte, or the end of the stream, is seen.
fn event_end(bytes: &[u8], seen: &mut Seen, ended: bool) -> Option<usize> {
    loop {
        let Some(found) = memchr::memchr2(b'\r', b'\n', &bytes[seen.searched..]) else {
            seen.searched = bytes.len();
            return None;
        };
        let end = seen.searched + found;
        seen.searched = end;
        let after = match (bytes[end], bytes.get(end + 1)) {
            (b'\r', Some(b'\n')) => end + 2,
            (b'\r', None) if !ended => return None,
            _ => end + 1,
        };
        if end == seen.line {
            return Some(after);
        }
        *seen = Seen { line: after, searched: after };
    }
}
