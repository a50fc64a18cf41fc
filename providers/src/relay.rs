//! What every adapter to an HTTP API does: the client's own request, minus what ends at this proxy, plus a
//! credential, goes to one place.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::provider::{Credential, Operation, Outbound};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use http::uri::Uri;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::base_url::BaseUrl;
use crate::credentials::Credentials;
use crate::local::{take_foreign, take_local};

/// The way to one API.
pub(crate) struct Relay {
    /// Where it answers.
    pub(crate) base: BaseUrl,
    /// Whose credential goes there.
    pub(crate) credentials: Credentials,
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
    /// Step 7. `adjust` sets what the API asks for.
    pub(crate) fn outbound(&self, asked: Asked<'_>, adjust: impl FnOnce(&mut HeaderMap)) -> Result<Outbound> {
        asked.outbound(&self.base, |headers| self.credentials.take(headers), adjust)
    }

    /// Step 8.
    pub(crate) fn send(&self, outbound: Outbound) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(self.upstream.send(outbound))
    }

    /// For people.
    pub(crate) fn credential(&self) -> Credential {
        self.credentials.describe()
    }
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
