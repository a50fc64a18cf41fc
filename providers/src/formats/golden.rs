//! The golden table: case x format. A case is a file under `tests/fixtures/<format>/{requests,answers,streams}`;
//! beside it stands what it becomes in each other format. Run with `UPDATE_GOLDEN=1` to write what is missing or
//! changed, and read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use ccproxy_core::document::Json;
use ccproxy_core::format::Format;
use ccproxy_core::sse::Decoder;
use ccproxy_core::transform::{Facts, Loss, Transformer};
use serde_json::{Value, json};

use super::either::Reader;
use super::hub::{Dialect, Event, Losses, Sink};
use super::transform::{Pair, read, write};
use super::{AnthropicMessages, OpenAiChat, OpenAiResponses, testing};

pub(crate) const DIALECTS: [Dialect; 3] = [Dialect::Messages, Dialect::Chat, Dialect::Responses];

/// When the exchanges of the table began.
pub(crate) const FACTS: Facts<'static> =
    Facts { created: 1_764_000_000, client: "anonymous", recalled: false, asked: None };

pub(crate) fn format(dialect: Dialect) -> Box<dyn Format> {
    match dialect {
        Dialect::Messages => Box::new(AnthropicMessages),
        Dialect::Chat => Box::new(OpenAiChat),
        Dialect::Responses => Box::new(OpenAiResponses),
    }
}

/// The cases of one kind: name and bytes.
pub(crate) fn cases(dialect: Dialect, kind: &str, ending: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures")
        .join(format(dialect).name())
        .join(kind);
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            name.ends_with(ending) && !name.contains(".to.")
        })
        .map(|path| {
            let bytes = fs::read(&path).expect("a case");
            (path, bytes)
        })
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "{}", folder.display());
    cases
}

