//! Speaks to one identity provider.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::oauth::{
    Attempt, DeviceLogin, Dialect, Failure, Flows, OAuthProvider, Reason, Storage, Tokens, summary_of,
};
use ccproxy_core::secret::Secret;
use ccproxy_core::step::BoxFuture;
use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl,
    DeviceCodeErrorResponseType, EndpointNotSet, EndpointSet, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, RevocationUrl, Scope, StandardDeviceAuthorizationResponse,
    StandardRevocableToken, TokenUrl,
};
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::dialect;
use super::network::{Network, Revoking, Speaking};
use super::server::Server;
use super::settings::is_safe;
use super::whose;

/// A client of an identity provider.
pub struct Client {
    server: Server,
    network: Arc<Network>,
    storage: Arc<dyn Storage>,
    dialect: Option<Arc<dyn Dialect>>,
}

type Oauth = oauth2::Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Client {
    pub(super) fn new(server: Server, network: Arc<Network>, storage: Arc<dyn Storage>) -> Self {
        Client { server, network, storage, dialect: None }
    }

    /// The same, with what a plugin says in its own way.
    pub(super) fn with_dialect(self, dialect: Option<Arc<dyn Dialect>>) -> Self {
        Client { dialect, ..self }
    }

    fn oauth(&self) -> Result<Oauth, Failure> {
        let token_url = TokenUrl::new(self.server.token_url.clone()).map_err(|_| self.no_url("token_url"))?;
        let client = oauth2::Client::new(ClientId::new(self.server.client_id.clone()));
        let client = match &self.server.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        };
        Ok(client.set_token_uri(token_url))
    }

    fn speaking(&self) -> Speaking<'_> {
        Speaking {
            network: &self.network,
            server: &self.server,
            dialect: self.dialect.as_deref().filter(|dialect| dialect.speaks().request),
        }
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> + '_ {
        self.server.scopes.iter().cloned().map(Scope::new)
    }

    fn no_url(&self, setting: &str) -> Failure {
        Failure::new(Reason::Unsupported, format!("`oauth.{}.{setting}` is no URL", self.server.name))
    }

    fn lacks(&self, what: &str) -> Failure {
        Failure::new(Reason::Unsupported, format!("{} has no {what}", self.server.title))
    }

    async fn authorization(&self, attempt: &Attempt) -> Result<String, Failure> {
        let url = self.page(attempt)?;
        match self.dialect.as_deref().filter(|dialect| dialect.speaks().authorization) {
            Some(dialect) => dialect::page(dialect, &url).await,
            None => Ok(url),
        }
    }

    fn page(&self, attempt: &Attempt) -> Result<String, Failure> {
        let url = self.server.authorize_url.clone().ok_or_else(|| self.lacks("page to log in on"))?;
        let url = AuthUrl::new(url).map_err(|_| self.no_url("authorize_url"))?;
        let redirect =
            RedirectUrl::new(attempt.redirect_uri.clone()).map_err(|_| self.no_url("redirect_uri"))?;
        let oauth = self.oauth()?.set_auth_uri(url);
        let state = attempt.state.expose().to_owned();
        let mut request = oauth
            .authorize_url(|| CsrfToken::new(state))
            .add_scopes(self.scopes())
            .set_redirect_uri(Cow::Owned(redirect));
        if let Some(verifier) = &attempt.verifier {
            let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
            request = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        for (name, value) in &self.server.authorize_params {
            request = request.add_extra_param(name, value);
        }
        Ok(request.url().0.to_string())
    }

    /// Whose the tokens of a login are, where the answer did not tell. A login does not fail for want of it.
    async fn with_profile(&self, mut tokens: Tokens) -> Tokens {
        let mut known = Value::Null;
        if let Some(url) = &self.server.profile_url {
            match self.network.get(url, tokens.access.expose()).await {
                Ok(profile) => {
                    let told = whose::of_profile(self.server.whose, &profile);
                    tokens.account = std::mem::take(&mut tokens.account).or(&told);
                    known = profile;
                }
                Err(failure) => tracing::warn!(provider = self.server.name, "no profile: {failure}"),
            }
        }
        if let Some(dialect) = self.dialect.as_deref().filter(|dialect| dialect.speaks().account) {
            let claims = tokens.id.as_ref().and_then(whose::claims);
            match dialect.account(json!({ "profile": known, "claims": claims })).await {
                Ok(told) => tokens.account = told.or(&tokens.account),
                Err(failure) => tracing::warn!(provider = self.server.name, "no account: {failure}"),
            }
        }
        if tokens.scopes.is_empty() {
            tokens.scopes.clone_from(&self.server.scopes);
        }
        tokens
    }

    async fn exchange(&self, code: &Secret, attempt: &Attempt) -> Result<Tokens, Failure> {
        let oauth = self.oauth()?;
        let redirect =
            RedirectUrl::new(attempt.redirect_uri.clone()).map_err(|_| self.no_url("redirect_uri"))?;
        let mut request = oauth
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_redirect_uri(Cow::Owned(redirect));
        if let Some(verifier) = &attempt.verifier {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
        }
        if self.server.send_state {
            request = request.add_extra_param("state", attempt.state.expose());
        }
        let speaking = self.speaking();
        let answer = request.request_async(&speaking).await;
        let answer = answer.map_err(|error| answer::failure(&self.server.title, error))?;
        Ok(self.with_profile(answer::tokens(&answer, self.server.whose)).await)
    }

    async fn renew(&self, tokens: &Tokens) -> Result<Tokens, Failure> {
        let Some(refresh) = &tokens.refresh else { return Err(self.lacks("refresh token for this login")) };
        let (oauth, refresh) = (self.oauth()?, RefreshToken::new(refresh.expose().to_owned()));
        let mut request = oauth.exchange_refresh_token(&refresh);
        if self.server.refresh_scopes {
            let granted = tokens.scopes.iter().cloned().map(Scope::new);
            request = request.add_scopes(granted);
        }
        let speaking = self.speaking();
        let answer = request.request_async(&speaking).await;
        let answer = answer.map_err(|error| answer::failure(&self.server.title, error))?;
        Ok(answer::tokens(&answer, self.server.whose))
    }

    async fn begin_device(&self) -> Result<DeviceLogin, Failure> {
        let url = self.server.device_url.clone().ok_or_else(|| self.lacks("device flow"))?;
        let url = DeviceAuthorizationUrl::new(url).map_err(|_| self.no_url("device_url"))?;
        let oauth = self.oauth()?.set_device_authorization_url(url);
        let speaking = self.speaking();
        let request = oauth.exchange_device_code().add_scopes(self.scopes());
        let details: Result<StandardDeviceAuthorizationResponse, _> = request.request_async(&speaking).await;
        let details = details.map_err(|error| answer::failure(&self.server.title, error))?;
        Ok(DeviceLogin {
            device_code: Secret::new(details.device_code().secret()),
            user_code: details.user_code().secret().clone(),
            verification_uri: details.verification_uri().to_string(),
            verification_uri_complete: details.verification_uri_complete().map(|uri| uri.secret().clone()),
            interval: details.interval(),
            expires_in: details.expires_in(),
        })
    }

    async fn finish_device(&self, login: &DeviceLogin) -> Result<Tokens, Failure> {
        let details: StandardDeviceAuthorizationResponse = serde_json::from_value(json!({
            "device_code": login.device_code.expose(),
            "user_code": login.user_code,
            "verification_uri": login.verification_uri,
            "expires_in": login.expires_in.as_secs(),
            "interval": login.interval.as_secs(),
        }))
        .map_err(|_| {
            Failure::new(Reason::Unreachable, format!("{} names no page to go to", self.server.title))
        })?;
        let (oauth, speaking) = (self.oauth()?, self.speaking());
        let request =
            oauth.exchange_device_access_token(&details).set_max_backoff_interval(Duration::from_secs(30));
        let answer =
            request.request_async(&speaking, tokio::time::sleep, None).await.map_err(
                |error| match error {
                    RequestTokenError::ServerResponse(told) => {
                        let word = match told.error() {
                            DeviceCodeErrorResponseType::Basic(BasicErrorResponseType::Extension(word)) => {
                                word.clone()
                            }
                            other => other.to_string(),
                        };
                        answer::refusal(
                            &self.server.title,
                            &word,
                            told.error_description().map(String::as_str),
                        )
                    }
                    RequestTokenError::Request(failed) => failed.into_failure(),
                    _ => Failure::new(
                        Reason::Unreachable,
                        format!("{} gave an answer of no sense", self.server.title),
                    ),
                },
            )?;
        Ok(self.with_profile(answer::tokens(&answer, self.server.whose)).await)
    }

    async fn take_back(&self, tokens: &Tokens) -> Result<(), Failure> {
        let url = self.server.revoke_url.clone().ok_or_else(|| self.lacks("place to revoke tokens"))?;
        let place: http::Uri = url.parse().map_err(|_| self.no_url("revoke_url"))?;
        let encrypted = match url.strip_prefix("http:") {
            Some(rest) if is_safe(&url) => format!("https:{rest}"),
            _ => url,
        };
        let url = RevocationUrl::new(encrypted).map_err(|_| self.no_url("revoke_url"))?;
        let oauth = self.oauth()?.set_revocation_url(url);
        // RFC 7009: a server takes back what belongs to a refresh token too.
        let token: StandardRevocableToken = match &tokens.refresh {
            Some(refresh) => RefreshToken::new(refresh.expose().to_owned()).into(),
            None => oauth2::AccessToken::new(tokens.access.expose().to_owned()).into(),
        };
        let unsafe_url = |_| Failure::new(Reason::Unsupported, "tokens are revoked over https only");
        let request = oauth.revoke_token(token).map_err(unsafe_url)?;
        let speaking = Revoking { speaking: self.speaking(), place };
        let refused = |error| match error {
            RequestTokenError::Request(failed) => super::network::Failed::into_failure(failed),
            _ => Failure::new(Reason::Refused, format!("{} did not take the tokens back", self.server.title)),
        };
        request.request_async(&speaking).await.map_err(refused)
    }
}

