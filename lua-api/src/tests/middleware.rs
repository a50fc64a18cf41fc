//! `request` and `response`: what they return, what they edit, what their failures say.

use ccproxy_core::exchange::Head;
use ccproxy_core::middleware::Flow;
use http::{HeaderMap, StatusCode};

use ccproxy_core::plugin::PluginFactory;

use super::{body, context, declare_in, engine, exchange, handler, log, manifest, start};

#[tokio::test]
async fn nil_goes_on_and_a_table_answers() {
    assert!(matches!(handler("").await.run().await, Ok(Flow::Continue)));
    assert!(matches!(handler("return ccproxy.DONE").await.run().await, Ok(Flow::Leave)));
    let bench =
        handler("return { status = 201, headers = { ['x-a'] = { 'b', 2 } }, json = { ok = true } }").await;
    let Ok(Flow::Answer(answer)) = bench.run().await else { panic!("no answer") };
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers.get_all("x-a").iter().count(), 2);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(body(answer).await, r#"{"ok":true}"#);
}

#[tokio::test]
async fn a_refusal_travels_as_a_value_and_as_a_raise() {
    for how in ["return refusal", "error(refusal)", "pcall(error, 'x') error(refusal, 0)"] {
        let text = format!(
            "local refusal = ccproxy.error(429, 'rate_limit_error', 'too many', {{ ['retry-after'] = '60' }}) {how}"
        );
        let bench = handler(&text).await;
        let Ok(Flow::Answer(answer)) = bench.run().await else { panic!("{how}: no answer") };
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers["retry-after"], "60");
        let body = body(answer).await;
        assert!(body.contains("rate_limit_error") && body.contains("too many"), "{body}");
        assert_eq!(bench.runtime.stats()["errors"], 0, "a refusal is no failure");
    }
}

#[tokio::test]
async fn failures_name_plugin_handler_file_and_line_and_clients_learn_nothing() {
    let cases = [
        ("error('boom')", "plugin `t`, `request` at plugin.lua:1: boom"),
        ("\n\nlocal x = nil + 1", "plugin `t`, `request` at plugin.lua:3: attempt to perform arithmetic"),
        ("\nreq.headers.host = 'x'", "plugin `t`, `request` at plugin.lua:2: header `host` belongs"),
        ("return 'text'", "plugin `t`, `request` at plugin.lua:1: returned a string; it may return nil"),
        ("error({ code = 1 })", "plugin `t`, `request` at plugin.lua:1: table"),
    ];
    for (text, words) in cases {
        let error = handler(text).await.run().await.expect_err(text);
        assert!(log(&error).starts_with(words), "{text}: {}", log(&error));
        assert_eq!(error.message(), "plugin `t` failed");
    }
}

