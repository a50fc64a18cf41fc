//! `ccproxy.time`: the clock on the wall, one that never goes back, and waiting.

use std::sync::Arc;

use jiff::Timestamp;
use mlua::{Lua, MultiValue, Table, Value};
use tokio::time::Instant;

use super::error::ErrorObject;
use crate::args::Args;
use crate::host::Host;

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let time = lua.create_table()?;
    let clock = host.clone();
    time.set("now", lua.create_function(move |_, ()| Ok(seconds(now(&clock))))?)?;
    let start = Instant::now();
    time.set("monotonic", lua.create_function(move |_, ()| Ok(start.elapsed().as_secs_f64()))?)?;
    let clock = host.clone();
    time.set("iso", lua.create_function(move |_, values| iso(&clock, values))?)?;
    time.set("parse", lua.create_function(parse)?)?;
    let host = host.clone();
    let sleep = lua.create_async_function(move |_, values: MultiValue| {
        let host = host.clone();
        async move {
            super::context(&host, "time.sleep")?;
            // The handler's own deadline ends a longer sleep.
            tokio::time::sleep(Args::new("time.sleep", values).duration(1)?).await;
            Ok(())
        }
    })?;
    time.set("sleep", sleep)?;
    Ok(time)
}

/// Text such as `2026-08-05T12:34:56.789Z`, in UTC, to the millisecond.
fn iso(host: &Host, values: MultiValue) -> mlua::Result<String> {
    let args = Args::new("time.iso", values);
    let time = match args.any(1) {
        Value::Nil => now(host),
        _ => {
            let millis = (args.number(1)? * 1_000.0).round();
            let millis =
                if millis.abs() < 1e17 { Timestamp::from_millisecond(millis as i64).ok() } else { None };
            millis.ok_or_else(|| args.refuse(1, "outside the years -9999 to 9999"))?
        }
    };
    Ok(format!("{time:.3}"))
}

/// Seconds since 1970 from a date of RFC 3339 (with an offset) or of an HTTP header.
fn parse(lua: &Lua, values: MultiValue) -> mlua::Result<(Value, Value)> {
    let text = Args::new("time.parse", values).utf8(1)?;
    let text = text.trim();
    let parsed = text.parse::<Timestamp>().ok();
    let parsed = parsed.or_else(|| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()));
    match parsed {
        Some(time) => Ok((Value::Number(seconds(time)), Value::Nil)),
        None => ErrorObject::new(400, "time", "not a date; write it as `2026-08-05T12:34:56Z`").pair(lua),
    }
}

/// The date by the house's clock, or, while the manifest is read, the machine's.
fn now(host: &Host) -> Timestamp {
    let date = host.context.as_ref().map(|context| context.store.clock().date());
    date.and_then(|date| Timestamp::try_from(date).ok()).unwrap_or_else(Timestamp::now)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_microsecond() as f64 / 1e6
}
