//! Several credentials of one provider: who is asked, who rests, who is asked next, and what people are told.

mod affinity;
mod kinds;
mod rests;
mod retries;
mod steering;
mod strategies;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::support::upstream::{Recorded, anthropic};
use super::support::{Answer, Client, Config, Proxy, Reply, Upstream};

/// An API of Anthropic's that knows three keys, and answers each of them as told.
struct House {
    api: Upstream,
    plans: Plans,
}

type Plans = Arc<Mutex<HashMap<String, VecDeque<Reply>>>>;

/// The key, or the token, that a request had.
fn key(request: &Recorded) -> String {
    let bearer =
        || request.header("authorization").map(|value| value.trim_start_matches("Bearer ").to_owned());
    request.header("x-api-key").or_else(bearer).unwrap_or_default()
}

impl House {
    async fn start() -> House {
        let plans = Plans::default();
        let planned = plans.clone();
        let api = Upstream::with(move |request: &Recorded| {
            let reply = planned.lock().unwrap().get_mut(&key(request)).and_then(VecDeque::pop_front);
            reply.unwrap_or_else(|| anthropic::answer(request))
        })
        .await;
        House { api, plans }
    }

    /// The next request with this key gets this answer.
    fn plan(&self, key: &str, reply: Reply) -> &Self {
        self.plans.lock().unwrap().entry(key.to_owned()).or_default().push_back(reply);
        self
    }

    /// `a`, `b` and `c` take turns; `more` are further settings of the pool.
    fn config(&self, strategy: &str, more: &str) -> Config {
        self.of(Config::new(), &["a", "b", "c"], strategy, more)
    }

    fn of(&self, base: Config, names: &[&str], strategy: &str, more: &str) -> Config {
        let rows = names.iter().map(|name| format!("{{ name = \"{name}\", api_key = \"key-{name}\" }}"));
        let rows = rows.collect::<Vec<_>>().join(", ");
        base.upstream(&self.api).toml(&format!(
            "[credential_balancer.claude_api]\nstrategy = \"{strategy}\"\ncredentials = [{rows}]\n{more}"
        ))
    }

    /// The keys that were sent so far, without `key-`.
    fn asked(&self) -> String {
        let requests = self.api.requests();
        requests
            .iter()
            .map(|request| key(request).trim_start_matches("key-").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn messages(text: &str) -> Value {
    json!({ "model": "claude-x", "max_tokens": 9, "messages": [{ "role": "user", "content": text }] })
}

async fn ask(client: &Client) -> Answer {
    client.post("/claude/v1/messages", &messages("hi")).await
}

/// A refusal in Anthropic's format.
fn refusal(status: u16) -> Reply {
    Reply::json(status, &anthropic::error("api_error", &format!("refused with {status}")))
}

fn told(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// What `GET /credentials` says of one credential of `claude_api`.
async fn member(proxy: &Proxy, name: &str) -> Value {
    let all = proxy.anonymous().get("/credentials").await.expect(200).json();
    let providers = all["providers"].as_array().cloned().unwrap_or_default();
    let provider = providers.into_iter().find(|one| one["provider"] == "claude_api").unwrap_or_default();
    let members = provider["pool"]["members"].as_array().cloned().unwrap_or_default();
    members.into_iter().find(|member| member["name"] == name).unwrap_or_default()
}
