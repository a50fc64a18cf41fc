//! `request_id`

use http::Method;

use super::*;

#[test]
fn every_answer_has_an_id() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy =
            Proxy::start(Config::new().upstream(&upstream).toml("plugins.request_id.enabled = true")).await;
        let mut seen = std::collections::BTreeSet::new();
        for stream in [false, true] {
            for format in FORMATS {
                let answer = ask(&proxy.client(), format, "mock", stream).await;
                let id = answer.header("x-request-id").to_owned();
                assert!(id.len() == 17 && id.starts_with('x'), "{id}");
                assert!(seen.insert(id), "every id is new");
            }
        }
        for path in ["/health/live", "/plugins", "/mock/v1/models"] {
            assert!(!proxy.client().get(path).await.expect(200).header("x-request-id").is_empty(), "{path}");
        }
        // A refusal of the provider, and a body that the proxy refuses.
        upstream.next(Reply::json(429, &json!({ "type": "error" })));
        let body = json!({ "model": "claude-x", "max_tokens": 9, "messages": [] });
        let refused = proxy.client().post("/claude/v1/messages", &body).await.expect(429);
        assert!(!refused.header("x-request-id").is_empty());
        assert_eq!(refused.header("request-id"), "", "the upstream's own header is not invented");
        proxy.stop().await;
    });
}

#[test]
fn the_clients_id_is_kept_when_it_is_harmless() {
    support::run(async {
        let proxy = Proxy::start(Config::new().toml("plugins.request_id.enabled = true")).await;
        let get = async |id: &str| {
            let headers = [("x-request-id", id)];
            let answer =
                proxy.client().request(Method::GET, "/mock/v1/models", &headers, bytes::Bytes::new()).await;
            answer.expect(200).header("x-request-id").to_owned()
        };
        assert_eq!(get("01J-abc_DEF.9:/+=").await, "01J-abc_DEF.9:/+=");
        for bad in ["", "a b", "<script>", "a\"b", &"x".repeat(129)] {
            assert!(get(bad).await.starts_with('x') && get(bad).await.len() == 17, "{bad}");
        }
        proxy.stop().await;
    });
}

#[test]
fn options_say_its_name_whose_it_is_and_who_sees_it() {
    support::run(async {
        let upstream = Upstream::start().await;
        let config = Config::new()
            .upstream(&upstream)
            .toml("plugins.request_id.header = \"X-Correlation\"")
            .toml("plugins.request_id.trust_client = false")
            .toml("plugins.request_id.to_provider = true");
        let proxy = Proxy::start(config).await;
        let client = proxy.client().header("x-correlation", "mine");
        let body = json!({ "model": "claude-x", "max_tokens": 9, "messages": [] });
        let answer = client.post("/claude/v1/messages", &body).await.expect(200);
        let id = answer.header("x-correlation").to_owned();
        assert_ne!(id, "mine");
        assert_eq!(upstream.request(0).await.header("x-correlation"), Some(id));
        assert_eq!(answer.header("request-id"), "req_upstream_1", "the provider's id passes");
        proxy.stop().await;

        let proxy =
            Proxy::start(Config::new().upstream(&upstream).toml("plugins.request_id.enabled = true")).await;
        upstream.next(Reply::json(200, &json!({ "id": "1" })).header("x-request-id", "theirs"));
        let client = proxy.client().header("x-request-id", "mine");
        let answer = client.post("/claude/v1/messages", &body).await.expect(200);
        assert_eq!(upstream.request(1).await.header("x-request-id"), None, "the provider does not see it");
        assert_eq!(answer.header("x-request-id"), "mine");
        assert_eq!(answer.header("x-provider-request-id"), "theirs");
        proxy.stop().await;
    });
}
