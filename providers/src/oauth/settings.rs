//! `[oauth.<name>]`: another client, other endpoints, or an identity provider of one's own.

use std::collections::BTreeMap;

use ccproxy_core::config::{Field, FieldKind, Node, Origin, Problem, Schema};
use ccproxy_core::oauth::Endpoints;
use ccproxy_core::plugin::OAuthProviderSpec;
use ccproxy_core::secret::Secret;
use serde::Deserialize;
use serde_json::Value;

use super::known;
use super::server::{Body, Server};
use crate::vault::Id;

/// The settings of one identity provider. What is not set is as known, where it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    display_name: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    authorize_url: Option<String>,
    token_url: Option<String>,
    device_url: Option<String>,
    revoke_url: Option<String>,
    profile_url: Option<String>,
    redirect_uri: Option<String>,
    manual_redirect_uri: Option<String>,
    scopes: Option<Vec<String>>,
    authorize_params: Option<BTreeMap<String, String>>,
    body: Option<String>,
    send_state: Option<bool>,
    refresh_scopes: Option<bool>,
    pkce: Option<bool>,
    answer: Option<BTreeMap<String, String>>,
}

/// What may be written under `[oauth.<name>]`.
pub fn schema() -> Schema {
    let text = FieldKind::string;
    Schema::of([
        Field::string("display_name", "Its name for people."),
        Field::string("client_id", "Who this program is to it."),
        Field::secret("client_secret", "For clients that are not public."),
        Field::url("authorize_url", "Where a person logs in."),
        Field::url("token_url", "Where codes and refresh tokens become tokens."),
        Field::url("device_url", "Where a login on another device begins."),
        Field::url("revoke_url", "Where tokens are taken back."),
        Field::url("profile_url", "Where it tells whose a token is."),
        Field::url("redirect_uri", "Where the browser comes back to; port 0 takes a free one."),
        Field::url("manual_redirect_uri", "Where the browser shows the code instead."),
        Field::list("scopes", text(), "What the tokens are for."),
        Field::map("authorize_params", text(), "More for the page where a person logs in."),
        Field::choice("body", &["form", "json"], "How it wants its requests."),
        Field::boolean("send_state", "Whether the state goes with the code."),
        Field::boolean("refresh_scopes", "Whether the scopes go with a refresh."),
        Field::boolean("pkce", "Whether logins use PKCE."),
        Field::map(
            "answer",
            text(),
            "Where fields of its answers stand, as JSON pointers: `{ access_token = \"/data/token\" }`.",
        ),
    ])
}

/// The known identity providers and those of the `[oauth]` table, which was validated; and what is wrong with them.
/// `written` is the table as written.
pub fn read(oauth: &Value, written: Option<&Node>) -> (Servers, Vec<Problem>) {
    let mut servers: BTreeMap<String, Server> =
        known::NAMES.iter().filter_map(|name| Some(((*name).to_owned(), known::server(name)?))).collect();
    let mut problems = Vec::new();
    for (name, table) in oauth.as_object().into_iter().flatten() {
        let config = Config::deserialize(table).unwrap_or_default();
        let server = config.over(known::server(name).unwrap_or_else(|| known::blank(name)));
        let wrong =
            Id::new(name, Id::DEFAULT).err().map(|failure| failure.to_string()).or_else(|| lacks(&server));
        match wrong {
            Some(why) => {
                let origin = written.and_then(|written| Some(written.get(&[name])?.origin.clone()));
                problems.push(Problem::error(
                    &origin.unwrap_or(Origin::Default),
                    format!("oauth.{name}"),
                    why,
                ));
            }
            None => {
                servers.insert(name.clone(), server);
            }
        }
    }
    (Servers(servers.into_values().collect()), problems)
}

/// The provider that a plugin declares, with the settings' word in it.
pub(super) fn declared(spec: &OAuthProviderSpec, settings: &Endpoints) -> Result<Server, String> {
    Id::new(&spec.name, Id::DEFAULT).map_err(|failure| failure.to_string())?;
    let mut table = spec.endpoints.clone();
    table.extend(settings.plain.clone());
    let config = Config::deserialize(Value::Object(table)).map_err(|error| error.to_string())?;
    let config = Config { client_secret: settings.client_secret.clone(), ..config };
    let blank = Server {
        title: spec.display_name.clone(),
        pkce: spec.supports_pkce,
        refresh: spec.supports_refresh,
        ..known::blank(&spec.name)
    };
    let server = config.over(blank);
    match lacks(&server) {
        Some(why) => Err(why),
        None => Ok(server),
    }
}

/// Identity providers, ready to be spoken to.
#[derive(Clone, Debug, Default)]
pub struct Servers(pub(super) Vec<Server>);

impl Config {
    fn over(self, server: Server) -> Server {
        Server {
            title: self.display_name.unwrap_or(server.title),
            client_id: self.client_id.unwrap_or(server.client_id),
            client_secret: self.client_secret.or(server.client_secret),
            authorize_url: self.authorize_url.or(server.authorize_url),
            token_url: self.token_url.unwrap_or(server.token_url),
            device_url: self.device_url.or(server.device_url),
            revoke_url: self.revoke_url.or(server.revoke_url),
            profile_url: self.profile_url.or(server.profile_url),
            redirect_uri: self.redirect_uri.or(server.redirect_uri),
            manual_redirect_uri: self.manual_redirect_uri.or(server.manual_redirect_uri),
            scopes: self.scopes.unwrap_or(server.scopes),
            authorize_params: self.authorize_params.unwrap_or(server.authorize_params),
            body: match self.body.as_deref() {
                Some("json") => Body::Json,
                Some(_) => Body::Form,
                None => server.body,
            },
            send_state: self.send_state.unwrap_or(server.send_state),
            refresh_scopes: self.refresh_scopes.unwrap_or(server.refresh_scopes),
            pkce: self.pkce.unwrap_or(server.pkce),
            answer: self.answer.unwrap_or(server.answer),
            ..server
        }
    }
}

/// What keeps a server from being spoken to.
fn lacks(server: &Server) -> Option<String> {
    if server.client_id.is_empty() {
        return Some("`client_id` must say who this program is to it".to_owned());
    }
    if server.token_url.is_empty() {
        return Some("`token_url` must say where it hands out tokens".to_owned());
    }
    if server.authorize_url.is_none() && server.device_url.is_none() {
        return Some("`authorize_url` or `device_url` must say where a login begins".to_owned());
    }
    let spoken_to = [&server.device_url, &server.revoke_url, &server.profile_url];
    if server.at_the_proxy().is_some_and(|uri| !is_safe(&uri)) {
        return Some("a `redirect_uri` at the proxy must be `https`, or on this machine".to_owned());
    }
    let open = std::iter::once(server.token_url.as_str())
        .chain(spoken_to.into_iter().flatten().map(String::as_str))
        .find(|url| !is_safe(url));
    open.map(|_| "an endpoint that is sent secrets must be `https`, or on this machine".to_owned())
}

/// Whether a secret may be sent there.
pub(super) fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    // An address: a name may begin with `127.` too.
    let local = |host: &str| {
        host == "localhost"
            || host == "[::1]"
            || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => uri.host().is_some_and(local),
        _ => false,
    }
}
