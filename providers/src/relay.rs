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

impl Relay {
    /// Step 7. `path` finds the API's path from the client's; `foreign` begins the names of fields that clients of
    /// other formats tell their own provider; `adjust` sets what the API asks for.
    pub(crate) fn outbound(
        &self,
        exchange: &Exchange,
        operation: &Operation,
        body: Document,
        foreign: &[&str],
        path: for<'u> fn(&'u Uri, &Operation) -> &'u str,
        adjust: impl FnOnce(&mut HeaderMap),
    ) -> Result<Outbound> {
        let request = exchange.request.lock();
        let mut headers = request.headers.clone();
        let credential = self.credentials.take(&mut headers)?;
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
        let path = self.base.join(path(&request.uri, operation), query)?;
        Ok(Outbound { origin: self.base.origin.clone(), method, path, headers, credential, body })
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
