//! Tool calls of a chat answer, whose pieces servers label in many ways: by index, by id, by both, or by their
//! order alone.

use ccproxy_core::document::{Json, Kind};

use super::{Key, Reader};
use crate::formats::hub::{Piece, Raw, Sink, Text, fingerprint};
use crate::formats::json::text_at;

/// A call whose first piece came.
pub(super) struct Call {
    index: Option<u64>,
    id: String,
    /// What came before the name; `None` when the name is told.
    early: Option<String>,
}

impl Call {
    pub(super) fn opened(&self) -> bool {
        self.early.is_none()
    }
}

impl Reader {
    pub(super) fn call(&mut self, call: &Json<'_>, sink: &mut dyn Sink) {
        let custom = call.key("custom").filter(|custom| custom.kind() == Kind::Object);
        let inner = custom.clone().or_else(|| call.key("function"));
        let name = inner.as_ref().and_then(|inner| text_at(inner, "name")).filter(|name| !name.is_empty());
        let id = text_at(call, "id").filter(|id| !id.is_empty());
        let text = inner.and_then(|inner| {
            let arguments = inner.key(if custom.is_some() { "input" } else { "arguments" })?;
            let object = || Raw::of(&arguments).into_text();
            arguments.as_str().or_else(|| arguments.is_container().then(object))
        });
        let at = self.place(call.key("index").and_then(|index| index.as_u64()), id, name.is_some());
        self.piece(at, name, custom.is_some(), text.unwrap_or_default(), sink);
    }

    /// The older spelling: one call, without an id.
    pub(super) fn old_call(&mut self, call: &Json<'_>, sink: &mut dyn Sink) {
        let at = self.place(Some(0), None, false);
        let name = text_at(call, "name").filter(|name| !name.is_empty());
        self.piece(at, name, false, text_at(call, "arguments").unwrap_or_default(), sink);
    }

    /// Which call a piece belongs to. A named piece with another id is another call, even where the index says
    /// otherwise: some servers count every call as the first.
    fn place(&mut self, index: Option<u64>, id: Option<Text<'_>>, named: bool) -> usize {
        let another =
            |call: &Call| named && id.as_deref().is_some_and(|id| !call.id.is_empty() && call.id != id);
        let found = match (index, &id) {
            (Some(_), _) => self.calls.iter().rposition(|call| call.index == index),
            (None, Some(id)) => self.calls.iter().rposition(|call| call.id == *id),
            (None, None) if named => None,
            (None, None) => self.calls.len().checked_sub(1),
        };
        if let Some(at) = found.filter(|at| !another(&self.calls[*at])) {
            return at;
        }
        let id = id.unwrap_or_default().into_owned();
        self.calls.push(Call { index, id, early: Some(String::new()) });
        self.calls.len() - 1
    }

    /// Opens the call with its name and tells its arguments; those that come before wait.
    fn piece(
        &mut self,
        at: usize,
        name: Option<Text<'_>>,
        custom: bool,
        text: Text<'_>,
        sink: &mut dyn Sink,
    ) {
        let key = Key::Call(at);
        let call = &mut self.calls[at];
        if let Some(early) = &mut call.early {
            early.push_str(&text);
            let Some(name) = name else { return };
            let early = call.early.take().unwrap_or_default();
            let id = match call.id.is_empty() {
                // The same in no other answer, and the same however often this one is read.
                true => format!("call_{}_{at}", &fingerprint(&[&self.id])[..16]),
                false => call.id.clone(),
            };
            self.pieces.open(key.clone(), Piece::Call { id: id.into(), namespace: None, name, custom }, sink);
            return self.pieces.text(&key, early.into(), sink);
        }
        self.pieces.text(&key, text, sink);
    }
}