/// Compares with the file beside the case, or writes it.
fn check(case: &Path, to: Dialect, ending: &str, got: &str) {
    let name = case.file_stem().expect("a name").to_string_lossy();
    let golden = case.with_file_name(format!("{name}.to.{}.{ending}", format(to).name()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, got).expect("the golden file is written");
        return;
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(got, expected, "{}", golden.display());
}

fn losses(losses: &[Loss]) -> Value {
    losses.iter().map(|loss| json!([loss.field, loss.why])).collect()
}

#[test]
fn requests() {
    for from in DIALECTS {
        for (case, bytes) in cases(from, "requests", ".json") {
            for to in DIALECTS.into_iter().filter(|to| *to != from) {
                let turned = Pair::of(from, to).request(&bytes.clone().into(), FACTS);
                let turned = turned.unwrap_or_else(|error| panic!("{}: {error}", case.display()));
                let body: Value = serde_json::from_slice(&turned.body).unwrap_or_else(|error| {
                    panic!("{}: {error}: {}", case.display(), String::from_utf8_lossy(&turned.body))
                });
                let got = json!({ "body": body, "losses": losses(&turned.losses) });
                check(&case, to, "json", &format!("{got:#}\n"));
            }
        }
    }
}

/// Written twice, a request is the same bytes: a provider's cache lives from it.
#[test]
fn requests_stay_the_same() {
    for dialect in DIALECTS {
        for (case, bytes) in cases(dialect, "requests", ".json") {
            let mut lost = Losses::default();
            let first = read(dialect, &Json::whole(&bytes).expect("JSON"), &mut lost).expect("a call");
            let written = write(dialect, &first, &mut lost);
            let second = read(dialect, &Json::whole(&written).expect("JSON"), &mut lost).expect("a call");
            // What had to be repaired is another conversation.
            if case.ends_with("orphans.json") || case.ends_with("lost_call.json") {
                continue;
            }
            let again = write(dialect, &second, &mut lost);
            assert_eq!(
                String::from_utf8_lossy(&written),
                String::from_utf8_lossy(&again),
                "{}: the second time is another",
                case.display()
            );
        }
    }
}

/// A request of a client whose answer is asked for: whole or streamed.
fn asked(client: Dialect, stream: bool) -> Bytes {
    let mut body = json!({ "model": "asked-for", "stream": stream, "max_tokens": 100 });
    let said = json!([{ "role": "user", "content": "hi" }]);
    match client {
        Dialect::Responses => {
            body["input"] = said;
            body["tools"] = json!([
                { "type": "namespace", "name": "functions", "tools": [{ "type": "custom", "name": "exec" }] }
            ]);
        }
        Dialect::Chat => {
            body["messages"] = said;
            body["stream_options"] = json!({ "include_usage": true });
        }
        Dialect::Messages => body["messages"] = said,
    }
    body.to_string().into()
}

#[test]
fn answers() {
    for provider in DIALECTS {
        for (case, bytes) in cases(provider, "answers", ".json") {
            for client in DIALECTS.into_iter().filter(|client| *client != provider) {
                let mut back =
                    Pair::of(client, provider).request(&asked(client, false), FACTS).expect("a request").back;
                let body = back.whole(&bytes).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
                let body: Value = serde_json::from_slice(&body).expect("JSON");
                let got = json!({ "body": body, "losses": losses(&back.losses()) });
                check(&case, client, "json", &format!("{got:#}\n"));
            }
        }
    }
}

/// A stream in pieces through a pair; what the client gets.
pub(crate) fn stream(client: Dialect, provider: Dialect, pieces: &[&[u8]]) -> (Bytes, Vec<Loss>) {
    let mut back = Pair::of(client, provider).request(&asked(client, true), FACTS).expect("a request").back;
    let mut out = BytesMut::new();
    for piece in pieces {
        back.feed(&Bytes::copy_from_slice(piece), &mut out).expect("small events");
    }
    back.end(None, &mut out);
    (out.freeze(), back.losses())
}

#[test]
fn streams() {
    for provider in DIALECTS {
        for (case, bytes) in cases(provider, "streams", ".sse") {
            for client in DIALECTS {
                let (out, _) = stream(client, provider, &[&bytes]);
                let complete = testing::judge(&*format(client), &out).unwrap_or_else(|error| {
                    panic!("{} for {client:?}: {error}\n{}", case.display(), String::from_utf8_lossy(&out))
                });
                assert!(
                    complete,
                    "{} for {client:?} has no end:\n{}",
                    case.display(),
                    String::from_utf8_lossy(&out)
                );
                check(&case, client, "sse", &String::from_utf8_lossy(&out));
            }
        }
    }
}

/// Keeps the events it is told.
#[derive(Default)]
struct Told(Vec<Event<'static>>);

impl Sink for Told {
    fn take(&mut self, event: Event<'_>) {
        self.0.push(event.into_owned());
    }
}

/// The events that a reader finds in a stream that comes in these pieces.
fn told(provider: Dialect, pieces: &[&[u8]]) -> Vec<Event<'static>> {
    let (mut decoder, mut reader) = (Decoder::new(), Reader::new(provider));
    let (mut told, mut losses) = (Told::default(), Losses::default());
    for piece in pieces {
        decoder.feed(Bytes::copy_from_slice(piece));
        while let Some(event) = decoder.pull().expect("small events") {
            reader.event(&event.data, &mut told, &mut losses);
        }
    }
    if let Some(event) = decoder.finish().event {
        reader.event(&event.data, &mut told, &mut losses);
    }
    told.0
}

/// Cut in two at any byte, a stream tells the same events; and with other ends of lines, and a mark at its start.
#[test]
fn streams_cut_at_every_byte_tell_the_same() {
    for provider in DIALECTS {
        for (case, bytes) in cases(provider, "streams", ".sse") {
            let whole = told(provider, &[&bytes]);
            assert!(!whole.is_empty(), "{}", case.display());
            for at in 0..=bytes.len() {
                let halves = told(provider, &[&bytes[..at], &bytes[at..]]);
                assert_eq!(halves, whole, "{} at {at}", case.display());
            }
            let text = String::from_utf8(bytes).expect("text");
            for odd in [text.replace('\n', "\r\n"), text.replace('\n', "\r"), format!("\u{feff}{text}")] {
                let single: Vec<&[u8]> = odd.as_bytes().chunks(1).collect();
                assert_eq!(told(provider, &single), whole, "{}", case.display());
                assert_eq!(told(provider, &[odd.as_bytes()]), whole, "{}", case.display());
            }
        }
    }
}

#[test]
fn streams_at_every_split() {
    for provider in DIALECTS {
        for (case, bytes) in cases(provider, "streams", ".sse") {
            for client in DIALECTS {
                let whole = stream(client, provider, &[&bytes]);
                let single: Vec<&[u8]> = bytes.chunks(1).collect();
                assert_eq!(stream(client, provider, &single), whole, "{} byte by byte", case.display());
                for at in (0..bytes.len()).step_by(97) {
                    let halves = [&bytes[..at], &bytes[at..]];
                    assert_eq!(stream(client, provider, &halves), whole, "{} at {at}", case.display());
                }
            }
        }
    }
}

/// Cut anywhere, a stream ends in one error and never looks finished.
#[test]
fn cut_streams_fail() {
    for provider in DIALECTS {
        for (case, bytes) in cases(provider, "streams", ".sse") {
            let text = String::from_utf8_lossy(&bytes);
            if text.contains("\"error\":{") {
                continue;
            }
            for client in DIALECTS {
                let whole = stream(client, provider, &[&bytes]).0;
                for at in (0..bytes.len()).step_by(41) {
                    let out = stream(client, provider, &[&bytes[..at]]).0;
                    let told_so_far = String::from_utf8_lossy(&bytes[..at]);
                    let told = String::from_utf8_lossy(&out);
                    let complete = testing::judge(&*format(client), &out)
                        .unwrap_or_else(|error| panic!("{} at {at}: {error}\n{told}", case.display()));
                    assert!(complete, "{} at {at} for {client:?} has no end", case.display());
                    // Chat streams may end behind their finish reason.
                    let finished = out == whole
                        || told_so_far.contains("finish_reason\":\"")
                        || told_so_far.contains("message_stop");
                    assert!(
                        finished || told.contains("ended before its last event"),
                        "{} at {at} for {client:?}:\n{told}",
                        case.display()
                    );
                }
            }
        }
    }
}

/// Every string under these keys, at any depth.
fn words<'v>(value: &'v Value, keys: &[&str], found: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| words(item, keys, found)),
        Value::Object(map) => {
            for (key, value) in map {
                found.extend(value.as_str().filter(|_| keys.contains(&key.as_str())));
                words(value, keys, found);
            }
        }
        _ => {}
    }
}

