//! `p.upstream` and `p.http`: what the network answers, and what it was asked.

use std::sync::Arc;

use http::Method;
use mlua::{
    Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields, UserDataMethods, UserDataRef, Value,
};

use super::record::Record;
use super::reply::{Cut, Reply};
use super::sight;
use super::world::{Seen, Source, World};
use crate::args::Args;
use crate::handle::no_field;

/// Most places that `every_cut` tries.
const PLACES: usize = 5_000;

pub(super) const UPSTREAM: &[&str] = &["reply", "always", "every_cut", "requests", "last", "count"];
pub(super) const HTTP: &[&str] = &["on", "requests", "last", "count"];

/// `p.upstream`.
pub(super) struct Providers {
    pub(super) world: Arc<World>,
    pub(super) record: Arc<Record>,
}

/// `p.http`.
pub(super) struct Outside {
    pub(super) world: Arc<World>,
}

fn source(lua: &Lua, function: &'static str, value: Value) -> mlua::Result<Source> {
    match value {
        Value::Function(function) => Ok(Source::Function(function)),
        value => Ok(Source::Reply(Box::new(Reply::read(lua, function, value)?))),
    }
}

fn list(lua: &Lua, seen: &[Seen]) -> mlua::Result<Table> {
    let requests = seen.iter().map(|seen| sight::request(lua, seen)).collect::<mlua::Result<Vec<_>>>()?;
    lua.create_sequence_from(requests)
}

fn last(lua: &Lua, seen: &[Seen], nobody: &str) -> mlua::Result<Table> {
    seen.last().map_or_else(|| Err(mlua::Error::runtime(nobody)), |seen| sight::request(lua, seen))
}

impl UserData for Providers {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("requests", |lua, this| list(lua, &this.world.asked()));
        fields.add_field_method_get("last", |lua, this| {
            last(lua, &this.world.asked(), "no provider was asked anything")
        });
        fields.add_field_method_get("count", |_, this| Ok(this.world.asked().len()));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("reply", |lua, this, value: Value| {
            this.world.queue(source(lua, "p.upstream:reply", value)?);
            Ok(())
        });
        methods.add_method("always", |lua, this, value: Value| {
            this.world.always(source(lua, "p.upstream:always", value)?);
            Ok(())
        });
        methods.add_async_method("every_cut", |lua, this: UserDataRef<Self>, values: MultiValue| {
            let (world, record) = (this.world.clone(), this.record.clone());
            async move { every_cut(&lua, &world, &record, values).await }
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, key: Value| -> mlua::Result<Value> {
            Err(no_field("p.upstream", &key.to_string()?, UPSTREAM))
        });
    }
}

/// Calls the function once with the answer whole, then once for each place at which it can be cut in two.
async fn every_cut(lua: &Lua, world: &World, record: &Record, values: MultiValue) -> mlua::Result<usize> {
    let args = Args::new("p.upstream:every_cut", values);
    let (reply, function) = (Reply::read(lua, "p.upstream:every_cut", args.any(1))?, args.function(2)?);
    let mut at = 0;
    loop {
        world.clear();
        let cut = if at == 0 { Cut::Never } else { Cut::After(vec![at]) };
        world.queue(Source::Reply(Box::new(reply.clone().cut(cut))));
        if let Err(error) = function.call_async::<MultiValue>(at).await {
            if at > 0 {
                record.note(format!("the answer was cut after byte {at} of {}", world.length()));
            }
            return Err(error);
        }
        if world.queued() > 0 {
            return Err(args.refuse(2, "asked no provider, so that nothing was cut"));
        }
        let length = world.length();
        if length > PLACES {
            let told = format!(
                "an answer of {length} bytes is too long to be cut everywhere (at most {PLACES}); `cut = 1` gives it byte by byte"
            );
            return Err(args.refuse(1, &told));
        }
        at += 1;
        if at >= length {
            return Ok(at);
        }
    }
}

impl UserData for Outside {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("requests", |lua, this| list(lua, &this.world.fetched()));
        fields.add_field_method_get("last", |lua, this| {
            last(lua, &this.world.fetched(), "the plugin asked no host anything")
        });
        fields.add_field_method_get("count", |_, this| Ok(this.world.fetched().len()));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("on", |lua, this, values: MultiValue| {
            let args = Args::new("p.http:on", values);
            let given = args.utf8(1)?;
            let (method, url) = match given.split_once(' ') {
                Some((method, url)) => {
                    let known = Method::from_bytes(method.as_bytes());
                    let known = known.map_err(|_| args.refuse(1, &format!("`{method}` is no method")))?;
                    (Some(known), url.trim().to_owned())
                }
                None => (None, given),
            };
            if !url.contains("://") && !url.starts_with('*') {
                return Err(args.refuse(1, "expected a URL such as `https://example.com/v1/*`, a method before it where that matters"));
            }
            this.world.rule(method, url, source(lua, "p.http:on", args.any(2))?);
            Ok(())
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, key: Value| -> mlua::Result<Value> {
            Err(no_field("p.http", &key.to_string()?, HTTP))
        });
    }
}
