//! A stream that broke never looks finished, wherever it broke.

use serde_json::{Value, json};

use super::support::upstream::anthropic;
use super::support::{self, Answer, Config, Proxy, Reply, Upstream, sse};

fn body() -> Value {
    json!({ "model": "m", "max_tokens": 1, "messages": [], "stream": true })
}

/// What came is a prefix of what was sent, and after it one error event or a broken body.
fn broken(answer: &Answer, sent: &str) {
    let text = answer.text();
    let (came, after) = match text.find("event: error") {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    assert!(sent.starts_with(came.trim_end_matches('\n')), "{text}");
    assert!(!answer.whole || !after.is_empty(), "it looks finished: {text}");
    if !after.is_empty() {
        let events = sse::events(after.as_bytes());
        assert_eq!(events.len(), 1, "{after}");
        let error: Value = serde_json::from_str(&events[0].1).unwrap();
        assert_eq!(error["type"], "error");
        assert!(error["error"]["message"].is_string());
    }
}

#[test]
fn a_cut_at_every_event_and_inside_one() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let events = anthropic::tool_events();
        let whole = events.concat();
        let mut places: Vec<usize> = Vec::new();
        let mut length = 0;
        for event in &events {
            places.extend([length + 1, length + event.len() / 2, length + event.len() - 1]);
            length += event.len();
            if length < whole.len() {
                places.push(length);
            }
        }
        for place in places {
            let piece = &whole.as_bytes()[..place];
            for reply in [Reply::stream([piece]).cut(), Reply::stream([piece]).reset()] {
                upstream.next(reply);
                let answer = proxy.client().post("/claude/v1/messages", &body()).await;
                if answer.status == 200 {
                    broken(&answer, &whole);
                } else {
                    assert_eq!(answer.status, 502, "cut at {place}: {}", answer.text());
                }
            }
        }
    });
}

/// The request says where: `max_tokens` is the number of bytes that come.
#[test]
fn a_cut_at_every_byte_of_a_stream() {
    support::run(async {
        let whole = anthropic::events("hi").concat();
        let length = whole.len();
        let stream = whole.clone();
        let upstream = Upstream::with(move |request| {
            let place = request.json()["max_tokens"].as_u64().unwrap() as usize;
            Reply::stream([&stream[..place]]).cut()
        })
        .await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let tasks: Vec<_> = (0..4)
            .map(|lane| {
                let (client, whole) = (proxy.client(), whole.clone());
                tokio::spawn(async move {
                    for place in (1..length).filter(|place| place % 4 == lane) {
                        let mut body = body();
                        body["max_tokens"] = place.into();
                        let answer = client.post("/claude/v1/messages", &body).await.expect(200);
                        broken(&answer, &whole);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(upstream.requests().len(), length - 1, "nothing is tried twice");
    });
}

#[test]
fn a_clean_end_without_a_terminal_event_is_an_error() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let events = anthropic::events("never finished");
        let part = &events[..events.len() - 1];
        for reply in [
            Reply::stream(part),
            Reply::status(200)
                .header("content-type", "text/event-stream")
                .close_delimited()
                .bytes(part.concat()),
        ] {
            upstream.next(reply);
            let answer = proxy.client().post("/claude/v1/messages", &body()).await.expect(200);
            broken(&answer, &part.concat());
        }
    });
}

#[test]
fn a_stream_ended_by_close_is_whole_with_its_terminal_event() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let whole = anthropic::events("whole").concat();
        upstream.next(
            Reply::status(200).header("content-type", "text/event-stream").close_delimited().bytes(&whole),
        );
        let answer = proxy.client().post("/claude/v1/messages", &body()).await.expect(200);
        assert_eq!(answer.text(), whole);
        assert!(answer.whole);
    });
}

#[test]
fn a_short_body_is_not_finished() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        upstream.next(
            Reply::status(200)
                .header("content-type", "application/json")
                .claim_length(1000)
                .bytes("{\"id\":1}")
                .cut(),
        );
        let mut body = body();
        body["stream"] = false.into();
        let answer = proxy.client().post("/claude/v1/messages", &body).await;
        assert!(!answer.whole || answer.status == 502, "{} {}", answer.status, answer.text());
    });
}

#[test]
fn an_error_event_of_the_provider_passes_and_ends_the_stream() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let mut events: Vec<String> = anthropic::events("then overloaded").into_iter().take(4).collect();
        events.push(anthropic::event("error", &anthropic::error("overloaded_error", "Overloaded")));
        upstream.next(Reply::stream(&events));
        let answer = proxy.client().post("/claude/v1/messages", &body()).await.expect(200);
        assert_eq!(answer.text(), events.concat(), "nothing is added after the provider's own error");
    });
}
