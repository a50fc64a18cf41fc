//! The `middleware` list of a manifest.

use ccproxy_core::middleware::{BodyAccess, Moments as Declared, OnError, RouteKind, When, layer};
use ccproxy_core::plugin::{Manifest, MiddlewareSpec};
use mlua::Value;

use super::Moments;
use super::node::Node;

const LAYERS: &[&str] = &["security", "observability", "transformation", "routing", "application"];

/// Reads the list.
pub(super) fn read(root: &Node<'_>, manifest: &mut Manifest) -> Vec<Moments> {
    let mut all = Vec::new();
    for node in root.nodes("middleware") {
        let number = layer_of(&node);
        let moments = Moments {
            enabled: node.function("enabled"),
            request: node.function("request"),
            response: node.function("response"),
            event: node.function("event"),
            chunk: node.function("chunk"),
            around: node.function("around"),
            args: Value::Nil,
        };
        let declared = Declared {
            request: moments.request.is_some(),
            response: moments.response.is_some(),
            event: moments.event.is_some(),
            chunk: moments.chunk.is_some(),
            around: moments.around.is_some(),
        };
        if declared == Declared::default() {
            node.problem("request", "a middleware needs `request`, `response`, `event`, `chunk` or `around`");
        }
        let body = node.body_access();
        if declared.chunk && body == BodyAccess::None {
            node.problem("chunk", "sees the answer's bytes, which needs `body = \"read\"` or `\"write\"`");
        }
        let on_error = match node.choice("on_error", &["closed", "open"]) {
            Some("closed") => OnError::Closed,
            Some(_) => OnError::Open,
            None => OnError::of_layer(number),
        };
        let said = !node.value("on_error").is_nil();
        let guarding = matches!(layer::name(number), "security" | "routing");
        let (args, lua_args) = node.args("args");
        manifest.middleware.push(MiddlewareSpec {
            name: node.text("name").unwrap_or_else(|| layer::name(number).to_owned()),
            layer: number,
            priority: node.integer("priority").map_or(0, |priority| {
                i32::try_from(priority).unwrap_or_else(|_| {
                    node.problem("priority", "is out of range");
                    0
                })
            }),
            moments: declared,
            when: when(&node, declared),
            body,
            on_error,
            guards: on_error == OnError::Closed && (said || guarding),
            args,
        });
        all.push(Moments { args: lua_args, ..moments });
        node.finish();
    }
    all
}

fn layer_of(node: &Node<'_>) -> u16 {
    match node.value("layer") {
        Value::Nil => {
            node.problem("layer", format!("is missing: one of `{}`, or 100 to 599", LAYERS.join("`, `")));
        }
        Value::String(_) => {
            let name = node.choice("layer", LAYERS);
            return name.and_then(layer::number).unwrap_or(layer::APPLICATION);
        }
        _ => match node.integer("layer") {
            Some(number @ 100..=599) => return number as u16,
            Some(number) => node.problem("layer", format!("`{number}` is not from 100 to 599")),
            None => {}
        },
    }
    layer::APPLICATION
}

fn when(node: &Node<'_>, moments: Declared) -> When {
    let Some(when) = node.child("when") else { return When::default() };
    let names = when.texts("routes");
    let routes = names.iter().filter_map(|name| match name.as_str() {
        "provider" => Some(RouteKind::Provider),
        "plugin" => Some(RouteKind::Plugin),
        "core" => Some(RouteKind::Core),
        other => {
            when.problem("routes", format!("`{other}` is none of `provider`, `plugin`, `core`"));
            None
        }
    });
    let routes = routes.collect();
    let status = when.texts("status");
    for pattern in &status {
        if !is_status(pattern) {
            when.problem("status", format!("`{pattern}` is no status such as `429` or `5xx`"));
        }
    }
    if !(status.is_empty() || moments.response || moments.event || moments.chunk) {
        when.problem("status", "there is no status yet in `request` and `around`");
    }
    let read = When {
        routes,
        paths: when.texts("paths"),
        methods: when.texts("methods").into_iter().map(|method| method.to_ascii_uppercase()).collect(),
        providers: when.texts("providers"),
        models: when.texts("models"),
        formats: when.texts("formats"),
        stream: when.boolean("stream"),
        status,
    };
    when.finish();
    read
}

fn is_status(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    bytes.len() == 3
        && (b'1'..=b'5').contains(&bytes[0])
        && (bytes[1..].eq_ignore_ascii_case(b"xx") || bytes[1..].iter().all(u8::is_ascii_digit))
}
