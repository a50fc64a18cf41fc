//! Rows 30-34: what a script writes: logs, stores, answers, numbers.

use super::Outcome::{Fine, Says};
use super::{Case, answered, check};

const CASES: &[Case] = &[
    ("30 flood", "for i = 1, 20000 do ccproxy.log.error('flood') end", Fine),
    ("30 escapes", "ccproxy.log.info('a\\n2026-01-01 ERROR forged\\27[31m\\r\\0', { x = '\\n' })", Fine),
    ("30 large", "ccproxy.log.info(('x'):rep(1e6), { x = ('y'):rep(1e6) })", Fine),
    ("31 long key", "assert(ccproxy.kv.set(('k'):rep(1e5), 1) == nil)", Fine),
    ("31 long value", "ccproxy.kv.set('k', ('x'):rep(3e6))", Says("larger than")),
    ("31 no right", "ccproxy.file.append('x', 'y')", Says("needs the capability `files`")),
    ("32 cyclic", "local t = {} t.t = t return { json = t }", Says("holds itself")),
    ("32 nan", "return { json = { x = 0/0 } }", Says("NaN")),
    ("32 infinity", "return { json = math.huge }", Says("inf")),
    (
        "32 deep",
        "local t = {} for i = 1, 10000 do t = { t } end return { json = t }",
        Says("deeper than 128"),
    ),
    ("32 mixed", "return { json = { 1, 2, x = 3 } }", Says("neither array nor object")),
    ("32 holes", "return { json = { [1] = 1, [5] = 5 } }", Says("holes")),
    ("32 function", "return { json = { f = print } }", Says("not plain data")),
    ("32 handle", "return { json = { req } }", Says("not plain data")),
    ("32 no UTF-8", "return { json = '\\255' }", Says("not UTF-8")),
    ("32 no UTF-8 in a key", "return { json = { ['\\255'] = 1 } }", Says("UTF-8")),
    ("32 large json", "return { json = ('x'):rep(9e6) }", Says("larger")),
    ("32 large body", "return { body = ('x'):rep(9e6) }", Says("larger")),
    (
        "32 large by reference",
        "local t = ('x'):rep(1e5) local l = {} for i = 1, 1000 do l[i] = t end return { json = l }",
        Says("larger"),
    ),
    (
        "32 wide by reference",
        "local t = { 1 } for i = 1, 60 do t = { t, t } end return { json = t }",
        Says("more than 100000 tables"),
    ),
    ("32 body that is no JSON", "req.body:set_raw('model', '{')", Says("not valid JSON")),
    ("32 wrong type", "return 7", Says("returned a")),
    ("32 wrong handle", "return req", Says("returned a")),
    ("32 unknown key", "return { stauts = 200 }", Says("no key `stauts`")),
    ("32 status", "return { status = 99999 }", Says("no status")),
    ("32 status 101", "return { status = 101 }", Says("no status")),
    ("32 fraction", "return { status = 200.5 }", Says("not a whole number")),
    ("32 two bodies", "return { body = 'x', json = {} }", Says("one of")),
    (
        "32 metatable that lies",
        "return setmetatable({ json = setmetatable({ 1 }, { __index = error, __len = error, __iter = error }) }, \
         { __index = error, __iter = error })",
        Fine,
    ),
    ("33 number beyond", "req.body:set('n', 1e400)", Says("inf")),
];

#[tokio::test]
async fn each_ends_with_its_outcome_and_the_next_call_works() {
    check(CASES).await;
}

/// Row 31: a store has an end, and its plugin is told; other plugins have their own.
#[tokio::test]
async fn a_store_is_full_for_its_plugin_only() {
    let limits = crate::host::Limits { cpu: std::time::Duration::from_secs(20), ..crate::tests::tight() };
    let engine = crate::Engine::new(limits, crate::BreakerSettings::default());
    let source = crate::tests::manifest(
        "capabilities = { 'kv' }, commands = { { name = 'fill', run = function()
            local text = ('x'):rep(9e5)
            for i = 1, 1000 do
                local ok, err = ccproxy.kv.set('k' .. i, text)
                if not ok then return { at = i, why = err.type, still = ccproxy.kv.get('k1') == text } end
            end
        end } }",
    );
    let bench = super::start_in(&engine, &source).await;
    let told = bench.runtime.command(0).expect("a command").run(Vec::new()).await.expect("an answer");
    assert_eq!((&told["why"], &told["still"]), (&"kv".into(), &true.into()));
    assert!((20..60).contains(&told["at"].as_u64().unwrap_or(0)), "{told}");
}

/// Row 33: numbers keep their digits, or are refused; row 34: an empty list stays one.
#[tokio::test]
async fn numbers_and_empty_tables_come_out_as_they_went_in() {
    let text = r#"
        req.body:set_raw("big", "9223372036854775808")
        req.body:set_raw("wide", "1e400")
        req.body:set_raw("zero", "-0")
        req.body:set_raw("exact", "1.10")
        req.body:set("id", 9007199254740992)
        req.body:set("list", ccproxy.json.decode("[]"))
        req.body:set("map", {})
        req.body:set("copy", req.body:get("messages"))
        assert(req.body:get("big") == "9223372036854775808" and req.body:get("wide") == "1e400")
        return { body = req.body:text() }"#;
    assert_eq!(
        answered(text).await,
        concat!(
            r#"{"model":"m1","max_tokens":10,"messages":[],"big":9223372036854775808,"wide":1e400,"zero":-0,"#,
            r#""exact":1.10,"id":9007199254740992,"list":[],"map":{},"copy":[]}"#
        )
    );
    assert_eq!(
        answered("return { json = { a = ccproxy.json.decode('[[],{},9007199254740993]') } }").await,
        r#"{"a":[[],{},"9007199254740993"]}"#
    );
}
