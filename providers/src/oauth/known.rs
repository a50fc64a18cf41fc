//! The identity providers that are known. All of it are settings too.

use super::server::{Body, Server, Whose};

/// Their names.
pub(super) const NAMES: [&str; 3] = ["claude-api", "codex", "copilot"];

/// One of them.
pub(super) fn server(name: &str) -> Option<Server> {
    match name {
        "claude-api" => Some(claude()),
        "codex" => Some(codex()),
        "copilot" => Some(copilot()),
        _ => None,
    }
}

/// One of which nothing is known.
pub(super) fn blank(name: &str) -> Server {
    Server {
        name: name.to_owned(),
        title: name.to_owned(),
        notice: None,
        client_id: String::new(),
        client_secret: None,
        authorize_url: None,
        token_url: String::new(),
        device_url: None,
        revoke_url: None,
        profile_url: None,
        redirect_uri: None,
        manual_redirect_uri: None,
        scopes: Vec::new(),
        authorize_params: Default::default(),
        body: Body::Form,
        send_state: false,
        refresh_scopes: false,
        pkce: true,
        refresh: true,
        answer: Default::default(),
        whose: Whose::Standard,
    }
}

/// Logins of Claude's apps, which take their requests as JSON and want the state with the code.
fn claude() -> Server {
    Server {
        title: "Claude API".to_owned(),
        notice: Some(
            "Anthropic's terms may not allow a Claude subscription to be used outside of Anthropic's own apps. \
             Whether you may is between you and Anthropic; an API key has no such limit.",
        ),
        client_id: "9d1c250a-e61b-44d9-88ed-5944d1962f5e".to_owned(),
        authorize_url: Some("https://claude.ai/oauth/authorize".to_owned()),
        token_url: "https://console.anthropic.com/v1/oauth/token".to_owned(),
        profile_url: Some("https://api.anthropic.com/api/oauth/profile".to_owned()),
        redirect_uri: Some("http://localhost:54545/callback".to_owned()),
        manual_redirect_uri: Some("https://console.anthropic.com/oauth/code/callback".to_owned()),
        scopes: words("org:create_api_key user:profile user:inference"),
        authorize_params: [("code".to_owned(), "true".to_owned())].into(),
        body: Body::Json,
        send_state: true,
        refresh_scopes: true,
        whose: Whose::Claude,
        ..blank("claude-api")
    }
}

/// Logins of ChatGPT, with the one redirect URI that is registered.
fn codex() -> Server {
    Server {
        title: "OpenAI Codex".to_owned(),
        client_id: "app_EMoamEEZ73f0CkXaXp7hrann".to_owned(),
        authorize_url: Some("https://auth.openai.com/oauth/authorize".to_owned()),
        token_url: "https://auth.openai.com/oauth/token".to_owned(),
        redirect_uri: Some("http://localhost:1455/auth/callback".to_owned()),
        manual_redirect_uri: Some("https://platform.openai.com/oauth/callback".to_owned()),
        scopes: words("openid profile email offline_access"),
        refresh_scopes: true,
        whose: Whose::OpenAi,
        ..blank("codex")
    }
}

/// Logins of GitHub on another device. The token is exchanged for Copilot's own elsewhere.
fn copilot() -> Server {
    Server {
        title: "GitHub Copilot".to_owned(),
        client_id: "Iv1.b507a08c87ecfe98".to_owned(),
        token_url: "https://github.com/login/oauth/access_token".to_owned(),
        device_url: Some("https://github.com/login/device/code".to_owned()),
        profile_url: Some("https://api.github.com/user".to_owned()),
        scopes: words("read:user"),
        pkce: false,
        whose: Whose::GitHub,
        ..blank("copilot")
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
