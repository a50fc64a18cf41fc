//! Brings pieces that a provider sends side by side into a row: one is open, the others wait with what came
//! for them. The open one streams on as it comes.

use std::collections::VecDeque;

use ccproxy_core::document::Json;

use super::{Event, Piece, Sink, Text};

/// Pieces by the provider's own key for them.
pub(in crate::formats) struct Serial<K> {
    front: Option<(K, Front)>,
    waiting: VecDeque<Waiting<K>>,
    /// The provider says when a piece is whole; otherwise the next one's beginning says it.
    explicit: bool,
}

/// What is known of the open piece.
struct Front {
    /// Arguments so far, to see whether they are whole; `None` for other pieces.
    arguments: Option<String>,
    empty: bool,
}

struct Waiting<K> {
    key: K,
    piece: Piece<'static>,
    events: Vec<Event<'static>>,
    closed: bool,
}

impl<K: PartialEq + Clone> Serial<K> {
    pub(in crate::formats) fn new(explicit: bool) -> Self {
        Serial { front: None, waiting: VecDeque::new(), explicit }
    }

    /// Whether the piece is open or waits for its turn.
    pub(in crate::formats) fn knows(&self, key: &K) -> bool {
        self.is_front(key) || self.waiting.iter().any(|waiting| waiting.key == *key && !waiting.closed)
    }

    /// A piece begins.
    pub(in crate::formats) fn open(&mut self, key: K, piece: Piece<'_>, sink: &mut dyn Sink) {
        let free = self.front.as_ref().is_none_or(|(_, front)| !self.explicit && front.whole());
        if free && self.waiting.is_empty() {
            self.end_front(sink);
            self.begin(key, piece, sink);
            return;
        }
        self.waiting.push_back(Waiting { key, piece: piece.into_owned(), events: Vec::new(), closed: false });
    }

    /// Something of a piece: text, a break, a seal, a citation.
    pub(in crate::formats) fn push(&mut self, key: &K, event: Event<'_>, sink: &mut dyn Sink) {
        if let Some((_, front)) = self.front.as_mut().filter(|(open, _)| open == key) {
            front.note(&event);
            sink.take(event);
        } else if let Some(waiting) =
            self.waiting.iter_mut().find(|waiting| waiting.key == *key && !waiting.closed)
        {
            match (waiting.events.last_mut(), event) {
                (Some(Event::Text(text)), Event::Text(more)) => text.to_mut().push_str(&more),
                (_, event) => waiting.events.push(event.into_owned()),
            }
        }
    }

    pub(in crate::formats) fn text(&mut self, key: &K, text: Text<'_>, sink: &mut dyn Sink) {
        if !text.is_empty() {
            self.push(key, Event::Text(text), sink);
        }
    }

    /// A piece is whole.
    pub(in crate::formats) fn close(&mut self, key: &K, sink: &mut dyn Sink) {
        if self.is_front(key) {
            self.end_front(sink);
            self.advance(sink);
        } else if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.key == *key) {
            waiting.closed = true;
        }
    }

    /// The answer is whole, and all its pieces with it.
    pub(in crate::formats) fn close_all(&mut self, sink: &mut dyn Sink) {
        self.waiting.iter_mut().for_each(|waiting| waiting.closed = true);
        self.end_front(sink);
        self.advance(sink);
    }

    fn is_front(&self, key: &K) -> bool {
        self.front.as_ref().is_some_and(|(open, _)| open == key)
    }

    fn begin(&mut self, key: K, piece: Piece<'_>, sink: &mut dyn Sink) {
        let json = matches!(piece, Piece::Call { custom: false, .. });
        self.front = Some((key, Front { arguments: json.then(String::new), empty: true }));
        sink.take(Event::Open(piece));
    }

    fn end_front(&mut self, sink: &mut dyn Sink) {
        let Some((_, front)) = self.front.take() else { return };
        if front.arguments.is_some() && front.empty {
            // A call without arguments: clients parse them, and nothing is not JSON.
            sink.take(Event::Text("{}".into()));
        }
        sink.take(Event::Close);
    }

    /// Opens what waits; what is whole already goes by at once.
    fn advance(&mut self, sink: &mut dyn Sink) {
        while let Some(next) = self.waiting.pop_front() {
            self.begin(next.key.clone(), next.piece, sink);
            for event in next.events {
                self.push(&next.key, event, sink);
            }
            let whole = !self.explicit && self.front.as_ref().is_some_and(|(_, front)| front.whole());
            if next.closed || (whole && !self.waiting.is_empty()) {
                self.end_front(sink);
            } else {
                return;
            }
        }
    }
}

impl Front {
    /// Whether nothing more is expected: any piece but a call whose arguments are cut.
    fn whole(&self) -> bool {
        self.arguments.as_ref().is_none_or(|text| Json::whole(text.as_bytes()).is_some())
    }

    fn note(&mut self, event: &Event<'_>) {
        if let Event::Text(text) = event {
            self.empty &= text.trim().is_empty();
            if let Some(arguments) = &mut self.arguments {
                arguments.push_str(text);
            }
        }
    }
}
