//! Whose credential goes upstream. A configured key never travels beside a client's own.

use std::sync::Arc;

use ccproxy_core::error::Kind;
use ccproxy_core::provider::Credential;
use ccproxy_core::secret::Secret;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;

use crate::balancer::{Account, MemberSettings, Pool, Pooled, Source};
use crate::keeper::{Held, Login};
use crate::oauth::Logins;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Whose credential goes upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Choice {
    /// The configured key when there is one, else a login when one is stored, else the client's own.
    #[default]
    Auto,
    /// The client's own.
    Passthrough,
    /// The configured key.
    ApiKey,
    /// A stored login.
    Oauth,
}

/// How a provider wants its credential, and what it is called in messages.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// `the Claude API`.
    pub(crate) service: String,
    /// The setting that holds a key: `plugins.claude_api.api_key`.
    pub(crate) setting: String,
    /// The environment variable that holds a key when the settings do not.
    pub(crate) variable: Option<&'static str>,
    /// Where the key stands.
    pub(crate) place: Place,
    /// Servers of one's own mostly ask for no key.
    pub(crate) optional: bool,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `x-api-key`; a client's bearer token passes as one.
    ApiKey,
    /// `authorization: Bearer`; a client's `x-api-key` becomes one.
    Bearer,
}

/// What is put on requests.
pub(crate) struct Credentials {
    wanted: Wanted,
    choice: Choice,
    key: Option<HeaderValue>,
    source: String,
    login: Option<Arc<Login>>,
}

impl Credentials {
    /// Resolves the settings; `environment` is asked only when they hold no key.
    pub(crate) fn new(
        wanted: Wanted,
        choice: Choice,
        configured: Option<&Secret>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> std::result::Result<Self, String> {
        let configured = configured.map(|key| key.expose().trim().to_owned());
        let (text, source) = match (configured.filter(|key| !key.is_empty()), wanted.variable) {
            (Some(key), _) => (Some(key), "the settings"),
            (None, Some(variable)) if choice != Choice::Passthrough => {
                (environment(variable).map(|key| key.trim().to_owned()), variable)
            }
            (None, _) => (None, ""),
        };
        let key = text.filter(|key| !key.is_empty()).map(|key| {
            let text = match wanted.place {
                Place::ApiKey => key,
                Place::Bearer => format!("Bearer {key}"),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                format!("the API key from {source} holds characters that no header can carry")
            })?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        });
        let (key, source) = (key.transpose()?, source.to_owned());
        Ok(Credentials { wanted, choice, key, source, login: None })
    }

    /// The same, with the account that may be logged in.
    pub(crate) fn with_login(self, login: Arc<Login>) -> Self {
        Credentials { login: Some(login), ..self }
    }

    /// As the settings say.
    pub(crate) fn choice(&self) -> Choice {
        self.choice
    }

    /// Those of a pool in place of this one; `None` where there is no pool, or the client's own passes through anyway.
    /// `logins` are those of an identity provider, where the service has one.
    pub(crate) fn pooled(
        &self,
        pool: Option<&Arc<Pool>>,
        logins: Option<(&Logins, &str)>,
    ) -> std::result::Result<Option<Pooled<Self>>, String> {
        let Some(pool) = pool.filter(|pool| pool.counts(self.choice)) else { return Ok(None) };
        let members = pool.members().iter().map(|member| self.member(member, logins));
        Ok(Some(Pooled::new(pool.clone(), members.collect::<std::result::Result<_, _>>()?)))
    }

    /// One credential of a pool, for the same service.
    pub(crate) fn member(
        &self,
        member: &MemberSettings,
        logins: Option<(&Logins, &str)>,
    ) -> std::result::Result<Self, String> {
        let wanted = Wanted { variable: None, optional: false, ..self.wanted.clone() };
        match (&member.source, logins) {
            (Source::Key(key), _) => Self::new(wanted, Choice::ApiKey, Some(key), |_| None),
            (Source::Login(account), Some((logins, provider))) => {
                let login = logins.login_once_there(provider, account);
                let login = login.map_err(|failure| failure.to_string())?;
                Ok(Self::new(wanted, Choice::Oauth, None, |_| None)?.with_login(login))
            }
            (Source::Login(_), None) => Err(format!(
                "the credential `{}` is an `account`, and {} has no logins: give it an `api_key`",
                member.name, self.wanted.service
            )),
        }
    }

    /// The token of the stored login as `authorization`, where that goes upstream. Waits while a token is renewed;
    /// for someone who only looks (not `sent`) there is something in its place.
    pub(crate) async fn bearer(&self, sent: bool) -> Result<Option<HeaderValue>> {
        match self.login_in_use() {
            Some(login) if sent => Ok(Some(bearer_of(&login.token().await?)?)),
            Some(_) => Ok(Some(HeaderValue::from_static("Bearer (the token of the stored login)"))),
            None if self.choice == Choice::Oauth => Err(self.unauthorized(Lacks::Login)),
            None => Ok(None),
        }
    }

    /// The login whose token goes upstream.
    pub(crate) fn login_in_use(&self) -> Option<&Arc<Login>> {
        let login = self.login.as_ref()?;
        match self.choice {
            Choice::Oauth => Some(login),
            Choice::Auto => (self.key.is_none() && login.is_stored()).then_some(login),
            Choice::Passthrough | Choice::ApiKey => None,
        }
    }