impl OAuthProvider for Client {
    fn provider_name(&self) -> &str {
        &self.server.name
    }

    fn provider_display_name(&self) -> &str {
        &self.server.title
    }

    fn supports_pkce(&self) -> bool {
        self.server.pkce && self.server.authorize_url.is_some()
    }

    fn supports_refresh(&self) -> bool {
        self.server.refresh
    }

    fn supports_revocation(&self) -> bool {
        self.server.revoke_url.is_some()
    }

    fn notice(&self) -> Option<&str> {
        self.server.notice
    }

    fn flows(&self) -> Flows {
        let browser = self.server.authorize_url.is_some();
        Flows {
            loopback: self.server.loopback().filter(|_| browser),
            proxy: self.server.at_the_proxy().filter(|_| browser),
            paste: self.server.manual_redirect_uri.clone().filter(|_| browser),
            device: self.server.device_url.is_some(),
        }
    }

    fn authorization_url<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(self.authorization(attempt))
    }

    fn handle_callback<'a>(
        &'a self,
        code: &'a Secret,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Tokens, Failure>> {
        Box::pin(self.exchange(code, attempt))
    }

    fn begin_device_login(&self) -> BoxFuture<'_, Result<DeviceLogin, Failure>> {
        Box::pin(self.begin_device())
    }

    fn finish_device_login<'a>(&'a self, login: &'a DeviceLogin) -> BoxFuture<'a, Result<Tokens, Failure>> {
        Box::pin(self.finish_device(login))
    }

    fn refresh<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<Tokens, Failure>> {
        Box::pin(self.renew(tokens))
    }

    fn revoke<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.take_back(tokens))
    }

    fn storage(&self) -> Arc<dyn Storage> {
        self.storage.clone()
    }

    fn credential_summary<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Map<String, Value>> {
        let summary = summary_of(&self.server.name, tokens);
        let Some(dialect) = self.dialect.as_deref().filter(|dialect| dialect.speaks().summary) else {
            return Box::pin(std::future::ready(summary));
        };
        Box::pin(async move {
            let told = dialect.summary(summary.clone()).await;
            told.unwrap_or_else(|failure| {
                tracing::warn!(provider = self.server.name, "no summary: {failure}");
                summary
            })
        })
    }
}
