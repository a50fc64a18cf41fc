use ccproxy_core::error::Kind;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::provider::{Operation, Outbound};
use ccproxy_core::settings::UpstreamSettings;
use ccproxy_core::upstream::Upstream;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::*;
use crate::formats::AnthropicMessages;
use crate::testing;

fn adapter(settings: Value, variable: Option<&str>) -> Adapter {
    let config = Config::read(&settings).expect("settings");
    let service = Service::claude();
    let credentials = service.credentials(&config, |_| variable.map(String::from)).expect("credentials");
    let upstream = Arc::new(Upstream::new(UpstreamSettings::default()).expect("an upstream"));
    let base_url = config.base_url.as_deref().or(service.base_url).expect("a base URL");
    Adapter::new(base_url, credentials, None, HeaderMap::new(), upstream).expect("an adapter")
}

fn exchange(uri: &str, headers: &[(&str, &str)], body: &str) -> Arc<Exchange> {
    let method = if body.is_empty() { Method::GET } else { Method::POST };
    testing::exchange(method, uri, headers, body)
}

async fn prepare(adapter: &Adapter, operation: &'static str, exchange: &Arc<Exchange>) -> Result<Outbound> {
    let operation = Operation::new(operation, Arc::new(AnthropicMessages));
    let body = exchange.request.lock().body.clone();
    adapter.prepare(exchange, &operation, body, true).await
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn only_what_is_local_is_taken_out() {
    let request = exchange(
        "/claude/v1/messages?beta=true",
        &[
            ("host", "127.0.0.1:8000"),
            ("content-type", "application/json"),
            ("accept-encoding", "gzip, br"),
            ("anthropic-beta", "a,b"),
            ("anthropic-beta", "c"),
            ("anthropic-version", "2099-01-01"),
            ("x-api-key", "sk-client"),
            ("x-stainless-lang", "js"),
            ("user-agent", "claude-cli/2.1.330 (external, sdk-cli)"),
            ("cookie", "a=b"),
            ("origin", "http://localhost"),
            ("referer", "http://localhost/x"),
            ("sec-fetch-site", "same-origin"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("via", "1.1 nginx"),
            ("content-length", "7"),
        ],
        r#"{"model":"m", "stream":true}"#,
    );
    let sent = prepare(&adapter(json!({}), None), "messages", &request).await.expect("prepared");
    assert_eq!(sent.path.as_str(), "/v1/messages?beta=true");
    assert_eq!(sent.origin.authority.as_str(), "api.anthropic.com");
    assert_eq!(
        names(&sent.headers),
        [
            "accept-encoding",
            "anthropic-beta",
            "anthropic-version",
            "content-type",
            "user-agent",
            "x-stainless-lang"
        ]
    );
    assert_eq!(sent.headers["accept-encoding"], "identity");
    assert_eq!(sent.headers["anthropic-version"], "2099-01-01");
    assert_eq!(sent.headers.get_all("anthropic-beta").iter().count(), 2);
    assert_eq!(names(&sent.credential), ["x-api-key"]);
    assert_eq!(&sent.body.bytes()[..], br#"{"model":"m", "stream":true}"#);
    // The client's request stays as it was, for those who look later.
    assert_eq!(request.request.lock().headers.len(), 17);
}

#[tokio::test]
async fn paths_and_encodings() {
    let key = [("x-api-key", "k"), ("accept-encoding", "gzip")];
    let plain = adapter(json!({}), None);
    let nested = adapter(json!({"base_url": "http://gateway:8080/anthropic/v1/"}), None);
    for (operation, uri, body, expected) in [
        ("messages", "/claude/v1/messages", "{}", "/v1/messages"),
        ("messages", "/mock/v1/messages?", "{}", "/v1/messages"),
        (
            "count_tokens",
            "/claude/v1/messages/count_tokens?beta=true",
            "{}",
            "/v1/messages/count_tokens?beta=true",
        ),
        ("models", "/claude/v1/models?limit=5", "", "/v1/models?limit=5"),
        ("model", "/claude/v1/models/claude%2Dx", "", "/v1/models/claude%2Dx"),
    ] {
        let sent = prepare(&plain, operation, &exchange(uri, &key, body)).await.expect("prepared");
        assert_eq!(sent.path.as_str(), expected);
        assert_eq!(sent.headers["accept-encoding"], "gzip");
        assert_eq!(sent.headers["anthropic-version"], "2023-06-01");
        let sent = prepare(&nested, operation, &exchange(uri, &key, body)).await.expect("prepared");
        assert_eq!(sent.path.as_str(), format!("/anthropic{expected}"));
        assert_eq!((sent.origin.scheme.as_str(), sent.origin.authority.as_str()), ("http", "gateway:8080"));
    }
}

/// What goes upstream for a client with these credentials: `name=value` pairs, or the error's status.
async fn credential(settings: Value, variable: Option<&str>, client: &[(&str, &str)]) -> String {
    match prepare(&adapter(settings, variable), "messages", &exchange("/claude/v1/messages", client, "{}"))
        .await
    {
        Ok(sent) => {
            assert!(!sent.headers.contains_key("x-api-key") && !sent.headers.contains_key("authorization"));
            assert!(sent.credential.values().all(HeaderValue::is_sensitive));
            let pairs = sent.credential.iter();
            pairs
                .map(|(name, value)| format!("{name}={}", value.to_str().expect("text")))
                .collect::<Vec<_>>()
                .join(" ")
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::Unauthorized);
            assert!(error.message().contains("set `plugins") || error.message().contains("send one as"));
            "401".to_owned()
        }
    }
}

#[tokio::test]
async fn one_credential_goes_upstream() {
    let bearer = ("authorization", "Bearer client");
    let key = ("x-api-key", "client");
    let auto = || json!({});
    assert_eq!(credential(auto(), None, &[bearer]).await, "authorization=Bearer client");
    assert_eq!(credential(auto(), None, &[key]).await, "x-api-key=client");
    assert_eq!(credential(auto(), Some("env"), &[bearer, key]).await, "x-api-key=env");
    assert_eq!(credential(auto(), Some(" "), &[key]).await, "x-api-key=client");
    assert_eq!(credential(auto(), None, &[]).await, "401");
    assert_eq!(credential(auto(), None, &[("x-api-key", " ")]).await, "401");
    let set = || json!({"api_key": "file\n"});
    assert_eq!(credential(set(), Some("env"), &[bearer]).await, "x-api-key=file");
    let passthrough = || json!({"credential": "passthrough", "api_key": "file"});
    assert_eq!(credential(passthrough(), Some("env"), &[bearer]).await, "authorization=Bearer client");
    assert_eq!(credential(passthrough(), Some("env"), &[]).await, "401");
    let own = || json!({"credential": "api_key"});
    assert_eq!(credential(own(), Some("env"), &[bearer]).await, "x-api-key=env");
    assert_eq!(credential(own(), None, &[bearer]).await, "401");
}

#[test]
fn what_is_said_of_credentials_never_shows_them() {
    for (settings, variable, kind, present) in [
        (json!({}), None, "passthrough", false),
        (json!({}), Some("sk-secret"), "api_key", true),
        (json!({"credential": "api_key"}), None, "none", false),
        (json!({"credential": "passthrough"}), Some("sk-secret"), "passthrough", false),
    ] {
        let config = Config::read(&settings).expect("settings");
        let told = Service::claude()
            .credentials(&config, |_| variable.map(String::from))
            .expect("credentials")
            .describe();
        assert_eq!((told.kind, told.present), (kind, present));
        assert!(!told.hint.contains("sk-secret"));
    }
}

#[test]
fn a_bad_base_url_is_told() {
    let upstream = Arc::new(Upstream::new(UpstreamSettings::default()).expect("an upstream"));
    for (url, why) in [
        ("api.anthropic.com", "no scheme"),
        ("ftp://x", "neither http nor https"),
        ("https://me:pw@x", "user name"),
        ("https://x/?a=b", "query"),
        ("", "not a URL"),
    ] {
        let config = Config::read(&json!({ "base_url": url })).expect("settings");
        let credentials = Service::claude().credentials(&config, |_| None).expect("credentials");
        let told = Adapter::new(url, credentials, None, HeaderMap::new(), upstream.clone()).err().expect(url);
        assert!(told.contains(why) && !told.contains("pw"), "{told}");
    }
    let config = Config::read(&json!({"api_key": "a\u{7}b"})).expect("settings");
    let told = Service::claude().credentials(&config, |_| None).err().expect("no header can carry it");
    assert!(!told.contains("a\u{7}b"));
}
