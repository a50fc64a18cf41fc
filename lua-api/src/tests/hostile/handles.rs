//! Rows 19 and 38: host objects and functions called with what they do not expect, or that fail themselves.
//! Row 18, handles kept too long, is in `tests/handles.rs`.

use std::sync::Arc;

use ccproxy_core::step::Step;
use mlua::{Function, Value};

use super::Outcome::{Fine, Says};
use super::{Case, check, engine};
use crate::call::{Allowed, Begun, call, gone};
use crate::cost::Handlers;
use crate::fault::Fault;
use crate::host::{Capabilities, Host, Sources};
use crate::script::Script;

const CASES: &[Case] = &[
    ("19 wrong self", "local f = req.headers.all f({}, 'x')", Says("")),
    ("19 self of another kind", "local f = req.headers.all f(req, 'x')", Says("")),
    ("19 nil self", "local f = req.headers.add f(nil)", Says("")),
    ("19 body method on headers", "local f = req.body.get f(req.headers, 'model')", Says("")),
    ("19 error as body", "local f = req.body.get f(ccproxy.error(400, 'a', 'b'), 'model')", Says("")),
    (
        "19 forged handle",
        "local fake = setmetatable({}, { __index = req }) assert(fake.path == req.path) return fake.headers",
        Says("returned a"),
    ),
    ("19 metamethod by hand", "return getmetatable(req).__index(nil, 'x')", Says("")),
    (
        "19 nan",
        "req.headers['x'] = 0/0 assert(req.headers[0/0] == nil) assert(req.headers[2^53 + 1] == nil)",
        Fine,
    ),
    ("19 table value", "req.headers['x'] = {}", Says("not a string")),
    ("19 field", "return req.nothing.deeper", Says("has no field `nothing`")),
    ("19 set field", "req.method = 'PUT'", Says("cannot be assigned")),
    ("19 large name", "return req[('x'):rep(1e5)]", Says("[cut]")),
    ("19 path", "return req.body:get(('a.'):rep(1e5) .. 'a')", Says("")),
    ("19 index", "assert(req.body:get('messages[' .. 2^53 .. ']') == nil)", Fine),
    ("19 negative index", "assert(req.body:get('messages[-' .. 2^31 .. ']') == nil)", Fine),
    ("19 wait of nan", "ccproxy.time.sleep(0/0)", Says("expected seconds")),
    ("19 wait of ages", "ccproxy.time.sleep(2^60)", Says("expected seconds")),
    ("19 negative wait", "ccproxy.wait('k', -1)", Says("expected seconds")),
    ("19 random of ages", "ccproxy.crypto.random_bytes(2^53)", Says("from 0 to")),
    ("19 negative random", "ccproxy.crypto.random_bytes(-1)", Says("from 0 to")),
    ("19 long digest", "assert(#ccproxy.crypto.sha256(('x'):rep(1e6)) == 64)", Fine),
    ("19 counts", "assert(#ccproxy.re.split(',', 'a,b', 2^53) == 2)", Fine),
    ("19 negative counts", "assert(#ccproxy.re.all('a', 'aaa', -5) == 0)", Fine),
];

#[tokio::test]
async fn each_ends_with_its_outcome_and_the_next_call_works() {
    check(CASES).await;
}

