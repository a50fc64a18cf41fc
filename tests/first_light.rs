//! What a newcomer sees: one command, and every route of the mock answers.

use serde_json::{Value, json};

use super::support::{self, Config, Proxy, sse};

#[test]
fn serves_without_configuration_or_credentials() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let banner = proxy.banner();
        let providers = banner["providers"].as_array().expect("the banner lists providers");
        assert!(providers.iter().any(|provider| provider["name"] == "mock"), "{banner}");
        let live = proxy.anonymous().get("/health/live").await.expect(200);
        assert_eq!(live.header("content-type"), "application/health+json");
        assert_eq!(live.json()["status"], "pass");
        assert_eq!(proxy.anonymous().get("/health/ready").await.expect(200).json()["status"], "pass");
        proxy.stop().await;
    });
}

#[test]
fn the_mock_speaks_every_format() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let client = proxy.anonymous();
        let user = json!([{ "role": "user", "content": "Say hello" }]);
        let message = client
            .post("/mock/v1/messages", &json!({ "model": "mock", "max_tokens": 100, "messages": user }))
            .await
            .expect(200)
            .json();
        assert_eq!(message["type"], "message");
        assert!(message["usage"]["output_tokens"].as_u64().unwrap() > 0);
        let chat = client
            .post("/mock/v1/chat/completions", &json!({ "model": "mock", "messages": user }))
            .await
            .expect(200)
            .json();
        assert_eq!(chat["object"], "chat.completion");
        let response =
            client.post("/mock/v1/responses", &json!({ "model": "mock", "input": "Say hello" })).await;
        assert_eq!(response.expect(200).json()["object"], "response");
        let models = client.get("/mock/v1/models").await.expect(200).json();
        assert!(!models["data"].as_array().unwrap().is_empty(), "{models}");
    });
}

#[test]
fn the_mock_streams_every_format_to_its_terminal_event() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let client = proxy.anonymous();
        let user = json!([{ "role": "user", "content": "Say hello" }]);
        let body = json!({ "model": "mock", "max_tokens": 100, "stream": true, "messages": user });
        let messages = client.post("/mock/v1/messages", &body).await.expect(200);
        let names = sse::names(&messages.body);
        assert_eq!(names.first().map(String::as_str), Some("message_start"));
        assert_eq!(names.last().map(String::as_str), Some("message_stop"));
        assert_eq!(names.iter().filter(|name| *name == "message_stop").count(), 1);
        let chat = client.post("/mock/v1/chat/completions", &body).await.expect(200);
        assert!(chat.text().trim_end().ends_with("data: [DONE]"), "{}", chat.text());
        let body = json!({ "model": "mock", "stream": true, "input": "Say hello" });
        let response = client.post("/mock/v1/responses", &body).await.expect(200);
        let names = sse::names(&response.body);
        assert_eq!(names.last().map(String::as_str), Some("response.completed"), "{names:?}");
    });
}

#[test]
fn the_mock_is_deterministic() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let body = json!({ "model": "mock", "max_tokens": 100, "messages": [{ "role": "user", "content": "Twice" }] });
        let text = async || -> Value {
            proxy.anonymous().post("/mock/v1/messages", &body).await.expect(200).json()["content"].clone()
        };
        assert_eq!(text().await, text().await);
    });
}
