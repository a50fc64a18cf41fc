//! Rows 22, 23: errors that are weapons themselves.

use super::Outcome::{Cpu, Says};
use super::{Case, check};

const CASES: &[Case] = &[
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
    (
        "22 error object that is no text",
        "error(setmetatable({}, {__tostring = function() return {} end}))",
        Says("an error object"),
    ),
    ("22 large message", "error(('m'):rep(3e6))", Says("[cut]")),
    (
        "22 large error object",
        "error(setmetatable({}, {__tostring = function() return ('m'):rep(3e6) end}))",
        Says("[cut]"),
    ),
    ("22 message of many lines", "error('a\\nb\\27[31m')", Says("a\nb")),
    ("22 message that is no text", "error('\\255\\254')", Says("\u{fffd}")),
    ("23 hidden metatable", "error(setmetatable({}, {__metatable = false}))", Says("table")),
    ("23 nil", "error(nil)", Says("nil")),
    ("23 number", "error(42)", Says("42")),
    ("23 function", "error(print)", Says("function")),
    ("23 handle", "error(req)", Says("userdata")),
    ("23 null", "error(ccproxy.null)", Says("")),
    (
        "23 caught host error again",
        "local _, problem = pcall(function() return req.nope end) error(problem)",
        Says("has no field `nope`"),
    ),
    (
        "23 error in the error handler",
        "xpcall(error, function() error('again') end) error('after')",
        Says("after"),
    ),
];

#[tokio::test]
async fn each_ends_with_its_outcome_and_the_next_call_works() {
    check(CASES).await;
}
