//! `ev`: one whole event of a stream, alive while its handler is.

use std::sync::Arc;

use ccproxy_core::document::{Document, Path};
use ccproxy_core::middleware::{BodyAccess, EventFlow};
use ccproxy_core::sse;
use mlua::{BString, MetaMethod, UserData, UserDataFields, UserDataMethods, Value};
use parking_lot::Mutex;

use super::body::BodyHandle;
use super::view::View;
use super::{BodySlot, DeadHandle};

/// An event and what a script made of it.
pub(crate) struct EventState {
    view: Arc<View>,
    event: Mutex<Option<Open>>,
}

struct Open {
    event: sse::Event,
    document: Option<Document>,
}

/// The userdata.
pub(crate) struct EventHandle {
    pub(crate) state: Arc<EventState>,
    index: u64,
}

/// Where a piece of answer text stands in an event's data, over the formats that are known.
const TEXT_PATHS: &[&str] = &["delta.text", "choices[1].delta.content", "delta"];

impl EventState {
    pub(crate) fn new(view: Arc<View>, event: sse::Event) -> Arc<Self> {
        Arc::new(EventState { view, event: Mutex::new(Some(Open { event, document: None })) })
    }

    /// Closes the handle; what becomes of the event when its handler returned nil.
    pub(crate) fn close(&self) -> EventFlow {
        match self.event.lock().take() {
            Some(open) => match open.edited() {
                Some(event) => EventFlow::Replace(vec![event]),
                None => EventFlow::Unchanged,
            },
            None => EventFlow::Unchanged,
        }
    }

    /// The event as it stands.
    pub(crate) fn current(&self) -> Option<sse::Event> {
        self.event.lock().as_ref().map(|open| open.edited().unwrap_or_else(|| open.event.clone()))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Open) -> R) -> Result<R, DeadHandle> {
        self.view.exchange()?;
        match &mut *self.event.lock() {
            Some(open) => Ok(f(open)),
            None => Err(DeadHandle("this event is over: its handler has returned".to_owned())),
        }
    }

    fn allowed(&self, wanted: BodyAccess) -> mlua::Result<()> {
        if self.view.access() >= wanted {
            return Ok(());
        }
        let word = if wanted == BodyAccess::Read { "read" } else { "write" };
        Err(mlua::Error::RuntimeError(format!(
            "the data of events needs `body = \"{word}\"` in the middleware's declaration"
        )))
    }
}

impl Open {
    fn document(&mut self) -> &mut Document {
        self.document.get_or_insert_with(|| Document::new(self.event.data.clone()))
    }

    /// The event with its new data, if a script edited it.
    fn edited(&self) -> Option<sse::Event> {
        let document = self.document.as_ref().filter(|document| document.edited())?;
        let name = String::from_utf8_lossy(&self.event.name);
        Some(sse::Event::new(&name, document.bytes()))
    }

    fn text_path(&mut self) -> Option<Path> {
        let document = self.document();
        TEXT_PATHS
            .iter()
            .filter_map(|path| Path::parse(path).ok())
            .find(|path| document.get(path).is_some_and(|value| value.as_str().is_some()))
    }
}

impl BodySlot for EventState {
    fn with(&self, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle> {
        EventState::with(self, |open| f(open.document()))
    }

    fn edit(&self, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle> {
        EventState::with(self, |open| f(open.document()))
    }

    fn access(&self) -> BodyAccess {
        self.view.access()
    }
}

impl EventHandle {
    pub(crate) fn new(state: Arc<EventState>, index: u64) -> Self {
        EventHandle { state, index }
    }
}

impl UserData for EventHandle {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("name", |_, this| {
            Ok(this.state.with(|open| BString::from(&open.event.name[..]))?)
        });
        // The `type` in the data, which for most formats is the event's name as well.
        fields.add_field_method_get("type", |_, this| {
            let found = this.state.with(|open| {
                if !open.event.name.is_empty() {
                    return Some(String::from_utf8_lossy(&open.event.name).into_owned());
                }
                let path = Path::parse("type").ok()?;
                open.document().get(&path)?.as_str().map(|text| text.into_owned())
            });
            Ok(found?)
        });
        fields.add_field_method_get("index", |_, this| Ok(this.index));
        fields.add_field_method_get("raw", |_, this| {
            this.state.allowed(BodyAccess::Read)?;
            Ok(this.state.with(|open| BString::from(&open.event.raw[..]))?)
        });
        fields.add_field_method_get("data", |lua, this| {
            this.state.with(|_| ())?;
            let slot: Arc<dyn BodySlot> = this.state.clone();
            lua.create_userdata(BodyHandle::new(slot))
        });
        fields.add_field_method_get("text", |_, this| {
            this.state.allowed(BodyAccess::Read)?;
            Ok(this.state.with(|open| {
                let path = open.text_path()?;
                open.document().get(&path)?.as_str().map(|text| text.into_owned())
            })?)
        });
        fields.add_field_method_set("text", |_, this, text: String| {
            this.state.allowed(BodyAccess::Write)?;
            let json = serde_json::Value::from(text).to_string();
            this.state.with(|open| match open.text_path() {
                Some(path) => open
                    .document()
                    .set(&path, json.as_bytes())
                    .map_err(|error| mlua::Error::runtime(error.to_string())),
                None => Err(mlua::Error::runtime("this event carries no piece of text")),
            })?
        });
        fields.add_field_method_set("data", |_, _, _: Value| -> mlua::Result<()> {
            Err(mlua::Error::runtime(
                "`ev.data` is a document: change it with `ev.data:set(path, value)`, or return a new event",
            ))
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            Ok(this.state.with(|open| format!("event {}", String::from_utf8_lossy(&open.event.name)))?)
        });
    }
}
