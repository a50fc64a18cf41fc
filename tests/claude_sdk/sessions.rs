//! Processes: kept for sessions, ended with their clients and with the proxy, never too many.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::super::support::{self, eventually};
use super::{House, gone, lives, one, streamed};

const PATH: &str = "/claude/sdk/mine/v1/messages";

fn talk(words: &[&str]) -> Value {
    let roles = ["user", "assistant"].into_iter().cycle();
    let messages: Vec<Value> =
        words.iter().zip(roles).map(|(words, role)| json!({ "role": role, "content": words })).collect();
    json!({ "model": "fake-1", "max_tokens": 50, "messages": messages })
}

/// How often the CLI was told these words.
fn told(house: &House, words: &str) -> usize {
    house.said().iter().filter(|line| line.to_string().contains(words)).count()
}

#[test]
fn a_session_goes_on_in_its_process() {
    support::run(async {
        let house = House::new().await;
        let client = house.proxy.client();
        let answer = client.post(PATH, &talk(&["one"])).await.expect(200);
        assert_eq!(answer.header("x-ccproxy-session"), "mine");
        // The whole conversation, as clients send it: only what is new is told.
        client.post(PATH, &talk(&["one", "hello", "two"])).await.expect(200);
        // Only the next words: the session knows the rest.
        client.post(PATH, &talk(&["three"])).await.expect(200);
        assert_eq!(house.started().len(), 1);
        assert_eq!((told(&house, "one"), told(&house, "two"), told(&house, "three")), (1, 1, 1));
        let (_, arguments) = &house.started()[0];
        assert!(!arguments.contains("--no-session-persistence"), "{arguments}");
        house.counts("sessions_idle", 1).await;
        if cfg!(target_os = "linux") {
            assert!(house.count("memory_bytes").await > 0);
        }
        // Another conversation: another process, which is told all of it.
        client.post(PATH, &talk(&["one", "edited", "two"])).await.expect(200);
        assert_eq!(house.started().len(), 2);
        assert_eq!(told(&house, "edited"), 1);
        gone(house.started()[0].0).await;
        // Another system prompt too.
        let mut body = talk(&["one", "edited", "two", "hello", "three"]);
        body["system"] = "other".into();
        client.post(PATH, &body).await.expect(200);
        assert_eq!(house.started().len(), 3);
    });
}

#[test]
fn a_session_is_resumed_when_its_process_is_gone() {
    support::run(async {
        let house =
            House::configured(|config| config.toml("plugins.claude_sdk.idle_timeout = \"200ms\"")).await;
        let client = house.proxy.client();
        client.post(PATH, &talk(&["one"])).await.expect(200);
        house.counts("sessions", 0).await;
        gone(house.started()[0].0).await;
        client.post(PATH, &talk(&["two"])).await.expect(200);
        let (_, arguments) = &house.started()[1];
        assert!(arguments.contains("--resume=s-fake"), "{arguments}");
    });
}

#[test]
fn a_process_that_died_in_between_is_replaced() {
    support::run(async {
        let house = House::new().await;
        let client = house.proxy.client();
        client.post(PATH, &talk(&["one"])).await.expect(200);
        let (id, _) = house.started()[0];
        kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
        let answer = client.post(PATH, &talk(&["one", "hello", "two"])).await.expect(200);
        assert_eq!(answer.json()["content"][0]["text"], "hello");
        assert_eq!(house.started().len(), 2);
    });
}

#[test]
fn without_a_session_nothing_is_kept() {
    support::run(async {
        let house = House::new().await;
        for _ in 0..2 {
            house.proxy.client().post("/claude/sdk/v1/messages", &one("hi")).await.expect(200);
        }
        assert_eq!(house.started().len(), 2);
        house.counts("sessions", 0).await;
        for (id, arguments) in house.started() {
            assert!(arguments.contains("--no-session-persistence"), "{arguments}");
            gone(id).await;
        }
    });
}

