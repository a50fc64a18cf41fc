//! `max_tokens`

use super::*;

/// What reaches the provider of a body sent to `/claude/v1/messages`, as bytes.
async fn passed(config: Config, target: &str, bodies: &[Value]) -> Vec<String> {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(config.upstream(&upstream)).await;
    for body in bodies {
        proxy.client().post(target, body).await.expect(200);
    }
    let sent =
        upstream.requests().iter().map(|request| String::from_utf8(request.body.clone()).unwrap()).collect();
    proxy.stop().await;
    sent
}

fn body(model: &str, limit: Value) -> Value {
    let mut body = json!({ "model": model, "messages": [], "max_tokens": limit, "x": [1.0, {}, []] });
    if body["max_tokens"].is_null() {
        body.as_object_mut().unwrap().shift_remove("max_tokens");
    }
    body
}

fn sent(text: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()["max_tokens"].clone()
}

#[test]
fn answers_are_capped_by_model_and_smaller_limits_are_left_alone() {
    support::run(async {
        let config = Config::new()
            .toml("plugins.max_tokens.limit = 1000")
            .toml("plugins.max_tokens.models.\"claude-*\" = 500")
            .toml("plugins.max_tokens.models.\"claude-opus-*\" = 700")
            .toml("plugins.max_tokens.models.claude-opus-5 = 900");
        let bodies = [
            body("other", json!(4000)),
            body("claude-haiku", json!(4000)),
            body("claude-opus-4", json!(4000)),
            body("claude-opus-5", json!(4000)),
            body("claude-haiku", json!(20)),
            body("claude-haiku", Value::Null),
            body("claude-haiku", json!("4000")),
        ];
        let got = passed(config, "/claude/v1/messages?beta=true", &bodies).await;
        let limits: Vec<Value> = got.iter().map(|text| sent(text)).collect();
        assert_eq!(limits, [1000, 500, 700, 900, 20, 500, 500].map(Value::from));
        assert_eq!(got[4], bodies[4].to_string(), "what is small enough passes byte for byte");
        assert_eq!(got[0], bodies[0].to_string().replace("4000", "1000"), "only the limit is touched");
    });
}

#[test]
fn it_fills_in_and_enforces_as_told() {
    support::run(async {
        let bodies = [body("m", Value::Null), body("m", json!(20)), body("m", json!(2000))];
        let limits = async |config: Config| -> Vec<Value> {
            passed(config, "/claude/v1/messages", &bodies).await.iter().map(|text| sent(text)).collect()
        };
        let config = || Config::new().toml("plugins.max_tokens.limit = 1000");
        assert_eq!(
            limits(config().toml("plugins.max_tokens.fill = false")).await,
            [json!(null), json!(20), json!(1000)]
        );
        assert_eq!(
            limits(config().toml("plugins.max_tokens.enforce = true")).await,
            [1000, 1000, 1000].map(Value::from)
        );
        let counted = passed(config(), "/claude/v1/messages/count_tokens", &bodies).await;
        assert_eq!(counted[0], bodies[0].to_string(), "counting has no limit");
    });
}

#[test]
fn a_thinking_budget_is_lowered_with_the_limit() {
    support::run(async {
        let thinking = |limit: u64, budget: u64| json!({ "model": "m", "max_tokens": limit, "thinking": { "type": "enabled", "budget_tokens": budget }, "messages": [] });
        let bodies = [thinking(32000, 31999), thinking(32000, 2000), thinking(3000, 2999)];
        let got =
            passed(Config::new().toml("plugins.max_tokens.limit = 8000"), "/claude/v1/messages", &bodies)
                .await;
        let budgets: Vec<Value> = got
            .iter()
            .map(|text| serde_json::from_str::<Value>(text).unwrap()["thinking"]["budget_tokens"].clone())
            .collect();
        assert_eq!(budgets, [7999, 2000, 2999].map(Value::from));
        let got =
            passed(Config::new().toml("plugins.max_tokens.limit = 600"), "/claude/v1/messages", &bodies[..1])
                .await;
        let small: Value = serde_json::from_str(&got[0]).unwrap();
        assert_eq!((&small["max_tokens"], small.get("thinking")), (&json!(600), None));
    });
}

#[test]
fn each_format_has_its_own_field_and_the_alias_is_resolved_first() {
    support::run(async {
        // The mock tells by its stop reason that the limit was met.
        let config = Config::new()
            .toml("plugins.max_tokens.models.short = 2")
            .toml("plugins.model_alias.aliases.brief = \"short\"");
        let proxy = Proxy::start(config).await;
        let client = proxy.client();
        for stream in [false, true] {
            for (format, field, sign) in [
                ("anthropic_messages", "max_tokens", "\"max_tokens\""),
                ("openai_chat", "max_completion_tokens", "\"length\""),
                ("openai_chat", "max_tokens", "\"length\""),
                ("openai_responses", "max_output_tokens", "\"max_output_tokens\""),
            ] {
                let (target, mut body) = question(format, "brief", stream);
                body[field] = json!(5000);
                let text = client.post(target, &body).await.expect(200).text();
                assert!(text.contains(sign), "{format} {field}: {text}");
            }
        }
        let (target, body) = question("openai_chat", "brief", false);
        let text = client.post(target, &body).await.expect(200).text();
        assert!(text.contains("\"stop\""), "nothing is filled in where nothing is required: {text}");
        proxy.stop().await;
    });
}
