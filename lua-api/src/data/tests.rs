use mlua::{Lua, Value};
use serde_json::json;

use super::*;

#[test]
fn broken_trusted_text_never_panics() {
    let lua = Lua::new();
    let text = r#"{"a":[1,-2.5e3,null,true,"x\u00e9\ud83d\ude00\n"],"b":{"c":[]}}"#.as_bytes();
    assert!(from_trusted_json(&lua, text).is_ok());
    for cut in 0..text.len() {
        let _ = from_trusted_json(&lua, &text[..cut]);
        for replacement in [b'"', b'\\', b'{', b']', 0, 0xff, b'u', b'-'] {
            let mut changed = text.to_vec();
            changed[cut] = replacement;
            let _ = from_trusted_json(&lua, &changed);
            let _ = from_json(&lua, &changed);
        }
    }
}

#[test]
fn values_cross_both_ways() {
    let lua = Lua::new();
    let value =
        json!({ "a": [1, 2.5, "x", null, true, {}], "b": [], "c": 9007199254740993u64, "d": u64::MAX });
    let there = from_value(&lua, &value).expect("it fits");
    let back = to_value(&lua, &there, 1024).expect("it fits");
    assert_eq!(
        back,
        json!({
            "a": [1, 2.5, "x", null, true, {}], "b": [], "c": "9007199254740993", "d": u64::MAX.to_string(),
        })
    );
    assert!(to_value(&lua, &there, 20).is_err());
}

#[test]
fn whole_doubles_are_written_without_a_fraction() {
    let lua = Lua::new();
    for (number, text) in [(1e15, "1000000000000000"), (-0.0, "-0.0"), (1e300, "1e+300"), (0.5, "0.5")] {
        let written = to_json(&lua, &Value::Number(number), 100, Style::Compact);
        let passed: Value = lua.load("return ...").call(number).expect("a number");
        let through_lua = to_json(&lua, &passed, 100, Style::Compact).expect("a number");
        assert_eq!(String::from_utf8_lossy(&through_lua), text);
        assert!(written.is_ok());
    }
}
