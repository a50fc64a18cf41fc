//! Where a provider answers: an origin, and the path that its API stands under.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use ccproxy_core::provider::Origin;
use ccproxy_core::{Error, Result};
use http::uri::{PathAndQuery, Uri};

/// A base URL, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    /// The only place requests go to.
    pub(crate) origin: Arc<Origin>,
    /// Without a slash at the end; empty when there is none.
    pub(crate) path: String,
}

impl BaseUrl {
    /// Reads it, or says what is wrong without repeating a credential that may stand in it.
    pub(crate) fn parse(base_url: &str) -> std::result::Result<Self, String> {
        let told = |why: &str| format!("`base_url` {why}; write it as `https://host` or `https://host/path`");
        let parts = base_url.parse::<Uri>().map_err(|_| told("is not a URL"))?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(told("has no scheme or no host"));
        };
        if scheme.as_str() != "http" && scheme.as_str() != "https" {
            return Err(told("is neither http nor https"));
        }
        if authority.as_str().contains('@') {
            return Err(told("holds a user name; credentials belong into `api_key`"));
        }
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(told("has a query"));
        }
        let path = path.path().trim_end_matches('/').to_owned();
        Ok(BaseUrl { origin: Arc::new(Origin { scheme, authority }), path })
    }

    /// Its path, the API's path and the client's query.
    pub(crate) fn join(&self, path: &str, query: Option<&str>) -> Result<PathAndQuery> {
        let query = query.unwrap_or_default();
        let mut whole = BytesMut::with_capacity(self.path.len() + path.len() + query.len() + 1);
        whole.put_slice(self.path.as_bytes());
        whole.put_slice(path.as_bytes());
        if !query.is_empty() {
            whole.put_u8(b'?');
            whole.put_slice(query.as_bytes());
        }
        PathAndQuery::from_maybe_shared(whole.freeze()).map_err(|error| Error::internal(error.to_string()))
    }
}
