//! `GET /permissions/stream`

use super::*;
use crate::support::Raw;

/// The id of the last event in a piece of stream.
fn last_id(text: &str) -> String {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned()
}

pub(super) async fn open(proxy: &Proxy, last: Option<&str>) -> Raw {
    let mut raw = proxy.raw().await;
    let more = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
    raw.send(format!("GET /permissions/stream HTTP/1.1\r\nhost: localhost\r\n{more}\r\n")).await;
    let head = raw.read_head().await.unwrap();
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    raw
}

async fn resolve(proxy: &Proxy, input: &str) {
    let asked = ask(proxy, json!({ "tool": "Bash", "input": { "command": input } }));
    let record = waiting(proxy).await;
    respond(proxy, &record, &json!({ "decision": "allow" })).await;
    asked.await.unwrap();
}

#[test]
fn requests_and_what_becomes_of_them_are_told_as_they_happen() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        let mut raw = open(&proxy, None).await;
        assert!(raw.until("event: snapshot").await);
        let asked = ask(&proxy, json!({ "tool": "Bash", "input": { "command": "first" } }));
        assert!(raw.until("\"command\":\"first\"").await);
        let record = waiting(&proxy).await;
        respond(&proxy, &record, &json!({ "decision": "deny", "message": "no" })).await;
        assert!(raw.until("event: resolved").await);
        assert!(raw.until("\"status\":\"denied\"").await);
        asked.await.unwrap();
        // A second listener begins with what waits.
        let asked = ask(&proxy, json!({ "tool": "Read", "input": { "file": "second" } }));
        let record = waiting(&proxy).await;
        let mut late = open(&proxy, None).await;
        assert!(late.until("\"file\":\"second\"").await);
        respond(&proxy, &record, &json!({ "decision": "allow" })).await;
        assert!(late.until("event: resolved").await && raw.until("\"file\":\"second\"").await);
        asked.await.unwrap();
        proxy.stop().await;
    });
}

#[test]
fn it_goes_on_where_it_was_and_says_when_it_cannot() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        resolve(&proxy, "one").await;
        let mut raw = open(&proxy, None).await;
        assert!(raw.until("event: snapshot").await && raw.until("\n\n").await);
        let seen = raw.seen();
        let id = last_id(&seen);
        resolve(&proxy, "two").await;
        let mut again = open(&proxy, Some(&id)).await;
        assert!(again.until("event: resolved").await);
        let text = again.seen();
        assert!(
            text.contains("\"two\"") && !text.contains("snapshot") && !text.contains("\"one\""),
            "{text}"
        );
        for unknown in ["deadbeef-1", "nonsense", &format!("{}9999", id)] {
            let mut raw = open(&proxy, Some(unknown)).await;
            assert!(raw.until("event: snapshot").await, "{unknown}");
        }
        proxy.stop().await;
    });
}

#[test]
fn a_time_out_is_told_as_expired() {
    support::run(async {
        let proxy = Proxy::start(asking("1s")).await;
        let mut raw = open(&proxy, None).await;
        let asked = ask(&proxy, json!({ "tool": "Bash", "input": {} }));
        assert!(raw.until("event: expired").await);
        asked.await.unwrap();
        proxy.stop().await;
    });
}

#[test]
fn the_end_of_the_proxy_waits_for_nobody() {
    support::run(async {
        let proxy = Proxy::start(asking("10m")).await;
        let mut raw = open(&proxy, None).await;
        let asked = ask(&proxy, json!({ "tool": "Bash", "input": {} }));
        waiting(&proxy).await;
        proxy.terminate();
        let answer = asked.await.unwrap();
        assert_eq!(
            (&answer["decision"], &answer["message"]),
            (&json!("deny"), &json!("the proxy is ending"))
        );
        assert!(raw.until("\"status\":\"withdrawn\"").await);
        proxy.stop().await;
    });
}

#[test]
fn a_long_list_shows_a_part_of_its_arguments_and_each_request_shows_its_own() {
    support::run(async {
        let proxy = Proxy::start(asking("10m")).await;
        let input = json!({ "command": "x".repeat(15_000) });
        let asked: Vec<_> = (0..60).map(|_| ask(&proxy, json!({ "tool": "Bash", "input": input }))).collect();
        let records = super::waiting_for(&proxy, 60).await;
        let cut = records.iter().filter(|record| record["input_cut"] == true).count();
        assert!((20..40).contains(&cut), "{cut}");
        let mut raw = open(&proxy, None).await;
        assert!(raw.until("\"input_cut\":true").await);
        for record in records {
            let one = proxy.client().get(&format!("/permissions/{}", record["id"].as_str().unwrap())).await;
            assert_eq!(one.expect(200).json()["input"], input);
            respond(&proxy, &record, &json!({ "decision": "deny" })).await;
        }
        for asked in asked {
            assert_eq!(asked.await.unwrap()["decision"], "deny");
        }
        proxy.stop().await;
    });
}

#[test]
fn a_stream_that_has_told_much_ends_and_the_next_goes_on() {
    support::run_within(std::time::Duration::from_secs(90), async {
        let proxy = Proxy::start(asking("10m")).await;
        let mut raw = open(&proxy, None).await;
        for _ in 0..5 {
            let asked: Vec<_> =
                (0..100).map(|_| ask(&proxy, json!({ "tool": "Bash", "input": {} }))).collect();
            for record in waiting_for(&proxy, 100).await {
                respond(&proxy, &record, &json!({ "decision": "allow" })).await;
            }
            for asked in asked {
                assert_eq!(asked.await.unwrap()["decision"], "allow");
            }
        }
        // The last chunk: it ended well.
        assert!(raw.until("\r\n0\r\n\r\n").await);
        let seen = raw.seen();
        assert!(seen.matches("event: re").count() >= 900, "{}", seen.matches("event: re").count());
        let id = last_id(&seen);
        resolve(&proxy, "afterwards").await;
        let mut again = open(&proxy, Some(&id)).await;
        assert!(again.until("afterwards").await);
        assert!(!again.seen().contains("snapshot"), "{}", again.seen());
        proxy.stop().await;
    });
}
