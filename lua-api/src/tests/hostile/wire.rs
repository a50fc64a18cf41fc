//! Rows 25-29: heads, paths, upstreams and the network.

use super::Outcome::{Fine, Says};
use super::{Case, check};

const CASES: &[Case] = &[
    ("25 authorization", "req.headers['Authorization'] = 'x'", Says("credential")),
    ("25 api key", "req.headers:add('X-API-Key', 'x')", Says("credential")),
    ("25 removing a credential", "req.headers.authorization = nil", Says("credential")),
    ("25 host", "req.headers.host = 'evil'", Says("connection")),
    ("25 length", "req.headers['content-length'] = '1'", Says("connection")),
    ("25 te", "req.headers['Transfer-Encoding'] = 'chunked'", Says("connection")),
    ("25 connection", "req.headers.connection = 'x-team'", Says("connection")),
    ("25 upgrade", "req.headers:add('upgrade', 'h2c')", Says("connection")),
    ("25 pseudo", "req.headers[':authority'] = 'evil'", Says("no header name")),
    ("25 in an answer", "return { headers = { ['transfer-encoding'] = 'chunked' } }", Says("connection")),
    ("25 cookie in an answer", "return { headers = { ['set-cookie'] = 'a=b' } }", Says("credential")),
    ("26 line break", "req.headers['x'] = 'a\\r\\nb: c'", Says("control character")),
    ("26 nul", "req.headers['x'] = 'a\\0b'", Says("control character")),
    ("26 line break in a name", "req.headers['x\\r\\ny'] = 'a'", Says("no header name")),
    ("26 line break in an answer", "return { headers = { x = 'a\\nb' } }", Says("control character")),
    ("26 long", "req.headers['x'] = ('a'):rep(1e6)", Says("longer")),
    ("26 long name", "req.headers[('a'):rep(1e5)] = 'x'", Says("no header name")),
    ("26 many", "for i = 1, 10000 do req.headers['x-' .. i] = 'v' end", Says("at most")),
    ("26 many of one name", "for i = 1, 10000 do req.headers:add('x', 'v') end", Says("at most")),
    (
        "26 many in an answer",
        "local t = {} for i = 1, 10000 do t[i] = 'v' end return { headers = { x = t } }",
        Says("at most"),
    ),
    ("27 path", "req.path = '//evil/x'", Says("no path")),
    ("27 dots", "req.path = '/a/../b'", Says("no path")),
    ("27 escaped dots", "req.path = '/a/%2e%2E/b'", Says("no path")),
    ("27 at", "req.path = '/@evil'", Says("no path")),
    ("27 url", "req.path = 'http://evil/'", Says("no path")),
    ("27 query in the path", "req.path = '/a?b=c'", Says("no path")),
    ("27 line break", "req.path = '/a\\r\\nHost: evil'", Says("no path")),
    ("27 scheme and port", "req.scheme = 'http'", Says("has no field `scheme`")),
    ("27 upstream", "req.upstream = 'http://evil'", Says("has no field `upstream`")),
    ("28 no right", "return ccproxy.http.get('http://127.0.0.1:1/')", Says("needs the capability `http`")),
    ("29 no socket", "assert(socket == nil and ccproxy.net == nil and ccproxy.dns == nil)", Fine),
];

#[tokio::test]
async fn each_ends_with_its_outcome_and_the_next_call_works() {
    check(CASES).await;
}
