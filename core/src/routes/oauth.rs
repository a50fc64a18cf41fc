//! `/oauth`: where one can log in. How is `ccproxy auth`.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::body::Answer;
use crate::error::Result;
use crate::proxy::Proxy;

/// `GET /oauth/providers`: every OAuth provider by name.
pub(super) async fn providers(proxy: Arc<Proxy>) -> Result<Answer> {
    let providers: Map<String, Value> = proxy
        .oauth()
        .list()
        .iter()
        .map(|provider| {
            let flows = provider.flows();
            let described = json!({
                "name": provider.provider_name(),
                "display_name": provider.provider_display_name(),
                "supports_pkce": provider.supports_pkce(),
                "supports_refresh": provider.supports_refresh(),
                "supports_revocation": provider.supports_revocation(),
                "flows": { "browser": flows.loopback.is_some() || flows.proxy.is_some(), "manual": flows.paste.is_some(), "device": flows.device },
            });
            (provider.provider_name().to_owned(), described)
        })
        .collect();
    Ok(Answer::json(StatusCode::OK, &json!({ "providers": providers })))
}
