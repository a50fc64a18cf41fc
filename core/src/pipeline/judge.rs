//! Holds what plugins make of an event stream to the grammar of its format: a client never reads half an
//! event, an illegal order, or an end that only looks like one.
//!
//! What the provider itself sends is its own affair. So both sides are followed, and a plugin answers
//! only for an illegal stream that was legal when it came.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::format::{Format, Grammar};
use crate::sse::{Decoder, Event};

/// The judge of one stream.
pub(super) struct Judge {
    came: Box<dyn Grammar>,
    goes: Box<dyn Grammar>,
    /// The provider's own stream is illegal.
    odd: bool,
    /// The plugin that changed something last.
    edited: Option<Arc<str>>,
    /// Cuts what `chunk` handlers made into events again.
    decoder: Option<Decoder>,
    /// What the client has been given so far ends between two events, none of them the last.
    open: bool,
}

impl Judge {
    /// `bytes`: the stream goes through `chunk` handlers, and is judged behind them.
    pub(super) fn new(format: &dyn Format, bytes: bool) -> Self {
        Judge {
            came: format.grammar(),
            goes: format.grammar(),
            odd: false,
            edited: None,
            decoder: bytes.then(Decoder::default),
            open: true,
        }
    }

    /// An event as the provider sent it.
    pub(super) fn came(&mut self, event: &Event) {
        if !self.odd && !event.is_comment() {
            self.odd = self.came.accept(event).is_err();
        }
    }

    /// A plugin changed, added or removed something.
    pub(super) fn edited(&mut self, plugin: &Arc<str>) {
        if self.edited.as_ref() != Some(plugin) {
            self.edited = Some(plugin.clone());
        }
    }

    /// No plugin has changed anything so far.
    pub(super) fn is_idle(&self) -> bool {
        self.edited.is_none()
    }

    /// An event as the `event` handlers left it.
    pub(super) fn goes(&mut self, event: &Event) -> Result<()> {
        match self.decoder {
            Some(_) => Ok(()),
            None => self.accept(event),
        }
    }

    /// Bytes as the `chunk` handlers left them.
    pub(super) fn goes_bytes(&mut self, data: &Bytes) -> Result<()> {
        let Some(mut decoder) = self.decoder.take() else { return Ok(()) };
        decoder.feed(data.clone());
        let outcome = self.drain(&mut decoder);
        self.decoder = Some(decoder);
        outcome
    }

    /// The stream has ended; `whole`: as the provider meant it to.
    pub(super) fn end(&mut self, whole: bool) -> Result<()> {
        let end = self.decoder.as_mut().map(Decoder::finish);
        if let Some(event) = end.as_ref().and_then(|end| end.event.as_ref()) {
            self.accept(event)?;
        }
        let Some(plugin) = self.edited.as_ref().filter(|_| whole && !self.odd && self.came.complete()) else {
            return Ok(());
        };
        if end.is_some_and(|end| !end.partial.is_empty()) {
            return Err(Error::plugin(plugin, "`chunk` left half an event at the end of the stream"));
        }
        match self.goes.complete() {
            true => Ok(()),
            false => Err(Error::plugin(plugin, "it removed the last event of the stream")),
        }
    }

    /// All that was judged so far is given to the client.
    pub(super) fn sent(&mut self) {
        self.open = !self.goes.complete() && self.decoder.as_ref().is_none_or(Decoder::at_boundary);
    }

    /// Whether an error event may follow what the client has.
    pub(super) fn admits_error(&self) -> bool {
        self.open
    }

    fn drain(&mut self, decoder: &mut Decoder) -> Result<()> {
        while let Some(event) = decoder.pull()? {
            self.accept(&event)?;
        }
        Ok(())
    }

    fn accept(&mut self, event: &Event) -> Result<()> {
        if self.odd || event.is_comment() {
            return Ok(());
        }
        match (self.goes.accept(event), &self.edited) {
            (Err(problem), Some(plugin)) => {
                Err(Error::plugin(plugin, format!("it made an illegal stream: {problem}")))
            }
            _ => Ok(()),
        }
    }
}
