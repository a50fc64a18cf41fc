//! A bearer token and the account it is for: configured, or the client's own. The two go together: a configured
//! token never travels with a client's account, nor the other way round.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ccproxy_core::Result;
use ccproxy_core::document::Json;
use ccproxy_core::provider::Credential;
use ccproxy_core::step::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::config::Config;
use crate::balancer::{Account, Pool, Pooled};
use crate::credentials::{Choice, Credentials, Place, Wanted};
use crate::keeper;
use crate::oauth::Logins;

const ACCOUNT: HeaderName = HeaderName::from_static("chatgpt-account-id");
const TOKEN_VARIABLE: &str = "CODEX_ACCESS_TOKEN";
const KEY_VARIABLE: &str = "CODEX_API_KEY";
const ACCOUNT_VARIABLE: &str = "CODEX_ACCOUNT_ID";
/// The claims of a ChatGPT login about the account.
const CLAIMS: &str = "https://api.openai.com/auth";

/// What is put on requests.
pub(super) struct Login {
    credentials: Credentials,
    account: Option<HeaderValue>,
}

impl Login {
    /// Resolves the settings; `environment` is asked for what they do not hold.
    pub(super) fn new(
        config: &Config,
        environment: impl Fn(&str) -> Option<String>,
        stored: Option<Arc<keeper::Login>>,
    ) -> std::result::Result<Self, String> {
        let there = |name: &str| environment(name).is_some_and(|value| !value.trim().is_empty());
        let key = config.access_token.is_none()
            && (config.api_key.is_some() || !there(TOKEN_VARIABLE) && there(KEY_VARIABLE));
        let (setting, variable, configured) = match key {
            true => ("plugins.codex.api_key", KEY_VARIABLE, config.api_key.as_ref()),
            false => ("plugins.codex.access_token", TOKEN_VARIABLE, config.access_token.as_ref()),
        };
        let wanted = Wanted {
            service: "Codex".to_owned(),
            setting: setting.to_owned(),
            variable: Some(variable),
            place: Place::Bearer,
            optional: false,
        };
        let credentials = Credentials::new(wanted, config.credential, configured, &environment)?;
        let credentials = match stored {
            Some(stored) => credentials.with_login(stored),
            None => credentials,
        };
        let account = match config.credential {
            Choice::Passthrough => None,
            _ => config.account_id.clone().or_else(|| environment(ACCOUNT_VARIABLE)),
        };
        let account = account.map(|account| account.trim().to_owned()).filter(|account| !account.is_empty());
        Ok(Login { credentials, account: account.as_deref().map(header_of).transpose()? })
    }

    /// Those of a pool in place of this one; `None` where there is no pool, or the client's own passes through anyway.
    pub(super) fn pooled(
        &self,
        pool: Option<&Arc<Pool>>,
        logins: &Logins,
        provider: &str,
    ) -> std::result::Result<Option<Pooled<Self>>, String> {
        let Some(pool) = pool.filter(|pool| pool.counts(self.credentials.choice())) else { return Ok(None) };
        let members = pool.members().iter().map(|member| {
            let credentials = self.credentials.member(member, Some((logins, provider)))?;
            Ok(Login { credentials, account: member.account_id.as_deref().map(header_of).transpose()? })
        });
        Ok(Some(Pooled::new(pool.clone(), members.collect::<std::result::Result<_, String>>()?)))
    }

    /// Takes the client's credential out of its headers and says what goes upstream instead.
    /// `login` is the token of a stored login, as [`Login::bearer`] had it.
    pub(super) fn take(&self, headers: &mut HeaderMap, login: Option<HeaderValue>) -> Result<HeaderMap> {
        let own = headers.remove(ACCOUNT);
        let by_login = login.is_some();
        let mut credential = self.credentials.take(headers, login)?;
        let account = if by_login {
            self.stored_account()
        } else if self.credentials.describe().present {
            self.account.clone()
        } else {
            own
        };
        let account = account.or_else(|| account_of(credential.get(header::AUTHORIZATION)?));
        if let Some(account) = account {
            credential.insert(ACCOUNT, account);
        }
        Ok(credential)
    }

    /// The token of the stored login, where that goes upstream.
    pub(super) async fn bearer(&self, sent: bool) -> Result<Option<HeaderValue>> {
        self.credentials.bearer(sent).await
    }

    /// For whoever sends.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The account of the stored login.
    fn stored_account(&self) -> Option<HeaderValue> {
        let id = self.credentials.login_in_use()?.account()?.id?;
        let mut account = HeaderValue::from_str(&id).ok()?;
        account.set_sensitive(true);
        Some(account)
    }

    /// What is known, for people.
    pub(super) fn describe(&self) -> Credential {
        self.credentials.describe()
    }
}

impl Account for Login {
    type Ready = Option<HeaderValue>;

    fn ready(&self, sent: bool) -> BoxFuture<'_, Result<Self::Ready>> {
        Box::pin(self.bearer(sent))
    }

    fn describe(&self) -> Credential {
        Login::describe(self)
    }
}

fn header_of(account: &str) -> std::result::Result<HeaderValue, String> {
    HeaderValue::from_str(account).map_err(|_| "`account_id` holds what no header can carry".to_owned())
}

/// The account that a login's token names. Nothing is verified: the upstream does that.
fn account_of(bearer: &HeaderValue) -> Option<HeaderValue> {
    let token = bearer.to_str().ok()?.split_once(' ')?.1.trim();
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = BASE64.decode(claims.trim_end_matches('=')).ok()?;
    let account = Json::whole(&claims)?.key(CLAIMS)?.key("chatgpt_account_id")?;
    let mut account = HeaderValue::from_str(&account.as_str()?).ok().filter(|account| !account.is_empty())?;
    account.set_sensitive(true);
    Some(account)
}
