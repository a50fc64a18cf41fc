//! `res`: the answer on its way up, or one that `next()` returned.

use std::sync::Arc;

use ccproxy_core::body::{Answer, Body};
use http::StatusCode;
use mlua::{AnyUserData, Function, IntoLua, Lua, MetaMethod, UserData, UserDataMethods, Value};
use parking_lot::Mutex;

use super::body::BodyHandle;
use super::headers::HeadersHandle;
use super::place::Place;

/// Most bytes of an answer that `res:read()` takes in.
const MAX_READ: usize = 64 << 20;

/// The userdata.
pub(crate) struct ResponseHandle {
    place: Place,
    /// Of an answer that a handler holds. Those of the exchange's own stand in its view: a handle that
    /// keeps another one alive costs a second round of the collector.
    headers: Mutex<Option<AnyUserData>>,
}

/// Makes the handle of the headers before the script runs, as `request::expect_headers` does.
pub(crate) fn expect_headers(lua: &Lua, place: &Place) -> mlua::Result<()> {
    match place {
        Place::Response(view) => kept_headers(lua, place, &mut view.refs.lock().response_headers).map(drop),
        _ => Ok(()),
    }
}

fn kept_headers(lua: &Lua, place: &Place, kept: &mut Option<AnyUserData>) -> mlua::Result<AnyUserData> {
    if let Some(headers) = kept {
        return Ok(headers.clone());
    }
    let headers = lua.create_userdata(HeadersHandle(place.clone()))?;
    *kept = Some(headers.clone());
    Ok(headers)
}

impl ResponseHandle {
    pub(crate) fn new(place: Place) -> Self {
        ResponseHandle { place, headers: Mutex::new(None) }
    }

    /// Takes the answer out of a handle that a handler returned; `None` for the exchange's own `res`.
    pub(crate) fn take(&self) -> Option<Option<Answer>> {
        match &self.place {
            Place::Own(own) => Some(own.answer.lock().take()),
            _ => None,
        }
    }
}

pub(super) const FIELDS: &[&str] = &["status", "headers", "body", "stream", "read"];

impl UserData for ResponseHandle {
    // One function for all fields: see `HeadersHandle`.
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, field: String| this.get(lua, &field));
        methods.add_meta_method(MetaMethod::NewIndex, |_, this, (field, value): (String, Value)| {
            this.set(&field, &value)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, _, ()| Ok("response"));
    }
}

/// The method `read`, made once a VM.
struct Read(Function);

/// Makes the methods of a VM's responses.
pub(crate) fn prepare(lua: &Lua) -> mlua::Result<()> {
    let read = lua.create_async_function(|_, this: AnyUserData| async move {
        let place = this.borrow::<ResponseHandle>()?.place.clone();
        read(&place).await
    })?;
    lua.set_app_data(Read(read));
    Ok(())
}

impl ResponseHandle {
    fn get(&self, lua: &Lua, field: &str) -> mlua::Result<Value> {
        match field {
            "status" => self.place.status()?.as_u16().into_lua(lua),
            "headers" => match &self.place {
                Place::Response(view) => {
                    kept_headers(lua, &self.place, &mut view.refs.lock().response_headers)
                }
                place => kept_headers(lua, place, &mut self.headers.lock()),
            }
            .map(Value::UserData),
            "body" if !self.place.has_body()? => Ok(Value::Nil),
            "body" => {
                let slot: Arc<dyn super::BodySlot> = Arc::new(self.place.clone());
                Ok(Value::UserData(lua.create_userdata(BodyHandle::new(slot))?))
            }
            "stream" => Ok(Value::Boolean(self.place.headers(ccproxy_core::body::is_event_stream)?)),
            "read" => {
                Ok(lua.app_data_ref::<Read>().map_or(Value::Nil, |read| Value::Function(read.0.clone())))
            }
            _ => Err(super::no_field("res", field, FIELDS)),
        }
    }

    fn set(&self, field: &str, value: &Value) -> mlua::Result<()> {
        if field != "status" {
            return match FIELDS.contains(&field) {
                true => Err(mlua::Error::RuntimeError(format!("`res.{field}` cannot be assigned to"))),
                false => Err(super::no_field("res", field, FIELDS)),
            };
        }
        let status = value
            .as_integer()
            .or_else(|| value.as_number().filter(|number| number.fract() == 0.0).map(|number| number as i64))
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (200..=599).contains(status))
            .and_then(|status| StatusCode::from_u16(status).ok())
            .ok_or_else(|| mlua::Error::runtime("a status is a whole number from 200 to 599"))?;
        Ok(self.place.set_status(status)?)
    }
}

/// Waits for all of a held answer's body, so that `res.body` is there.
async fn read(place: &Place) -> mlua::Result<bool> {
    let Place::Own(own) = place else { return Ok(place.has_body()?) };
    own.view.exchange()?;
    let body = match &mut own.answer.lock().answer {
        Some(answer) => std::mem::replace(&mut answer.body, Body::empty()),
        None => return Ok(false),
    };
    let bytes = body.collect(MAX_READ).await.map_err(|error| mlua::Error::runtime(error.to_string()))?;
    if let Some(answer) = &mut own.answer.lock().answer {
        answer.body = Body::full(bytes);
    }
    Ok(true)
}
