//! The routes of Copilot.

use std::sync::Arc;

use ccproxy_core::plugin::{RouteSpec, RouteTarget};
use ccproxy_core::provider::{Local, Operation};
use http::Method;

use super::config::Via;
use crate::formats::Quirk::{
    MaxTokens, NoAccount, NoCacheKey, NoCustomTools, NoDeveloper, NoThoughts, NoUser,
};
use crate::formats::{AnthropicMessages, Dialect, Estimate, OpenAiChat, OpenAiResponses, Pair, Quirks};

pub(super) fn routes(via: Via) -> Vec<RouteSpec> {
    let route = |method: Method, path: &str, operation: Operation, summary: &str| RouteSpec {
        method,
        prefix: "/copilot".into(),
        path: path.into(),
        tags: vec!["plugin-copilot".into()],
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
        post("/v1/chat/completions", chat("chat_completions"), "Chat, streamed or whole"),
        post("/v1/responses", responses("responses"), "Create a response, streamed or whole"),
        post("/v1/messages", messages(via), "Create a message, for Anthropic's clients"),
        post(
            "/v1/messages/count_tokens",
            Operation::new("count_tokens", Arc::new(AnthropicMessages)).or_local(estimate(Dialect::Messages)),
            "Estimate the tokens of a message",
        ),
        post(
            "/v1/responses/input_tokens",
            responses("input_tokens").or_local(estimate(Dialect::Responses)),
            "Estimate the tokens of a request",
        ),
        post("/v1/embeddings", chat("embeddings"), "Create embeddings"),
        get("/v1/models", chat("models"), "List the models"),
        get("/v1/models/{id}", chat("model"), "Describe a model"),
        get("/usage", chat("usage"), "What of the subscription is used"),
    ]
}

fn chat(name: &'static str) -> Operation {
    Operation::new(name, Arc::new(OpenAiChat))
}

fn responses(name: &'static str) -> Operation {
    Operation::new(name, Arc::new(OpenAiResponses))
}

fn messages(via: Via) -> Operation {
    let operation = Operation::new("messages", Arc::new(AnthropicMessages));
    match via {
        Via::Messages => operation,
        Via::Responses => {
            let pair = Pair::of(Dialect::Messages, Dialect::Responses);
            operation.through(responses("responses"), Arc::new(pair))
        }
        Via::Chat => {
            let quirks = [MaxTokens, NoDeveloper, NoCacheKey, NoAccount, NoUser, NoCustomTools, NoThoughts];
            let pair = Pair::of(Dialect::Messages, Dialect::Chat).suiting(Quirks::of(&quirks));
            operation.through(chat("chat_completions"), Arc::new(pair))
        }
    }
}

fn estimate(client: Dialect) -> Local {
    Local::Instead(Arc::new(Estimate::of(client)))
}
