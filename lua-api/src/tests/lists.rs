//! Hooks, routes, tasks, commands, services, and the functions of a plugin's life.

use std::sync::Arc;

use bytes::Bytes;
use ccproxy_core::document::Document;
use ccproxy_core::hooks::{Event, Kind};
use ccproxy_core::plugin::{HealthStatus, PluginFactory};
use ccproxy_core::provider::{Origin, Outbound};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method};
use serde_json::{Map, json};

use super::{body, context, declare_in, engine, exchange, log, manifest, start};

#[tokio::test]
async fn listeners_get_the_fields_and_bytes_only_with_the_right() {
    for (capabilities, seen) in [("{}", "nil"), ("{ 'wire' }", "raw")] {
        let bench = start(&format!(
            "capabilities = {capabilities},
            hooks = {{ ['http.request'] = function(event, plugin)
                last = event.name .. ' ' .. event.method .. ' ' .. tostring(event.body) .. ' ' .. type(event.time) end }},
            commands = {{ {{ name = 'last', run = function() return last end }} }}"
        ))
        .await;
        let mut data = Map::new();
        data.insert("method".to_owned(), json!("POST"));
        let mut event = Event::new(Kind::HttpRequest, data);
        event.bytes = Some(Bytes::from_static(b"raw"));
        bench.runtime.hook(0).expect("a hook").observe(Arc::new(event)).await.expect("heard");
        let last = bench.runtime.command(0).expect("a command").run(Vec::new()).await.expect("a value");
        assert_eq!(last, format!("http.request POST {seen} number"));
    }
}

#[tokio::test]
async fn a_prepared_request_is_edited_but_not_sent_elsewhere() {
    let bench = start(
        "hooks = { ['provider.request.prepared'] = { body = 'write', run = function(out, plugin)
            assert(out.host == 'api.example.com' and out.path == '/v1/messages' and out.method == 'POST')
            assert(out.request.path == '/v1/messages' and out.headers['x-a'] == 'b')
            assert(not pcall(function() return out.credential end))
            assert(not pcall(function() out.host = 'evil' end))
            out.path = '/v2/messages'
            out.headers['x-a'] = 'c'
            out.body:set('max_tokens', 5)
        end } }",
    )
    .await;
    let exchange = exchange();
    let hook = bench.runtime.hook(0).expect("a hook");
    assert!(log(&hook.prepared(&exchange).get().await.expect_err("not yet")).contains("too late"));
    let mut headers = HeaderMap::new();
    headers.insert("x-a", http::HeaderValue::from_static("b"));
    *exchange.outbound.lock() = Some(Outbound {
        origin: Arc::new(Origin {
            scheme: Scheme::HTTPS,
            authority: Authority::from_static("api.example.com"),
        }),
        method: Method::POST,
        path: http::uri::PathAndQuery::from_static("/v1/messages?beta=true"),
        headers,
        credential: HeaderMap::new(),
        body: Document::new(Bytes::from_static(br#"{"max_tokens":10}"#)),
        losses: Vec::new(),
    });
    hook.prepared(&exchange).get().await.map_err(|error| log(&error)).expect("prepared");
    let outbound = exchange.outbound.lock().take().expect("an outbound request");
    assert_eq!(outbound.path, "/v2/messages?beta=true");
    assert_eq!(outbound.headers["x-a"], "c");
    assert_eq!(&outbound.body.bytes()[..], br#"{"max_tokens":5}"#);
}

#[tokio::test]
async fn routes_tasks_and_commands_run() {
    let bench = start(
        "routes = { { path = '/a', handler = function(req, plugin) return { json = { path = req.path, n = runs } } end },
                    { path = '/b', handler = function() return ccproxy.error(404, 'not_found_error', 'nothing') end },
                    { path = '/c', handler = function() end } },
        tasks = { { name = 'x', every = 1, args = { by = 2 }, run = function(plugin, args) runs = (runs or 0) + args.by end },
                  { name = 'y', every = 1, run = function() error('sad') end },
                  { name = 'z', every = 1, run = function() return ccproxy.error(503, 'x', 'not now') end } },
        commands = { { name = 'add', run = function(args, plugin) return { sum = args[1] + args[2] } end } },
        auth_commands = { { name = 'login', run = function(args) return 'in' end } }",
    )
    .await;
    let runtime = &bench.runtime;
    let task = runtime.task(0).expect("a task");
    task.run().await.expect("it runs");
    task.run().await.expect("it runs");
    let call = async |index: usize| {
        runtime.route(index).expect("a route").call(&exchange()).await.expect("an answer")
    };
    assert_eq!(body(call(0).await).await, r#"{"n":4,"path":"/v1/messages"}"#);
    assert_eq!(call(1).await.status, 404);
    assert_eq!(call(2).await.status, 204);
    let sad = runtime.task(1).expect("a task").run().await.expect_err("it fails");
    assert!(log(&sad).contains("task `y` at plugin.lua:"), "{}", log(&sad));
    assert!(runtime.task(2).expect("a task").run().await.is_err());
    let sum = runtime.command(0).expect("a command").run(vec!["2".to_owned(), "3".to_owned()]).await;
    assert_eq!(sum.expect("a value"), json!({ "sum": 5 }));
    assert_eq!(
        runtime.command(1).expect("auth commands follow").run(Vec::new()).await.expect("a value"),
        "in"
    );
    assert!(runtime.command(2).is_none() && runtime.task(3).is_none());
}

#[tokio::test]
async fn services_are_called_with_plain_data_even_in_circles() {
    let bench = start(
        "services = { math = {
            double = function(n) return n * 2 end,
            deep = function(n) if n == 0 then return 'bottom' end return ccproxy.services.call('math', 'deep', n - 1) end,
            bad = function() return function() end end } }",
    )
    .await;
    for (name, service) in bench.runtime.services() {
        assert!(bench.services.provide(&name, "t", service));
    }
    let call = async |function: &str, arg: i32| bench.services.call("math", function, vec![json!(arg)]).await;
    assert_eq!(call("double", 21).await.expect("a value"), 42);
    assert_eq!(call("deep", 5).await.map_err(|error| log(&error)).expect("a value"), "bottom");
    assert!(log(&call("none", 1).await.expect_err("missing")).contains("no function `none`"));
    assert!(log(&call("bad", 1).await.expect_err("no data")).contains("no plain data"));
}

