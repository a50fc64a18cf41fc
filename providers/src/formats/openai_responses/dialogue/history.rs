//! What a conversation has said so far, by the id of its answers. Bounded: what is too much is not kept, and
//! the client is told to send everything again.

use std::collections::VecDeque;

use bytes::Bytes;
use ccproxy_core::document::Json;

/// Answers that can be built on. Clients build on the last one; a warm-up and a fork come before it.
const MOST: usize = 4;

/// The conversations of one socket.
pub(super) struct History {
    kept: VecDeque<(String, Items)>,
    limit: usize,
}

/// Input items as JSON texts. Those of earlier answers are shared, not copied.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    /// Each one item, or several with commas between.
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl History {
    /// All together may have `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        History { kept: VecDeque::new(), limit }
    }

    /// The conversation up to an answer.
    pub(super) fn find(&self, id: &str) -> Option<Items> {
        self.kept.iter().find(|(known, _)| known == id).map(|(_, items)| items.clone())
    }

    /// Keeps a conversation up to an answer, and lets the oldest go.
    pub(super) fn keep(&mut self, id: String, items: Items) {
        self.kept.retain(|(known, _)| *known != id);
        if items.bytes > self.limit {
            return;
        }
        // What conversations share is counted for each of them: the bound is kept, and seldom reached.
        let mut held: usize = self.kept.iter().map(|(_, items)| items.bytes).sum();
        while self.kept.len() >= MOST || held + items.bytes > self.limit {
            let Some((_, oldest)) = self.kept.pop_front() else { break };
            held -= oldest.bytes;
        }
        self.kept.push_back((id, items));
    }
}

impl Items {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds an item.
    pub(super) fn push(&mut self, item: impl Into<Bytes>) {
        let item = item.into();
        self.bytes += item.len();
        self.pieces.push(item);
    }

    /// Adds the items of an array.
    pub(super) fn push_array(&mut self, array: &Json<'_>) {
        let raw = array.raw();
        let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default().trim_ascii();
        if !inside.is_empty() {
            self.push(inside.to_vec());
        }
    }

    pub(super) fn append(&mut self, other: Items) {
        self.bytes += other.bytes;
        self.pieces.extend(other.pieces);
    }

    /// The JSON array of all.
    pub(super) fn array(&self) -> String {
        let mut text = Vec::with_capacity(self.bytes + self.pieces.len() + 2);
        text.push(b'[');
        for (place, piece) in self.pieces.iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            text.extend_from_slice(piece);
        }
        text.push(b']');
        String::from_utf8(text).unwrap_or_else(|text| String::from_utf8_lossy(text.as_bytes()).into_owned())
    }
}
