//! One way to a credential that Copilot takes: an account of GitHub whose token is exchanged, a token that is sent as it
//! is, or the client's own.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::provider::{Credential, Outbound};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use http::{HeaderValue, StatusCode, header};

use super::OAUTH;
use super::config::{Config, TOKEN_VARIABLE};
use super::exchange::{Account, Exchange};
use super::token::Token;
use crate::balancer::{self, MemberSettings, Source};
use crate::base_url::BaseUrl;
use crate::credentials::{Choice, Credentials, Place, Wanted, described};
use crate::keeper::Login;
use crate::oauth::Logins;
use crate::relay;

/// A way.
pub(super) struct Way {
    /// For the client's own credential, or the account's token as it is.
    credentials: Credentials,
    exchange: Option<Exchange>,
    /// Where the account's token came from.
    source: Option<&'static str>,
}

/// What a request needs of it.
pub(super) enum Ready {
    /// A token of Copilot's own, and its host.
    Exchanged(Token),
    /// Nothing was exchanged: the token of a stored login, if that is sent as it is.
    Kept(Option<HeaderValue>),
}

impl Way {
    /// As the settings say; `environment` is asked only when they hold no token.
    pub(super) fn new(
        config: &Config,
        environment: impl Fn(&str) -> Option<String>,
        upstream: &Arc<Upstream>,
        login: Arc<Login>,
    ) -> std::result::Result<Self, String> {
        let wanted = Wanted {
            service: "GitHub Copilot".to_owned(),
            setting: "plugins.copilot.github_token".to_owned(),
            variable: Some(TOKEN_VARIABLE),
            place: Place::Bearer,
            optional: false,
        };
        let configured = config.github_token.as_ref().map(|token| token.expose().trim().to_owned());
        let (token, source) = match configured.filter(|token| !token.is_empty()) {
            Some(token) => (Some(token), "the settings"),
            None => (environment(TOKEN_VARIABLE).map(|token| token.trim().to_owned()), TOKEN_VARIABLE),
        };
        let token = token.filter(|token| !token.is_empty());
        let source = token.as_ref().map(|_| source);
        let account = match token.filter(|_| config.exchange) {
            Some(token) => Some(fixed(&token, source.unwrap_or_default(), "plugins.copilot.github_token")?),
            None => (config.exchange && source.is_none()).then(|| Account::Login(login.clone())),
        };
        // Without an exchange the token is a key like any other's.
        let fixed = matches!(account, Some(Account::Fixed(..)));
        let choice = if fixed { Choice::Passthrough } else { Choice::Auto };
        let exchange = exchange(config, account, upstream)?;
        let credentials = Credentials::new(wanted, choice, config.github_token.as_ref(), environment)?;
        Ok(Way { credentials: credentials.with_login(login), exchange, source })
    }

    /// One of a pool, for the same service.
    pub(super) fn member(
        &self,
        member: &MemberSettings,
        logins: &Logins,
        config: &Config,
        upstream: &Arc<Upstream>,
    ) -> std::result::Result<Self, String> {
        let account = match &member.source {
            Source::Key(token) => {
                fixed(token.expose().trim(), "the settings", "credential_balancer.copilot.credentials")?
            }
            Source::Login(account) => {
                let login = logins.login(OAUTH, account).map_err(|failure| failure.to_string())?;
                Account::Login(login)
            }
        };
        let exchange = exchange(config, config.exchange.then_some(account), upstream)?;
        let credentials = self.credentials.member(member, Some((logins, OAUTH)))?;
        let source = matches!(member.source, Source::Key(_)).then_some("the settings");
        Ok(Way { credentials, exchange, source })
    }

    /// The exchange, when there is anything to exchange.
    pub(super) fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref().filter(|exchange| exchange.has_account())
    }

    /// Where nothing is exchanged.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Sends a request. A token that was revoked before its time is replaced once; not for `usage`, which has GitHub's.
    pub(super) async fn send(
        &self,
        upstream: &Upstream,
        fixed: bool,
        usage: bool,
        outbound: Outbound,
    ) -> Result<Answer> {
        let Some(exchange) = self.exchange().filter(|_| !usage) else {
            return relay::send(&self.credentials, upstream, outbound).await;
        };
        let mut again = outbound.clone();
        let answer = relay::send(&self.credentials, upstream, outbound).await?;
        let refused = again.credential.get(header::AUTHORIZATION).cloned();
        let Some(refused) = refused.filter(|_| answer.status == StatusCode::UNAUTHORIZED) else {
            return Ok(answer);
        };
        exchange.drop_token(&refused);
        let Ok(token) = exchange.token().await else { return Ok(answer) };
        if token.bearer == refused || token.host.is_some_and(|host| !fixed && host.origin != again.origin) {
            return Ok(answer);
        }
        drop(answer);
        again.credential.insert(header::AUTHORIZATION, token.bearer);
        relay::send(&self.credentials, upstream, again).await
    }

    async fn make(&self, sent: bool) -> Result<Ready> {
        match self.exchange() {
            Some(exchange) if sent => Ok(Ready::Exchanged(exchange.token().await?)),
            Some(exchange) => Ok(Ready::Exchanged(exchange.shown())),
            None => Ok(Ready::Kept(self.credentials.bearer(sent).await?)),
        }
    }
}

impl balancer::Account for Way {
    type Ready = Ready;

    fn ready(&self, sent: bool) -> BoxFuture<'_, Result<Ready>> {
        Box::pin(self.make(sent))
    }

    fn describe(&self) -> Credential {
        match (self.exchange(), self.source) {
            (Some(exchange), None) if exchange.login().is_some() => {
                exchange.login().map_or_else(|| self.credentials.describe(), |login| described(login))
            }
            (Some(_), Some(source)) => Credential {
                kind: "oauth",
                present: true,
                hint: format!("GitHub token from {source}, exchanged for Copilot's"),
                login: None,
            },
            _ => self.credentials.describe(),
        }
    }

    fn has_own_host(&self) -> bool {
        self.exchange().and_then(Exchange::host).is_some()
    }
}

fn fixed(token: &str, source: &str, setting: &'static str) -> std::result::Result<Account, String> {
    let account = HeaderValue::from_str(&format!("token {token}"));
    let mut account =
        account.map_err(|_| format!("the token from {source} holds characters that no header can carry"))?;
    account.set_sensitive(true);
    Ok(Account::Fixed(account, setting))
}

fn exchange(
    config: &Config,
    account: Option<Account>,
    upstream: &Arc<Upstream>,
) -> std::result::Result<Option<Exchange>, String> {
    let github = BaseUrl::parse(&config.github_api)?;
    Ok(account.map(|account| Exchange::new(github, account, upstream.clone())))
}
