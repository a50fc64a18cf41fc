//! `out`: the request to the provider, while the hook `provider.request.prepared` may edit it.
//!
//! Where it goes and its credential are not there: a credential is bound to its origin.

use std::sync::Arc;

use ccproxy_core::provider::Outbound;
use http::uri::PathAndQuery;
use mlua::{AnyUserData, Lua, MetaMethod, UserData, UserDataFields, UserDataMethods};

use super::DeadHandle;
use super::body::BodyHandle;
use super::headers::HeadersHandle;
use super::place::Place;
use super::request::checked_path;
use super::view::{View, too_late};

/// The userdata.
pub(crate) struct OutboundHandle(Arc<View>);

/// The outbound handle of a view, made once.
pub(crate) fn of(lua: &Lua, view: &Arc<View>) -> mlua::Result<AnyUserData> {
    let mut refs = view.refs.lock();
    if let Some(outbound) = &refs.outbound {
        return Ok(outbound.clone());
    }
    let outbound = lua.create_userdata(OutboundHandle(view.clone()))?;
    refs.outbound = Some(outbound.clone());
    Ok(outbound)
}

impl OutboundHandle {
    fn with<R>(&self, f: impl FnOnce(&mut Outbound) -> R) -> Result<R, DeadHandle> {
        match &mut *self.0.exchange()?.outbound.lock() {
            Some(outbound) => Ok(f(outbound)),
            None => Err(too_late("the request to the provider", ccproxy_core::exchange::Moment::Prepared)),
        }
    }
}

impl UserData for OutboundHandle {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("method", |_, this| Ok(this.with(|out| out.method.to_string())?));
        fields.add_field_method_get("host", |_, this| {
            Ok(this.with(|out| out.origin.authority.host().to_owned())?)
        });
        fields.add_field_method_get("path", |_, this| Ok(this.with(|out| out.path.path().to_owned())?));
        fields.add_field_method_set("path", |_, this, path: String| {
            let checked = checked_path(&path)?;
            this.with(|out| {
                let target = match out.path.query() {
                    Some(query) => format!("{checked}?{query}"),
                    None => checked.to_owned(),
                };
                match target.parse::<PathAndQuery>() {
                    Ok(path) => {
                        out.path = path;
                        Ok(())
                    }
                    Err(_) => Err(mlua::Error::runtime("that is no path")),
                }
            })?
        });
        fields.add_field_method_get("headers", |lua, this| {
            lua.create_userdata(HeadersHandle(Place::Outbound(this.0.clone())))
        });
        fields.add_field_method_get("body", |lua, this| {
            let slot: Arc<dyn super::BodySlot> = Arc::new(Place::Outbound(this.0.clone()));
            lua.create_userdata(BodyHandle::new(slot))
        });
        fields.add_field_method_get("request", |lua, this| super::request::of(lua, &this.0));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, _, ()| Ok("request to the provider"));
    }
}
