//! Rows 4-7, 10, 45: memory without end, and memory that ends in the middle of something.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlua::{Function, Lua};

use super::Outcome::{Limit, Memory, Says};
use super::{Case, check, engine};
use crate::host::{Capabilities, Host, Sources};
use crate::vm::Vm;

const CASES: &[Case] = &[
    ("4 coroutines", "local t = {} for i = 1, 1e6 do t[i] = coroutine.create(function() end) end", Limit),
    (
        "4 waiting coroutines",
        "local t = {} for i = 1, 1e6 do t[i] = coroutine.wrap(function() ccproxy.time.sleep(9) end) t[i]() end",
        Limit,
    ),
    ("5 recursion", "local function f() return 1 + f() end f()", Says("stack overflow")),
    ("5 pcall recursion", "local function f() pcall(f) f() end f()", Limit),
    (
        "5 metamethod recursion",
        "local m = {} m.__index = function(t, k) return t[k .. 'x'] end return setmetatable({}, m).a",
        Says("overflow"),
    ),
    (
        "5 tostring recursion",
        "local m = {} m.__tostring = function(t) return tostring(t) end return tostring(setmetatable({}, m))",
        Says("overflow"),
    ),
    ("5 gsub recursion", "local function f(x) return (('x'):gsub('x', f)) end f()", Says("overflow")),
    (
        "5 deep table",
        "local t = {} for i = 1, 20000 do t = { t } end return { json = t }",
        Says("deeper than 128"),
    ),
    ("6 rep", "return ('x'):rep(2^30)", Memory),
    ("6 doubling", "local s = 'x' while true do s = s .. s end", Memory),
    ("6 doubling in pcall", "local s = 'x' while true do pcall(function() s = s .. s end) end", Limit),
    ("6 concat", "local t = {} for i = 1, 1e5 do t[i] = ('y'):rep(1000) end return table.concat(t)", Limit),
    ("6 upper", "local t = {} while true do t[#t + 1] = ('y'):rep(1e6 + #t):upper() end", Limit),
    ("7 create", "return table.create(2^26, 1)", Memory),
    ("7 create too much", "return table.create(2^31)", Says("")),
    ("7 buffer", "return buffer.create(2^29)", Memory),
    ("7 buffers", "local t = {} while true do t[#t + 1] = buffer.create(2^20) end", Memory),
    ("7 insert", "local t = {} while true do table.insert(t, ('z'):rep(100) .. #t) end", Limit),
    ("7 keys", "local t = {} for i = 1, math.huge do t['k' .. i] = true end", Limit),
    ("7 unpack", "return table.unpack(table.create(1e6, 1))", Says("too many results")),
    ("7 closures", "local t = {} while true do local n = #t t[n + 1] = function() return n end end", Limit),
    ("10 width", "return string.format('%99999d', 1)", Says("invalid")),
    ("10 string width", "return string.format('%99999s', 'x')", Says("invalid")),
    ("10 pack", "return string.pack('i17', 1)", Says("out of limits")),
    ("10 pack size", "return string.pack('s', 'x') .. string.pack('c2147483647', 'x')", Says("")),
    ("10 unpack", "return string.unpack('s4', '\\255\\255\\255\\127x')", Says("too short")),
    ("10 bad format", "return string.format('%', 1)", Says("invalid")),
];

#[tokio::test]
async fn each_ends_with_its_outcome_and_the_next_call_works() {
    check(CASES).await;
}

