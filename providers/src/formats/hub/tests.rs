//! Whatever comes, nothing panics, and what the writers write is legal.

use bytes::{Bytes, BytesMut};
use ccproxy_core::document::Json;
use ccproxy_core::transform::Transformer;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::anything::{anything, events};
use super::*;
use crate::formats::golden::{DIALECTS, FACTS, cases, format, stream};
use crate::formats::testing;
use crate::formats::transform::Pair;

/// Replaces the value at one place of a true request or answer.
fn broken(bytes: &[u8], place: usize, with: &Value) -> Value {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum::<usize>(),
            Value::Object(map) => map.values().map(count).sum(),
            _ => 0,
        }
    }
    fn put(value: &mut Value, place: &mut usize, with: &Value) {
        if *place == 0 {
            *value = with.clone();
        }
        *place = place.wrapping_sub(1);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| put(item, place, with)),
            Value::Object(map) => map.values_mut().for_each(|item| put(item, place, with)),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_slice(bytes).expect("JSON");
    let mut place = place % count(&value);
    put(&mut value, &mut place, with);
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_request_is_turned_or_refused(body in anything(), place in any::<usize>(), pick in any::<prop::sample::Index>()) {
        for from in DIALECTS {
            let known = cases(from, "requests", ".json");
            let (_, true_one) = &known[pick.index(known.len())];
            for value in [&body, &broken(true_one, place, &body)] {
                let bytes = Bytes::from(value.to_string());
                for to in DIALECTS {
                    if let Ok(turned) = Pair::of(from, to).request(&bytes, FACTS) {
                        prop_assert!(serde_json::from_slice::<Value>(&turned.body).is_ok(), "{value}");
                        // The same request gives the same bytes: a provider's cache lives from it.
                        let again = Pair::of(from, to).request(&bytes, FACTS).expect("once more");
                        prop_assert_eq!(&turned.body, &again.body);
                    }
                }
            }
        }
    }

    #[test]
    fn any_answer_is_turned_or_refused(body in anything(), place in any::<usize>(), pick in any::<prop::sample::Index>()) {
        for from in DIALECTS {
            let known = cases(from, "answers", ".json");
            let (_, true_one) = &known[pick.index(known.len())];
            for value in [&body, &broken(true_one, place, &body)] {
                for client in DIALECTS {
                    let asked = json!({ "model": "m", "messages": [], "input": [] }).to_string().into();
                    let mut back = Pair::of(client, from).request(&asked, FACTS).expect("a request").back;
                    if let Ok(turned) = back.whole(value.to_string().as_bytes()) {
                        prop_assert!(serde_json::from_slice::<Value>(&turned).is_ok(), "{value}");
                    }
                    let told = back.error(http::StatusCode::BAD_GATEWAY, value.to_string().as_bytes());
                    prop_assert!(serde_json::from_slice::<Value>(&told).is_ok(), "{value}");
                }
            }
        }
    }

    #[test]
    fn any_stream_stays_legal(pick in any::<prop::sample::Index>(), moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..8), odd in anything(), cut in any::<prop::sample::Index>()) {
        for provider in DIALECTS {
            let known = cases(provider, "streams", ".sse");
            let (case, bytes) = &known[pick.index(known.len())];
            let mut events: Vec<Vec<u8>> = testing::events(bytes).iter().map(|event| event.raw.to_vec()).collect();
            // Events lost, doubled, swapped, and one of nonsense.
            for (from, to) in &moves {
                let (from, to) = (from.index(events.len()), to.index(events.len()));
                if from == to {
                    events.remove(from);
                } else if from < to {
                    events.swap(from, to);
                } else {
                    let doubled = events[from].clone();
                    events.insert(to, doubled);
                }
                if events.is_empty() {
                    break;
                }
            }
            events.insert(events.len() / 2, format!("data: {odd}\n\n").into_bytes());
            let pieces: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
            let whole = pieces.concat();
            let cut = [&whole[..cut.index(whole.len())]];
            for (client, pieces) in DIALECTS.into_iter().flat_map(|client| [(client, &pieces[..]), (client, &cut[..])]) {
                let (out, _) = stream(client, provider, pieces);
                match testing::judge(&*format(client), &out) {
                    Ok(complete) => prop_assert!(complete, "{} has no end", case.display()),
                    Err(error) => prop_assert!(false, "{}: {error}\n{}", case.display(), String::from_utf8_lossy(&out)),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_events_become_a_legal_stream(events in events()) {
        let bytes: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        for provider in DIALECTS {
            for client in DIALECTS {
                let (out, _) = stream(client, provider, &[bytes.as_bytes()]);
                let judged = testing::judge(&*format(client), &out);
                prop_assert_eq!(judged, Ok(true), "{:?} for {:?}\n{}", provider, client, String::from_utf8_lossy(&out));
            }
        }
    }
}

#[test]
fn seals_come_back_to_their_maker() {
    let signature = Seal::of_signature("c2ln".into()).expect("a seal");
    assert_eq!(Seal::of_encrypted(None, signature.encrypted().expect("text").into()), signature);
    let encrypted = Seal::of_encrypted(Some("rs_1".into()), "gAA.A".into());
    assert_eq!(Seal::of_signature(encrypted.signature().expect("text").into()), Some(encrypted));
    let redacted = Seal::Redacted("xyz".into());
    assert_eq!(Seal::of_encrypted(None, redacted.encrypted().expect("text").into()), redacted);
    assert_eq!(Seal::of_signature("".into()), None);
}

#[test]
fn names_stay_within_limits_and_stay_the_same() {
    assert_eq!(wire_name(None, "plain-1_x"), "plain-1_x");
    assert_eq!(wire_name(Some("ns"), "tool"), "ns__tool");
    let long = "a".repeat(100);
    assert!(wire_name(None, &long).len() <= 64);
    assert_eq!(wire_name(None, &long), wire_name(None, &long));
    assert_ne!(wire_name(None, &long), wire_name(None, &"a".repeat(101)));
    assert!(
        wire_name(None, "mit Umlaut: ä")
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    );
    assert_eq!(tool_id("toolu_1", "call_", 40), "toolu_1");
    assert_eq!(tool_id("x:1", "call_", 40).len(), 37);
    assert_ne!(tool_id("", "call_", 40), "");
}

#[test]
fn a_conversation_keeps_its_key() {
    let key = |text: &str| {
        let json = Json::whole(text.as_bytes()).expect("JSON");
        let mut losses = Losses::default();
        conversation_key(
            &crate::formats::transform::read(Dialect::Messages, &json, &mut losses).expect("a call"),
        )
    };
    let system = |line: &str| {
        format!(
            r#""system":[{{"type":"text","text":"x-anthropic-billing-header: cch={line};"}},{{"type":"text","text":"s"}}]"#
        )
    };
    let first =
        key(&format!(r#"{{"model":"m",{},"messages":[{{"role":"user","content":"a"}}]}}"#, system("1")));
    let later = key(&format!(
        r#"{{"model":"m",{},"messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":"b"}},{{"role":"user","content":"c"}}]}}"#,
        system("2")
    ));
    let other =
        key(&format!(r#"{{"model":"m",{},"messages":[{{"role":"user","content":"z"}}]}}"#, system("1")));
    assert!(first.is_some());
    assert_eq!(first, later);
    assert_ne!(first, other);
    let session =
        key(r#"{"model":"m","messages":[],"metadata":{"user_id":"user_ab_account__session_5f1e"}}"#);
    assert_eq!(session.as_deref(), Some("5f1e"));
}

#[test]
fn image_urls_are_taken_apart() {
    let source = |url: &'static str| Source::of_url(url.into());
    assert_eq!(
        source("data:image/png;base64,AA=="),
        Source::Base64 { media: "image/png".into(), data: "AA==".into() }
    );
    assert_eq!(
        source("DATA:image/png;charset=x;base64,AA"),
        Source::Base64 { media: "image/png".into(), data: "AA".into() }
    );
    assert_eq!(source("https://e.com/a,b"), Source::Url("https://e.com/a,b".into()));
    assert_eq!(source("data:text/plain,hi"), Source::Url("data:text/plain,hi".into()));
    assert_eq!(source("é"), Source::Url("é".into()));
}

/// What the pipeline does with a stream in small pieces must not depend on them.
#[test]
fn an_event_that_is_too_large_fails_the_stream() {
    let asked = json!({ "model": "m", "stream": true, "messages": [] }).to_string().into();
    let mut back = Pair::of(Dialect::Chat, Dialect::Messages).request(&asked, FACTS).expect("a request").back;
    let mut out = BytesMut::new();
    let large = Bytes::from(vec![b'x'; (16 << 20) + 1]);
    let error = back.feed(&large, &mut out).expect_err("too large");
    back.end(Some(&error), &mut out);
    let told = String::from_utf8_lossy(&out);
    assert!(
        told.starts_with("data: {\"error\":{\"message\":\"an event of the upstream's stream is larger"),
        "{told}"
    );
}

fn back(client: Dialect, provider: Dialect, stream: bool) -> Box<dyn ccproxy_core::transform::Back> {
    let asked = json!({ "model": "m", "stream": stream, "messages": [], "input": [] }).to_string().into();
    Pair::of(client, provider).request(&asked, FACTS).expect("a request").back
}

#[test]
fn a_stream_is_collected_and_an_answer_becomes_a_stream() {
    for provider in DIALECTS {
        for client in DIALECTS {
            let stream = &cases(provider, "streams", "text.sse")[0].1;
            let answer = back(client, provider, false).whole(stream).expect("an answer");
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            assert!(answer.to_string().contains("Grüezi 👋"), "{answer}");
            let cut = back(client, provider, false).whole(&stream[..stream.len() / 2]);
            assert!(cut.is_err(), "{provider:?}");
            let whole = &cases(provider, "answers", "text.json")[0].1;
            let streamed = back(client, provider, true).whole(whole).expect("a stream");
            assert_eq!(testing::judge(&*format(client), &streamed), Ok(true), "{provider:?} {client:?}");
        }
    }
}

#[test]
fn a_conversation_that_is_too_long_is_told_in_the_client_s_words() {
    let too_long = json!({ "type": "error", "error": { "type": "invalid_request_error", "message": "prompt is too long: 3 > 2" } });
    let told = back(Dialect::Responses, Dialect::Messages, true)
        .error(http::StatusCode::BAD_REQUEST, too_long.to_string().as_bytes());
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(told["error"]["code"], "context_length_exceeded");
    assert_eq!(told["error"]["type"], "invalid_request_error");
    let too_long = json!({ "error": { "message": "too many tokens", "type": "invalid_request_error", "code": "context_length_exceeded" } });
    let told = back(Dialect::Messages, Dialect::Chat, false)
        .error(http::StatusCode::BAD_REQUEST, too_long.to_string().as_bytes());
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(told["error"]["message"], "prompt is too long: too many tokens");
    assert_eq!(told["error"]["type"], "invalid_request_error");
}

#[test]
fn an_account_that_cannot_pay_is_told_apart() {
    let unpaid = StatusCode::PAYMENT_REQUIRED;
    for (provider, body) in [
        (Dialect::Chat, r#"{"error":{"message":"no money","code":402}}"#),
        (Dialect::Messages, r#"{"type":"error","error":{"type":"billing_error","message":"no money"}}"#),
    ] {
        for (client, pointer, word) in [
            (Dialect::Messages, "/error/type", "billing_error"),
            (Dialect::Chat, "/error/code", "insufficient_quota"),
            (Dialect::Responses, "/error/code", "insufficient_quota"),
        ] {
            let told = back(client, provider, false).error(unpaid, body.as_bytes());
            let told: Value = serde_json::from_slice(&told).expect("JSON");
            assert_eq!(told.pointer(pointer), Some(&word.into()), "{told}");
            assert_eq!(told["error"]["message"], "no money");
        }
    }
}

#[test]
fn errors_of_every_shape_are_told() {
    for (provider, body, message) in [
        (Dialect::Responses, r#"{"detail":"The model is not supported"}"#, "The model is not supported"),
        (Dialect::Chat, r#"{"error":"plain words"}"#, "plain words"),
        (Dialect::Chat, r#"{"message":"bare"}"#, "bare"),
        (Dialect::Chat, r#"{"error":{"message":"gone","code":503}}"#, "gone"),
        (Dialect::Messages, "<html>oh", "<html>oh"),
        (Dialect::Messages, "<html><title>502 Bad Gateway</title>", "502 Bad Gateway"),
        (Dialect::Messages, r#"{"error":{"message":"of a gateway","code":429}}"#, "of a gateway"),
        (Dialect::Responses, r#"[{"error":{"message":"in a list"}}]"#, "in a list"),
        (Dialect::Chat, r#"{"error":{"message":"{\"detail\":[{\"msg\":\"deep\"}]}"}}"#, "deep"),
        (Dialect::Chat, "5", "the provider answered 529"),
        (Dialect::Messages, "", "the provider answered 529"),
        (Dialect::Messages, r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#, "x"),
    ] {
        for client in DIALECTS {
            let status = http::StatusCode::from_u16(529).expect("a status");
            let told = back(client, provider, true).error(status, body.as_bytes());
            let told: Value = serde_json::from_slice(&told).expect("JSON");
            assert_eq!(told["error"]["message"], message, "{client:?} {body}");
            let kind = if client == Dialect::Messages { "overloaded_error" } else { "server_error" };
            assert_eq!(told["error"]["type"], kind, "{client:?} {body}");
        }
    }
}
