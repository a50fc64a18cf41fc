//! Gives the tool calls of an answer the names and shapes that the client's request had.

use std::sync::Arc;

use ccproxy_core::document::Json;

use super::{Event, Names, Piece, Sink};

/// Stands between a reader and a writer.
pub(in crate::formats) struct Restore<S> {
    pub(in crate::formats) inner: S,
    names: Arc<Names>,
    /// Arguments of a call that travelled as JSON and is free text to the client.
    wrapped: Option<String>,
}

impl<S: Sink> Restore<S> {
    pub(in crate::formats) fn new(inner: S, names: Arc<Names>) -> Self {
        Restore { inner, names, wrapped: None }
    }
}

impl<S: Sink> Sink for Restore<S> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Open(Piece::Call { id, namespace: None, name, custom }) => {
                let names = self.names.clone();
                let Some(origin) = names.find(&name) else {
                    return self.inner.take(Event::Open(Piece::Call { id, namespace: None, name, custom }));
                };
                self.wrapped = (origin.custom && !custom).then(String::new);
                let namespace = origin.namespace.as_deref().map(Into::into);
                let custom = origin.custom;
                self.inner.take(Event::Open(Piece::Call {
                    id,
                    namespace,
                    name: (&*origin.name).into(),
                    custom,
                }));
            }
            Event::Text(text) => match &mut self.wrapped {
                Some(wrapped) => wrapped.push_str(&text),
                None => self.inner.take(Event::Text(text)),
            },
            Event::Close => {
                if let Some(wrapped) = self.wrapped.take() {
                    let inner = unwrap(&wrapped);
                    self.inner.take(Event::Text(inner.into()));
                }
                self.inner.take(Event::Close);
            }
            other => self.inner.take(other),
        }
    }
}

/// The key under which free text travels as JSON.
pub(in crate::formats) const INPUT: &str = "input";

/// The free text in the JSON; anything else passes as it is.
fn unwrap(arguments: &str) -> String {
    let input = Json::whole(arguments.as_bytes()).and_then(|json| json.key(INPUT)?.as_str());
    input.map_or_else(|| arguments.to_owned(), std::borrow::Cow::into_owned)
}