/// Every function of the `ccproxy` table, with arguments of every kind: an answer or a plain error, and
/// the VM lives on. Deterministic: the same arguments in the same order each time.
#[tokio::test]
async fn no_host_function_is_surprised_by_any_argument() {
    let text = r#"
        local odd = { 0, -1, 0/0, math.huge, 2^53 + 1, 1.5, "", "x", "\255\0", ("y"):rep(100000), true, {}, { 1, 2 },
            { a = 1 }, setmetatable({}, { __index = error }), print, coroutine.create(print), buffer.create(8),
            req, req.headers, req.body, ccproxy.null, ccproxy.DROP, ccproxy.error(400, "a", "b"), ccproxy.json }
        local calls = 0
        local function try(f, ...)
            calls += 1
            local ok, problem = pcall(f, ...)
            if not ok then
                local said = tostring(problem)
                assert(not said:find("panic"), said:sub(1, 500))
            end
        end
        local function all(f)
            try(f)
            for i = 1, #odd do
                try(f, odd[i])
                for j = 1, #odd, 3 do
                    try(f, odd[i], odd[j])
                    try(f, "a", odd[j], odd[i])
                end
            end
        end
        for name, value in ccproxy do
            if type(value) == "function" and name ~= "wait" then all(value) end
            if type(value) == "table" then
                for member, f in value do
                    if type(f) == "function" and member ~= "sleep" then all(f) end
                end
            end
        end
        for _, member in { "get", "set", "set_raw", "append", "delete", "len", "keys", "each", "kind", "raw", "text", "table", "size" } do
            all(function(...) return req.body[member](req.body, ...) end)
            all(req.body[member])
        end
        for _, member in { "all", "add", "pairs" } do
            all(function(...) return req.headers[member](req.headers, ...) end)
            all(req.headers[member])
        end
        for _, field in { "headers", "body", "path", "model", "state", "none" } do
            all(function(value) req[field] = value end)
        end
        return { body = tostring(calls) }"#;
    let limits = crate::host::Limits {
        cpu: std::time::Duration::from_secs(30),
        memory: 64 << 20,
        output: 1 << 20,
        ..crate::tests::tight()
    };
    let engine = crate::Engine::new(limits, crate::BreakerSettings::default());
    let fields = format!("capabilities = {{ 'kv', 'wire' }}, {}", crate::tests::request_fields(text));
    let bench = super::start_in(&engine, &crate::tests::manifest(&fields)).await;
    let exchange = super::exchange();
    let calls = match bench.request(&exchange).await {
        Ok(ccproxy_core::middleware::Flow::Answer(answer)) => super::body(answer).await,
        // The exchange has a budget too: on a slow machine the list ends there, as it should.
        Err(error) if super::log(&error).contains("CPU") => "20000".to_owned(),
        other => panic!("{:?}", other.map_err(|error| super::log(&error))),
    };
    assert!(calls.parse::<u32>().is_ok_and(|calls| calls > 10_000), "{calls} calls");
}

/// Row 38: a host function that panics takes the call and the VM with it, not the process; also when the
/// script catches what it sees of it.
#[tokio::test]
async fn a_panic_in_a_host_function_is_the_end_of_its_vm_only() {
    let host = Arc::new(Host {
        plugin: Arc::from("t"),
        capabilities: Capabilities::default(),
        // To tell of a panic takes time of its own.
        limits: crate::host::Limits { cpu: std::time::Duration::from_secs(20), ..crate::tests::tight() },
        paths: Vec::new(),
        context: None,
    });
    let mut sources = Sources::default();
    let main = "return { name = 't', version = '1.0.0', setup = function() end }";
    sources.files.insert("plugin.lua".to_owned(), main.to_owned());
    let sources = Arc::new(sources);
    let engine = engine();
    for (name, text) in [
        ("plain", "local f = ... f()"),
        ("caught", "local f = ... pcall(f) return 'went on'"),
        ("in a coroutine", "local f = ... return coroutine.wrap(f)()"),
        ("in a comparator", "local f = ... table.sort({ 2, 1 }, f)"),
        ("as a metamethod", "local f = ... return setmetatable({}, { __index = f }).x"),
        ("kept and raised again", "local f = ... local _, problem = pcall(f) error(problem)"),
    ] {
        let script = Arc::new(Script::load(&engine, &host, &sources, &Arc::default()).expect("a script"));
        let begin = |script: &Arc<Script>| {
            let bomb = script.vm.lua.create_function(|_, ()| -> mlua::Result<()> { panic!("a host bug") })?;
            let run: Function = script.vm.lua.load(text).into_function()?;
            Ok(Begun::alone(script.vm.trampoline.call_async((run, bomb))))
        };
        let finish = |_: &Arc<Script>, values: [Value; 3]| Ok(values[0].to_string().unwrap_or_default());
        let limits = &script.vm.limits;
        let allowed = Allowed { cpu: limits.cpu, wall: limits.wall };
        let handler = Handlers::default().get("t", "`t`");
        let Step::Ready(outcome) = call(script.clone(), &handler, allowed, gone, begin, finish) else {
            panic!("{name}")
        };
        match (name, outcome) {
            // It had nothing of it in hand when it ended.
            ("caught", Ok(text)) => assert_eq!(text, "went on"),
            (_, Err(Fault::Panic(text))) => {
                assert!(text.contains("a host bug"), "{name}: {text}");
                assert!(script.vm.is_dead(), "{name}");
            }
            (_, other) => panic!("{name}: {other:?}"),
        }
    }
}
