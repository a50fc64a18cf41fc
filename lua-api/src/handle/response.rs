//! `res`: the answer on its way up, or one that `next()` returned.

use std::sync::Arc;

use ccproxy_core::body::{Answer, Body};
use http::StatusCode;
use mlua::{AnyUserData, MetaMethod, UserData, UserDataFields, UserDataMethods, Value};
use parking_lot::Mutex;

use super::body::BodyHandle;
use super::headers::HeadersHandle;
use super::place::Place;

/// Most bytes of an answer that `res:read()` takes in.
const MAX_READ: usize = 64 << 20;

/// The userdata.
pub(crate) struct ResponseHandle {
    place: Place,
    headers: Mutex<Option<AnyUserData>>,
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

impl UserData for ResponseHandle {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("status", |_, this| Ok(this.place.status()?.as_u16()));
        fields.add_field_method_set("status", |_, this, status: u16| {
            let status = StatusCode::from_u16(status)
                .ok()
                .filter(|status| (200..=599).contains(&status.as_u16()))
                .ok_or_else(|| {
                    mlua::Error::RuntimeError(format!("`{status}` is no status from 200 to 599"))
                })?;
            Ok(this.place.set_status(status)?)
        });
        fields.add_field_method_get("headers", |lua, this| {
            let mut kept = this.headers.lock();
            if let Some(headers) = &*kept {
                return Ok(headers.clone());
            }
            let headers = lua.create_userdata(HeadersHandle(this.place.clone()))?;
            *kept = Some(headers.clone());
            Ok(headers)
        });
        fields.add_field_method_get("body", |lua, this| {
            if !this.place.has_body()? {
                return Ok(Value::Nil);
            }
            let slot: Arc<dyn super::BodySlot> = Arc::new(this.place.clone());
            Ok(Value::UserData(lua.create_userdata(BodyHandle::new(slot))?))
        });
        fields.add_field_method_get("stream", |_, this| {
            Ok(this.place.headers(ccproxy_core::body::is_event_stream)?)
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("read", |_, this, ()| async move {
            let place = this.place.clone();
            drop(this);
            read(&place).await
        });
        methods.add_meta_method(MetaMethod::ToString, |_, _, ()| Ok("response"));
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
