//! `model_alias`

use super::*;

fn config() -> Config {
    Config::new()
        .toml("plugins.model_alias.aliases.fast = \"claude-haiku-4-5\"")
        .toml("plugins.model_alias.aliases.\"gpt-*\" = \"claude-sonnet-5\"")
        .toml("plugins.model_alias.aliases.\"gpt-5-*\" = \"claude-opus-5\"")
}

#[test]
fn the_provider_sees_the_model_and_the_client_its_alias() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(config().upstream(&upstream)).await;
        let asked = ["fast", "gpt-4", "gpt-5-mini", "other"];
        for (number, model) in asked.iter().enumerate() {
            let text = format!(r#"{{ "model":"{model}",  "max_tokens":9,"n":1.0,"messages":[] }}"#);
            let answer =
                proxy.client().post_bytes("/claude/v1/messages", text.clone()).await.expect(200).json();
            let sent = String::from_utf8(upstream.request(number).await.body.clone()).unwrap();
            let wanted = ["claude-haiku-4-5", "claude-sonnet-5", "claude-opus-5", "other"][number];
            assert_eq!(sent, text.replace(model, wanted), "nothing else is touched");
            let named = if *model == "other" { "claude-opus-5-5" } else { model };
            assert_eq!(answer["model"], named);
        }
        proxy.stop().await;
    });
}

#[test]
fn streams_of_every_format_name_the_alias_and_keep_their_bytes() {
    support::run(async {
        let proxy = Proxy::start(config()).await;
        let plain = Proxy::start(Config::new()).await;
        for format in FORMATS {
            let answer = ask(&proxy.client(), format, "fast", true).await;
            let direct = ask(&plain.client(), format, "claude-haiku-4-5", true).await;
            assert_eq!(answer.text(), direct.text().replace("claude-haiku-4-5", "fast"), "{format}");
            let named =
                sse::data(&answer.body).iter().filter(|data| data.to_string().contains("\"fast\"")).count();
            assert!(named >= 1, "{format}");
            let whole = ask(&proxy.client(), format, "fast", false).await.json();
            assert_eq!(whole["model"], "fast", "{format}");
        }
        proxy.stop().await;
        plain.stop().await;
    });
}

#[test]
fn names_are_not_restored_when_that_is_not_wanted() {
    support::run(async {
        let proxy = Proxy::start(config().toml("plugins.model_alias.restore = false")).await;
        for format in FORMATS {
            assert_eq!(ask(&proxy.client(), format, "fast", false).await.json()["model"], "claude-haiku-4-5");
            let stream = ask(&proxy.client(), format, "fast", true).await.text();
            assert!(!stream.contains("\"fast\"") && stream.contains("claude-haiku-4-5"), "{stream}");
        }
        proxy.stop().await;
    });
}

#[test]
fn broken_streams_and_refusals_pass() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(config().upstream(&upstream)).await;
        let body = json!({ "model": "fast", "max_tokens": 9, "stream": true, "messages": [] });
        upstream.next(Reply::stream(support::upstream::anthropic::events("Hello")[..3].to_vec()).cut());
        let broken = proxy.client().post("/claude/v1/messages", &body).await.expect(200);
        let names = sse::names(&broken.body);
        assert_eq!(names.last().map(String::as_str), Some("error"), "{}", broken.text());
        assert!(!names.iter().any(|name| name == "message_stop"));
        let refusal = support::upstream::anthropic::error("rate_limit_error", "slow down");
        upstream.next(Reply::json(429, &refusal).header("retry-after", "7"));
        let refused = proxy.client().post("/claude/v1/messages", &body).await.expect(429);
        assert_eq!(refused.json(), refusal);
        assert_eq!(refused.header("retry-after"), "7");
        proxy.stop().await;
    });
}

#[test]
fn an_exchange_without_an_alias_costs_one_look() {
    support::run(async {
        let proxy = Proxy::start(config()).await;
        let calls = async || proxy.plugin("model_alias").await["stats"]["calls"].as_u64().unwrap();
        // Asked and answered; with an alias also the head, and in Anthropic's streams the first event alone.
        for (format, model, stream, wanted) in [
            ("anthropic_messages", "other", true, 1),
            ("openai_chat", "other", true, 1),
            ("openai_responses", "other", false, 1),
            ("anthropic_messages", "fast", false, 2),
            ("anthropic_messages", "fast", true, 3),
        ] {
            let before = calls().await;
            ask(&proxy.client(), format, model, stream).await.expect(200);
            assert_eq!(calls().await - before, wanted, "{format} {model} {stream}");
        }
        proxy.stop().await;
    });
}
