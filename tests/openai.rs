//! Servers of OpenAI's protocol: their routes, their bytes, their credentials.

use http::Method;
use serde_json::json;

use super::support::{self, Client, Config, Proxy, Reply, Upstream};

const STREAM: [&str; 3] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];

fn config(upstream: &Upstream) -> Config {
    Config::new().toml(&format!("plugins.openai.base_url = \"{}/v1\"", upstream.url()))
}

fn client(proxy: &Proxy) -> Client {
    Client::new(proxy.address()).header("authorization", "Bearer sk-own")
}

#[test]
fn bytes_pass_both_ways_whole_and_streamed() {
    support::run(async {
        let upstream = Upstream::with(|seen| match &*seen.target() {
            "/v1/chat/completions" => Reply::stream(STREAM).header("x-request-id", "req_9"),
            "/v1/embeddings" => Reply::json(200, &json!({ "object": "list", "data": [] })),
            "/v1/models" => Reply::json(200, &json!({ "object": "list", "data": [{ "id": "gpt" }] })),
            target => Reply::json(200, &json!({ "target": target })),
        })
        .await;
        let proxy = Proxy::start(config(&upstream)).await;
        let body = "{ \"model\":\"gpt\",\"stream\":true ,\"messages\":[],\"n\":1.0 }";
        let answer = client(&proxy).post_bytes("/openai/v1/chat/completions", body).await.expect(200);
        assert_eq!(answer.text(), STREAM.concat());
        assert_eq!(answer.headers["x-request-id"], "req_9");
        let seen = upstream.request(0).await;
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer sk-own"));
        for (method, path) in [
            (Method::POST, "/v1/responses"),
            (Method::POST, "/v1/embeddings"),
            (Method::GET, "/v1/models"),
            (Method::GET, "/v1/models/gpt-5%2E1"),
            (Method::GET, "/v1/responses/resp_1?include=x"),
            (Method::DELETE, "/v1/responses/resp_1"),
        ] {
            let body = if method == Method::POST { "{\"model\":\"m\",\"input\":\"hi\"}" } else { "" };
            let headers = [("content-type", "application/json"), ("authorization", "Bearer sk-own")];
            let target = format!("/openai{path}");
            proxy.anonymous().request(method, &target, &headers, body.into()).await.expect(200);
            assert_eq!(upstream.requests().last().expect("a request").target(), path);
        }
    });
}

#[test]
fn errors_and_limits_of_the_server_are_its_own() {
    support::run(async {
        let upstream = Upstream::with(|_| {
            Reply::json(429, &json!({ "error": { "message": "slow down", "type": "rate_limit" } }))
                .header("retry-after", "7")
                .header("x-ratelimit-remaining-requests", "0")
        })
        .await;
        let proxy = Proxy::start(config(&upstream)).await;
        let body = json!({ "model": "m", "messages": [] });
        let answer = client(&proxy).post("/openai/v1/chat/completions", &body).await.expect(429);
        assert_eq!(answer.headers["retry-after"], "7");
        assert_eq!(answer.headers["x-ratelimit-remaining-requests"], "0");
        assert_eq!(answer.json()["error"]["message"], "slow down");
        let refused = proxy.anonymous().post("/openai/v1/responses", &body).await.expect(401).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("OPENAI_API_KEY"), "{refused}");
    });
}

#[test]
fn a_cut_stream_never_looks_finished() {
    support::run(async {
        let upstream = Upstream::with(|_| Reply::stream(&STREAM[..1]).cut()).await;
        let proxy = Proxy::start(config(&upstream)).await;
        let body = json!({ "model": "m", "stream": true, "messages": [] });
        let answer = client(&proxy).post("/openai/v1/chat/completions", &body).await.expect(200);
        assert!(answer.text().starts_with(STREAM[0]));
        assert!(answer.text().contains("\"error\""), "{}", answer.text());
        assert!(!answer.text().contains("[DONE]"));
    });
}

#[test]
fn a_vendor_wakes_when_it_is_configured() {
    support::run(async {
        let upstream = Upstream::with(|_| Reply::json(200, &json!({ "ok": true }))).await;
        let url = upstream.url();
        let config = Config::new()
            .toml(&format!("plugins.groq.base_url = \"{url}/openai/v1\""))
            .toml(&format!("plugins.ollama.base_url = \"{url}\""))
            .env("GROQ_API_KEY", "gsk-house");
        let proxy = Proxy::start(config).await;
        let body = json!({ "model": "m", "messages": [] });
        proxy.anonymous().post("/groq/v1/chat/completions", &body).await.expect(200);
        proxy.anonymous().post("/ollama/v1/chat/completions", &body).await.expect(200);
        let (groq, ollama) = (upstream.request(0).await, upstream.request(1).await);
        assert_eq!(groq.target(), "/openai/v1/chat/completions");
        assert_eq!(groq.header("authorization").as_deref(), Some("Bearer gsk-house"));
        assert_eq!(ollama.target(), "/v1/chat/completions");
        assert_eq!(ollama.header("authorization"), None);
        // A vendor that nobody mentioned has no routes.
        proxy.anonymous().post("/mistral/v1/chat/completions", &body).await.expect(404);
    });
}