#[test]
fn a_client_that_leaves_ends_its_process() {
    support::run(async {
        let house = House::new().await;
        let mut raw = house.proxy.raw().await;
        raw.post("/claude/sdk/v1/messages", &streamed("HANG").to_string()).await;
        assert!(raw.until("begun").await);
        let (id, _) = house.started()[0];
        assert!(lives(id));
        drop(raw);
        gone(id).await;
        house.counts("sessions", 0).await;
        // Before the first word, too.
        let mut raw = house.proxy.raw().await;
        raw.post("/claude/sdk/v1/messages", &streamed("SILENT").to_string()).await;
        house.heard("SILENT").await;
        drop(raw);
        gone(house.started()[1].0).await;
    });
}

#[test]
fn a_client_that_leaves_its_session_stops_the_turn_only() {
    support::run(async {
        let house = House::new().await;
        let mut raw = house.proxy.raw().await;
        raw.post(PATH, &streamed("HANG").to_string()).await;
        assert!(raw.until("begun").await);
        let busy = house.proxy.client().post(PATH, &one("me too")).await.expect(429);
        assert_eq!(busy.header("retry-after"), "1");
        // A session of another name is another one.
        house.proxy.client().post("/claude/sdk/other/v1/messages", &one("hi")).await.expect(200);
        drop(raw);
        house.heard("interrupt").await;
        house.counts("sessions_idle", 2).await;
        let (id, _) = house.started()[0];
        assert!(lives(id));
        house.proxy.client().post(PATH, &one("go on")).await.expect(200);
        assert_eq!(house.started().len(), 2);
    });
}

#[test]
fn the_end_of_the_proxy_is_the_end_of_its_processes() {
    for kill in [false, true] {
        support::run(async {
            let mut house = House::configured(|config| config.toml("server.drain_timeout = \"100ms\"")).await;
            house.proxy.client().post(PATH, &one("hi")).await.expect(200);
            let mut raw = house.proxy.raw().await;
            raw.post("/claude/sdk/v1/messages", &streamed("HANG").to_string()).await;
            assert!(raw.until("begun").await);
            let started = house.started();
            assert!(started.iter().all(|(id, _)| lives(*id)));
            if kill {
                kill_process(Pid::from_raw(house.proxy.pid()).unwrap(), Signal::KILL).unwrap();
            } else {
                house.proxy.terminate();
            }
            house.proxy.ended().await;
            for (id, _) in started {
                gone(id).await;
            }
        });
    }
}

#[test]
fn too_many_wait_and_then_are_told() {
    support::run(async {
        let house = House::configured(|config| {
            config
                .toml("plugins.claude_sdk.max_sessions = 1")
                .toml("plugins.claude_sdk.max_queue = 1")
                .toml("plugins.claude_sdk.queue_timeout = \"10s\"")
        })
        .await;
        // An idle session makes room.
        house.proxy.client().post(PATH, &one("hi")).await.expect(200);
        let mut raw = house.proxy.raw().await;
        raw.post("/claude/sdk/v1/messages", &streamed("HANG").to_string()).await;
        assert!(raw.until("begun").await);
        assert_eq!(house.started().len(), 2);
        let client = house.proxy.client();
        let waiting =
            tokio::spawn(async move { client.post("/claude/sdk/v1/messages", &one("waits")).await });
        house.counts("requests_queued", 1).await;
        let full = house.proxy.client().post("/claude/sdk/v1/messages", &one("too many")).await.expect(503);
        assert!(full.text().contains("max_sessions"));
        assert_eq!(full.header("retry-after"), "5");
        drop(raw);
        waiting.await.unwrap().expect(200);
        assert_eq!(house.count("requests_queued").await, 0);
    });
}

