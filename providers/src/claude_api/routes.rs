//! The routes of one server: its own endpoints, and those that OpenAI's clients look for.

use std::sync::Arc;

use ccproxy_core::plugin::{RouteSpec, RouteTarget};
use ccproxy_core::provider::{Local, LocalAnswer, Operation};
use http::Method;

use super::service::Service;
use crate::formats::{Count, Dialect, Estimate, OpenAiResponses};
use crate::memory::Memory;
use crate::messages_operations::{chat, own, responses};

pub(super) fn routes(service: &Service, memory: &Arc<Memory>) -> Vec<RouteSpec> {
    let tag = format!("plugin-{}", service.name.replace('_', "-"));
    let route = |method: Method, path: &str, operation: Operation, summary: &str| RouteSpec {
        method,
        prefix: service.prefix.clone(),
        path: path.into(),
        tags: vec![tag.clone()],
        summary: summary.into(),
        auth: true,
        landing: false,
        private: false,
        target: RouteTarget::Provider(operation),
    };
    let post =
        |path: &str, operation: Operation, summary: &str| route(Method::POST, path, operation, summary);
    let get = |path: &str, operation: Operation, summary: &str| route(Method::GET, path, operation, summary);
    vec![
        post("/v1/messages", own("messages"), "Create a message, streamed or whole"),
        post(
            "/v1/messages/count_tokens",
            counting(service, own("count_tokens"), Dialect::Messages),
            "Count the tokens of a message",
        ),
        get("/v1/models", own("models"), "List the models"),
        get("/v1/models/{id}", own("model"), "Describe a model"),
        post("/v1/chat/completions", chat(), "Chat, for clients of OpenAI's Chat Completions"),
        post("/v1/responses", responses(memory), "Answer, for clients of OpenAI's Responses"),
        post(
            "/v1/responses/input_tokens",
            counting(service, input_tokens(), Dialect::Responses),
            "Count the tokens of such a request",
        ),
    ]
}

fn input_tokens() -> Operation {
    let count = Count::of(Dialect::Responses, Dialect::Messages);
    Operation::new("input_tokens", Arc::new(OpenAiResponses)).through(own("count_tokens"), Arc::new(count))
}

/// Many servers of this protocol count nothing; the Claude API does, and its 404 means something else.
fn counting(service: &Service, operation: Operation, client: Dialect) -> Operation {
    if service.claude {
        return operation;
    }
    let estimate: Arc<dyn LocalAnswer> = Arc::new(Estimate::of(client));
    operation.or_local(Local::WhenMissing(estimate))
}
