//! `GET /v1/models` and `GET /v1/models/{id}`: everybody's models under `provider/model`, and the aliases, in the
//! shape of the client's vendor. A provider that does not answer is left out, and named.

use std::sync::Arc;

use ccproxy_core::body::Answer;
use ccproxy_core::error::Kind;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::plugin::RouteHandler;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::listing::Listing;
use super::shape::{self, Model, Shape};

/// Names the providers that are not in the list.
const LEFT_OUT: HeaderName = HeaderName::from_static("x-ccproxy-left-out");

/// Answers both routes.
pub(super) struct Models {
    listing: Arc<Listing>,
}

/// A provider that is not in the list.
struct LeftOut {
    provider: Arc<str>,
    reason: String,
}

impl Models {
    pub(super) fn new(listing: Listing) -> Self {
        Models { listing: Arc::new(listing) }
    }

    async fn answer(&self, exchange: &Arc<Exchange>) -> Result<Answer> {
        let (id, shape) = {
            let request = exchange.request.lock();
            let id = request.params.iter().find(|(name, _)| &**name == "id");
            (id.map(|(_, id)| id.clone()), Shape::of(&request.headers))
        };
        let (models, left_out) = self.models(exchange).await;
        let value = match id {
            None => {
                let mut list = shape.list(&models);
                let told =
                    left_out.iter().map(|one| json!({ "provider": one.provider, "reason": one.reason }));
                list["left_out"] = told.collect();
                list
            }
            Some(id) => match models.iter().find(|model| model.id == id) {
                Some(model) => shape.entry(model),
                None => return Err(unknown(&id, &left_out)),
            },
        };
        let mut answer = Answer::json(StatusCode::OK, &value);
        let names: Vec<&str> = left_out.iter().map(|one| &*one.provider).collect();
        if let Ok(names) = HeaderValue::from_str(&names.join(", "))
            && !left_out.is_empty()
        {
            answer.headers.insert(LEFT_OUT, names);
        }
        Ok(answer)
    }

    /// Those that the client's key is good for. An alias is good when one of its candidates is.
    async fn models(&self, exchange: &Arc<Exchange>) -> (Vec<Model>, Vec<LeftOut>) {
        let client = &exchange.client;
        let permitted = |provider: &str, model: &str| client.permit(provider, model).is_ok();
        let aliases = exchange.generation.routing.settings.aliases.iter();
        let mut models: Vec<Model> = aliases
            .filter(|(alias, aims)| {
                let mut candidates = aims.iter().map(|aim| aim.at(alias, &[]));
                candidates.any(|candidate| permitted(&candidate.provider, &candidate.model))
            })
            .map(|(alias, _)| Model::alias(alias))
            .collect();
        let mut left_out = Vec::new();
        for (provider, listed) in self.listing.all(exchange).await {
            if !permitted(&provider, "") {
                continue;
            }
            match listed {
                Ok(list) => {
                    let good = list.iter().filter(|entry| permitted(&provider, shape::id(entry)));
                    models.extend(good.map(|entry| Model::of(&provider, entry)));
                }
                Err(reason) => left_out.push(LeftOut { provider, reason }),
            }
        }
        (models, left_out)
    }
}

impl RouteHandler for Models {
    fn call<'a>(&'a self, exchange: &'a Arc<Exchange>) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(self.answer(exchange))
    }

    fn keeps_bounds(&self) -> bool {
        true
    }
}

fn unknown(id: &str, left_out: &[LeftOut]) -> Error {
    let id: String = id.chars().take(100).collect();
    let mut message = format!("no model `{id}`; `GET /v1/models` lists what there is");
    if let Some(one) = left_out.iter().find(|one| id.starts_with(&format!("{}/", one.provider))) {
        message =
            format!("no model `{id}` is known: `{}` did not list its models ({})", one.provider, one.reason);
    }
    Error::client(Kind::NotFound, message)
}