/// What real programs sent, shortened.
pub(crate) fn captures(from: Dialect) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = match from {
        Dialect::Messages => "clients".into(),
        from => format!("{}/clients", format(from).name()),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(folder);
    let paths = fs::read_dir(folder).expect("captures").map(|entry| entry.expect("an entry").path());
    let body = |path: &PathBuf| {
        let capture: Value = serde_json::from_slice(&fs::read(path).expect("a capture")).expect("JSON");
        capture["body"].to_string().into_bytes()
    };
    let mut captures: Vec<_> = paths.map(|path| (path.clone(), body(&path))).collect();
    captures.sort();
    captures
}

/// Nothing that was said, asked or answered is missing on the other side.
#[test]
fn requests_of_real_clients() {
    let mut seen = 0;
    for from in DIALECTS {
        for (path, bytes) in captures(from) {
            let body: Value = serde_json::from_slice(&bytes).expect("JSON");
            let mut said = Vec::new();
            for key in ["messages", "input", "system", "instructions"] {
                words(&body[key], &["text", "content", "output", "image_url", "data"], &mut said);
                said.extend(body[key].as_str());
            }
            let mut tools = Vec::new();
            // What a namespace is for has no place elsewhere, and is reported.
            let single =
                body["tools"].as_array().into_iter().flatten().filter(|tool| tool["type"] != "namespace");
            single.for_each(|tool| words(tool, &["description"], &mut tools));
            for to in DIALECTS.into_iter().filter(|to| *to != from) {
                let turned = Pair::of(from, to).request(&body.to_string().into(), FACTS);
                let turned = turned.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let turned: Value = serde_json::from_slice(&turned.body).expect("JSON");
                let mut told = Vec::new();
                words(
                    &turned,
                    &["text", "content", "output", "instructions", "url", "image_url", "data", "description"],
                    &mut told,
                );
                for said in said.iter().chain(&tools).filter(|said| !said.starts_with("x-anthropic-billing"))
                {
                    let bare = said.rsplit("base64,").next().expect("text");
                    assert!(
                        bare.is_empty() || told.iter().any(|told| told.contains(bare)),
                        "{} to {to:?} lost {said:?}: {turned}",
                        path.display()
                    );
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}