/// Also while its process waits for a place.
#[test]
fn a_session_answers_one_request_at_once() {
    support::run(async {
        let house = House::configured(|config| {
            config
                .toml("plugins.claude_sdk.max_sessions = 1")
                .toml("plugins.claude_sdk.queue_timeout = \"20s\"")
        })
        .await;
        let mut taken = house.proxy.raw().await;
        taken.post("/claude/sdk/v1/messages", &streamed("HANG").to_string()).await;
        assert!(taken.until("begun").await);
        let client = house.proxy.client();
        let first = tokio::spawn(async move { client.post(PATH, &one("first")).await });
        house.counts("requests_queued", 1).await;
        for _ in 0..2 {
            let busy = house.proxy.client().post(PATH, &one("me too")).await.expect(429);
            assert_eq!(busy.header("retry-after"), "1");
        }
        drop(taken);
        first.await.unwrap().expect(200);
        house.proxy.client().post(PATH, &one("next")).await.expect(200);
        assert_eq!(house.started().len(), 2, "one that was taken, and one for the session");
        // One whose client leaves the queue takes the name with it.
        let mut taken = house.proxy.raw().await;
        taken.post("/claude/sdk/v1/messages", &streamed("HANG").to_string()).await;
        assert!(taken.until("begun").await);
        let mut left = house.proxy.raw().await;
        left.post(PATH, &streamed("leaves").to_string()).await;
        house.counts("requests_queued", 1).await;
        drop(left);
        house.counts("requests_queued", 0).await;
        drop(taken);
        house.proxy.client().post(PATH, &one("again")).await.expect(200);
        assert_eq!(told(&house, "leaves"), 0);
    });
}

/// A session whose next request found no place for a process is not forgotten for that.
#[test]
fn a_session_without_a_place_can_be_resumed_later() {
    support::run(async {
        let house = House::configured(|config| {
            config
                .toml("plugins.claude_sdk.max_sessions = 1")
                .toml("plugins.claude_sdk.queue_timeout = \"100ms\"")
        })
        .await;
        house.proxy.client().post(PATH, &one("one")).await.expect(200);
        let mut taken = house.proxy.raw().await;
        taken.post("/claude/sdk/v1/messages", &streamed("HANG").to_string()).await;
        assert!(taken.until("begun").await);
        house.proxy.client().post(PATH, &one("two")).await.expect(503);
        drop(taken);
        house.counts("sessions", 0).await;
        house.proxy.client().post(PATH, &one("three")).await.expect(200);
        let (_, arguments) = house.started().last().unwrap().clone();
        assert!(arguments.contains("--resume=s-fake"), "{arguments}");
    });
}

#[test]
fn fifty_sessions_at_once() {
    support::run(async {
        let house = House::new().await;
        let mut all = tokio::task::JoinSet::new();
        for number in 0..50 {
            let client = house.proxy.client();
            all.spawn(async move {
                let path = format!("/claude/sdk/s{number}/v1/messages");
                let first = client.post(&path, &talk(&["one"])).await.expect(200).json();
                let second = client.post(&path, &talk(&["one", "hello", "two"])).await.expect(200).json();
                (first["content"][0]["text"].clone(), second["content"][0]["text"].clone())
            });
        }
        while let Some(done) = all.join_next().await {
            assert_eq!(done.unwrap(), (json!("hello"), json!("hello")));
        }
        assert_eq!(house.started().len(), 50);
        house.counts("sessions_idle", 50).await;
    });
}

#[test]
fn a_process_is_started_ahead() {
    support::run(async {
        let house = House::warm(1, |config| config).await;
        let client = house.proxy.client();
        client.post("/claude/sdk/v1/messages", &one("hi")).await.expect(200);
        let second = eventually("a process ahead", async || house.started().get(1).cloned()).await;
        assert_eq!(told(&house, "initialize"), 1);
        client.post("/claude/sdk/v1/messages", &one("hi")).await.expect(200);
        gone(second.0).await;
        house.counts("processes_warm", 1).await;
    });
}
