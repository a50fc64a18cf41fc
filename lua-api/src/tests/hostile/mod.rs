//! Scripts that mean harm, or are very wrong: each ends with its expected outcome, and the next call works.

use std::time::{Duration, Instant};

use ccproxy_core::middleware::Flow;

use super::{Bench, engine, exchange, handler, log, manifest, request_fields, start_in};

/// What must come of a handler.
enum Outcome {
    /// Its CPU budget ends it.
    Cpu,
    /// Its memory limit ends it.
    Memory,
    /// Either of the two.
    Limit,
    /// An error whose log text holds this.
    Says(&'static str),
    /// It goes on unharmed.
    Fine,
}
use Outcome::{Cpu, Fine, Limit, Memory, Says};

/// Number, name, body of a `request` handler, outcome.
const CASES: &[(&str, &str, Outcome)] = &[
    ("1 loop", "while true do end", Cpu),
    ("2 pcall loop", "while true do pcall(function() while true do end end) end", Cpu),
    ("2 xpcall handler", "xpcall(function() error('x') end, function() while true do end end)", Cpu),
    ("2 swallowed once", "pcall(function() while true do end end) return nil", Cpu),
    ("3 coroutine", "coroutine.wrap(function() while true do end end)()", Cpu),
    ("3 index", "local t = setmetatable({}, {__index = function() while true do end end}) return t.x", Cpu),
    (
        "3 eq",
        "local m = {__eq = function() while true do end end} \
              return setmetatable({}, m) == setmetatable({}, m)",
        Cpu,
    ),
    ("3 iter", "for _ in setmetatable({}, {__iter = function() while true do end end}) do end", Cpu),
    ("3 tostring", "tostring(setmetatable({}, {__tostring = function() while true do end end}))", Cpu),
    ("4 coroutines", "local t = {} for i = 1, 1e6 do t[i] = coroutine.create(function() end) end", Limit),
    ("5 recursion", "local function f() return 1 + f() end f()", Says("stack overflow")),
    ("5 pcall recursion", "local function f() pcall(f) f() end f()", Limit),
    (
        "5 metamethod recursion",
        "local m = {} m.__index = function(t, k) return t[k .. 'x'] end \
                                return setmetatable({}, m).a",
        Says(""),
    ),
    ("6 rep", "return ('x'):rep(2^30)", Memory),
    ("6 doubling", "local s = 'x' while true do s = s .. s end", Memory),
    ("6 concat", "local t = {} for i = 1, 1e5 do t[i] = ('y'):rep(1000) end return table.concat(t)", Limit),
    ("7 create", "return table.create(2^26, 1)", Memory),
    ("7 buffer", "return buffer.create(2^29)", Memory),
    ("7 insert", "local t = {} while true do table.insert(t, ('z'):rep(100) .. #t) end", Limit),
    ("8 pattern", "return (('a'):rep(40000)):find((('a-'):rep(30)) .. 'b')", Cpu),
    ("9 comparator", "table.sort({3, 1, 2}, function() error('no') end)", Says("no")),
    (
        "9 inconsistent",
        "local t = {} for i = 1, 1000 do t[i] = i end \
                        pcall(table.sort, t, function() return true end)",
        Fine,
    ),
    ("10 format", "return string.format('%99999d', 1)", Says("invalid")),
    ("10 pack", "return string.pack('i17', 1)", Says("out of limits")),
    ("11 loadstring", "return loadstring('return 1')", Says("attempt to call a nil value")),
    ("11 load", "return load('return 1')", Says("attempt to call a nil value")),
    ("13 io", "return io.open('/etc/passwd')", Says("nil")),
    ("13 execute", "return os.execute('id')", Says("nil")),
    ("13 getenv", "return os.getenv('HOME')", Says("nil")),
    ("13 dofile", "return dofile('x')", Says("nil")),
    ("13 package", "return package.loadlib('x')", Says("nil")),
    ("13 require up", "return require('../../x')", Says("own folder")),
    ("13 require absolute", "return require('/etc/passwd')", Says("own folder")),
    (
        "14 debug",
        "assert(debug.getregistry == nil and debug.info == nil and debug.setmetatable == nil)",
        Fine,
    ),
    ("14 fenv", "assert(getfenv == nil and setfenv == nil and newproxy == nil)", Fine),
    ("15 string", "string.format = nil", Says("readonly")),
    ("15 string metatable", "getmetatable('').__index = {}", Says("")),
    ("15 ccproxy", "ccproxy.json.encode = nil", Says("readonly")),
    ("15 rawset", "rawset(ccproxy, 'x', 1)", Says("readonly")),
    ("15 host metatable", "getmetatable(req).__index = nil", Says("")),
    ("15 plugin table", "plugin.config.limit = 9", Says("readonly")),
    ("19 wrong self", "local f = req.headers.all f({}, 'x')", Says("")),
    ("19 self of another kind", "local f = req.headers.all f(req, 'x')", Says("")),
    ("19 nil self", "local f = req.headers.add f(nil)", Says("")),
    (
        "19 nan",
        "req.headers['x'] = 0/0 assert(req.headers[0/0] == nil) assert(req.headers[2^53 + 1] == nil)",
        Fine,
    ),
    ("19 table value", "req.headers['x'] = {}", Says("not a string")),
    ("19 field", "return req.nothing.deeper", Says("has no field `nothing`")),
    ("19 set field", "req.method = 'PUT'", Says("")),
    ("20 reentry", "for name in req.headers do req.headers[name] = nil end assert(#req.headers == 0)", Fine),
    ("21 endless yield", "while true do coroutine.yield() end", Cpu),
    (
        "22 looping error object",
        "error(setmetatable({}, {__tostring = function() while true do end end}))",
        Cpu,
    ),
    (
        "22 throwing error object",
        "error(setmetatable({}, {__tostring = function() error('deep') end}))",
        Says("an error object"),
    ),
    ("22 large message", "error(('m'):rep(3e6))", Says("[cut]")),
    ("23 hidden metatable", "error(setmetatable({}, {__metatable = false}))", Says("table")),
    ("23 nil", "error(nil)", Says("nil")),
    ("23 number", "error(42)", Says("42")),
    ("25 authorization", "req.headers['Authorization'] = 'x'", Says("credential")),
    ("25 host", "req.headers.host = 'evil'", Says("connection")),
    ("25 length", "req.headers['content-length'] = '1'", Says("connection")),
    ("25 te", "req.headers['Transfer-Encoding'] = 'chunked'", Says("connection")),
    ("25 pseudo", "req.headers[':authority'] = 'evil'", Says("no header name")),
    ("26 line break", "req.headers['x'] = 'a\\r\\nb: c'", Says("control character")),
    ("26 nul", "req.headers['x'] = 'a\\0b'", Says("control character")),
    ("26 long", "req.headers['x'] = ('a'):rep(1e6)", Says("longer")),
    ("26 many", "for i = 1, 10000 do req.headers['x-' .. i] = 'v' end", Says("at most")),
    ("27 path", "req.path = '//evil/x'", Says("no path")),
    ("27 dots", "req.path = '/a/../b'", Says("no path")),
    ("27 at", "req.path = '/@evil'", Says("no path")),
    ("32 cyclic", "local t = {} t.t = t return { json = t }", Says("")),
    ("32 nan", "return { json = { x = 0/0 } }", Says("")),
    ("32 deep", "local t = {} for i = 1, 10000 do t = { t } end return { json = t }", Says("")),
    ("32 large body", "return { body = ('x'):rep(9e6) }", Says("larger")),
    ("32 wrong type", "return 7", Says("returned a")),
    ("32 unknown key", "return { stauts = 200 }", Says("no key `stauts`")),
    (
        "42 clock",
        "local n = 0 for i = 1, 1000 do local c = os.clock() assert(c * 1000 % 1 < 1e-6 or c * 1000 % 1 > 0.999999) end",
        Fine,
    ),
    ("44 collector", "collectgarbage('stop')", Says("")),
    ("44 count", "assert(type(collectgarbage('count')) == 'number')", Fine),
];

async fn flow(bench: &Bench) -> Result<(), String> {
    match bench.run().await {
        Ok(_) => Ok(()),
        Err(error) => Err(log(&error)),
    }
}

#[tokio::test]
async fn each_attack_has_its_outcome_and_the_next_call_works() {
    let engine = engine();
    let mut wrong = Vec::new();
    for (name, body, outcome) in CASES {
        let guarded = format!("if req.headers['x-attack'] then {body} end");
        let bench = start_in(&engine, &manifest(&request_fields(&guarded))).await;
        let attacked = exchange();
        attacked.request.lock().headers.insert("x-attack", http::HeaderValue::from_static("1"));
        let began = Instant::now();
        let result = bench.request(&attacked).await.map(|_| ()).map_err(|error| log(&error));
        let took = began.elapsed();
        let fits = match (outcome, &result) {
            (Fine, Ok(())) => true,
            (Cpu, Err(text)) => text.contains("CPU"),
            (Memory, Err(text)) => text.contains("memory"),
            (Limit, Err(text)) => ["CPU", "memory", "overflow"].iter().any(|word| text.contains(word)),
            (Says(word), Err(text)) => text.contains(word),
            _ => false,
        };
        if !fits || took > Duration::from_millis(800) {
            wrong.push(format!("{name}: {result:?} after {took:?}"));
        }
        if let Err(text) = flow(&bench).await {
            wrong.push(format!("{name}: the call after it failed: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_spoiled_vm_is_built_again_with_its_state() {
    let source = manifest(
        "setup = function(plugin, previous) count = 100 end, \
         middleware = { { layer = 'security', request = function(req) \
            count += 1 \
            if req.headers['x-loop'] then while true do end end \
            return { json = { count = count } } end } }",
    );
    let bench = start_in(&engine(), &source).await;
    let count = async |looping: bool| {
        let exchange = exchange();
        if looping {
            exchange.request.lock().headers.insert("x-loop", http::HeaderValue::from_static("1"));
        }
        match bench.request(&exchange).await {
            Ok(Flow::Answer(answer)) => super::body(answer).await,
            other => format!("{:?}", other.map_err(|error| log(&error))),
        }
    };
    assert_eq!(count(false).await, r#"{"count":101}"#);
    assert_eq!(count(false).await, r#"{"count":102}"#);
    assert!(count(true).await.contains("CPU"));
    assert_eq!(count(false).await, r#"{"count":101}"#, "setup ran again in a new VM");
    assert_eq!(bench.runtime.stats()["vm_rebuilds"], 1);
}

#[tokio::test]
async fn nothing_a_script_can_reach_holds_a_credential() {
    let bench = handler(
        r"
        local seen, found = {}, ''
        local function look(value, depth)
            if type(value) == 'string' then
                if value:find('canary') then found = found .. value end
            elseif (type(value) == 'table') and not seen[value] and depth < 8 then
                seen[value] = true
                for k, v in pairs(value) do look(k, depth + 1) look(v, depth + 1) end
                look(getmetatable(value), depth + 1)
            end
        end
        look(_G, 0) look(plugin, 0)
        for _, field in {'method', 'path', 'query', 'client', 'peer', 'params', 'state', 'model', 'provider'} do
            look(req[field], 0)
        end
        for name, value in req.headers do look(name .. value, 0) end
        for _, name in {'authorization', 'Authorization', 'x-api-key', 'COOKIE'} do
            look(req.headers[name], 0)
            look(req.headers:all(name), 0)
        end
        assert(found == '', found)
        return { body = 'clean' }
        ",
    )
    .await;
    match bench.run().await {
        Ok(Flow::Answer(answer)) => assert_eq!(super::body(answer).await, "clean"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn random_numbers_differ_between_vms() {
    let engine = engine();
    let mut drawn = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let source = manifest(&request_fields("return { body = tostring(math.random(1, 2^30)) }"));
        let bench = start_in(&engine, &source).await;
        match bench.run().await {
            Ok(Flow::Answer(answer)) => drawn.insert(super::body(answer).await),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(drawn.len(), 4);
}

#[tokio::test]
async fn a_vm_that_can_hardly_allocate_fails_cleanly() {
    // A cap so low that each step of a call can be the one that fails.
    for extra in (0..40).map(|step| step * 1500) {
        let engine = crate::Engine::new(
            crate::host::Limits { memory: (520 << 10) + extra, ..super::tight() },
            crate::BreakerSettings::default(),
        );
        let body = "local t = {} for i = 1, 20000 do t[i] = { i, tostring(i), req.headers['x-team'] } end";
        let Ok(factory) = super::declare_in(&engine, &[("plugin.lua", &manifest(&request_fields(body)))])
        else {
            continue;
        };
        let services = std::sync::Arc::default();
        let Ok(runtime) =
            ccproxy_core::plugin::PluginFactory::create(&factory, super::context(None, &services))
        else {
            continue;
        };
        if runtime.initialize().await.is_err() {
            continue;
        }
        let bench = Bench { runtime, services };
        assert!(bench.run().await.is_err());
        assert!(bench.run().await.is_err());
    }
}
