//! The other way round: the real Claude Code CLI behind `/claude/sdk`, its API a scripted upstream.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Barrier, Semaphore};

use super::super::support::upstream::{Recorded, scenes};
use super::super::support::{self, Client, Config, Proxy, Upstream, sse, wait::patiently};
use super::installed;

const LIMIT: Duration = Duration::from_secs(180);
const PATH: &str = "/claude/sdk/v1/messages";
/// What a client must not be able to read.
const HIDDEN: &str = "the hidden words of a file";

/// A proxy whose CLI is the real one; `None` when that is not installed.
pub struct House {
    pub upstream: Upstream,
    pub proxy: Proxy,
    config: Config,
}

impl House {
    pub async fn new(
        script: impl Fn(&Recorded) -> support::Reply + Send + Sync + 'static,
        more: impl FnOnce(Config) -> Config,
    ) -> Option<House> {
        let program = installed("node_modules/@anthropic-ai/claude-code/bin/claude.exe")?;
        let upstream = Upstream::with(script).await;
        let variable = |config: Config, name: &str, value: &str| {
            config.toml(&format!("plugins.claude_sdk.environment.{name} = {value:?}"))
        };
        let mut config = Config::new()
            .toml(&format!("plugins.claude_sdk.command = [{:?}]", program.display().to_string()))
            .toml("plugins.claude_sdk.warm = 0");
        for (name, value) in [
            ("ANTHROPIC_BASE_URL", upstream.url().as_str()),
            ("ANTHROPIC_API_KEY", "sk-of-the-cli"),
            ("HTTPS_PROXY", "http://127.0.0.1:9"),
            ("NO_PROXY", "127.0.0.1"),
            ("CLAUDE_CODE_MAX_RETRIES", "0"),
        ] {
            config = variable(config, name, value);
        }
        let config = more(config);
        Some(House { upstream, proxy: Proxy::start(config.clone()).await, config })
    }

    /// Kills the proxy, and starts another one in its home.
    async fn again(self) -> House {
        let House { upstream, proxy, config } = self;
        House { upstream, proxy: proxy.again(config.clone()).await, config }
    }

    /// A client that gives a real program its time.
    fn client(&self) -> Client {
        self.proxy.client().patient(LIMIT)
    }

    /// The requests of the conversation that came upstream.
    fn asked(&self) -> Vec<Value> {
        self.upstream
            .requests()
            .iter()
            .filter(|one| scenes::conversation(one))
            .map(|one| one.json())
            .collect()
    }

    pub fn everything(&self) -> String {
        self.upstream.requests().iter().map(|one| String::from_utf8_lossy(&one.body).into_owned()).collect()
    }
}

fn body(messages: Value) -> Value {
    json!({ "model": "claude-sonnet-4-5", "max_tokens": 50, "system": "Be brief", "messages": messages })
}

