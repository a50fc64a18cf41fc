//! `oauth_provider` of a manifest: where an identity provider answers, as data, and functions for what data cannot say.

use ccproxy_core::oauth::Speaks;
use ccproxy_core::plugin::{Manifest, OAuthProviderSpec, PluginKind};
use mlua::{Function, Value};
use serde_json::{Map, Value as Json};

use super::node::Node;

/// The functions of an OAuth provider.
#[derive(Default)]
pub(crate) struct OAuthHandlers {
    pub(crate) authorization: Option<Function>,
    pub(crate) request: Option<Function>,
    pub(crate) account: Option<Function>,
    pub(crate) summary: Option<Function>,
}

impl OAuthHandlers {
    /// Which of them there are.
    pub(crate) fn speaks(&self) -> Speaks {
        Speaks {
            authorization: self.authorization.is_some(),
            request: self.request.is_some(),
            account: self.account.is_some(),
            summary: self.summary.is_some(),
        }
    }
}

/// Texts that are settings of `[oauth.<name>]` too.
pub(crate) const TEXTS: [&str; 8] = [
    "client_id",
    "authorize_url",
    "token_url",
    "device_url",
    "revoke_url",
    "profile_url",
    "redirect_uri",
    "manual_redirect_uri",
];

/// Reads the table, when there is one.
pub(super) fn read(root: &Node<'_>, manifest: &mut Manifest) -> OAuthHandlers {
    let Some(node) = root.child("oauth_provider") else { return OAuthHandlers::default() };
    let mut endpoints = Map::new();
    for key in TEXTS {
        if let Some(text) = node.text(key) {
            endpoints.insert(key.to_owned(), text.into());
        }
    }
    for key in ["send_state", "refresh_scopes"] {
        if let Some(flag) = node.boolean(key) {
            endpoints.insert(key.to_owned(), flag.into());
        }
    }
    if let Some(body) = node.choice("body", &["form", "json"]) {
        endpoints.insert("body".to_owned(), body.into());
    }
    let scopes = node.texts("scopes");
    if !scopes.is_empty() {
        endpoints.insert("scopes".to_owned(), scopes.into());
    }
    for key in ["authorize_params", "answer"] {
        let mut map = Map::new();
        for (name, value) in node.entries(key) {
            match value {
                Value::String(text) => {
                    map.insert(name, Json::String(text.to_string_lossy()));
                }
                other => node.problem(key, format!("`{name}` is a {}, not a string", other.type_name())),
            }
        }
        if !map.is_empty() {
            endpoints.insert(key.to_owned(), map.into());
        }
    }
    node.forbidden(
        "client_secret",
        "is no text of a script: make it a setting, `config = { client_secret = ccproxy.schema.secret {} }`",
    );
    let handlers = OAuthHandlers {
        authorization: node.function("authorization"),
        request: node.function("request"),
        account: node.function("account"),
        summary: node.function("summary"),
    };
    let name = node.required_text("name");
    let display_name = node.text("display_name").unwrap_or_else(|| name.clone());
    manifest.oauth_provider = Some(OAuthProviderSpec {
        name,
        display_name,
        supports_pkce: node.boolean("supports_pkce").unwrap_or(true),
        supports_refresh: node.boolean("supports_refresh").unwrap_or(true),
        endpoints,
    });
    manifest.kind = PluginKind::AuthProvider;
    node.finish();
    handlers
}
