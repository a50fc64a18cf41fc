//! Rows 11, 13-17, 24, 43, 44: out of the sandbox, into the machine, the host or another plugin.

use ccproxy_core::middleware::Flow;

use super::Outcome::{Fine, Says};
use super::{Case, answered, body, check, engine, exchange, log, manifest, request_fields, start_in};

const CASES: &[Case] = &[
    ("11 loadstring", "return loadstring('return 1')", Says("attempt to call a nil value")),
    ("11 load", "return load('return 1')", Says("attempt to call a nil value")),
    ("11 bytecode", "return require('\\27Lua')", Says("cannot require")),
    ("11 dump", "assert(string.dump == nil)", Fine),
    ("13 io", "return io.open('/etc/passwd')", Says("nil")),
    ("13 execute", "return os.execute('id')", Says("nil")),
    ("13 getenv", "return os.getenv('HOME')", Says("nil")),
    (
        "13 remove, rename, exit",
        "assert(os.remove == nil and os.rename == nil and os.exit == nil and os.tmpname == nil)",
        Fine,
    ),
    ("13 dofile", "return dofile('x')", Says("nil")),
    ("13 loadfile", "return loadfile('x')", Says("nil")),
    ("13 package", "return package.loadlib('x')", Says("nil")),
    ("13 require up", "return require('../../x')", Says("own folder")),
    ("13 require absolute", "return require('/etc/passwd')", Says("own folder")),
    ("13 require by alias", "return require('@self/x')", Says("cannot require")),
    ("13 require another plugin", "return require('access_log.lines')", Says("cannot require")),
    ("13 ffi", "assert(ffi == nil and jit == nil)", Fine),
    (
        "14 debug",
        "for name in debug do assert(name == 'traceback', name) end \
         assert(debug.getregistry == nil and debug.info == nil and debug.setmetatable == nil and debug.getupvalue == nil)",
        Fine,
    ),
    ("14 fenv", "assert(getfenv == nil and setfenv == nil and newproxy == nil)", Fine),
    ("15 string", "string.format = nil", Says("readonly")),
    ("15 math", "math.random = function() return 4 end", Says("readonly")),
    ("15 global table", "_G.print = nil", Says("readonly")),
    ("15 rawset of a library", "rawset(string, 'format', nil)", Says("readonly")),
    ("15 table.clear of a library", "table.clear(string)", Says("readonly")),
    ("15 table.insert into a library", "table.insert(ccproxy, 1)", Says("readonly")),
    ("15 string metatable", "getmetatable('').__index = {}", Says("")),
    ("15 setmetatable of a library", "setmetatable(string, {})", Says("")),
    ("15 ccproxy", "ccproxy.json.encode = nil", Says("readonly")),
    ("15 rawset", "rawset(ccproxy, 'x', 1)", Says("readonly")),
    ("15 host metatable", "getmetatable(req).__index = nil", Says("")),
    ("15 error metatable", "getmetatable(ccproxy.error(400, 'a', 'b')).__index = nil", Says("")),
    (
        "15 mark of arrays",
        "local m = getmetatable(ccproxy.json.array()) if type(m) == 'table' then m.x = 1 end error('kept')",
        Says(""),
    ),
    ("15 plugin table", "plugin.config.limit = 9", Says("readonly")),
    ("15 plugin itself", "plugin.name = 'other'", Says("readonly")),
    (
        "16 own tostring",
        "tostring = function() return 'pwned' end error(setmetatable({}, { __tostring = function() return 'mine' end }))",
        Says("mine"),
    ),
    ("16 own pcall", "pcall = nil xpcall = nil error('still told')", Says("still told")),
    (
        "16 own type",
        "type = function() return 'userdata' end for k, v in pairs({ a = 1 }) do assert(k == 'a') end",
        Fine,
    ),
    ("44 collector", "collectgarbage('stop')", Says("")),
    ("44 collector full", "collectgarbage('collect')", Says("")),
    ("44 count", "assert(type(collectgarbage('count')) == 'number')", Fine),
    ("44 weak tables", "local t = setmetatable({}, { __mode = 'k' }) for i = 1, 1000 do t[{}] = i end", Fine),
    ("44 finalizer", "setmetatable({}, { __gc = function() while true do end end })", Fine),
];

#[tokio::test]
async fn each_ends_with_its_outcome_and_the_next_call_works() {
    check(CASES).await;
}

/// Rows 16 and 17: what one plugin does to its globals and libraries, another one does not see.
#[tokio::test]
async fn two_plugins_share_nothing() {
    let engine = engine();
    let vandal = "
        secret = 'canary'
        assert(not pcall(function() _G.shared = 'canary' end))
        print, tostring, error, pcall, require = nil, nil, nil, nil, nil
        ccproxy = nil
        return { body = 'done' }";
    let first = start_in(&engine, &manifest(&request_fields(vandal))).await;
    let look = "
        assert(secret == nil and shared == nil and _G.shared == nil)
        for name, value in _G do assert(value ~= 'canary', name) end
        return { body = ccproxy.json.encode({ tostring(1), pcall(error) }) }";
    let second = start_in(&engine, &manifest(&request_fields(look))).await;
    first.run().await.expect("it may do so to itself");
    match second.run().await {
        Ok(Flow::Answer(answer)) => assert_eq!(body(answer).await, r#"["1",false]"#),
        other => panic!("{:?}", other.map_err(|error| log(&error))),
    }
    // Nor does the host depend on a plugin's globals.
    first.request(&exchange()).await.expect("it does so again");
}

/// Row 17: through a service only copies cross, of plain data.
#[tokio::test]
async fn a_service_hands_over_copies_and_no_functions() {
    let fields = "provides = { 'shop' }, services = { shop = {
            keep = function(value) kept = value return kept end,
            look = function() return kept end,
            code = function() return function() end end,
        } }";
    let bench = start_in(&engine(), &manifest(fields)).await;
    let (_, shop) = bench.runtime.services().remove(0);
    let value = serde_json::json!({ "list": [], "n": 1 });
    let back = shop.call("keep", vec![value.clone()]).await.expect("a value");
    assert_eq!(back, value);
    assert_eq!(shop.call("look", Vec::new()).await.expect("a value"), value);
    let error = shop.call("code", Vec::new()).await.expect_err("no functions");
    assert!(log(&error).contains("no plain data"), "{}", log(&error));
}

#[tokio::test]
async fn nothing_a_script_can_reach_holds_a_credential() {
    let look = r"
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
        for name, value in pairs(req.headers) do look(name .. value, 0) end
        for _, name in {'authorization', 'Authorization', 'x-api-key', 'COOKIE'} do
            look(req.headers[name], 0)
            look(req.headers:all(name), 0)
        end
        look(tostring(req), 0) look(tostring(req.headers), 0) look(debug.traceback(), 0)
        for _, try in { function() return req.nothing end, function() req.headers.authorization = 'x' end } do
            look(tostring(select(2, pcall(try))), 0)
        end
        assert(found == '', found)
        return { body = 'clean' }
        ";
    assert_eq!(answered(look).await, "clean");
}

#[tokio::test]
async fn random_numbers_differ_between_vms() {
    let mut drawn = std::collections::BTreeSet::new();
    for _ in 0..4 {
        drawn.insert(answered("return { body = tostring(math.random(1, 2^30)) }").await);
    }
    assert_eq!(drawn.len(), 4);
}
