//! Code of a person, run inside a plugin's VM: `ccproxy lua`.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::error::Result;
use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, Table, Value};
use serde_json::{Value as Json, json};

use crate::call::Begun;
use crate::data;
use crate::fault::{Fault, clip};
use crate::inspect::inspect;
use crate::outcome;
use crate::plugin::Plugin;
use crate::script::Script;

/// How long one line may take, waiting included.
const WALL: Duration = Duration::from_secs(30);
/// Most bytes of a value that is given as data.
const LARGEST: usize = 1 << 20;
/// Where the names of the session are kept in a VM.
const SESSION: &str = "ccproxy.session";
/// Where the table that `plugin.lua` returned is kept.
pub(crate) const MANIFEST: &str = "ccproxy.manifest";

/// Runs `source`, an expression or statements, and tells what came of it:
/// `{ "values": [text...], "data": [value...], "printed": text }` (`data` has null where a value is no plain data),
/// `{ "error": text }`, or `{ "unfinished": true }` for code that goes on.
///
/// It runs as a handler would: inside the gate, under the CPU budget, with the plugin's rights. What it raises is
/// no failure of the plugin's.
pub(crate) async fn eval(plugin: &Plugin, source: &str) -> Result<Json> {
    let begin = |script: &Arc<Script>| {
        let lua = &script.vm.lua;
        let session = session(script)?;
        session.raw_set("printed", Value::Nil)?;
        // A mistake in it is a result like any other: what runs then only hands the message back.
        let run = match compile(lua, source, &session.raw_get("names")?) {
            Ok(function) => function,
            Err(message) => lua.create_function(move |_, ()| Err::<(), _>(mlua::Error::runtime(&message)))?,
        };
        let caught: Function = session.raw_get("caught")?;
        Ok(Begun::alone(script.vm.trampoline.call_async((caught, run))))
    };
    let finish = |script: &Arc<Script>, values| {
        let [returned, ..] = outcome::plain(values)?;
        let session = session(script)?;
        let printed: Option<String> = session.raw_get("printed")?;
        let Value::Table(returned) = returned else { return Err(Fault::Gone) };
        if !returned.raw_get::<bool>(1)? {
            let text = said(&returned.raw_get(2)?);
            // A person goes on typing.
            return Ok(match text.ends_with("<eof>") {
                true => json!({ "unfinished": true }),
                false => json!({ "error": text, "printed": printed }),
            });
        }
        let count: i64 = returned.raw_get("n")?;
        let mut values: Vec<Value> =
            (2..=count).map(|at| returned.raw_get(at)).collect::<mlua::Result<_>>()?;
        // `nil` behind a value is an error that there was not.
        while values.len() > 1 && values.last().is_some_and(Value::is_nil) {
            values.pop();
        }
        if let Some(first) = values.first() {
            session.raw_get::<Table>("names")?.raw_set("it", first)?;
        }
        let spelled: Vec<String> = values.iter().map(inspect).collect();
        let plain = |value| data::to_value(&script.vm.lua, value, LARGEST).unwrap_or_default();
        let data: Vec<serde_json::Value> = values.iter().map(plain).collect();
        Ok(json!({ "values": spelled, "data": data, "printed": printed }))
    };
    let handler = plugin.handlers.get("session", "the session");
    plugin.call(None, plugin.allowed_apart(WALL), &handler, begin, finish).get().await
}

/// What was raised, without the Rust around it.
fn said(value: &Value) -> String {
    clip(match value {
        Value::Error(error) => crate::fault::cause_text(error),
        Value::String(text) => text.to_string_lossy(),
        other => inspect(other),
    })
}

fn compile(lua: &Lua, source: &str, names: &Table) -> std::result::Result<Function, String> {
    let load = |text: String| {
        let chunk = lua.load(text).set_name("=session").set_mode(ChunkMode::Text);
        chunk.set_environment(names.clone()).into_function()
    };
    load(format!("return {source}"))
        .or_else(|_| load(source.to_owned()))
        .map_err(|error| said(&Value::Error(Box::new(error))))
}

