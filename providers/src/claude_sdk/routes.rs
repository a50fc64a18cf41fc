//! The routes: with a session in the path, and without one.

use std::sync::Arc;

use ccproxy_core::plugin::{RouteSpec, RouteTarget};
use ccproxy_core::provider::{Local, Operation};
use http::Method;

use crate::formats::{Dialect, Estimate};
use crate::memory::Memory;
use crate::messages_operations::{chat, own, responses};

const PREFIX: &str = "/claude/sdk";

pub(super) fn routes(memory: &Arc<Memory>) -> Vec<RouteSpec> {
    ["", "/{session_id}"].into_iter().flat_map(|session| under(session, memory)).collect()
}

fn under(session: &str, memory: &Arc<Memory>) -> Vec<RouteSpec> {
    let of = if session.is_empty() { "" } else { ", in a session" };
    let route = |method: Method, path: &str, operation: Operation, summary: &str| RouteSpec {
        method,
        prefix: PREFIX.into(),
        path: format!("{session}{path}"),
        tags: vec!["plugin-claude-sdk".into()],
        summary: format!("{summary}{of}"),
        auth: true,
        landing: false,
        private: false,
        target: RouteTarget::Provider(operation),
    };
    let estimate = Local::Instead(Arc::new(Estimate::of(Dialect::Messages)));
    vec![
        route(Method::POST, "/v1/messages", own("messages"), "A message by the local Claude Code CLI"),
        route(
            Method::POST,
            "/v1/messages/count_tokens",
            own("count_tokens").or_local(estimate),
            "Its tokens, estimated",
        ),
        route(Method::POST, "/v1/chat/completions", chat(), "The same for clients of Chat Completions"),
        route(Method::POST, "/v1/responses", responses(memory), "The same for clients of Responses"),
        route(Method::GET, "/v1/models", own("models"), "The models that the CLI offers"),
    ]
}
