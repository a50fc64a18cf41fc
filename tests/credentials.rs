//! Whose credential travels: the client's own, or one from the configuration; never both.

use serde_json::{Value, json};

use super::support::{self, Client, Config, Proxy, Upstream};

fn body() -> Value {
    json!({ "model": "m", "max_tokens": 1, "messages": [] })
}

#[test]
fn the_client_s_own_credential_passes() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let bearer = Client::new(proxy.address()).header("authorization", "Bearer sk-ant-oat01-own");
        bearer.post("/claude/v1/messages", &body()).await.expect(200);
        let seen = upstream.request(0).await;
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer sk-ant-oat01-own"));
        assert_eq!(seen.header("x-api-key"), None);
    });
}

#[test]
fn a_configured_key_replaces_what_the_client_sent() {
    support::run(async {
        let upstream = Upstream::start().await;
        let config = Config::new().upstream(&upstream).env("ANTHROPIC_API_KEY", "sk-ant-configured");
        let proxy = Proxy::start(config).await;
        let client =
            Client::new(proxy.address()).header("authorization", "Bearer other").header("x-api-key", "one");
        client.post("/claude/v1/messages", &body()).await.expect(200);
        proxy.anonymous().post("/claude/v1/messages", &body()).await.expect(200);
        for number in 0..2 {
            let seen = upstream.request(number).await;
            assert_eq!(seen.header("x-api-key").as_deref(), Some("sk-ant-configured"));
            assert_eq!(seen.header("authorization"), None);
        }
        assert!(!proxy.log().contains("sk-ant-configured"));
        assert!(!proxy.banner().to_string().contains("sk-ant-configured"));
        assert!(!proxy.status().await.to_string().contains("sk-ant-configured"));
    });
}

#[test]
fn no_credential_is_an_error_with_a_remedy() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let answer = proxy.anonymous().post("/claude/v1/messages", &body()).await.expect(401).json();
        assert_eq!(answer["type"], "error");
        assert_eq!(answer["error"]["type"], "authentication_error");
        assert!(answer["error"]["message"].as_str().unwrap().contains("ANTHROPIC_API_KEY"), "{answer}");
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn the_proxy_s_own_key_never_travels_upstream() {
    support::run(async {
        let upstream = Upstream::start().await;
        let config = Config::new().upstream(&upstream).toml("server.auth_token = \"house-key-123456\"");
        let proxy = Proxy::start(config).await;
        let none = proxy.anonymous().post("/claude/v1/messages", &body()).await.expect(401);
        assert_eq!(none.json()["error"]["type"], "authentication_error");
        assert!(none.headers.contains_key("www-authenticate"));
        let wrong = Client::new(proxy.address()).header("x-api-key", "wrong");
        wrong.post("/claude/v1/messages", &body()).await.expect(401);
        wrong.get("/plugins/status").await.expect(401);
        proxy.anonymous().get("/health/live").await.expect(200);
        // The key in one header, the client's own credential in the other.
        let both = Client::new(proxy.address())
            .header("authorization", "Bearer house-key-123456")
            .header("x-api-key", "sk-ant-own");
        both.post("/claude/v1/messages", &body()).await.expect(200);
        let swapped = Client::new(proxy.address())
            .header("x-api-key", "house-key-123456")
            .header("authorization", "Bearer sk-ant-own");
        swapped.post("/claude/v1/messages", &body()).await.expect(200);
        assert_eq!(upstream.requests().len(), 2);
        for seen in upstream.requests() {
            let head = String::from_utf8_lossy(&seen.head).into_owned();
            assert!(!head.contains("house-key"), "{head}");
            assert!(head.contains("sk-ant-own"), "{head}");
        }
    });
}
