//! `GET /openapi.json`: every route with its tags, from the live generation.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::body::Answer;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::router::Route;

pub(super) async fn openapi(exchange: Arc<Exchange>) -> Result<Answer> {
    let mut paths: Map<String, Value> = Map::new();
    for route in exchange.generation.router.routes() {
        // `{*rest}` is a parameter that may hold slashes; the description has no word for that.
        let path = route.pattern.replace("{*", "{");
        let item = paths.entry(path).or_insert_with(|| Value::Object(Map::new()));
        item[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    Ok(Answer::json(
        StatusCode::OK,
        &json!({
            "openapi": "3.1.0",
            "info": { "title": "ccproxy", "version": env!("CARGO_PKG_VERSION") },
            "components": { "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
            } },
            "paths": paths,
        }),
    ))
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .pattern
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let mut operation = json!({
        "operationId": format!("{} {}", route.method, route.pattern),
        "tags": route.tags,
        "summary": route.summary,
        "responses": { "default": { "description": "see the provider's own documentation, or the summary" } },
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if route.auth {
        operation["security"] = json!([{ "bearer": [] }, { "key": [] }]);
    }
    if route.method == http::Method::POST {
        operation["requestBody"] = json!({ "content": { "application/json": {} } });
    }
    operation
}
