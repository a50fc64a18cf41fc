//! What every adapter to an HTTP API does: the client's own request, minus what ends at this proxy, plus a
//! credential, goes to one place.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::oauth::Reason;
use ccproxy_core::pool::{Pool, Retry};
use ccproxy_core::provider::{Credential, Operation, Outbound};
use ccproxy_core::secret::Secret;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use http::uri::Uri;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::balancer::Pooled;
use crate::base_url::BaseUrl;
use crate::credentials::{Credentials, bearer_of};
use crate::keeper::Login;
use crate::local::{take_foreign, take_local};

/// The way to one API.
pub(crate) struct Relay {
    /// Where it answers.
    pub(crate) base: BaseUrl,
    /// Whose credential goes there.
    pub(crate) credentials: Credentials,
    /// Several that take turns, in place of it.
    pub(crate) pooled: Option<Pooled<Credentials>>,
    /// The house's connections.
    pub(crate) upstream: Arc<Upstream>,
}

/// What is asked of an API.
pub(crate) struct Asked<'a> {
    /// By whom.
    pub(crate) exchange: &'a Exchange,
    /// In the API's format.
    pub(crate) operation: &'a Operation,
    /// In that format too.
    pub(crate) body: Document,
    /// Begins the names of fields that clients of other formats tell their own provider.
    pub(crate) foreign: &'a [&'a str],
    /// Finds the API's path from the client's.
    pub(crate) path: for<'u> fn(&'u Uri, &Operation) -> &'u str,
}

impl Relay {
    /// Step 7. `adjust` sets what the API asks for, and is told whether the token of a login goes there. Not `sent`:
    /// for someone who only looks.
    pub(crate) async fn outbound(
        &self,
        asked: Asked<'_>,
        sent: bool,
        adjust: impl FnOnce(&mut HeaderMap, bool),
    ) -> Result<Outbound> {
        let (credentials, bearer) = match &self.pooled {
            Some(pooled) => pooled.ready(asked.exchange, &asked.body, sent).await?,
            None => (&self.credentials, self.credentials.bearer(sent).await?),
        };
        let by_login = bearer.is_some();
        let credential = |headers: &mut HeaderMap| credentials.take(headers, bearer);
        asked.outbound(&self.base, credential, |headers| {
            adjust(headers, by_login);
            if self.pooled.is_some() {
                // What comes back is looked through.
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
        })
    }

    /// Step 8.
    pub(crate) fn send<'a>(
        &'a self,
        exchange: &'a Exchange,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        match &self.pooled {
            Some(pooled) => {
                Box::pin(pooled.send(exchange, |credentials| send(credentials, &self.upstream, outbound)))
            }
            None => send(&self.credentials, &self.upstream, outbound),
        }
    }

    /// Whether it is sent once more, with another credential.
    pub(crate) fn retry(&self, exchange: &Exchange) -> Retry {
        self.pooled.as_ref().map_or(Retry::No, |pooled| pooled.retry(exchange))
    }

    /// For people.
    pub(crate) fn credential(&self) -> Credential {
        self.pooled.as_ref().map_or_else(|| self.credentials.describe(), Pooled::credential)
    }

    /// For people, where there are several.
    pub(crate) fn pool(&self) -> Option<Pool> {
        self.pooled.as_ref().map(Pooled::describe)
    }
}

/// Step 8. A token of a login that is refused before its time is replaced, once.
pub(crate) fn send<'a>(
    credentials: &'a Credentials,
    upstream: &'a Upstream,
    outbound: Outbound,
) -> BoxFuture<'a, Result<Answer>> {
    let sent = outbound.credential.get(header::AUTHORIZATION);
    match credentials.login_in_use().zip(sent.and_then(token)) {
        Some((login, sent)) => Box::pin(send_by(login, sent, upstream, outbound)),
        None => Box::pin(upstream.send(outbound)),
    }
}

async fn send_by(
    login: &Arc<Login>,
    sent: Secret,
    upstream: &Upstream,
    outbound: Outbound,
) -> Result<Answer> {
    let mut again = outbound.clone();
    let answer = upstream.send(outbound).await?;
    if answer.status != StatusCode::UNAUTHORIZED {
        return Ok(answer);
    }
    match login.after_refusal(&sent).await {
        Ok(fresh) => {
            drop(answer);
            again.credential.insert(header::AUTHORIZATION, bearer_of(&fresh)?);
            upstream.send(again).await
        }
        Err(failure) if failure.reason() == Reason::NeedsLogin => Err(failure.into()),
        Err(_) => Ok(answer),
    }
}

/// The token in `authorization`.
fn token(authorization: &HeaderValue) -> Option<Secret> {
    Some(Secret::new(authorization.to_str().ok()?.strip_prefix("Bearer ")?))
}

impl Asked<'_> {
    /// The request to an API at `base`; `credential` takes the client's own out and says what goes instead.
    pub(crate) fn outbound(
        self,
        base: &BaseUrl,
        credential: impl FnOnce(&mut HeaderMap) -> Result<HeaderMap>,
        adjust: impl FnOnce(&mut HeaderMap),
    ) -> Result<Outbound> {
        let Asked { exchange, operation, body, foreign, path } = self;
        let request = exchange.request.lock();
        let mut headers = request.headers.clone();
        let credential = credential(&mut headers)?;
        take_local(&mut headers);
        let turned = request.format.as_ref().is_some_and(|format| format.name() != operation.format.name());
        if turned {
            take_foreign(&mut headers, foreign);
        }
        adjust(&mut headers);
        if request.stream {
            // A compressed stream cannot be watched, so a cut could not be told from an end.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let method = request.method.clone();
        let body = if method == Method::POST { body } else { Document::default() };
        // The query belongs to the client's own API.
        let query = request.uri.query().filter(|_| !turned);
        let path = base.join(path(&request.uri, operation), query)?;
        let losses = Vec::new();
        Ok(Outbound { origin: base.origin.clone(), method, path, headers, credential, body, losses })
    }
}