#[tokio::test]
async fn a_request_is_read_and_edited() {
    let bench = handler(
        r#"
        assert(req.method == "POST" and req.path == "/v1/messages", req.path)
        assert(req.query.beta == "true" and req.query.x == "a b" and req.query.y == nil)
        assert(req.query_string == "beta=true&x=a%20b")
        assert(req.params.id == "42" and req.client.id == "anonymous" and req.provider == "mock")
        assert(req.peer.ip == "127.0.0.1" and req.peer.tls == false and req.model == "m1")
        assert(req.id:sub(1, 1) == "x" and req.stream == false and req.format == nil)
        assert(plugin.name == "t" and plugin.config.limit == 3 and plugin.generation == 7)
        assert(req.headers["X-Team"] == "red" and req.headers["x-none"] == nil)
        assert(#req.headers:all("accept") == 2)
        local seen = 0
        for name, value in req.headers do seen += 1 end
        for name, value in pairs(req.headers) do seen += 1 end
        assert(seen == 8, seen)
        req.headers["X-Team"] = "blue"
        req.headers["accept"] = nil
        req.headers:add("x-list", "1")
        req.headers:add("X-List", 2)
        req.path = "/v1/other"
        req.model = "m2"
        req.provider = "elsewhere"
        "#,
    )
    .await;
    let exchange = exchange();
    bench.request(&exchange).await.expect("it goes on");
    let request = exchange.request.lock();
    assert_eq!(request.headers["x-team"], "blue");
    assert!(!request.headers.contains_key("accept"));
    assert_eq!(request.headers.get_all("x-list").iter().count(), 2);
    assert_eq!(request.uri.to_string(), "/v1/other?beta=true&x=a%20b");
    assert_eq!(request.model.as_deref(), Some("m2"));
    assert_eq!(request.provider.as_deref(), Some("elsewhere"));
    assert_eq!(&request.body.bytes()[..], br#"{"model":"m2","max_tokens":10,"messages":[]}"#);
}

#[tokio::test]
async fn bodies_need_their_declared_permission() {
    for (declared, text, words) in [
        ("none", "return { json = req.body:get('model') }", "body = \"read\""),
        ("read", "req.body:set('model', 'x')", "body = \"write\""),
    ] {
        let fields = format!(
            "middleware = {{ {{ layer = 'routing', body = '{declared}', request = function(req) {text} end }} }}"
        );
        let error = start(&fields).await.run().await.expect_err("refused");
        assert!(log(&error).contains(words), "{}", log(&error));
    }
    let bench = handler("req.body:set('max_tokens', req.body:get('max_tokens') + 1)").await;
    let exchange = exchange();
    bench.request(&exchange).await.expect("it goes on");
    assert_eq!(&exchange.request.lock().body.bytes()[..], br#"{"model":"m1","max_tokens":11,"messages":[]}"#);
}

#[tokio::test]
async fn a_response_is_edited_and_too_late_is_too_late() {
    let bench = start(
        "middleware = { { layer = 'security',
            request = function(req) req.state.seen = req.path end,
            response = function(req, res, plugin)
                assert(req.state.seen == '/v1/messages')
                assert(res.status == 200 and res.headers['x-upstream'] == 'yes' and res.body == nil)
                assert(res.headers['set-cookie'] == nil and res.stream == false)
                res.status = 203
                res.headers['x-seen'] = req.state.seen
                return res
            end } }",
    )
    .await;
    let exchange = exchange();
    bench.request(&exchange).await.expect("it goes on");
    let mut headers = HeaderMap::new();
    headers.insert("x-upstream", http::HeaderValue::from_static("yes"));
    headers.insert("set-cookie", http::HeaderValue::from_static("a=b"));
    *exchange.response.lock() = Some(Head { status: StatusCode::OK, headers, body: None });
    let middleware = bench.runtime.middleware(0).expect("a middleware");
    assert!(matches!(middleware.response(&exchange).get().await, Ok(Flow::Continue)));
    let head = exchange.response.lock().take().expect("a head");
    assert_eq!(head.status, 203);
    assert_eq!(head.headers["x-seen"], "/v1/messages");
    let error = middleware.response(&exchange).get().await.expect_err("no head");
    assert!(log(&error).contains("is not there at this moment"), "{}", log(&error));
}

#[tokio::test]
async fn args_reach_their_middleware() {
    let bench = start(
        "middleware = { { layer = 'security', args = { limit = 5 }, request = function(req, plugin, args)
            return { json = args } end } }",
    )
    .await;
    let Ok(Flow::Answer(answer)) = bench.run().await else { panic!("no answer") };
    assert_eq!(body(answer).await, r#"{"limit":5}"#);
}

#[tokio::test]
async fn an_open_breaker_leaves_an_open_middleware_out_and_refuses_for_a_closed_one() {
    let settings = crate::BreakerSettings { failures: 3, ..crate::BreakerSettings::default() };
    let engine = crate::Engine::new(super::tight(), settings);
    for (layer, refused) in [("observability", false), ("security", true)] {
        let source = super::manifest(&format!(
            "middleware = {{ {{ layer = '{layer}', request = function(req) error('always') end }} }}"
        ));
        let bench = super::start_in(&engine, &source).await;
        for _ in 0..3 {
            assert!(log(&bench.run().await.expect_err("it fails")).contains("always"));
        }
        let result = bench.run().await;
        assert_eq!(result.is_err(), refused);
        if let Err(error) = result {
            assert!(log(&error).contains("switched off"), "{}", log(&error));
        }
        assert_eq!(bench.runtime.stats()["breaker"], "open");
        assert_eq!(bench.runtime.stats()["skipped"], 1);
    }
}

#[tokio::test]
async fn a_middleware_that_is_not_in_force_is_none() {
    for (text, wanted) in [
        ("return plugin.config.limit == 3", true),
        ("return plugin.config.limit > 3", false),
        ("return nil", false),
        ("return set_up", true),
    ] {
        let bench = start(&format!(
            "setup = function() set_up = true end, middleware = {{
               {{ layer = 'security', enabled = function(plugin) {text} end, request = function() end }},
               {{ layer = 'security', request = function() end }} }}"
        ))
        .await;
        assert_eq!(bench.runtime.middleware(0).is_some(), wanted, "{text}");
        assert!(bench.runtime.middleware(1).is_some(), "without a word it is in force");
    }
    for (text, wanted) in [
        ("return 'yes'", "a middleware's `enabled` gave a string, not a boolean"),
        ("return 0", "`enabled` gave a "),
        ("error('odd')", "odd"),
        ("while true do end", "CPU"),
    ] {
        let source = manifest(&format!(
            "middleware = {{ {{ layer = 'security', enabled = function(plugin) {text} end, request = function() end }} }}"
        ));
        let factory = declare_in(&engine(), &[("plugin.lua", &source)]).expect("a declared plugin");
        let runtime = factory.create(context(None, &Default::default())).expect("a runtime");
        let error = runtime.initialize().await.expect_err(text);
        assert!(log(&error).contains(wanted), "{text}: {}", log(&error));
    }
}
