use ccproxy_core::error::Kind;

use super::*;
use crate::formats::testing::{events, judge, track, track_everywhere};

const STREAM: &[u8] = include_bytes!("fixtures/tools_and_usage.sse");

#[test]
fn errors_are_spelled_as_the_service_does() {
    let error = Error::client(Kind::Unauthorized, "no key");
    let expected = r#"{"error":{"message":"no key","type":"authentication_error","param":null,"code":"invalid_api_key"}}"#;
    assert_eq!(OpenAiChat.error_body(&error, "x1"), expected.as_bytes());
    assert_eq!(OpenAiChat.error_event(&error), format!("data: {expected}\n\n").as_bytes());
}

#[test]
fn a_stream_is_followed_at_every_split() {
    let usage = Usage {
        input_tokens: Some(1000),
        output_tokens: Some(20),
        cache_read_tokens: Some(900),
        cache_write_tokens: None,
        reasoning_tokens: Some(7),
    };
    assert_eq!(track_everywhere(&OpenAiChat, STREAM), (true, true, Some(usage)));
}

#[test]
fn the_end_is_done_or_an_error_or_a_finish_reason_but_not_a_cut() {
    let complete = |stream: &[u8]| track(&OpenAiChat, &[stream]).0;
    let whole = String::from_utf8_lossy(STREAM).into_owned();
    assert!(complete(whole.trim_end().as_bytes()), "a careless last line");
    let finish = whole.find("\"delta\":{}").expect("the finish chunk");
    let before = whole[..finish].rfind("data:").expect("its start");
    assert!(!complete(&STREAM[..before]));
    assert!(!complete(&STREAM[..finish + 60]), "cut inside the chunk that finishes");
    assert!(complete(whole.replace("data: [DONE]\n\n", "").as_bytes()), "no `[DONE]` from this server");
    let two = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"half\"},\"finish_reason\":null}]}\n\n";
    assert!(!complete(two.as_bytes()), "the other choice is not finished");
    let error = OpenAiChat.error_event(&Error::upstream(Kind::BadGateway, "cut"));
    assert!(complete(&[&STREAM[..before], &error[..]].concat()));
}

#[test]
fn the_grammar_takes_what_the_service_sends_and_refuses_the_rest() {
    assert_eq!(judge(&OpenAiChat, STREAM), Ok(true));
    let whole = String::from_utf8_lossy(STREAM).into_owned();
    let error = OpenAiChat.error_event(&Error::upstream(Kind::BadGateway, "cut"));
    let begun = &events(STREAM)[0].raw;
    assert_eq!(judge(&OpenAiChat, &[begun, &error].map(|part| &part[..]).concat()), Ok(true));
    let empty_after = whole.replace(
        "data: [DONE]",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\ndata: [DONE]",
    );
    assert_eq!(judge(&OpenAiChat, empty_after.as_bytes()), Ok(true));

    for (broken, why) in [
        (whole.replace("\"finish_reason\":\"tool_calls\"", "\"finish_reason\":null"), "before choice 0"),
        (whole.replace("\"id\":\"call_1\",", ""), "must begin with its `id`"),
        (
            whole.replace("\"tool_calls\":[{\"index\":0,\"id\"", "\"tool_calls\":[{\"index\":1,\"id\""),
            "where 0 is next",
        ),
        (
            whole
                .replace("data: [DONE]", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}"),
            "after its finish",
        ),
        (format!("{whole}data: [DONE]\n\n"), "after the end"),
        ("data: {\"x\":1}\n\n".into(), "needs `choices`"),
        ("data: 1\n\n".into(), "must be an object"),
        ("data: nope\n\n".into(), "one JSON value"),
    ] {
        let told = judge(&OpenAiChat, broken.as_bytes()).expect_err(why);
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn calls_in_a_second_choice_are_the_rest_of_the_first() {
    use ccproxy_core::transform::{Facts, Transformer};
    use serde_json::{Value, json};

    use crate::formats::{Dialect, Pair};

    let ask = json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "Look" }] });
    let pair = Pair::of(Dialect::Messages, Dialect::Chat);
    let call =
        json!({ "id": "call_1", "type": "function", "function": { "name": "look", "arguments": "{}" } });
    let told = |second: Value| {
        let mut back = pair.request(&ask.to_string().into(), Facts::default()).expect("turned").back;
        let answer = json!({ "id": "1", "model": "m", "choices": [
            { "index": 0, "finish_reason": "tool_calls", "message": { "role": "assistant", "content": "I look" } },
            { "index": 1, "finish_reason": "tool_calls", "message": second } ] });
        let answer = back.whole(answer.to_string().as_bytes()).expect("an answer");
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let kinds =
            answer["content"].as_array().expect("blocks").iter().map(|block| block["type"].to_string());
        (kinds.collect::<Vec<_>>().join(" "), back.losses().len())
    };
    assert_eq!(
        told(json!({ "role": "assistant", "tool_calls": [call] })),
        ("\"text\" \"tool_use\"".into(), 0)
    );
    assert_eq!(told(json!({ "role": "assistant", "content": "Another answer" })), ("\"text\"".into(), 1));
}
