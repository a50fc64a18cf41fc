//! `POST /routing/explain`: what would become of a request, for `ccproxy explain`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;

use crate::body::Answer;
use crate::error::{Error, Kind, Result};
use crate::exchange::Exchange;
use crate::pipeline::{self, Question};

/// A request as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "post")]
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// As text, so that it stays what it is to the byte.
    #[serde(default)]
    body: String,
}

fn post() -> String {
    "POST".to_owned()
}

pub(super) async fn explain(exchange: Arc<Exchange>) -> Result<Answer> {
    let body = exchange.request.lock().body.bytes().clone();
    let asked: Asked = serde_json::from_slice(&body).map_err(|error| {
        wrong(format!("expected `{{\"path\": ..., \"headers\": {{...}}, \"body\": \"...\"}}`: {error}"))
    })?;
    let explanation = pipeline::explain(&exchange.generation, asked.question()?).await;
    Ok(Answer::json(StatusCode::OK, &explanation))
}

impl Asked {
    fn question(self) -> Result<Question> {
        let method = Method::from_bytes(self.method.as_bytes());
        let method = method.map_err(|_| wrong(format!("`{}` is no method", self.method)))?;
        let uri: Uri = self.path.parse().map_err(|_| wrong(format!("`{}` is no path", self.path)))?;
        if !uri.path().starts_with('/') || uri.authority().is_some() {
            return Err(wrong(format!("`{}` is no path: it begins with a slash", self.path)));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let told =
                |_| wrong(format!("`{name}` is no header field, or its value none that one can carry"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| told(()))?;
            headers.append(key, HeaderValue::from_str(value).map_err(|_| told(()))?);
        }
        Ok(Question { method, uri, headers, body: Bytes::from(self.body) })
    }
}

fn wrong(message: String) -> Error {
    Error::client(Kind::InvalidRequest, message)
}
