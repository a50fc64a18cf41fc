//! `ccproxy.wait` and `ccproxy.notify`: one handler of a plugin waits, another wakes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ccproxy_core::store::Signals;
use mlua::{Function, Lua, MultiValue, Value};

use super::error::ErrorObject;
use crate::args::Args;
use crate::data::{self, Style};
use crate::host::Host;

/// How long a notification that finds nobody waiting is kept, unless the script says otherwise.
const KEEP: Duration = Duration::from_secs(10);
/// Longest that it can be kept.
const LONGEST_KEEP: Duration = Duration::from_secs(3600);
/// Longest key in bytes.
const LONGEST_KEY: usize = 512;
/// Largest value, as JSON text in bytes.
const LARGEST: usize = 256 << 10;

/// The function `ccproxy.wait(key, timeout)`.
pub fn wait(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Function> {
    let signals = signals(host);
    lua.create_async_function(move |lua, values: MultiValue| {
        let signals = signals.clone();
        async move {
            let args = Args::new("wait", values);
            let Some(signals) = signals else { return Err(super::not_yet("wait")) };
            let key = key(&args)?;
            let timeout = args.duration(2)?;
            let heard = signals.wait(&key, timeout).await;
            match heard {
                Ok(Some(value)) => Ok((data::from_trusted_json(&lua, &value)?, Value::Nil)),
                Ok(None) => {
                    let text = format!("nobody notified `{key}` in {} s", timeout.as_secs_f64());
                    ErrorObject::new(504, "timeout", text).pair(&lua)
                }
                Err(full) => ErrorObject::new(503, "wait", full.to_string()).pair(&lua),
            }
        }
    })
}

/// The function `ccproxy.notify(key, value, options)`.
pub fn notify(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Function> {
    let signals = signals(host);
    lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("notify", values);
        let Some(signals) = &signals else { return Err(super::not_yet("notify")) };
        let key = key(&args)?;
        let value = match args.any(2) {
            // A wait tells "notified" from "timeout" by its first result, which therefore is never nil.
            Value::Nil => Bytes::from_static(b"true"),
            value => match data::to_json(lua, &value, LARGEST, Style::Compact) {
                Ok(text) => text.into(),
                Err(refused) => return Err(args.refuse(2, &refused.to_string())),
            },
        };
        let keep = args.options(3, &["keep"])?.duration("keep")?.unwrap_or(KEEP).min(LONGEST_KEEP);
        match signals.notify(&key, &value, keep) {
            Ok(woken) => Ok((Value::Number(woken as f64), Value::Nil)),
            Err(full) => ErrorObject::new(503, "notify", full.to_string()).pair(lua),
        }
    })
}

/// The signals outlive a reload, so that an old instance hears the new one.
fn signals(host: &Host) -> Option<Arc<Signals>> {
    host.context.as_ref().map(|context| context.store.space(&host.plugin).signals().clone())
}

fn key(args: &Args) -> mlua::Result<String> {
    let key = args.utf8(1)?;
    match key.len() {
        1..=LONGEST_KEY => Ok(key),
        _ => Err(args.refuse(1, &format!("a key has 1 to {LONGEST_KEY} bytes"))),
    }
}
