//! What is read, judged and told without a server.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ccproxy_core::oauth::{Attempt, OAuthProvider, Reason};
use ccproxy_core::secret::Secret;
use serde_json::{Value, json};

use super::*;
use crate::vault::{Sealing, Vault};

fn logins(settings: &Value) -> Arc<Logins> {
    let (servers, problems) = read(settings, None);
    assert_eq!(problems, []);
    let vault = Vault::new(&std::env::temp_dir().join("ccproxy-of-nobody"), Sealing::default());
    Logins::new(servers, &vault, Network::default())
}

fn provider(settings: &Value, name: &str) -> Arc<dyn OAuthProvider> {
    logins(settings).provider(name).expect("a provider")
}

/// An unsigned token with these claims.
fn jwt(claims: &Value) -> Secret {
    Secret::new(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string())))
}

#[tokio::test]
async fn the_known_ones_are_as_known_and_all_of_it_is_a_setting() {
    let claude = provider(&Value::Null, "claude-api");
    let flows = claude.flows();
    let loopback = flows.loopback.expect("a browser comes back");
    assert_eq!(loopback.redirect_uri(loopback.port), "http://localhost:54545/callback");
    let verifier = Some(random().expect("random"));
    let attempt = Attempt { state: Secret::new("s"), verifier, redirect_uri: loopback.redirect_uri(54545) };
    let url = claude.authorization_url(&attempt).await.expect("a URL");
    assert!(url.starts_with("https://claude.ai/oauth/authorize?"), "{url}");
    for part in ["code=true", "state=s", "code_challenge_method=S256", "9d1c250a-e61b-44d9-88ed-5944d1962f5e"]
    {
        assert!(url.contains(part), "{url} has no {part}");
    }
    assert!(claude.notice().is_some_and(|notice| notice.contains("terms")));
    let codex = provider(&Value::Null, "codex").flows().loopback.expect("a browser comes back");
    assert_eq!((codex.port, codex.path.as_str()), (1455, "/auth/callback"));
    let copilot = provider(&Value::Null, "copilot");
    assert!(copilot.flows().device && copilot.flows().loopback.is_none() && !copilot.supports_pkce());
    let other = json!({ "claude-api": { "authorize_url": "https://claude.com/cai/oauth/authorize", "scopes": ["a"] } });
    let url = provider(&other, "claude-api").authorization_url(&attempt).await.expect("a URL");
    assert!(url.starts_with("https://claude.com/cai/oauth/authorize?") && url.contains("scope=a"), "{url}");
}

#[test]
fn settings_that_cannot_work_are_told() {
    let whole = |url: &str| json!({ "client_id": "c", "authorize_url": "https://x/a", "token_url": url });
    for (settings, told) in [
        (json!({ "acme": {} }), "`client_id` must say"),
        (json!({ "acme": { "client_id": "c" } }), "`token_url` must say"),
        (json!({ "acme": { "client_id": "c", "token_url": "https://x/t" } }), "`device_url` must say"),
        (json!({ "acme": whole("http://example.com/t") }), "must be `https`"),
        (json!({ "acme": whole("http://127.0.0.1.example.com/t") }), "must be `https`"),
        (json!({ "a/b": whole("https://x/t") }), "is no name"),
    ] {
        let (_, problems) = read(&settings, None);
        assert!(problems.len() == 1 && problems[0].to_string().contains(told), "{settings}: {problems:?}");
    }
    for url in ["https://x/t", "http://localhost:1/t", "http://127.0.0.1/t", "http://[::1]:1/t"] {
        assert_eq!(read(&json!({ "acme": whole(url) }), None).1, [], "{url}");
    }
    let failure = logins(&Value::Null).login("acme", "default").err().expect("no such provider");
    assert!(failure.told().contains("`claude-api`, `codex`, `copilot`"), "{failure}");
}

