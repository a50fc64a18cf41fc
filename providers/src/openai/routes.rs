//! The routes of one server: its own endpoints, and those that clients of the other formats look for.

use std::sync::Arc;

use ccproxy_core::format::Format;
use ccproxy_core::plugin::{RouteSpec, RouteTarget};
use ccproxy_core::provider::{Local, Operation};
use http::Method;

use super::vendor::Vendor;
use crate::formats::{
    AnthropicMessages, Count, Dialect, Estimate, OpenAiChat, OpenAiResponses, Pair, Quirks,
};
use crate::memory::{Memory, Remembering};

/// `via` is the server's format for clients of Messages; `quirks` are those of its chat.
pub(super) fn routes(vendor: &Vendor, via: Dialect, quirks: &Quirks, memory: &Arc<Memory>) -> Vec<RouteSpec> {
    let Vendor { name, title, .. } = vendor;
    let route = |method: Method, path: &str, operation: Operation, summary: &str| RouteSpec {
        method,
        prefix: format!("/{name}"),
        path: path.into(),
        tags: vec![format!("plugin-{name}")],
        summary: format!("{summary} ({title})"),
        auth: true,
        landing: false,
        private: false,
        target: RouteTarget::Provider(operation),
    };
    let post =
        |path: &str, operation: Operation, summary: &str| route(Method::POST, path, operation, summary);
    let get = |path: &str, operation: Operation, summary: &str| route(Method::GET, path, operation, summary);
    let mut routes = vec![
        post("/v1/chat/completions", chat("chat_completions"), "Chat, streamed or whole"),
        post("/v1/messages", messages(via, quirks), "Create a message, for Anthropic's clients"),
        post("/v1/messages/count_tokens", count_tokens(vendor, via), "Count the tokens of a message"),
        get("/v1/models", chat("models"), "List the models"),
        get("/v1/models/{id}", chat("model"), "Describe a model"),
    ];
    let stored = "/v1/responses/{id}";
    match vendor.responses {
        true => routes.extend([
            post("/v1/responses", responses("responses"), "Create a response, streamed or whole"),
            get(stored, responses("response"), "Fetch a stored response"),
            route(Method::DELETE, stored, responses("response"), "Delete a stored response"),
        ]),
        false => {
            let pair = Pair::of(Dialect::Responses, Dialect::Chat).suiting(quirks.clone());
            let pair = Remembering::new(pair, memory);
            let through = responses("responses").through(chat("chat_completions"), Arc::new(pair));
            routes.push(post("/v1/responses", through, "Create a response, for clients of Responses"));
        }
    }
    let local = estimate(vendor.stores, Dialect::Responses);
    let input_tokens = responses("input_tokens").or_local(local);
    routes.push(post("/v1/responses/input_tokens", input_tokens, "Count the tokens of a request"));
    if vendor.stores {
        routes.extend([
            post("/v1/responses/compact", responses("compact"), "Shorten a conversation"),
            post("/v1/responses/{id}/cancel", responses("cancel"), "Cancel a response in the background"),
            get("/v1/responses/{id}/input_items", responses("input_items"), "List the input of a response"),
        ]);
    }
    if vendor.embeddings {
        routes.push(post("/v1/embeddings", chat("embeddings"), "Create embeddings"));
    }
    routes
}

fn chat(name: &'static str) -> Operation {
    Operation::new(name, Arc::new(OpenAiChat))
}

fn responses(name: &'static str) -> Operation {
    Operation::new(name, Arc::new(OpenAiResponses))
}

fn messages(via: Dialect, quirks: &Quirks) -> Operation {
    let pair = Arc::new(Pair::of(Dialect::Messages, via).suiting(quirks.clone()));
    let own = match via {
        Dialect::Responses => responses("responses"),
        _ => chat("chat_completions"),
    };
    Operation::new("messages", anthropic()).through(own, pair)
}

fn count_tokens(vendor: &Vendor, via: Dialect) -> Operation {
    let operation = Operation::new("count_tokens", anthropic());
    let counts = via == Dialect::Responses && vendor.stores;
    let operation = match counts {
        true => {
            let count = Count::of(Dialect::Messages, Dialect::Responses);
            operation.through(responses("input_tokens"), Arc::new(count))
        }
        false => operation,
    };
    operation.or_local(estimate(counts, Dialect::Messages))
}

fn anthropic() -> Arc<dyn Format> {
    Arc::new(AnthropicMessages)
}

/// For servers that do not count, or may turn out not to.
fn estimate(asked: bool, client: Dialect) -> Local {
    let estimate = Arc::new(Estimate::of(client));
    if asked { Local::WhenMissing(estimate) } else { Local::Instead(estimate) }
}
