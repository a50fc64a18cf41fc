//! GitHub Copilot: the exchange of tokens, the host it names, what is told beside a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use serde_json::{Value, json};

use super::support::upstream::{Recorded, anthropic, openai};
use super::support::{self, Client, Config, Proxy, Reply, Upstream, sse};

/// GitHub, which hands out `tid-1`, `tid-2`, ... for the account `gho_house`; and Copilot, which takes the newest.
struct Hub {
    github: Upstream,
    copilot: Upstream,
    handed: Arc<AtomicU64>,
}

impl Hub {
    async fn start() -> Hub {
        let handed = Arc::new(AtomicU64::new(0));
        let newest = handed.clone();
        let copilot = Upstream::with(move |request: &Recorded| {
            let wanted = format!("Bearer tid-{}", newest.load(Ordering::SeqCst));
            if request.header("authorization") != Some(wanted) {
                return Reply::json(401, &openai::error("unauthorized", "token expired"));
            }
            match &*request.target() {
                "/v1/messages" => anthropic::answer(request),
                "/embeddings" => Reply::json(200, &json!({ "object": "list", "data": [] })),
                target => openai::answer_at(&format!("/v1{target}"), request),
            }
        })
        .await;
        let (count, host) = (handed.clone(), copilot.url());
        let github = Upstream::with(move |request: &Recorded| match &*request.target() {
            "/copilot_internal/v2/token" if request.header("authorization").as_deref() == Some("token gho_house") => {
                let token = format!("tid-{}", count.fetch_add(1, Ordering::SeqCst) + 1);
                Reply::json(200, &json!({ "token": token, "expires_at": 4_000_000_000_u64, "refresh_in": 1500, "endpoints": { "api": host } }))
            }
            "/copilot_internal/v2/token" => Reply::json(401, &json!({ "message": "Bad credentials" })),
            "/copilot_internal/user" => Reply::json(200, &json!({ "quota_snapshots": { "chat": { "unlimited": true } } })),
            _ => Reply::json(404, &json!({ "message": "Not Found" })),
        })
        .await;
        Hub { github, copilot, handed }
    }

    fn config(&self) -> Config {
        let table = format!("plugins.copilot.github_api = \"{}\"", self.github.url());
        Config::new().toml(&table).env("COPILOT_GITHUB_TOKEN", "gho_house")
    }
}

fn chat(stream: bool) -> Value {
    json!({ "model": "gpt-5", "stream": stream, "messages": [{ "role": "user", "content": "hi" }] })
}

fn messages() -> Value {
    json!({ "model": "claude-sonnet-4.5", "max_tokens": 9, "stream": true, "messages": [
        { "role": "user", "content": "Look" },
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "toolu_1", "name": "look", "input": {} }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_1", "content": [
            { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } }] }] },
    ] })
}

#[test]
fn a_token_is_exchanged_once_and_the_host_it_names_answers() {
    support::run(async {
        let hub = Hub::start().await;
        let proxy = Proxy::start(hub.config()).await;
        let client = Client::new(proxy.address()).header("authorization", "Bearer whatever-the-editor-has");
        let answer = client.post("/copilot/v1/chat/completions", &chat(false)).await.expect(200);
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello from upstream");
        let asked = hub.github.request(0).await;
        assert_eq!(asked.header("authorization").as_deref(), Some("token gho_house"));
        assert!(asked.header("editor-version").unwrap().starts_with("ccproxy/"), "nobody is imitated");
        let seen = hub.copilot.request(0).await;
        assert_eq!(seen.target(), "/chat/completions");
        assert_eq!(seen.header("x-initiator").as_deref(), Some("user"));
        assert_eq!(seen.header("copilot-vision-request"), None);
        assert_eq!(seen.json(), chat(false));
        for (path, body) in [
            ("/copilot/v1/responses", json!({ "model": "gpt-5", "input": "hi" })),
            ("/copilot/v1/embeddings", json!({ "model": "e", "input": ["a"] })),
        ] {
            client.post(path, &body).await.expect(200);
        }
        client.get("/copilot/v1/models").await.expect(200);
        assert_eq!(hub.copilot.request(3).await.header("x-initiator"), None, "nobody began a list");
        assert_eq!(hub.handed.load(Ordering::SeqCst), 1);
        // Many at once at a fresh start are one exchange too.
        let proxy = Proxy::start(hub.config()).await;
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let client = proxy.anonymous();
            all.spawn(async move { client.post("/copilot/v1/chat/completions", &chat(true)).await });
        }
        for answer in all.join_all().await {
            assert!(answer.expect(200).text().ends_with("data: [DONE]\n\n"));
        }
        assert_eq!(hub.handed.load(Ordering::SeqCst), 2);
        let health = proxy.anonymous().get("/plugins/copilot/health").await.text();
        assert!(health.contains(&hub.copilot.url()) && !health.contains("gho_"), "{health}");
    });
}

