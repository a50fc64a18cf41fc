//! The list of everybody's models: at the front door, in both shapes, and on the command line.

use serde_json::{Value, json};

use super::support::proxy::cli;
use super::support::upstream::{Gate, anthropic, openai};
use super::support::{self, Answer, Config, Proxy, Reply, Upstream};

/// `claude_api` and `openai` with keys of the house, and an alias.
fn config(claude: &Upstream, gpt: &Upstream) -> Config {
    Config::new()
        .upstream(claude)
        .toml("plugins.claude_api.api_key = \"sk-ant-house\"")
        .toml(&format!("plugins.openai.base_url = \"{}/v1\"", gpt.url()))
        .toml("plugins.openai.api_key = \"sk-proj-house\"")
        .toml("disabled_plugins = [\"mock\", \"codex\", \"copilot\", \"claude_sdk\"]")
        .toml("routing.aliases.fast = \"openai/gpt-5\"")
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str()).collect()
}

#[test]
fn one_list_in_the_shape_of_each_vendors_clients() {
    support::run(async {
        let (claude, gpt) = (Upstream::start().await, Upstream::with(openai::answer).await);
        let proxy = Proxy::start(config(&claude, &gpt)).await;
        let list = proxy.anonymous().get("/v1/models").await.expect(200);
        assert_eq!(list.header("x-ccproxy-left-out"), "");
        let list = list.json();
        assert_eq!(list["object"], "list");
        assert_eq!(ids(&list), ["fast", "claude_api/claude-opus-5-5", "openai/gpt-5"]);
        assert!(list["data"].as_array().unwrap().iter().all(|model| model["object"] == "model"), "{list}");
        assert_eq!(list["left_out"], json!([]));

        let client = proxy.anonymous().header("anthropic-version", "2023-06-01");
        let list = client.get("/v1/models?limit=1000").await.expect(200).json();
        assert_eq!(ids(&list), ["fast", "claude_api/claude-opus-5-5", "openai/gpt-5"]);
        assert_eq!((&list["has_more"], &list["first_id"]), (&json!(false), &json!("fast")));
        assert_eq!(list["data"][1]["display_name"], "Claude Opus 5.5");
        assert!(list["data"].as_array().unwrap().iter().all(|model| model["type"] == "model"), "{list}");
        assert_eq!(
            (claude.requests().len(), gpt.requests().len()),
            (1, 1),
            "the second list is the first one's"
        );
        let asked = claude.request(0).await;
        assert_eq!(asked.target(), "/v1/models?limit=1000");
        assert_eq!(asked.header("x-api-key").as_deref(), Some("sk-ant-house"));
        assert!(asked.header("user-agent").unwrap().starts_with("ccproxy/"), "the proxy asks for itself");
    });
}

#[test]
fn one_model_by_its_id_however_the_slash_is_written() {
    support::run(async {
        let (claude, gpt) = (Upstream::start().await, Upstream::with(openai::answer).await);
        let proxy = Proxy::start(config(&claude, &gpt)).await;
        for (path, id) in [
            ("/v1/models/openai/gpt-5", "openai/gpt-5"),
            ("/v1/models/openai%2Fgpt-5", "openai/gpt-5"),
            ("/v1/models/fast", "fast"),
        ] {
            let model = proxy.anonymous().get(path).await.expect(200).json();
            assert_eq!((&model["id"], &model["object"]), (&json!(id), &json!("model")));
        }
        let client = proxy.anonymous().header("anthropic-version", "2023-06-01");
        assert_eq!(client.get("/v1/models/openai/gpt-5").await.expect(200).json()["type"], "model");
        let refused = proxy.anonymous().get("/v1/models/openai/gpt-6").await.expect(404);
        assert!(refused.text().contains("GET /v1/models"), "{}", refused.text());
    });
}

