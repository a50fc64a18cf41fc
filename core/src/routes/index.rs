//! `GET /`: for the person who opens the address to see what it is.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::body::Answer;
use crate::error::Result;
use crate::middleware::RouteKind;
use crate::proxy::Proxy;

pub(super) async fn index(proxy: Arc<Proxy>) -> Result<Answer> {
    let live = proxy.pipeline().live();
    let providers: Vec<Value> = live
        .router
        .routes()
        .filter(|route| route.kind == RouteKind::Provider)
        .map(|route| format!("{} {}", route.method, route.pattern).into())
        .collect();
    Ok(Answer::json(
        StatusCode::OK,
        &json!({
            "ccproxy": env!("CARGO_PKG_VERSION"),
            "providers": providers,
            "see": ["/health", "/plugins", "/plugins/status", "/openapi.json"],
        }),
    ))
}
