//! `ev`: one whole event of a stream, alive while its handler is.

use std::sync::Arc;

use ccproxy_core::document::{Document, Path};
use ccproxy_core::middleware::{BodyAccess, EventFlow};
use ccproxy_core::sse;
use mlua::{BString, IntoLua, Lua, MetaMethod, UserData, UserDataMethods, Value};
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

    /// The exchange as its plugin sees it.
    pub(crate) fn view(&self) -> &View {
        &self.view
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

    /// Its name, or the `type` in its data when it has none.
    fn kind(&mut self) -> Option<String> {
        if !self.event.name.is_empty() {
            return Some(String::from_utf8_lossy(&self.event.name).into_owned());
        }
        let path = Path::parse("type").ok()?;
        self.document().get(&path)?.as_str().map(|text| text.into_owned())
    }

    /// The piece of answer text it carries.
    fn text(&mut self) -> Option<String> {
        let path = self.text_path()?;
        self.document().get(&path)?.as_str().map(|text| text.into_owned())
    }

    fn set_text(&mut self, json: &str) -> mlua::Result<()> {
        let path =
            self.text_path().ok_or_else(|| mlua::Error::runtime("this event carries no piece of text"))?;
        self.document().set(&path, json.as_bytes()).map_err(|error| mlua::Error::runtime(error.to_string()))
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

pub(super) const FIELDS: &[&str] = &["name", "type", "index", "raw", "data", "text"];

impl UserData for EventHandle {
    // One function for all fields: see `HeadersHandle`.
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, field: String| this.get(lua, &field));
        methods.add_meta_method(MetaMethod::NewIndex, |_, this, (field, value): (String, Value)| {
            this.set(&field, &value)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            Ok(this.state.with(|open| format!("event {}", String::from_utf8_lossy(&open.event.name)))?)
        });
    }
}

impl EventHandle {
    fn get(&self, lua: &Lua, field: &str) -> mlua::Result<Value> {
        let state = &self.state;
        match field {
            "name" => state.with(|open| BString::from(&open.event.name[..]))?.into_lua(lua),
            "type" => state.with(Open::kind)?.into_lua(lua),
            "index" => Ok(Value::Number(self.index as f64)),
            "raw" => {
                state.allowed(BodyAccess::Read)?;
                state.with(|open| BString::from(&open.event.raw[..]))?.into_lua(lua)
            }
            "data" => {
                state.with(|_| ())?;
                let slot: Arc<dyn BodySlot> = state.clone();
                Ok(Value::UserData(lua.create_userdata(BodyHandle::new(slot))?))
            }
            "text" => {
                state.allowed(BodyAccess::Read)?;
                state.with(Open::text)?.into_lua(lua)
            }
            _ => Err(super::no_field("ev", field, FIELDS)),
        }
    }

    fn set(&self, field: &str, value: &Value) -> mlua::Result<()> {
        let said = match (field, value) {
            ("text", Value::String(text)) => {
                self.state.allowed(BodyAccess::Write)?;
                let json = serde_json::Value::from(text.to_string_lossy()).to_string();
                return self.state.with(|open| open.set_text(&json))?;
            }
            ("text", other) => format!("`ev.text` takes a string, not a {}", other.type_name()),
            ("data", _) => "`ev.data` is a document: change it with `ev.data:set(path, value)`, \
                            or return a new event"
                .to_owned(),
            (known, _) if FIELDS.contains(&known) => format!("`ev.{field}` cannot be assigned to"),
            _ => return Err(super::no_field("ev", field, FIELDS)),
        };
        Err(mlua::Error::RuntimeError(said))
    }
}