#[test]
fn clients_of_messages_work_and_what_an_agent_does_is_told() {
    support::run(async {
        let hub = Hub::start().await;
        let proxy = Proxy::start(hub.config()).await;
        let client = proxy.anonymous();
        let answer = client.post("/copilot/v1/messages?beta=true", &messages()).await.expect(200);
        let words: String =
            sse::data(&answer.body).iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(words, "Hello from upstream");
        let seen = hub.copilot.request(0).await;
        assert_eq!(seen.target(), "/chat/completions");
        assert_eq!(seen.header("copilot-vision-request").as_deref(), Some("true"));
        assert_eq!(seen.json()["max_tokens"], 9);
        let estimate = client.post("/copilot/v1/messages/count_tokens", &messages()).await.expect(200);
        assert_eq!(estimate.header("x-ccproxy-estimate"), "input_tokens");
        // An editor that tells by itself is believed.
        let editor = client.header("x-initiator", "agent").header("editor-version", "ed/1");
        editor.post("/copilot/v1/chat/completions", &chat(false)).await.expect(200);
        let seen = hub.copilot.request(1).await;
        assert_eq!(seen.header("x-initiator").as_deref(), Some("agent"));
        assert_eq!(seen.header("editor-version").as_deref(), Some("ed/1"));
        // Claude's own models take what Anthropic's clients send.
        let proxy = Proxy::start(hub.config().toml("plugins.copilot.messages_via = \"messages\"")).await;
        proxy.anonymous().post("/copilot/v1/messages", &messages()).await.expect(200);
        let seen = hub.copilot.request(2).await;
        assert_eq!((seen.target().as_str(), seen.json()), ("/v1/messages", messages()));
        assert_eq!(seen.header("x-initiator").as_deref(), Some("agent"));
    });
}

#[test]
fn a_token_that_copilot_refuses_is_exchanged_anew_once() {
    support::run(async {
        let hub = Hub::start().await;
        let proxy = Proxy::start(hub.config()).await;
        proxy.anonymous().post("/copilot/v1/chat/completions", &chat(false)).await.expect(200);
        hub.copilot.next(Reply::json(401, &openai::error("unauthorized", "revoked")));
        proxy.anonymous().post("/copilot/v1/chat/completions", &chat(false)).await.expect(200);
        assert_eq!(hub.handed.load(Ordering::SeqCst), 2);
        assert_eq!(hub.copilot.request(2).await.header("authorization").as_deref(), Some("Bearer tid-2"));
        for _ in 0..2 {
            hub.copilot.next(Reply::json(401, &openai::error("unauthorized", "no seat")));
        }
        let answer = proxy.anonymous().post("/copilot/v1/chat/completions", &chat(false)).await.expect(401);
        assert_eq!(answer.json()["error"]["message"], "no seat", "the second refusal is Copilot's own");
    });
}