#[test]
fn a_provider_that_does_not_answer_is_left_out_and_named() {
    support::run(async {
        let claude =
            Upstream::with(|_| Reply::json(401, &anthropic::error("authentication_error", "no"))).await;
        let gpt = Upstream::with(|_| Reply::status(200).stall_before_head()).await;
        let odd =
            Upstream::with(|_| Reply::status(200).header("content-type", "text/html").bytes("<html>")).await;
        let config = config(&claude, &gpt)
            .toml("plugins.front_door.models_timeout = \"300ms\"")
            .toml(&format!("[providers.gone]\nbase_url = \"{}\"", Upstream::refused().await))
            .toml(&format!("[providers.odd]\nbase_url = \"{}\"", odd.url()));
        let proxy = Proxy::start(config).await;
        let answer = proxy.anonymous().get("/v1/models").await.expect(200);
        assert_eq!(answer.header("x-ccproxy-left-out"), "claude_api, gone, odd, openai");
        let list = answer.json();
        assert_eq!(ids(&list), ["fast"]);
        let reasons: Vec<&str> =
            list["left_out"].as_array().unwrap().iter().filter_map(|one| one["reason"].as_str()).collect();
        assert_eq!(reasons[0], "it answered 401");
        assert!(reasons[1].contains("the connection was refused"), "{reasons:?}");
        assert_eq!(reasons[2..], ["its list is not one of models", "no list within 0.3 s"]);
        // A failure is remembered for a moment, so that nobody waits for it again.
        proxy.anonymous().get("/v1/models").await.expect(200);
        assert_eq!(gpt.requests().len(), 1);
        let refused = proxy.anonymous().get("/v1/models/openai/gpt-5").await.expect(404);
        assert!(refused.text().contains("did not list its models"), "{}", refused.text());
    });
}

#[test]
fn those_who_ask_at_once_share_one_question() {
    support::run(async {
        let gate = Gate::default();
        let held = gate.clone();
        let claude = Upstream::start().await;
        let gpt = Upstream::with(move |seen| openai::answer(seen).gate_before_head(&held)).await;
        let proxy = Proxy::start(config(&claude, &gpt)).await;
        let ask = async || proxy.anonymous().get("/v1/models").await.expect(200);
        let open = async {
            gpt.request(0).await;
            gate.open();
        };
        let lists: (Answer, Answer, Answer, ()) = tokio::join!(ask(), ask(), ask(), open);
        assert_eq!(ids(&lists.0.json()), ids(&lists.2.json()));
        assert_eq!((claude.requests().len(), gpt.requests().len()), (1, 1));
    });
}

#[test]
fn a_clients_own_credential_asks_its_issuer_alone_and_its_list_is_nobody_elses() {
    support::run(async {
        let (claude, gpt) = (Upstream::start().await, Upstream::with(openai::answer).await);
        let config = Config::new()
            .upstream(&claude)
            .toml(&format!("plugins.openai.base_url = \"{}/v1\"", gpt.url()))
            .toml("disabled_plugins = [\"mock\", \"codex\", \"copilot\", \"claude_sdk\"]");
        let proxy = Proxy::start(config).await;
        let own = proxy.anonymous().header("x-api-key", "sk-ant-own");
        let list = own.get("/v1/models").await.expect(200);
        assert_eq!(ids(&list.json()), ["claude_api/claude-opus-5-5"]);
        assert_eq!(list.header("x-ccproxy-left-out"), "openai");
        assert_eq!(claude.request(0).await.header("x-api-key").as_deref(), Some("sk-ant-own"));
        let list = proxy.anonymous().get("/v1/models").await.expect(200);
        assert_eq!(ids(&list.json()), Vec::<&str>::new());
        let list = proxy.anonymous().header("x-api-key", "no-mark").get("/v1/models").await.expect(200);
        assert_eq!(ids(&list.json()), Vec::<&str>::new());
        assert_eq!((claude.requests().len(), gpt.requests().len()), (1, 0));
    });
}

#[test]
fn the_command_line_lists_them_with_a_proxy_and_without() {
    support::run(async {
        let (claude, gpt) = (Upstream::start().await, Upstream::with(openai::answer).await);
        let proxy = Proxy::start(config(&claude, &gpt)).await;
        let url = format!("http://{}", proxy.address());
        let (code, out, err) = cli(Config::new(), &["models", "--url", &url]).await;
        assert_eq!(code, 0, "{err}");
        for line in [
            "fast                        alias",
            "claude_api/claude-opus-5-5  Claude Opus 5.5",
            "openai/gpt-5",
        ] {
            assert!(out.contains(line), "{out}");
        }
        let (_, out, _) =
            cli(Config::new(), &["models", "--url", &url, "--provider", "openai", "--json"]).await;
        assert_eq!(ids(&serde_json::from_str(&out).unwrap()), ["openai/gpt-5"]);
        let (code, _, err) = cli(Config::new(), &["models", "--url", &url, "--provider", "groq"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("no running provider `groq`"), "{err}");
        proxy.stop().await;

        gpt.next(Reply::json(500, &json!({})));
        let (code, out, err) = cli(config(&claude, &gpt), &["models", "--offline"]).await;
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("claude_api/claude-opus-5-5"), "{out}");
        assert!(out.contains("left out: openai: it answered 500"), "{out}");
        let off = Config::new().toml("plugins.front_door.enabled = false");
        let (code, _, err) = cli(off, &["models", "--offline"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("`front_door` is off"), "{err}");
    });
}
