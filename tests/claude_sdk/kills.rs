//! Who dies when: the CLI, the proxy and the client, at every stage of an answer. Nothing may be left behind, not
//! even what the CLI started in a session of its own; clients are told; the next request is served.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::super::support::{self, Config, Raw, wait::patiently};
use super::{House, lives, one, streamed};

const PATH: &str = "/claude/sdk/v1/messages";
const SESSION: &str = "/claude/sdk/mine/v1/messages";

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The CLI was told, and is silent.
    Silent,
    /// In the middle of text.
    Text,
    /// In the middle of a call of a client's tool.
    Call,
    /// A person is asked about a tool of the CLI's.
    Approval,
    /// The client runs its tool.
    ClientTool,
    /// A session between two turns.
    Between,
}

const STAGES: [Stage; 6] =
    [Stage::Silent, Stage::Text, Stage::Call, Stage::Approval, Stage::ClientTool, Stage::Between];

fn asking(config: Config) -> Config {
    config
        .toml("plugins.permissions.enabled = true")
        .toml("plugins.permissions.timeout = \"50s\"")
        .toml("server.drain_timeout = \"100ms\"")
}

fn with_tool(words: &str) -> Value {
    let mut body = streamed(words);
    body["tools"] = json!([{ "name": "look", "input_schema": { "type": "object" } }]);
    body
}

impl Stage {
    /// A house in which an answer has come so far, with children of the CLI, and the client's connection.
    async fn reached(self) -> (House, Raw) {
        let house = House::configured(asking).await;
        std::fs::write(house.file("with_children"), "").unwrap();
        let mut raw = house.proxy.raw().await;
        match self {
            Stage::Silent => {
                raw.post(PATH, &streamed("SILENT").to_string()).await;
                house.heard("SILENT").await;
            }
            Stage::Text => {
                raw.post(PATH, &streamed("HANG").to_string()).await;
                assert!(raw.until("begun").await);
            }
            Stage::Call => {
                raw.post(PATH, &with_tool("HALF_TOOL").to_string()).await;
                assert!(raw.until("input_json_delta").await, "{}", raw.seen());
            }
            Stage::Approval => {
                raw.post(PATH, &streamed("OWN_TOOL").to_string()).await;
                pending(&house, 1).await;
            }
            Stage::ClientTool => {
                raw.post(PATH, &with_tool("CLIENT_TOOL").to_string()).await;
                assert!(raw.until("message_stop").await);
                house.counts("sessions_waiting", 1).await;
            }
            Stage::Between => {
                raw.post(SESSION, &streamed("hi").to_string()).await;
                assert!(raw.until("message_stop").await);
                house.counts("sessions_idle", 1).await;
            }
        }
        let children = super::read(&house.file("children"));
        let children: Vec<i32> = children.lines().map(|line| line.parse().unwrap()).collect();
        assert!(children.len() == 2 && children.iter().all(|id| lives(*id)), "{self:?}: {children:?}");
        (house, raw)
    }
}

/// Waits until so many calls wait for a person. A call whose asker has left is struck out in twenty seconds.
async fn pending(house: &House, wanted: usize) {
    let client = house.proxy.client();
    patiently(Duration::from_secs(30), &format!("{wanted} calls that wait"), async || {
        let list = client.get("/permissions").await.expect(200).json();
        (list["permissions"].as_array()?.len() == wanted).then_some(())
    })
    .await;
}

fn kill(id: i32) {
    kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
}

/// The next requests are served, in a session and without one.
async fn serves(house: &House, stage: Stage) {
    for path in [PATH, SESSION] {
        let answer = house.proxy.client().post(path, &one("hi")).await.expect(200).json();
        assert_eq!(answer["content"][0]["text"], "hello", "{stage:?} {path}");
    }
}