#[tokio::test]
async fn the_life_of_a_plugin() {
    let source = manifest(
        "setup = function(plugin, previous) count = previous and previous.count or 1 end,
        snapshot = function(plugin) return { count = count + 1 } end,
        health = function(plugin) return 'warn', 'count is ' .. count, { count = count } end",
    );
    let factory = declare_in(&engine(), &[("plugin.lua", &source)]).expect("a sound table");
    let services = Arc::default();
    let mut handed = None;
    for turn in 1..=3 {
        let runtime = factory.create(context(handed.take(), &services)).expect("a runtime");
        runtime.initialize().await.expect("initialised");
        runtime.validate().await.expect("valid");
        let health = runtime.health().await;
        assert_eq!(health.status, HealthStatus::Warn);
        assert_eq!(health.output, format!("count is {turn}"));
        assert_eq!(health.details["count"], turn);
        handed = runtime.snapshot().await;
        assert_eq!(handed, Some(json!({ "count": turn + 1 })));
        runtime.shutdown().await;
    }
}

#[tokio::test]
async fn a_failing_setup_fails_the_plugin_with_its_words() {
    for (text, words) in [
        ("error('no key')", "`setup` at plugin.lua:1: no key"),
        ("error(ccproxy.error(503, 'x', 'no server'))", "no server"),
        ("while true do end", "CPU"),
    ] {
        let source = manifest(&format!("setup = function() {text} end"));
        let factory = declare_in(&engine(), &[("plugin.lua", &source)]).expect("a sound table");
        let runtime = factory.create(context(None, &Arc::default())).expect("a runtime");
        let error = runtime.initialize().await.expect_err("it fails");
        assert!(log(&error).contains(words), "{}", log(&error));
    }
    let bench = start("health = function() return 'fine' end").await;
    let health = bench.runtime.health().await;
    assert_eq!(health.status, HealthStatus::Fail);
    assert!(health.output.contains("`fine` is none of"), "{}", health.output);
    assert_eq!(start("").await.runtime.health().await.status, HealthStatus::Pass);
}