/// The names that a person has given, which also see `plugin`, `manifest` (the table that `plugin.lua` returned),
/// `it` (the last value) and every global; what they print is kept.
fn session(script: &Script) -> mlua::Result<Table> {
    let lua = &script.vm.lua;
    if let Value::Table(session) = lua.named_registry_value(SESSION)? {
        return Ok(session);
    }
    let names = lua.create_table()?;
    names.raw_set("plugin", &script.plugin)?;
    names.raw_set("manifest", lua.named_registry_value::<Value>(MANIFEST)?)?;
    let session = lua.create_table()?;
    session.raw_set("names", &names)?;
    let globals = lua.create_table()?;
    globals.raw_set("__index", lua.globals())?;
    names.set_metatable(Some(globals))?;
    let kept = session.clone();
    names.raw_set(
        "print",
        lua.create_function(move |_, values: mlua::Variadic<Value>| {
            let line: Vec<String> = values
                .iter()
                .map(|value| match value {
                    Value::String(text) => text.to_string_lossy(),
                    other => inspect(other),
                })
                .collect();
            let before: Option<String> = kept.raw_get("printed")?;
            kept.raw_set("printed", clip(before.unwrap_or_default() + &line.join("\t") + "\n"))
        })?,
    )?;
    let caught = lua
        .load("local pcall, pack = pcall, table.pack return function(run) return pack(pcall(run)) end")
        .set_name("=ccproxy");
    session.raw_set("caught", caught.eval::<Function>()?)?;
    lua.set_named_registry_value(SESSION, &session)?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::start_in;

    #[tokio::test]
    async fn a_line_sees_the_plugin_and_keeps_what_it_named() {
        let text = "local count = 0
            local M = { name = 't', version = '1.0.0', capabilities = { 'kv' }, commands = { { name = 'up', run = function() count = count + 1 return count end } } }
            return M";
        let bench = start_in(&crate::tests::engine(), text).await;
        let eval =
            async |source: &str| bench.runtime.eval(source).expect("a session").await.expect("an answer");
        assert_eq!(eval("1 + 1").await, json!({ "values": ["2"], "data": [2], "printed": null }));
        assert_eq!(eval("plugin.config").await["values"], json!(["{ limit = 3 }"]));
        let told = eval("{ a = 1, [5] = 2 }, { 1, { x = 'y' } }, print, nil, 'z'").await;
        assert_eq!(told["data"], json!([null, [1, { "x": "y" }], null, null, "z"]), "{told}");
        assert_eq!(eval("x = 5").await["values"], json!([]));
        eval("plugin.config").await;
        assert_eq!(eval("x, 'two', it").await["values"], json!(["5", "\"two\"", "{ limit = 3 }"]));
        assert_eq!(eval("manifest.commands[1].run()").await["values"], json!(["1"]));
        assert_eq!(eval("print('a', 1) print({})").await["printed"], "a\t1\n{}\n");
        assert_eq!(eval("ccproxy.kv.set('k', 1) return ccproxy.kv.get('k')").await["values"], json!(["1"]));
        assert_eq!(eval("for i = 1, 2 do").await, json!({ "unfinished": true }));
        assert_eq!(eval("error('no')").await["error"], "session:1: no");
        assert!(eval("1 +* 2").await["error"].as_str().expect("text").starts_with("session:1:"));
        // A mistake of the person is none of the plugin's.
        assert_eq!(bench.runtime.stats()["errors"], 0);
        // But a line that never ends costs the VM, as everywhere.
        let endless = bench.runtime.eval("while true do end").expect("a session").await;
        assert!(crate::tests::log(&endless.expect_err("late")).contains("CPU"));
        assert_eq!(eval("x").await["values"], json!(["nil"]), "a new VM, a new session");
    }

    #[tokio::test]
    async fn a_session_has_no_more_rights_than_the_plugin() {
        let bench = start_in(&crate::tests::engine(), "return { name = 't', version = '1.0.0' }").await;
        for source in [
            "ccproxy.kv.get('k')",
            "ccproxy.file.list()",
            "getfenv()",
            "loadstring('x')",
            "io.open('/etc/passwd')",
        ] {
            let told = bench.runtime.eval(source).expect("a session").await.expect("an answer");
            assert!(told["error"].is_string(), "{source}: {told}");
        }
        let told = bench.runtime.eval("ccproxy.kv = nil").expect("a session").await.expect("an answer");
        assert!(told["error"].is_string(), "host tables stay read-only: {told}");
    }
}
