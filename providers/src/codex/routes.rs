//! The routes of Codex.

use std::sync::Arc;

use ccproxy_core::format::Format;
use ccproxy_core::plugin::{RouteSpec, RouteTarget};
use ccproxy_core::provider::{Local, Operation};
use http::Method;

use crate::formats::{AnthropicMessages, Dialect, Estimate, OpenAiChat, OpenAiResponses, Pair};

pub(super) fn routes() -> Vec<RouteSpec> {
    let route = |method: Method, path: &str, operation: Operation, summary: &str| RouteSpec {
        method,
        prefix: "/codex".into(),
        path: path.into(),
        tags: vec!["plugin-codex".into()],
        summary: summary.into(),
        auth: true,
        landing: false,
        private: false,
        target: RouteTarget::Provider(operation),
    };
    let post =
        |path: &str, operation: Operation, summary: &str| route(Method::POST, path, operation, summary);
    vec![
        post("/v1/responses", own("responses"), "Create a response, streamed or whole; over a websocket too"),
        post("/v1/responses/compact", own("compact"), "Compact a conversation, as Codex does"),
        post(
            "/v1/responses/input_tokens",
            estimated(own("input_tokens"), Dialect::Responses),
            "Estimate the tokens of a request",
        ),
        post(
            "/v1/messages",
            turned("messages", Arc::new(AnthropicMessages), Dialect::Messages),
            "Create a message, for clients of Anthropic's Messages",
        ),
        post(
            "/v1/messages/count_tokens",
            estimated(Operation::new("count_tokens", Arc::new(AnthropicMessages)), Dialect::Messages),
            "Estimate the tokens of a message",
        ),
        post(
            "/v1/chat/completions",
            turned("chat_completions", Arc::new(OpenAiChat), Dialect::Chat),
            "Chat, for clients of OpenAI's Chat Completions",
        ),
        route(Method::GET, "/v1/models", own("models"), "List the models"),
    ]
}

fn own(name: &'static str) -> Operation {
    Operation::new(name, Arc::new(OpenAiResponses))
}

fn turned(name: &'static str, format: Arc<dyn Format>, client: Dialect) -> Operation {
    let pair = Pair::of(client, Dialect::Responses);
    Operation::new(name, format).through(own("responses"), Arc::new(pair))
}

fn estimated(operation: Operation, client: Dialect) -> Operation {
    operation.or_local(Local::Instead(Arc::new(Estimate::of(client))))
}