#[test]
fn refusals_of_github_say_what_helps_and_hold_no_token() {
    support::run(async {
        let hub = Hub::start().await;
        let proxy = Proxy::start(hub.config().env("COPILOT_GITHUB_TOKEN", "gho_wrong")).await;
        for path in ["/copilot/v1/chat/completions", "/copilot/v1/responses"] {
            let body = json!({ "model": "m", "messages": [], "input": "hi" });
            let answer = proxy.anonymous().post(path, &body).await.expect(401);
            let told = answer.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(
                told.contains("Bad credentials") && told.contains("plugins.copilot.github_token"),
                "{told}"
            );
        }
        assert_eq!(hub.github.requests().len(), 1, "a failure is told again before it is tried again");
        assert!(
            !proxy.log().contains("gho_wrong") && !proxy.status().await.to_string().contains("gho_wrong")
        );
        let health = proxy.anonymous().get("/plugins/copilot/health").await.text();
        assert!(health.contains("Bad credentials"), "{health}");
        let bare = Proxy::start(Config::new()).await;
        let answer = bare.anonymous().post("/copilot/v1/messages", &messages()).await.expect(401).json();
        assert!(answer["error"]["message"].as_str().unwrap().contains("COPILOT_GITHUB_TOKEN"), "{answer}");
    });
}

#[test]
fn what_is_used_is_told_and_tokens_never_are() {
    support::run(async {
        let hub = Hub::start().await;
        let proxy = Proxy::start(hub.config().toml("server.auth_token = \"house\"")).await;
        let keyless = proxy.anonymous();
        keyless.get("/copilot/usage").await.expect(401);
        keyless.post("/copilot/v1/chat/completions", &chat(false)).await.expect(401);
        let client = Client::new(proxy.address()).header("authorization", "Bearer house");
        let used = client.get("/copilot/usage").await.expect(200).json();
        assert_eq!(used["quota_snapshots"]["chat"]["unlimited"], true);
        assert_eq!(hub.github.request(0).await.header("authorization").as_deref(), Some("token gho_house"));
        client.get("/copilot/token").await.expect(404);
    });
}

#[test]
fn a_client_s_own_token_or_the_account_s_passes_as_it_is() {
    support::run(async {
        let hub = Hub::start().await;
        let base = format!("plugins.copilot.base_url = \"{}\"", hub.copilot.url());
        let proxy = Proxy::start(Config::new().toml(&base)).await;
        let client = Client::new(proxy.address()).header("authorization", "Bearer tid-0");
        client.post("/copilot/v1/chat/completions", &chat(false)).await.expect(200);
        let config = hub.config().toml(&base).toml("plugins.copilot.exchange = false");
        let proxy = Proxy::start(config.env("COPILOT_GITHUB_TOKEN", "tid-0")).await;
        proxy.anonymous().request(Method::GET, "/copilot/v1/models", &[], "".into()).await.expect(200);
        assert_eq!(hub.github.requests().len(), 0);
    });
}

#[test]
fn explaining_a_request_exchanges_nothing() {
    support::run(async {
        let hub = Hub::start().await;
        let proxy = Proxy::start(hub.config()).await;
        let question = json!({ "path": "/v1/chat/completions", "body": "{\"model\":\"copilot/gpt-5\",\"messages\":[]}" });
        let told = proxy.anonymous().post("/routing/explain", &question).await.expect(200).json();
        assert_eq!(told["chosen"], json!({ "provider": "copilot", "model": "gpt-5" }));
        assert_eq!(told["upstream"]["headers"]["authorization"], "[redacted]");
        assert_eq!((hub.github.requests().len(), hub.copilot.requests().len()), (0, 0));
        let body = json!({ "model": "copilot/gpt-5", "messages": [{ "role": "user", "content": "hi" }] });
        let answer = proxy.anonymous().post("/v1/chat/completions", &body).await.expect(200);
        assert_eq!(answer.header("x-ccproxy-route"), "copilot/gpt-5");
        let told = proxy.anonymous().post("/routing/explain", &question).await.expect(200).json();
        assert!(told["upstream"]["url"].as_str().unwrap().starts_with(&hub.copilot.url()), "{told}");
    });
}
