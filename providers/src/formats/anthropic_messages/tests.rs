use ccproxy_core::error::Kind;

use super::*;
use crate::formats::testing::{events, judge, track, track_everywhere};

const STREAM: &[u8] = include_bytes!("fixtures/thinking_and_tool.sse");

fn overloaded() -> Error {
    Error::upstream(Kind::Overloaded, "the upstream is \"busy\"")
}

#[test]
fn errors_are_spelled_as_the_service_does() {
    let body = AnthropicMessages.error_body(&overloaded(), "x1");
    let expected = r#"{"type":"error","error":{"type":"overloaded_error","message":"the upstream is \"busy\""},"request_id":"x1"}"#;
    assert_eq!(body, expected.as_bytes());
    let event = AnthropicMessages.error_event(&overloaded());
    assert!(
        event
            .starts_with(b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"")
    );
    for (kind, name) in [
        (Kind::InvalidRequest, "invalid_request_error"),
        (Kind::Unauthorized, "authentication_error"),
        (Kind::Forbidden, "permission_error"),
        (Kind::NotFound, "not_found_error"),
        (Kind::TooLarge, "request_too_large"),
        (Kind::RateLimited, "rate_limit_error"),
        (Kind::BadGateway, "api_error"),
        (Kind::GatewayTimeout, "timeout_error"),
    ] {
        let body = AnthropicMessages.error_body(&Error::client(kind, "m"), "x1");
        assert!(String::from_utf8_lossy(&body).contains(name), "{kind:?}");
    }
}

#[test]
fn a_stream_is_followed_at_every_split() {
    let usage = Usage {
        input_tokens: Some(12),
        output_tokens: Some(87),
        cache_read_tokens: Some(48_000),
        cache_write_tokens: Some(900),
        reasoning_tokens: None,
    };
    assert_eq!(track_everywhere(&AnthropicMessages, STREAM), (true, true, Some(usage)));
    for cut in 0..STREAM.len() {
        assert!(!track(&AnthropicMessages, &[&STREAM[..cut]]).0, "complete at {cut}");
    }
    let crlf = String::from_utf8_lossy(STREAM).replace('\n', "\r\n");
    assert_eq!(track(&AnthropicMessages, &[crlf.as_bytes()]), (true, true, Some(usage)));
}

#[test]
fn our_error_event_ends_a_broken_stream() {
    let cut = STREAM.windows(2).position(|pair| pair == b"\n\n").expect("an event") + 2;
    let error = AnthropicMessages.error_event(&overloaded());
    let (complete, boundary, usage) = track(&AnthropicMessages, &[&STREAM[..cut], &error]);
    assert!(complete && boundary);
    assert_eq!(usage.and_then(|usage| usage.input_tokens), Some(12));
    assert_eq!(judge(&AnthropicMessages, &[&STREAM[..cut], &error[..]].concat()), Ok(true));
}

#[test]
fn usage_of_a_whole_answer() {
    let body = br#"{"content":[{"type":"tool_use","input":{"usage":{"input_tokens":9}}}],"usage":{"input_tokens":3,"output_tokens":4}}"#;
    let usage = AnthropicMessages.usage(body).expect("told");
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(3), Some(4)));
    assert_eq!(AnthropicMessages.usage(b"oops"), None);
    assert_eq!(AnthropicMessages.usage(br#"{"type":"error"}"#), None);
}

#[test]
fn the_grammar_takes_what_the_service_sends() {
    assert_eq!(judge(&AnthropicMessages, STREAM), Ok(true));
    let added = String::from_utf8_lossy(STREAM).replace(
        "event: ping\ndata: {\"type\": \"ping\"}",
        "event: new_kind\ndata: {\"type\":\"new_kind\"}\n\n: note",
    );
    assert_eq!(judge(&AnthropicMessages, added.as_bytes()), Ok(true));
}

#[test]
fn the_grammar_refuses_each_missing_or_repeated_event() {
    let events = events(STREAM);
    let judged = |chosen: Vec<&ccproxy_core::sse::Event>| {
        let stream: Vec<u8> = chosen.iter().flat_map(|event| event.raw.to_vec()).collect();
        judge(&AnthropicMessages, &stream)
    };
    for (place, event) in events.iter().enumerate() {
        let without =
            events.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, event)| event).collect();
        let twice = events
            .iter()
            .flat_map(|other| vec![other; 1 + usize::from(std::ptr::eq(other, event))])
            .collect();
        let harmless = matches!(&event.name[..], b"ping" | b"content_block_delta");
        assert_eq!(judged(without) == Ok(true), harmless, "without {:?}", event.name);
        let repeatable = harmless || &event.name[..] == b"message_delta";
        assert_eq!(judged(twice) == Ok(true), repeatable, "twice {:?}", event.name);
    }
    assert!(judge(&AnthropicMessages, b"event: a\ndata: {\"type\":\"ping\"}\n\n").is_err());
    assert!(judge(&AnthropicMessages, b"event: ping\ndata: nope\n\n").is_err());
    assert!(judge(&AnthropicMessages, b"data: [DONE]\n\n").is_err());
}