/// The roles of a request's messages, and the last text of each.
fn told(request: &Value) -> Vec<(String, String)> {
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let last = |content: &Value| match content {
        Value::Array(blocks) => {
            let texts = blocks.iter().rev().find_map(|block| block["text"].as_str());
            texts.unwrap_or_default().to_owned()
        }
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let told = |message: &Value| (super::text(&message["role"]).to_owned(), last(&message["content"]));
    messages.iter().map(told).collect()
}

#[test]
fn the_whole_conversation_reaches_the_api() {
    support::run_within(LIMIT, async {
        let Some(house) = House::new(scenes::done, |config| config).await else { return };
        let messages = json!([
            { "role": "user", "content": "first" },
            { "role": "assistant", "content": "second" },
            { "role": "user", "content": "third" },
            { "role": "assistant", "content": "fourth" },
            { "role": "user", "content": "fifth" },
        ]);
        let mut wanted = body(messages);
        wanted["stream"] = true.into();
        let answer = house.client().post(PATH, &wanted).await.expect(200);
        assert!(
            answer.text().contains("word\"") && answer.text().contains("message_stop"),
            "{}",
            answer.text()
        );
        assert!(sse::names(&answer.body).iter().filter(|name| *name == "content_block_delta").count() > 1);
        let asked = house.asked();
        let told = told(&asked[0]);
        let words: Vec<(&str, &str)> =
            told.iter().map(|(role, text)| (role.as_str(), text.as_str())).collect();
        assert_eq!(
            words,
            [
                ("user", "first"),
                ("assistant", "second"),
                ("user", "third"),
                ("assistant", "fourth"),
                ("user", "fifth")
            ]
        );
        let system = asked[0]["system"].to_string();
        assert!(system.contains("Be brief"), "{system}");
        for format in ["chat/completions", "responses"] {
            let path = format!("/claude/sdk/v1/{format}");
            let wanted = json!({ "model": "claude-sonnet-4-5", "input": "hi", "messages": [{ "role": "user", "content": "hi" }] });
            let answer = house.client().post(&path, &wanted).await.expect(200).text();
            assert!(answer.contains(scenes::DONE), "{answer}");
        }
    });
}

#[test]
fn words_of_a_client_are_no_commands_and_read_no_files() {
    support::run_within(LIMIT, async {
        let Some(house) = House::new(scenes::done, |config| config).await else { return };
        let file = house.proxy.home().join("hidden.txt");
        std::fs::write(&file, HIDDEN).unwrap();
        let at = format!("look at @{} please", file.display());
        for words in [at.as_str(), "/cost", "/context", "!ls", "# remember this"] {
            for messages in [
                json!([{ "role": "user", "content": words }]),
                json!([{ "role": "user", "content": words }, { "role": "assistant", "content": "yes" }, { "role": "user", "content": [{ "type": "text", "text": words }] }]),
            ] {
                let before = house.asked().len();
                let answer = house.client().post(PATH, &body(messages)).await.expect(200).text();
                assert!(answer.contains(scenes::DONE), "{words}: {answer}");
                let asked = house.asked();
                assert_eq!(asked.len(), before + 1, "{words}");
                assert!(asked[before].to_string().contains(words.trim_start_matches('/')), "{words}");
            }
        }
        assert!(!house.everything().contains(HIDDEN));
        assert!(!house.everything().contains("local-command"));
    });
}

#[test]
fn the_clients_tools_come_back_to_it() {
    support::run_within(LIMIT, async {
        let scene = scenes::tool_turn("mcp__client__look", &json!({ "at": "a" }));
        let Some(house) = House::new(scene, |config| config).await else { return };
        let tools = json!([{ "name": "look", "description": "Looks", "input_schema": { "type": "object", "properties": { "at": { "type": "string" } } } }]);
        let mut wanted = body(json!([{ "role": "user", "content": "look" }]));
        wanted["tools"] = tools.clone();
        let answer = house.client().post(PATH, &wanted).await.expect(200).json();
        assert_eq!(answer["stop_reason"], "tool_use", "{answer}");
        let call = answer["content"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            call,
            json!({ "type": "tool_use", "id": "toolu_scene_1", "name": "look", "input": { "at": "a" } })
        );
        let result =
            json!({ "type": "tool_result", "tool_use_id": "toolu_scene_1", "content": "it is green" });
        let mut wanted = body(json!([
            { "role": "user", "content": "look" },
            { "role": "assistant", "content": answer["content"] },
            { "role": "user", "content": [result] },
        ]));
        wanted["tools"] = tools;
        let answer = house.client().post(PATH, &wanted).await.expect(200).text();
        assert!(answer.contains(scenes::DONE), "{answer}");
        assert!(house.everything().contains("it is green"));
        assert_eq!(house.proxy.plugin("claude_sdk").await["stats"]["processes_started"], 1);
    });
}

/// Has the CLI try to write a file by Bash; whether it did.
async fn wrote(more: impl FnOnce(Config) -> Config) -> Option<(bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("written");
    let command = format!("touch {}", file.display());
    let scene = scenes::tool_turn("Bash", &json!({ "command": command, "description": "writes" }));
    let house = House::new(scene, |config| {
        more(
            config
                .toml("plugins.claude_sdk.tools = [\"Bash\"]")
                .toml(&format!("plugins.claude_sdk.directory = {:?}", folder.path().display().to_string())),
        )
    })
    .await?;
    let wanted = body(json!([{ "role": "user", "content": "write" }]));
    let answer = house.client().post(PATH, &wanted).await.expect(200).text();
    assert!(answer.contains(scenes::DONE), "{answer}");
    Some((file.exists(), house.everything()))
}

#[test]
fn its_own_tools_are_denied_unless_they_are_allowed() {
    support::run_within(LIMIT, async {
        let Some((written, upstream)) = wrote(|config| config).await else { return };
        assert!(!written && upstream.contains("does not allow this call"), "{upstream}");
        let (written, _) =
            wrote(|config| config.toml("plugins.claude_sdk.allow = [\"Bash(touch *)\"]")).await.unwrap();
        assert!(written);
        let plugin = r#"return { name = "permissions", version = "1.0.0", description = "Edits", provides = { "permissions" },
            services = { permissions = { check = function(ask)
              return { decision = "allow", input = { command = "true", description = "nothing" } }
            end } } }"#;
        let (written, _) = wrote(|config| config.script("permissions", plugin)).await.unwrap();
        assert!(!written);
    });
}

