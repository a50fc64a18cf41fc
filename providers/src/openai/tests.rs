use ccproxy_core::exchange::Exchange;
use ccproxy_core::provider::{Operation, Outbound};
use ccproxy_core::settings::UpstreamSettings;
use ccproxy_core::upstream::Upstream;
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::formats::OpenAiChat;
use crate::testing::exchange;

fn adapter(vendor: Vendor, settings: Value) -> std::result::Result<Adapter, String> {
    let mut whole = json!({ "base_url": vendor.base_url });
    if let (Value::Object(whole), Value::Object(settings)) = (&mut whole, settings) {
        whole.extend(settings);
    }
    let config = Config::read(&whole)?;
    let wanted = Wanted {
        service: vendor.title.into(),
        setting: "plugins.x.api_key".into(),
        variable: vendor.variable,
        place: Place::Bearer,
        optional: !vendor.needs_key,
    };
    let credentials = Credentials::new(wanted, config.credential, config.api_key.as_ref(), |_| None)?;
    let upstream = Arc::new(Upstream::new(UpstreamSettings::default()).expect("an upstream"));
    Adapter::new(
        config.base_url.as_deref().unwrap_or_default(),
        credentials,
        None,
        fixed_headers::read(&config.headers)?,
        upstream,
    )
}

async fn prepare(adapter: &Adapter, name: &'static str, exchange: &Arc<Exchange>) -> Result<Outbound> {
    let body = exchange.request.lock().body.clone();
    adapter.prepare(exchange, &Operation::new(name, Arc::new(OpenAiChat)), body, true).await
}

fn ollama() -> Vendor {
    vendor::OTHERS.iter().find(|vendor| vendor.name == "ollama").expect("a row").clone()
}

#[tokio::test]
async fn paths_go_below_the_base_url() {
    let groq = vendor::OTHERS.iter().find(|vendor| vendor.name == "groq").expect("a row");
    let nested = adapter(groq.clone(), json!({})).expect("an adapter");
    let bare = adapter(ollama(), json!({ "base_url": "http://127.0.0.1:9999/" })).expect("an adapter");
    let key = [("authorization", "Bearer k")];
    for (method, name, uri, body, expected) in [
        (Method::POST, "chat_completions", "/groq/v1/chat/completions", "{}", "/chat/completions"),
        (Method::POST, "responses", "/groq/v1/responses?x=1", "{}", "/responses?x=1"),
        (Method::POST, "embeddings", "/groq/v1/embeddings", "{}", "/embeddings"),
        (Method::GET, "models", "/groq/v1/models", "", "/models"),
        (Method::GET, "model", "/groq/v1/models/meta%2Fllama", "", "/models/meta%2Fllama"),
        (Method::DELETE, "response", "/groq/v1/responses/resp_1", "", "/responses/resp_1"),
    ] {
        let request = exchange(method, uri, &key, body);
        let sent = prepare(&nested, name, &request).await.expect("prepared");
        assert_eq!(sent.path.as_str(), format!("/openai/v1{expected}"));
        assert_eq!(sent.origin.authority.as_str(), "api.groq.com");
        let sent = prepare(&bare, name, &request).await.expect("prepared");
        assert_eq!(sent.path.as_str(), format!("/v1{expected}"));
    }
}

/// What goes upstream as `authorization`: its value, nothing, or the error's status.
async fn sent(vendor: Vendor, settings: Value, client: &[(&str, &str)]) -> String {
    let adapter = adapter(vendor, settings).expect("an adapter");
    let request = exchange(Method::POST, "/x/v1/chat/completions", client, "{}");
    match prepare(&adapter, "chat_completions", &request).await {
        Ok(sent) => {
            assert!(!sent.headers.contains_key("x-api-key") && !sent.headers.contains_key("authorization"));
            assert!(!sent.credential.contains_key("x-api-key"));
            let value = sent.credential.get("authorization");
            value.map_or("none".into(), |value| value.to_str().expect("text").to_owned())
        }
        Err(error) => error.status().as_u16().to_string(),
    }
}

#[tokio::test]
async fn every_credential_becomes_a_bearer_token() {
    let bearer = ("authorization", "Bearer client");
    let key = ("x-api-key", "client");
    let openai = || vendor::OPENAI;
    assert_eq!(sent(openai(), json!({}), &[bearer]).await, "Bearer client");
    assert_eq!(sent(openai(), json!({}), &[key]).await, "Bearer client");
    assert_eq!(sent(openai(), json!({ "api_key": "own" }), &[bearer, key]).await, "Bearer own");
    assert_eq!(sent(openai(), json!({}), &[]).await, "401");
    assert_eq!(sent(openai(), json!({ "credential": "api_key" }), &[bearer]).await, "401");
    assert_eq!(sent(ollama(), json!({}), &[]).await, "none");
    assert_eq!(sent(ollama(), json!({}), &[bearer]).await, "Bearer client");
    assert_eq!(sent(ollama(), json!({ "api_key": "own" }), &[]).await, "Bearer own");
}

#[tokio::test]
async fn configured_headers_go_along_and_bad_ones_are_told() {
    let titled = adapter(vendor::OPENAI, json!({ "headers": { "x-title": "desk" } })).expect("an adapter");
    let client = [("authorization", "Bearer k"), ("x-title", "other"), ("x-stainless-lang", "js")];
    let request = exchange(Method::POST, "/x/v1/responses", &client, r#"{"stream":true}"#);
    let sent = prepare(&titled, "responses", &request).await.expect("prepared");
    assert_eq!(sent.headers["x-title"], "desk");
    assert_eq!(sent.headers["x-stainless-lang"], "js");
    assert_eq!(sent.headers["accept-encoding"], "identity");
    for (name, value, why) in [
        ("Authorization", "Bearer sk", "api_key"),
        ("bad name", "x", "no header name"),
        ("x-ok", "a\nb", "no header can carry"),
    ] {
        let told = adapter(vendor::OPENAI, json!({ "headers": { name: value } })).err().expect(name);
        assert!(told.contains(why) && !told.contains("sk"), "{told}");
    }
}