/// What a script got by force is given back: the VM that had it is gone.
#[tokio::test]
async fn a_vm_at_its_limit_is_thrown_away_with_its_memory() {
    let engine = engine();
    let source = crate::tests::manifest(&crate::tests::request_fields(
        "kept = kept or {} if req.headers['x-team'] then while true do kept[#kept + 1] = ('x'):rep(1e5) .. #kept end end",
    ));
    let bench = super::start_in(&engine, &source).await;
    for _ in 0..3 {
        let error = super::log(&bench.run().await.expect_err("it takes all"));
        assert!(error.contains("memory") || error.contains("CPU"), "{error}");
        let calm = super::exchange();
        calm.request.lock().headers.remove("x-team");
        bench.request(&calm).await.expect("a new VM");
        let memory = bench.runtime.stats()["memory_bytes"].as_u64().unwrap_or(u64::MAX);
        assert!(memory < 2 << 20, "{memory} bytes are left in use");
        assert_eq!(engine.vms.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
}

/// Each builds something in steps that allocate, in the VM or in a host function.
const BUILDERS: &[(&str, &str)] = &[
    ("table", "local t = {} for i = 1, 50 do t[i] = { i, tostring(i) } end return #t"),
    ("closures", "local t = {} for i = 1, 50 do t[i] = function() return i end end return #t"),
    ("coroutine", "return coroutine.wrap(function() coroutine.yield(1) end)()"),
    ("raise", "return pcall(error, { text = ('x'):rep(50) })"),
    (
        "decode",
        "return ccproxy.json.decode('{\"a\":[1,2,{\"b\":\"text\",\"c\":[[],{}]}],\"d\":{\"e\":null}}')",
    ),
    ("encode", "return ccproxy.json.encode({ a = { 1, 2, { b = 'text' } }, d = { e = ccproxy.null } })"),
    ("bad json", "return ccproxy.json.decode('{')"),
    ("error object", "return tostring(ccproxy.error(429, 'rate', 'slow', { ['retry-after'] = 5 }))"),
    ("split", "return ccproxy.re.split(',', 'a,b,c,d,e,f')"),
    ("gsub", "return ccproxy.re.gsub('[a-c]', 'a,b,c,d', function(x) return x .. x end)"),
    ("captures", "return ccproxy.re.captures('(?P<x>a)(b)(c)', 'abc')"),
    ("compile", "return ccproxy.re.compile('a(b|c)+d')"),
    ("parse", "return ccproxy.sse.parse('event: a\\ndata: 1\\n\\ndata: 2\\n\\n')"),
    ("frame", "return ccproxy.sse.encode { event = 'a', data = { b = { 1, 2 } } }"),
    ("digest", "return ccproxy.crypto.sha256(ccproxy.crypto.random_bytes(100), 'base64')"),
    ("schema", "return ccproxy.schema.list { of = ccproxy.schema.string { default = 'x' } }"),
    ("date", "return ccproxy.time.iso(0), ccproxy.time.parse('2026-08-05T12:34:56Z')"),
    ("wrong argument", "return pcall(ccproxy.json.encode, { x = print })"),
    ("print", "print('x', 1, {})"),
    ("require", "return pcall(require, 'nothing')"),
];

/// Fills what the VM has already taken from the system: slots of every size, in `ballast`.
const FILL: &str = "
    local filled = 0
    local function closure() return function() return filled end end
    local function fill(make, size)
        while true do
            local ok, item = pcall(make, size)
            if not ok then return end
            filled += 1
            ballast[filled] = item
        end
    end
    for size = 1, 24 do fill(table.create, size) end
    for size = 8, 1024, 8 do fill(buffer.create, size) end
    fill(closure)
    return filled";

/// How often a builder runs, with one slot in so many more each time.
const STEPS: usize = 80;
const SPREAD: usize = 600;

/// Row 45: every builder runs with nothing at all left to allocate, then with a little more each time, so that each of
/// its steps is the one that fails. None may harm what comes after.
#[test]
fn memory_that_ends_at_any_step_is_a_clean_error() {
    let host = Arc::new(Host {
        plugin: Arc::from("t"),
        capabilities: Capabilities::default(),
        limits: crate::tests::tight(),
        paths: Vec::new(),
        context: None,
    });
    let vm = Vm::new(&engine(), &host, &Arc::new(Sources::default())).expect("a VM");
    let lua = &vm.lua;
    lua.set_memory_limit(0).expect("no limit");
    lua.load("ballast = table.create(100000)").exec().expect("room for ballast");
    let fill: Function = lua.load(FILL).into_function().expect("it compiles");
    let mut failed = BTreeMap::new();
    for (name, text) in BUILDERS {
        let run: Function = lua.load(*text).into_function().expect("it compiles");
        run.call::<mlua::MultiValue>(()).unwrap_or_else(|error| panic!("{name}: {error}"));
        lua.gc_collect().expect("collected");
        lua.set_memory_limit(lua.used_memory() + (48 << 10)).expect("a limit");
        let filled: usize = fill.call(()).expect("full");
        let ballast: mlua::Table = lua.globals().get("ballast").expect("there");
        for step in 0..STEPS {
            // At first none, then one more slot of some sizes is free.
            for index in (step..=filled).step_by(SPREAD).filter(|_| step > 0) {
                ballast.raw_set(index, mlua::Nil).expect("no growth");
            }
            lua.gc_collect().expect("collected");
            if let Err(error) = run.call::<mlua::MultiValue>(()) {
                let text = error.to_string();
                assert!(text.contains("memory"), "{name}: {text}");
                *failed.entry(*name).or_insert(0) += 1;
            }
        }
        lua.set_memory_limit(0).expect("no limit");
        lua.load("table.clear(ballast)").exec().expect("free again");
        lua.gc_collect().expect("collected");
        sound(lua);
    }
    // Some catch this error themselves, and some find room in what others left.
    assert!(failed.len() > BUILDERS.len() / 2, "{failed:?}");
}

/// The VM still does what it should.
fn sound(lua: &Lua) {
    let text: String = lua
        .load(
            "local value = ccproxy.json.decode('{\"a\":[1,{\"b\":[]}],\"c\":null}')
             value.d = ccproxy.re.gsub('b', 'abc', 'x')
             local ok, err = pcall(error, 'thrown', 0)
             value.e = err
             return ccproxy.json.encode(value)",
        )
        .eval()
        .expect("it works");
    assert_eq!(text, r#"{"a":[1,{"b":[]}],"c":null,"d":"axc","e":"thrown"}"#);
}

/// The same through whole calls: handles, bodies and answers, in a plugin whose limit is swept.
#[tokio::test]
async fn a_plugin_that_can_hardly_allocate_fails_cleanly() {
    let body = "local t = {} for i = 1, 20000 do t[i] = { i, tostring(i), req.headers['x-team'], req.body:table() } end";
    let source = crate::tests::manifest(&crate::tests::request_fields(body));
    let mut ran = 0;
    for extra in (0..60).map(|step| step * 6000) {
        let limits = crate::host::Limits { memory: (520 << 10) + extra, ..crate::tests::tight() };
        let engine = crate::Engine::new(limits, crate::BreakerSettings::default());
        let Ok(factory) = crate::tests::declare_in(&engine, &[("plugin.lua", &source)]) else { continue };
        let services = Arc::default();
        let context = crate::tests::context(None, &services);
        let Ok(runtime) = ccproxy_core::plugin::PluginFactory::create(&factory, context) else { continue };
        if runtime.initialize().await.is_err() {
            continue;
        }
        let bench = crate::tests::Bench { runtime, services };
        for _ in 0..2 {
            let error = super::log(&bench.run().await.expect_err("it needs more"));
            assert!(error.contains("memory") || error.contains("CPU"), "{error}");
        }
        ran += 1;
    }
    assert!(ran > 10, "only {ran} sizes were enough to begin with");
}
