//! Server-sent events on bytes: framing that is right wherever the network cuts.

use bytes::{Bytes, BytesMut};

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
    /// An event of our own making.
    pub fn new(name: &str, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        let mut raw = BytesMut::with_capacity(name.len() + data.len() + 24);
        if !name.is_empty() {
            raw.extend_from_slice(b"event: ");
            raw.extend_from_slice(name.as_bytes());
            raw.extend_from_slice(b"\n");
        }
        for line in data.split(|byte| *byte == b'\n') {
            raw.extend_from_slice(b"data: ");
            raw.extend_from_slice(line);
            raw.extend_from_slice(b"\n");
        }
        raw.extend_from_slice(b"\n");
        Event {
            name: Bytes::copy_from_slice(name.as_bytes()),
            data: Bytes::copy_from_slice(data),
            raw: raw.freeze(),
        }
    }

    /// Whether it carries no data: a comment or a lone field, forwarded but not shown to plugins.
    pub fn is_comment(&self) -> bool {
        self.data.is_empty() && self.name.is_empty()
    }
}

/// Cuts a byte stream into events.
#[derive(Default)]
pub struct Decoder {
    pending: BytesMut,
}