#[test]
fn the_cli_is_killed() {
    for stage in STAGES {
        support::run(async {
            let (house, mut raw) = stage.reached().await;
            kill(house.started()[0].0);
            match stage {
                Stage::Silent => {
                    // Nothing was said yet: once, another one is asked.
                    support::eventually("another one", async || house.started().get(1).cloned()).await;
                    support::eventually("its words", async || {
                        let told = |line: &Value| line.to_string().contains("SILENT");
                        (house.said().into_iter().filter(told).count() == 2).then_some(())
                    })
                    .await;
                    kill(house.started()[1].0);
                    let answer = raw.answer().await.unwrap();
                    assert_eq!(answer.status, 502);
                    assert_eq!(house.count("processes_recovered").await, 1);
                }
                Stage::Text | Stage::Call | Stage::Approval => {
                    assert!(raw.until("event: error").await, "{stage:?}: {}", raw.seen());
                    let answer = raw.answer().await.unwrap();
                    let text = String::from_utf8(answer.body).unwrap();
                    assert!(text.contains("ended in the middle"), "{stage:?}: {text}");
                    assert!(
                        !text.contains("message_stop") && !text.contains("\"stop_reason\":\"tool_use\""),
                        "{stage:?}: {text}"
                    );
                }
                Stage::ClientTool => {
                    house.counts("sessions", 0).await;
                    let mut body = with_tool("CLIENT_TOOL");
                    let call = json!({ "type": "tool_use", "id": "toolu_client", "name": "look", "input": { "command": "touch x" } });
                    let result =
                        json!({ "type": "tool_result", "tool_use_id": "toolu_client", "content": "seen" });
                    body["messages"].as_array_mut().unwrap().extend([
                        json!({ "role": "assistant", "content": [call] }),
                        json!({ "role": "user", "content": [result] }),
                    ]);
                    // A fresh one is told all of it.
                    house.proxy.client().post(PATH, &body).await.expect(200);
                    house.heard("seen").await;
                }
                Stage::Between => house.counts("sessions", 0).await,
            }
            serves(&house, stage).await;
            if stage == Stage::Approval {
                pending(&house, 0).await;
            }
            let children: Vec<i32> =
                super::read(&house.file("children")).lines().map(|line| line.parse().unwrap()).collect();
            for child in &children[..2] {
                super::gone(*child).await;
            }
        });
    }
}

#[test]
fn the_client_leaves() {
    for stage in STAGES {
        support::run(async {
            let (house, raw) = stage.reached().await;
            drop(raw);
            if matches!(stage, Stage::ClientTool | Stage::Between) {
                // It has all of its answer, and may come back.
                assert!(lives(house.started()[0].0), "{stage:?}");
                return;
            }
            house.counts("sessions", 0).await;
            house.all_gone().await;
            serves(&house, stage).await;
            if stage == Stage::Approval {
                pending(&house, 0).await;
            }
        });
    }
}

#[test]
fn the_proxy_ends() {
    for signal in [Signal::KILL, Signal::TERM] {
        for stage in STAGES {
            support::run(async {
                let (mut house, raw) = stage.reached().await;
                kill_process(Pid::from_raw(house.proxy.pid()).unwrap(), signal).unwrap();
                house.proxy.ended().await;
                house.all_gone().await;
                drop(raw);
                std::fs::remove_file(house.file("with_children")).unwrap();
                let house = house.again().await;
                serves(&house, stage).await;
            });
        }
    }
}

/// The parent of a process.
fn parent(id: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Each of the two guards does what the other would have done.
#[test]
fn a_guard_that_is_killed_takes_the_cli_with_it() {
    for first in [false, true] {
        support::run(async {
            let (house, mut raw) = Stage::Text.reached().await;
            let second = parent(house.started()[0].0);
            assert_eq!(super::read(format!("/proc/{second}/comm").as_ref()).trim_end(), "cli-guard");
            assert_eq!(parent(parent(second)), house.proxy.pid());
            kill(if first { parent(second) } else { second });
            house.all_gone().await;
            super::gone(second).await;
            assert!(raw.until("event: error").await, "{}", raw.seen());
            house.counts("sessions", 0).await;
            serves(&house, Stage::Text).await;
        });
    }
}

/// As `killall -9` does it, with the name of the proxy.
#[test]
fn the_proxy_and_the_guard_of_its_name_are_killed_at_once() {
    support::run(async {
        let (mut house, _raw) = Stage::Text.reached().await;
        let first = parent(parent(house.started()[0].0));
        kill(first);
        kill(house.proxy.pid());
        house.proxy.ended().await;
        house.all_gone().await;
    });
}
