//! `req.credential` and `req.credentials`: which of a provider's credentials is used, and how they stand. Names, never
//! secrets.

use std::sync::Arc;

use ccproxy_core::exchange::{Exchange, Moment};
use ccproxy_core::pool::Member;
use mlua::{IntoLua, Lua, Table, Value};

use super::view::View;

/// Most names that a plugin may want.
const MOST: usize = 64;

/// The one that was used; before, the first of those that are wanted.
pub(super) fn get(lua: &Lua, view: &Arc<View>) -> mlua::Result<Value> {
    let exchange = view.exchange()?;
    let credentials = exchange.credentials.lock();
    let wanted = credentials.wanted.as_ref().and_then(|wanted| wanted.first());
    credentials.used.as_ref().or(wanted).map(|name| &**name).into_lua(lua)
}

/// A name, or a list of names: these and no others, in this order. Nil leaves the choice to the pool.
pub(super) fn set(view: &Arc<View>, value: &Value) -> mlua::Result<()> {
    let bad = || {
        let told = format!(
            "`req.credential` takes a name or a list of 1 to {MOST} names, not a {}",
            value.type_name()
        );
        mlua::Error::RuntimeError(told)
    };
    let name = |value: &Value| {
        let text = value.as_string().and_then(|text| text.to_str().ok()).map(|text| Arc::<str>::from(&*text));
        text.ok_or_else(bad)
    };
    let wanted = match value {
        Value::Nil => None,
        Value::Table(list) => {
            let names = list.sequence_values::<Value>().take(MOST + 1).map(|value| name(&value?));
            let names = names.collect::<mlua::Result<Vec<_>>>()?;
            if names.is_empty() || names.len() > MOST {
                return Err(bad());
            }
            Some(Arc::from(names))
        }
        value => Some(Arc::from([name(value)?])),
    };
    view.exchange_until(Moment::Request, "the credential")?.credentials.lock().wanted = wanted;
    Ok(())
}

/// Those of the provider that would be asked first; nil where it has one at most.
pub(super) fn list(lua: &Lua, view: &Arc<View>) -> mlua::Result<Value> {
    let exchange = view.exchange()?;
    let Some(pool) = provider(&exchange).and_then(|name| exchange.generation.provider(&name)?.pool()) else {
        return Ok(Value::Nil);
    };
    let members =
        pool.members.iter().map(|member| describe(lua, member)).collect::<mlua::Result<Vec<_>>>()?;
    let list = lua.create_sequence_from(members)?;
    list.set_readonly(true);
    Ok(Value::Table(list))
}

fn provider(exchange: &Exchange) -> Option<Arc<str>> {
    exchange.request.lock().provider.clone()
}

fn describe(lua: &Lua, member: &Member) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("name", &*member.name)?;
    table.raw_set("kind", member.kind)?;
    table.raw_set("state", member.state)?;
    table.raw_set("why", &*member.why)?;
    table.raw_set("ready_in", member.ready_in)?;
    table.raw_set("in_flight", member.in_flight)?;
    table.raw_set("uses", member.uses as f64)?;
    table.raw_set("errors", member.errors as f64)?;
    table.raw_set("last_used", member.last_used)?;
    table.set_readonly(true);
    Ok(table)
}
