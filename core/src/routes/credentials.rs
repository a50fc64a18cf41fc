//! `/credentials`: which credential each provider uses, and why. Never the credential.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::body::Answer;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::generation::Generation;

/// `GET /credentials`: the providers that run.
pub(super) async fn credentials(exchange: Arc<Exchange>) -> Result<Answer> {
    let providers = credentials_json(&exchange.generation);
    Ok(Answer::json(StatusCode::OK, &json!({ "providers": providers })))
}

/// What the providers of a generation say of their credentials, as JSON.
pub fn credentials_json(generation: &Generation) -> Vec<Value> {
    let running = generation.entries.iter().filter(|entry| entry.state.runs());
    let described = running.filter_map(|entry| {
        let provider = entry.runtime.as_ref()?.provider()?;
        let identity = entry.manifest.oauth_provider.as_ref().map(|oauth| oauth.name.as_str());
        Some(json!({
            "provider": entry.manifest.name,
            "oauth_provider": identity,
            "credential": provider.credential(),
            "pool": provider.pool(),
        }))
    });
    described.collect()
}