/// Its own tools, decided about by a person, or by nobody in time.
#[test]
fn a_person_decides_about_its_own_tools() {
    support::run_within(LIMIT, async {
        for (decision, said, wanted) in [
            (Some(json!({ "decision": "allow" })), "made-it", true),
            (Some(json!({ "decision": "allow", "input": { "command": "echo ed''ited" } })), "edited", false),
            (Some(json!({ "decision": "deny", "message": "not on my machine" })), "not on my machine", false),
            (None, "nobody decided in time", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let input = json!({ "command": "touch written && echo made''-it", "description": "writes" });
            let time = if decision.is_some() { "40s" } else { "1s" };
            let house = House::new(scenes::tool_turn("Bash", &input), |config| {
                config
                    .toml("plugins.permissions.enabled = true")
                    .toml(&format!("plugins.permissions.timeout = {time:?}"))
                    .toml("plugins.claude_sdk.tools = [\"Bash\"]")
                    .toml(&format!(
                        "plugins.claude_sdk.directory = {:?}",
                        folder.path().display().to_string()
                    ))
            });
            let Some(house) = house.await else { return };
            let client = house.client();
            let asked = tokio::spawn({
                let client = client.clone();
                async move { client.post(PATH, &body(json!([{ "role": "user", "content": "write" }]))).await }
            });
            let record = patiently(Duration::from_secs(30), "a request", async || {
                client.get("/permissions").await.json()["permissions"].as_array()?.first().cloned()
            });
            let record = record.await;
            assert_eq!((&record["tool"], &record["source"]), (&json!("Bash"), &json!("service")), "{record}");
            if let Some(decision) = &decision {
                let path = format!("/permissions/{}/respond", record["id"].as_str().unwrap());
                client.post(&path, decision).await.expect(200);
            }
            let answer = asked.await.unwrap().expect(200).text();
            assert!(answer.contains(scenes::DONE), "{answer}");
            let upstream = house.everything();
            assert!(upstream.contains(said), "`{said}` in {upstream}");
            assert_eq!(folder.path().join("written").exists(), wanted, "{decision:?}");
        }
    });
}

#[test]
fn a_session_is_resumed_after_the_proxy_was_killed() {
    support::run_within(LIMIT, async {
        let Some(house) = House::new(scenes::done, |config| config).await else { return };
        let path = "/claude/sdk/mine/v1/messages";
        let words = |words: &str| body(json!([{ "role": "user", "content": words }]));
        house.client().post(path, &words("first")).await.expect(200);
        let file = house.proxy.home().join(".local/share/ccproxy/plugins/claude_sdk/sessions.json");
        support::eventually("the file", async || file.exists().then_some(())).await;
        let house = house.again().await;
        let answer = house.client().post(path, &words("second")).await.expect(200).text();
        assert!(answer.contains(scenes::DONE), "{answer}");
        let heard = told(&house.asked().pop().unwrap());
        let heard: Vec<&str> = heard.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(heard, ["first", scenes::DONE, "second"]);
        // What the CLI wrote down is gone: nobody makes up what was said before.
        support::eventually("the file", async || {
            std::fs::read_to_string(&file).ok().filter(|text| text.contains("\"id\"")).map(drop)
        })
        .await;
        std::fs::remove_dir_all(house.proxy.home().join(".claude")).unwrap();
        let house = house.again().await;
        let answer = house.client().post(path, &words("third")).await.expect(404);
        assert!(answer.text().contains("begin anew"), "{}", answer.text());
        house.client().post(path, &words("fourth")).await.expect(200);
        let heard = told(&house.asked().pop().unwrap());
        assert_eq!(heard, [("user".to_owned(), "fourth".to_owned())]);
    });
}

#[test]
fn what_its_tools_started_ends_with_it_whoever_ends() {
    support::run_within(LIMIT, async {
        for who in ["client", "proxy", "proxy, killed"] {
            let folder = tempfile::tempdir().unwrap();
            let command = "setsid sh -c 'echo $$ >id; exec sleep 300' & sh -c 'echo $$ >id2; exec sleep 300'";
            let scene = scenes::tool_turn("Bash", &json!({ "command": command, "description": "sleeps" }));
            let house = House::new(scene, |config| {
                config
                    .toml("server.drain_timeout = \"100ms\"")
                    .toml("plugins.claude_sdk.tools = [\"Bash\"]")
                    .toml("plugins.claude_sdk.allow = [\"Bash\"]")
                    .toml(&format!(
                        "plugins.claude_sdk.directory = {:?}",
                        folder.path().display().to_string()
                    ))
            });
            let Some(mut house) = house.await else { return };
            let mut raw = house.proxy.raw().await;
            let mut wanted = body(json!([{ "role": "user", "content": "sleep" }]));
            wanted["stream"] = true.into();
            raw.post(PATH, &wanted.to_string()).await;
            let mut ids = Vec::new();
            for file in ["id", "id2"] {
                let id = patiently(Duration::from_secs(30), "the command", async || {
                    std::fs::read_to_string(folder.path().join(file)).ok()?.trim().parse::<i32>().ok()
                });
                ids.push(id.await);
            }
            match who {
                "client" => drop(raw),
                "proxy" => house.proxy.terminate(),
                _ => house.proxy.kill(),
            }
            if who != "client" {
                house.proxy.ended().await;
            }
            for id in ids {
                let file = format!("/proc/{id}/cmdline");
                support::eventually("the end of the command", async || {
                    (!std::fs::read_to_string(&file).unwrap_or_default().contains("sleep")).then_some(())
                })
                .await;
            }
        }
    });
}

#[test]
fn errors_of_its_api_and_a_missing_login_are_told() {
    support::run_within(LIMIT, async {
        let refuse = |_: &Recorded| {
            let error = json!({ "type": "error", "error": { "type": "invalid_request_error", "message": "too odd" } });
            support::Reply::json(400, &error)
        };
        let Some(house) = House::new(refuse, |config| config).await else { return };
        let wanted = body(json!([{ "role": "user", "content": "hi" }]));
        let answer = house.client().post(PATH, &wanted).await.expect(400);
        assert!(answer.text().contains("too odd"), "{}", answer.text());
        let program = installed("node_modules/@anthropic-ai/claude-code/bin/claude.exe").unwrap();
        let config = Config::new()
            .toml(&format!("plugins.claude_sdk.command = [{:?}]", program.display().to_string()))
            .toml("plugins.claude_sdk.environment.HTTPS_PROXY = \"http://127.0.0.1:9\"");
        let proxy = Proxy::start(config).await;
        let answer = proxy.client().post(PATH, &wanted).await.expect(503);
        assert!(answer.text().contains("log in with `/login`"), "{}", answer.text());
        let health = proxy.anonymous().get("/plugins/claude_sdk/health").await.text();
        assert!(health.contains("not logged in"), "{health}");
    });
}

/// As many sessions at once as memory has room for, fifty at most, two turns each in one process each.
#[test]
fn many_sessions_at_once() {
    support::run_within(Duration::from_secs(420), async {
        // A process takes about a quarter of a gigabyte, and there must be room for others.
        const EACH: u64 = 300 << 20;
        let free = available_memory().unwrap_or(0);
        let count = usize::try_from(free / 4 * 3 / EACH).unwrap().clamp(1, 50);
        let Some(house) = House::new(scenes::done, |config| {
            config
                .toml("plugins.claude_sdk.max_sessions = 50")
                .toml("plugins.claude_sdk.start_timeout = \"5m\"")
        })
        .await
        else {
            return;
        };
        // A few begin at once, since other tests want the processors too; then all of them answer at once.
        let mut all = tokio::task::JoinSet::new();
        let (begin, all_there) = (Arc::new(Semaphore::new(4)), Arc::new(Barrier::new(count)));
        for number in 0..count {
            let client = house.client();
            let (begin, all_there) = (begin.clone(), all_there.clone());
            all.spawn(async move {
                let path = format!("/claude/sdk/s{number}/v1/messages");
                let ask = async |words: &str| {
                    let words = format!("{words} of {number}");
                    let answer =
                        client.post(&path, &body(json!([{ "role": "user", "content": words }]))).await;
                    assert!(answer.expect(200).text().contains(scenes::DONE));
                };
                let turn = begin.acquire().await.unwrap();
                ask("first").await;
                drop(turn);
                all_there.wait().await;
                ask("second").await;
            });
        }
        while let Some(done) = all.join_next().await {
            done.unwrap();
        }
        let stats = house.proxy.plugin("claude_sdk").await["stats"].clone();
        assert_eq!((&stats["sessions_idle"], &stats["processes_started"]), (&json!(count), &json!(count)));
        let memory = stats["memory_bytes"].as_u64().unwrap();
        super::say(&format!(
            "{count} sessions of the real CLI took {} MiB of {} MiB",
            memory >> 20,
            free >> 20
        ));
        assert!(memory > 0 && memory / (count as u64) < 2 * EACH, "{stats}");
        // Each heard its own conversation and no other.
        for number in 0..count {
            let mine = format!("second of {number}\"");
            let asked = house.asked();
            let second =
                asked.iter().find(|request| request["messages"].to_string().contains(&mine)).unwrap();
            let told = told(second);
            assert!(told.iter().any(|(_, text)| *text == format!("first of {number}")), "{told:?}");
            assert_eq!(told.iter().filter(|(role, _)| role == "user").count(), 2, "{told:?}");
        }
        house.proxy.stop().await;
    });
}

/// Bytes of memory that programs could have, where the system tells.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

#[test]
fn a_session_lives_on_and_a_client_that_leaves_stops_its_turn() {
    support::run_within(LIMIT, async {
        let slow = scenes::first([scenes::named(
            support::Reply::stream(&support::upstream::anthropic::events("stay a while")[..4]).stall(),
        )]);
        let Some(house) = House::new(slow, |config| config).await else { return };
        let path = "/claude/sdk/mine/v1/messages";
        let mut raw = house.proxy.raw().await;
        let mut wanted = body(json!([{ "role": "user", "content": "first" }]));
        wanted["stream"] = true.into();
        raw.post(path, &wanted.to_string()).await;
        assert!(raw.until("content_block_delta").await);
        drop(raw);
        patiently(Duration::from_secs(30), "an idle session", async || {
            let stats = house.proxy.plugin("claude_sdk").await["stats"].clone();
            (stats["sessions_idle"] == 1).then_some(())
        })
        .await;
        for words in ["second", "third"] {
            let wanted = body(json!([{ "role": "user", "content": words }]));
            let answer = house.client().post(path, &wanted).await.expect(200).text();
            assert!(answer.contains(scenes::DONE), "{answer}");
        }
        assert_eq!(house.proxy.plugin("claude_sdk").await["stats"]["processes_started"], 1);
        let last = house.asked().pop().unwrap();
        let told: Vec<String> = told(&last).into_iter().map(|(_, text)| text).collect();
        assert!(told.iter().any(|text| text == "second") && told.last().unwrap() == "third", "{told:?}");
    });
}