    /// Takes the client's credentials out of its headers and says what goes upstream instead: `login`, the
    /// token of one, if there is one.
    pub(crate) fn take(&self, headers: &mut HeaderMap, login: Option<HeaderValue>) -> Result<HeaderMap> {
        let (bearer, api_key) = take_credentials(headers);
        let mut credential = HeaderMap::with_capacity(2);
        if let Some(login) = login {
            credential.insert(header::AUTHORIZATION, login);
            return Ok(credential);
        }
        if let Some(key) = self.key.as_ref().filter(|_| self.choice != Choice::Passthrough) {
            credential.insert(self.name(), key.clone());
            return Ok(credential);
        }
        if self.choice == Choice::ApiKey && !self.wanted.optional {
            return Err(self.unauthorized(Lacks::Key));
        }
        let api_key = match self.wanted.place {
            Place::ApiKey => api_key,
            Place::Bearer if bearer.is_some() => None,
            Place::Bearer => api_key.filter(|key| !is_blank(key)).as_ref().and_then(as_bearer),
        };
        for (name, value) in [(header::AUTHORIZATION, bearer), (self.name(), api_key)] {
            if let Some(mut value) = value.filter(|value| !is_blank(value)) {
                value.set_sensitive(true);
                credential.insert(name, value);
            }
        }
        if credential.is_empty() && !self.wanted.optional {
            return Err(self.unauthorized(match self.choice {
                Choice::Passthrough => Lacks::Client,
                _ => Lacks::Both,
            }));
        }
        Ok(credential)
    }

    /// What is known, for people.
    pub(crate) fn describe(&self) -> Credential {
        if let Some(login) = self.login_in_use() {
            return described(login);
        }
        let configured = self.key.is_some() && self.choice != Choice::Passthrough;
        let (kind, hint) = match self.choice {
            _ if configured => ("api_key", format!("API key from {}", self.source)),
            _ if self.wanted.optional => {
                ("passthrough", "no credential needed; the client's own passes through".to_owned())
            }
            Choice::ApiKey => ("none", self.lack(Lacks::Key)),
            Choice::Oauth => ("none", self.lack(Lacks::Login)),
            Choice::Passthrough => ("passthrough", "the client's own credential passes through".to_owned()),
            Choice::Auto => {
                let remedy = self.remedy();
                let hint = format!(
                    "the client's own credential passes through; set {remedy} to use one of the proxy's"
                );
                ("passthrough", hint)
            }
        };
        Credential { kind, present: configured, hint, login: None }
    }

    fn name(&self) -> HeaderName {
        match self.wanted.place {
            Place::ApiKey => API_KEY,
            Place::Bearer => header::AUTHORIZATION,
        }
    }

    /// The ways to give the proxy a key.
    fn remedy(&self) -> String {
        let key = match self.wanted.variable {
            Some(variable) => format!("`{}` or {variable}", self.wanted.setting),
            None => format!("`{}`", self.wanted.setting),
        };
        match &self.login {
            Some(login) => format!("{key} (or run `{}`)", login.id().login_command()),
            None => key,
        }
    }

    fn lack(&self, lacks: Lacks) -> String {
        let (service, remedy) = (&self.wanted.service, self.remedy());
        let send = "send one as `x-api-key` or `authorization: Bearer`";
        match lacks {
            Lacks::Key => format!("the proxy has no API key for {service}; set {remedy}"),
            Lacks::Login => format!("there is no way to log in to {service}; set {remedy}"),
            Lacks::Client => format!("the request has no credential for {service}; {send}"),
            Lacks::Both => format!("no credential for {service}; {send}, or set {remedy} for the proxy"),
        }
    }

    fn unauthorized(&self, lacks: Lacks) -> Error {
        Error::client(Kind::Unauthorized, self.lack(lacks))
    }
}

impl Account for Credentials {
    type Ready = Option<HeaderValue>;

    fn ready(&self, sent: bool) -> BoxFuture<'_, Result<Self::Ready>> {
        Box::pin(self.bearer(sent))
    }

    fn describe(&self) -> Credential {
        Credentials::describe(self)
    }
}

/// Takes a client's bearer token and key out of its headers.
pub(crate) fn take_credentials(headers: &mut HeaderMap) -> (Option<HeaderValue>, Option<HeaderValue>) {
    (headers.remove(header::AUTHORIZATION), headers.remove(API_KEY))
}

/// Who has no credential.
#[derive(Clone, Copy)]
enum Lacks {
    Key,
    Login,
    Client,
    Both,
}

/// A token as `authorization`.
pub(crate) fn bearer_of(held: &Held) -> Result<HeaderValue> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", held.access().expose()))
        .map_err(|_| Error::internal("the stored token holds characters that no header can carry"))?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

/// A login, for people, with what is wrong with it.
pub(crate) fn described(login: &Login) -> Credential {
    let id = login.id();
    let (is_stored, lacks) = (login.is_stored(), login.lacks());
    let login = Some(id.to_string());
    if !is_stored {
        let hint = format!("nobody is logged in; run `{}`", id.login_command());
        return Credential { kind: "none", present: false, hint, login };
    }
    let stored = format!("the stored login `{id}`");
    let (present, hint) = match lacks {
        Some(lacks) => (false, format!("{stored}: {lacks}")),
        None => (true, stored),
    };
    Credential { kind: "oauth", present, hint, login }
}

fn is_blank(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii().is_empty()
}

fn as_bearer(key: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&[b"Bearer ", key.as_bytes().trim_ascii()].concat()).ok()
}