#[tokio::test]
async fn only_what_belongs_to_a_login_counts() {
    let claude = provider(&Value::Null, "claude-api");
    let pending = Pending::begin(&claude, "http://localhost:54545/callback".to_owned()).await;
    let pending = pending.expect("a login");
    let state =
        pending.url().split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state");
    let code = |arrival: Arrival| match arrival {
        Arrival::Code(code) => Some(code.expose().to_owned()),
        _ => None,
    };
    assert_eq!(code(pending.judge(&format!("code=c%2F1&state={state}"))).as_deref(), Some("c/1"));
    for query in ["", "code=c", "code=c&state=", "code=c&state=x", "code=c&code=d", "state", "%"] {
        assert!(matches!(pending.judge(query), Arrival::Stray), "{query}");
    }
    for query in [format!("code=c&state={state}&state=x"), format!("code=c&code=d&state={state}")] {
        assert!(matches!(pending.judge(&query), Arrival::Stray), "{query}");
    }
    let refused = pending.judge(&format!("error=access_denied&error_description=no%0Away&state={state}"));
    let Arrival::Refused(failure) = refused else { panic!("a refusal") };
    assert_eq!(
        (failure.reason(), failure.told()),
        (Reason::Denied, "Claude API refused: access_denied: noway")
    );
    let pasted = |text: &str| pending.pasted(text).map(|code| code.expose().to_owned());
    for text in [format!(" c#{state}\n"), format!("https://x/cb?code=c&state={state}"), "c".to_owned()] {
        assert_eq!(pasted(&text).expect("a code"), "c", "{text}");
    }
    for text in ["", "c#x", "https://x/cb?code=c&state=x", "two words"] {
        assert!(pasted(text).is_err(), "{text}");
    }
}

#[test]
fn the_logins_of_clis_are_read_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::of("codex", folder.path(), |_| None).expect("a file");
    assert_eq!(source.path, folder.path().join(".codex/auth.json"));
    let moved =
        Source::of("claude-api", folder.path(), |name| (name == "CLAUDE_CONFIG_DIR").then(|| "/x".into()));
    assert_eq!(moved.expect("a file").path, std::path::Path::new("/x/.credentials.json"));
    assert!(Source::of("copilot", folder.path(), |_| None).is_none());
    let source = Source { path: folder.path().join("auth.json"), ..source };
    let auth = json!({ "https://api.openai.com/auth": { "chatgpt_account_id": "acct", "chatgpt_plan_type": "plus" }, "email": "a@b", "exp": 4_102_444_800_u64 });
    let file = json!({ "auth_mode": "chatgpt", "OPENAI_API_KEY": null, "tokens": {
        "id_token": jwt(&auth).expose(), "access_token": jwt(&auth).expose(), "refresh_token": "r", "account_id": "acct-2" } });
    std::fs::write(&source.path, file.to_string()).expect("written");
    let tokens = import("codex", &source).expect("a login");
    assert_eq!(tokens.account.id.as_deref(), Some("acct-2"));
    assert_eq!(
        (tokens.account.plan.as_deref(), tokens.account.email.as_deref()),
        (Some("plus"), Some("a@b"))
    );
    assert_eq!(tokens.expires_at, Some(4_102_444_800));
    for text in ["", "{}", "[]", r#"{"tokens":{"access_token":""}}"#] {
        std::fs::write(&source.path, text).expect("written");
        let failure = import("codex", &source).expect_err(text);
        assert_eq!(failure.reason(), Reason::NoLogin);
    }
}

#[test]
fn a_token_says_how_long_it_lives_by_one_clock() {
    let life = |claims: Value| whose::lifetime(&jwt(&claims)).map(|life| life.as_secs());
    assert_eq!(life(json!({ "iat": 1000, "exp": 4600 })), Some(3600));
    for claims in [json!({ "exp": 9 }), json!({ "iat": 9, "exp": 9 }), json!({ "iat": 9, "exp": 1 })] {
        assert_eq!(life(claims), None);
    }
    assert!(whose::lifetime(&Secret::new("opaque")).is_none());
}
