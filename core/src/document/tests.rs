use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn document(text: &str) -> Document {
    Document::new(Bytes::copy_from_slice(text.as_bytes()))
}

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

fn text(document: &Document) -> &str {
    std::str::from_utf8(document.bytes()).expect("UTF-8")
}

#[test]
fn peeks_model_and_stream_at_the_top_only() {
    let mut body =
        document(r#" {"messages":[{"model":"no","stream":false}],"model":"claude","stream":true} "#);
    let peek = body.check().expect("valid");
    assert_eq!(peek, Peek { model: Some("claude".into()), stream: Some(true), repeated: false });
    assert!(body.checked() && !body.edited());

    let peek = document(r#"{"model":"a","m\u006fdel":"b","stream":1}"#).check().expect("valid");
    assert_eq!(peek, Peek { model: Some("b".into()), stream: None, repeated: true });
    assert_eq!(document("[1]").check().expect("valid"), Peek::default());
}

#[test]
fn a_bad_body_is_told_with_its_place() {
    let told = |text: &str| document(text).check().expect_err("invalid").message().to_owned();
    assert_eq!(told(""), "the body is not valid JSON: it is empty");
    assert_eq!(told("  "), "the body is not valid JSON: unexpected end at line 1 column 3");
    assert_eq!(told("{\"a\":1,\n \"b\" 2}"), "the body is not valid JSON: expected `:` at line 2 column 6");
    assert_eq!(
        told("{} x"),
        "the body is not valid JSON: text after the end of the value at line 1 column 4"
    );
    let latin = Document::new(Bytes::from_static(b"[\"\xe9\"]")).check().expect_err("not UTF-8");
    assert_eq!(latin.message(), "the body is not valid JSON: a byte that is not UTF-8 at line 1 column 3");
}

#[test]
fn depth_is_capped_and_costs_no_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(document(&nested(MAX_DEPTH)).check().is_ok());
    assert!(document(&nested(MAX_DEPTH + 1)).check().is_err());
    assert!(document(&"[".repeat(100_000)).check().is_err());
    assert!(document(&"{\"a\":".repeat(100_000)).check().is_err());

    let mut body = document(&format!("{{\"a\":{}}}", nested(MAX_DEPTH - 1)));
    let deep = nested(MAX_DEPTH - 1);
    assert!(body.set(&path("b"), deep.as_bytes()).is_ok());
    assert!(body.set(&path("b"), nested(MAX_DEPTH).as_bytes()).is_err());
    assert!(body.check().is_ok());
}

#[test]
fn paths_read_and_print() {
    for text in ["a", "a.b", "messages[1].content", "m[-1].role", "[\"odd.key\"].x", "t[1][\"a\\\"b\"]", ""] {
        assert_eq!(path(text).to_string(), text);
    }
    assert_eq!(path("tools[1][\"a b\"]").segments().len(), 3);
    for (text, why) in [
        ("a[0]", "indices count from 1"),
        ("a.", "a key is missing"),
        (".a", "begins with a dot"),
        ("a..b", "a key is missing"),
        ("a[1", "`]` is missing"),
        ("a[x]", "write a key as `[\"x\"]`"),
        ("a[+1]", "is not an index"),
        ("a]b", "stray `]`"),
        ("a[\"b]", "does not end"),
        ("a[1]b", "expected `.` or `[`"),
    ] {
        let told = Path::parse(text).expect_err(text).to_string();
        assert!(told.contains(why), "{text}: {told}");
    }
}

#[test]
fn reads_by_path() {
    let body =
        document(r#"{"m":[{"c":"a\n\u00e9\ud83d\ude00"},{"c":[1e400,-0]}],"e":{},"l":[],"x":1,"x":2}"#);
    assert_eq!(body.get(&path("m[1].c")).and_then(|json| json.as_str()).as_deref(), Some("a\né😀"));
    assert_eq!(body.get(&path("m[-1].c[1]")).and_then(|json| json.as_number()), Some("1e400"));
    assert_eq!(body.get(&path("m[2].c[-1]")).and_then(|json| json.as_number()), Some("-0"));
    assert_eq!(body.get(&path("x")).and_then(|json| json.as_u64()), Some(2));
    assert_eq!((body.len(&path("m")), body.len(&path("e")), body.len(&path("x"))), (Some(2), Some(0), None));
    assert_eq!(body.get(&path("e")).map(|json| json.kind()), Some(Kind::Object));
    assert_eq!(body.get(&path("l")).map(|json| json.kind()), Some(Kind::Array));
    for absent in ["m[3]", "m[-3]", "y", "x.y", "m.c", "e[1]"] {
        assert!(body.get(&path(absent)).is_none(), "{absent}");
    }
    assert_eq!(body.keys(&path("")).expect("an object"), ["m", "e", "l", "x"]);
    let kinds: Vec<_> =
        body.each(&path("")).expect("children").map(|(key, value)| (key, value.kind())).collect();
    assert_eq!(kinds.len(), 5);
    assert_eq!(kinds[0], (Some(Cow::Borrowed("m")), Kind::Array));
    assert_eq!(
        document(r#"["\ud800x"]"#).get(&path("[1]")).and_then(|j| j.as_str()).as_deref(),
        Some("\u{fffd}x")
    );
    assert!(document("not json").get(&path("a")).is_none());
}

#[test]
fn edits_touch_nothing_else() {
    let edited = |before: &str, edit: &dyn Fn(&mut Document) -> Result<(), EditError>| {
        let mut body = document(before);
        edit(&mut body).expect("an edit");
        assert!(body.edited() && body.check().is_ok());
        text(&body).to_owned()
    };
    let set =
        |before: &str, at: &str, json: &str| edited(before, &|body| body.set(&path(at), json.as_bytes()));
    assert_eq!(set(r#"{ "a" : 1.0 , "b":[] }"#, "a", " {} "), r#"{ "a" : {} , "b":[] }"#);
    assert_eq!(set(r#"{ "a" : 1.0 , "b":[] }"#, "c", "2"), r#"{ "a" : 1.0 , "b":[],"c":2 }"#);
    assert_eq!(set("{ }", "odd \"key\"".replace('"', "").as_str(), "1"), r#"{"odd key":1 }"#);
    assert_eq!(set("[1, 2]", "[3]", "3"), "[1, 2,3]");
    assert_eq!(set("[]", "[1]", "3"), "[3]");
    assert_eq!(set("[1, 2]", "[-2]", "3"), "[3, 2]");
    assert_eq!(set(r#"{"a":1,"b":2,"a":3}"#, "a", "4"), r#"{"b":2,"a":4}"#);
    assert_eq!(set("1", "", "[]"), "[]");

    let delete =
        |before: &str, at: &str| edited(before, &|body| body.delete(&path(at)).map(|found| assert!(found)));
    assert_eq!(delete(r#"{ "a":1 , "b":2, "c":3 }"#, "a"), r#"{ "b":2, "c":3 }"#);
    assert_eq!(delete(r#"{ "a":1 , "b":2, "c":3 }"#, "b"), r#"{ "a":1, "c":3 }"#);
    assert_eq!(delete(r#"{ "a":1 , "b":2, "c":3 }"#, "c"), r#"{ "a":1 , "b":2 }"#);
    assert_eq!(delete(r#"{"a":1,"a":2,"b":0,"a":3}"#, "a"), r#"{"b":0}"#);
    assert_eq!(delete(r#"{"b":0,"a":1,"a":2,"a":3,"c":1}"#, "a"), r#"{"b":0,"c":1}"#);
    assert_eq!(delete(r#"{"a":1,"a":2}"#, "a"), "{}");
    assert_eq!(delete("[[1], [2]]", "[1][-1]"), "[[], [2]]");
    assert_eq!(edited("{\"a\":[ ]}", &|body| body.append(&path("a"), b"null")), "{\"a\":[null ]}");
}

#[test]
fn refused_edits_say_why_and_change_nothing() {
    let mut body = document(r#"{"a":[1],"s":"t"}"#);
    for (at, json, why) in [
        ("a", "{", "not valid JSON"),
        ("a", "1 2", "not valid JSON"),
        ("a", "", "not valid JSON"),
        ("x.y", "1", "`x` does not exist"),
        ("s.y", "1", "`s` is a string"),
        ("a.y", "1", "write an index as `[1]`"),
        ("[1]", "1", "an index needs an array"),
        ("a[3]", "1", "there are 1 items"),
        ("a[-2]", "1", "there are 1 items"),
    ] {
        let told = body.set(&path(at), json.as_bytes()).expect_err(at).to_string();
        assert!(told.contains(why), "{at}: {told}");
    }
    assert!(body.append(&path("s"), b"1").is_err());
    assert!(body.delete(&path("")).is_err());
    assert_eq!(body.delete(&path("x.y.z")), Ok(false));
    assert_eq!(body.delete(&path("a[2]")), Ok(false));
    assert!(!body.edited());
    assert!(document("oops").set(&path("a"), b"1").is_err());
}

#[test]
fn many_repeats_of_a_key_are_removed_in_one_pass() {
    let mut body = document(&format!("{{{}\"b\":1}}", "\"a\":0,".repeat(200_000)));
    assert_eq!(body.delete(&path("a")), Ok(true));
    assert_eq!(text(&body), "{\"b\":1}");
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é\\\\\"\n]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-c.\"é]{0,2}", inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// A place in `value`, chosen by `seed`, and what the model holds there.
fn somewhere(value: &Value, mut seed: u64) -> (Path, Vec<Segment>) {
    let mut segments = Vec::new();
    let mut here = value;
    loop {
        let (turn, next) = (seed % 7, seed / 7);
        seed = next;
        here = match here {
            Value::Object(map) if turn > 0 && !map.is_empty() => {
                let (key, child) = map.iter().nth(seed as usize % map.len()).expect("an entry");
                segments.push(Segment::Key(key.as_str().into()));
                child
            }
            Value::Array(items) if turn > 0 && !items.is_empty() => {
                let place = seed as usize % items.len();
                let back = place as i64 - items.len() as i64;
                segments.push(Segment::Index(if seed.is_multiple_of(2) { place as i64 + 1 } else { back }));
                &items[place]
            }
            _ => break,
        };
    }
    (segments.iter().cloned().fold(Path::default(), |path, segment| path.join(segment)), segments)
}

fn model<'a>(value: &'a mut Value, segments: &[Segment]) -> &'a mut Value {
    segments.iter().fold(value, |value, segment| match segment {
        Segment::Key(key) => &mut value[&**key],
        Segment::Index(index) => {
            let len = value.as_array().map_or(0, Vec::len) as i64;
            &mut value[if *index > 0 { index - 1 } else { len + index } as usize]
        }
    })
}

proptest! {
    #[test]
    fn get_set_and_delete_agree_with_a_tree(value in json(), new in json(), seed: u64, pretty: bool) {
        let source = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }
            .expect("JSON");
        let mut tree: Value = serde_json::from_str(&source).expect("JSON");
        let mut body = document(&source);
        prop_assert!(body.check().is_ok());
        let (at, segments) = somewhere(&tree, seed);
        prop_assert_eq!(&Path::parse(&at.to_string()).expect("its own text"), &at);

        let found = body.get(&at).expect("it is there");
        let range = found.range();
        let parsed: Value = serde_json::from_slice(found.raw()).expect("JSON");
        prop_assert_eq!(&parsed, &*model(&mut tree, &segments));

        let text = serde_json::to_string(&new).expect("JSON");
        body.set(&at, text.as_bytes()).expect("a set");
        prop_assert_eq!(&body.bytes()[..range.start], &source.as_bytes()[..range.start]);
        prop_assert_eq!(&body.bytes()[range.start + text.len()..], &source.as_bytes()[range.end..]);
        *model(&mut tree, &segments) = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(&serde_json::from_slice::<Value>(body.bytes()).expect("JSON"), &tree);

        if let Some((parent, last)) = segments.split_last().map(|(last, parent)| (parent, last)) {
            prop_assert_eq!(body.delete(&at), Ok(true));
            match (model(&mut tree, parent), last) {
                (Value::Object(map), Segment::Key(key)) => { map.shift_remove(&**key); }
                (Value::Array(items), Segment::Index(index)) => {
                    let len = items.len() as i64;
                    items.remove(if *index > 0 { index - 1 } else { len + index } as usize);
                }
                _ => unreachable!("the path fits"),
            }
            prop_assert_eq!(&serde_json::from_slice::<Value>(body.bytes()).expect("JSON"), &tree);
            prop_assert!(body.check().is_ok());
        }
    }

    #[test]
    fn accepts_what_serde_json_accepts(value in json(), cut in any::<prop::sample::Index>(), byte: u8, how in 0..3) {
        let mut bytes = serde_json::to_vec(&value).expect("JSON");
        let at = cut.index(bytes.len());
        match how {
            0 => bytes.truncate(at),
            1 => bytes[at] = byte,
            _ => bytes.insert(at, b"\"\\,:{}[]-0.e \n"[byte as usize % 14]),
        }
        let theirs = std::str::from_utf8(&bytes).is_ok()
            && serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        prop_assert_eq!(Document::new(Bytes::from(bytes)).check().is_ok(), theirs);
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>, at in "[a\\[\\]1.\"-]{0,8}") {
        let mut body = Document::new(Bytes::from(bytes));
        let _ = body.check();
        if let Ok(at) = Path::parse(&at) {
            let _ = body.get(&at).map(|json| (json.len(), json.keys(), json.as_str()));
            let _ = body.set(&at, b"{}");
            let _ = body.delete(&at);
        }
    }
}
