use ccproxy_core::error::Kind;

use super::*;
use crate::formats::testing::{events, judge, track, track_everywhere};

const STREAM: &[u8] = include_bytes!("fixtures/text_and_call.sse");

fn cut() -> Error {
    Error::upstream(Kind::BadGateway, "the upstream's stream was cut")
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
    assert_eq!(track_everywhere(&OpenAiResponses, STREAM), (true, true, Some(usage)));
    let unnamed = String::from_utf8_lossy(STREAM)
        .lines()
        .filter(|line| !line.starts_with("event:"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(track(&OpenAiResponses, &[unnamed.as_bytes()]), (true, true, Some(usage)));
}

#[test]
fn the_end_of_a_large_answer_is_seen() {
    let large = format!("\"instructions\":\"{}\",\"output\":[],\"tools\"", "long ".repeat(20_000));
    let stream = String::from_utf8_lossy(STREAM).replace("\"output\":[],\"tools\"", &large);
    for size in [1, 700, 8192, 65_536] {
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
        let (complete, boundary, usage) = track(&OpenAiResponses, &pieces);
        assert!(complete && boundary, "{size}");
        assert_eq!(usage.and_then(|usage| usage.output_tokens), Some(20), "{size}");
    }
}

#[test]
fn our_error_event_goes_on_counting() {
    let events = events(STREAM);
    let mut tracker = OpenAiResponses.tracker();
    events[..4].iter().for_each(|event| tracker.feed(&event.raw));
    assert!(!tracker.complete() && tracker.at_boundary());
    let error = tracker.error_event(&OpenAiResponses, &cut());
    let begun: Vec<u8> =
        events[..4].iter().flat_map(|event| event.raw.to_vec()).chain(error.to_vec()).collect();
    assert_eq!(judge(&OpenAiResponses, &begun), Ok(true));
    let text = String::from_utf8_lossy(&error);
    assert!(text.starts_with("event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\","), "{text}");
    assert!(text.contains("\"sequence_number\":4,\"error\":{"), "{text}");
    tracker.feed(&error);
    assert!(tracker.complete());
}

#[test]
fn the_grammar_takes_what_the_service_sends_and_refuses_the_rest() {
    assert_eq!(judge(&OpenAiResponses, STREAM), Ok(true));
    let whole = String::from_utf8_lossy(STREAM).into_owned();
    let incomplete = whole.replace("response.completed", "response.incomplete");
    assert_eq!(judge(&OpenAiResponses, incomplete.as_bytes()), Ok(true));
    for (broken, why) in [
        (whole.replace("\"sequence_number\":3", "\"sequence_number\":2"), "sequence number 2 after 2"),
        (whole.replace("response.output_item.added", "codex.other"), "not open"),
        (whole.replace("response.output_item.done", "codex.other"), "while output item 0 is open"),
        (whole.replace("event: response.created", "event: response.creates"), "but its type is"),
        (format!("{whole}{whole}"), "after the end"),
        ("data: {}\n\n".into(), "needs a `type`"),
    ] {
        let told = judge(&OpenAiResponses, broken.as_bytes()).expect_err(why);
        assert!(told.contains(why), "{told}");
    }
}
