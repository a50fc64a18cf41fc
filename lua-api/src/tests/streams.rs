//! Stream events, raw chunks, and streams that a script produces.

use bytes::Bytes;
use ccproxy_core::middleware::EventFlow;
use ccproxy_core::sse::Event;

use super::{body, exchange, log, start};

async fn on_event(access: &str, text: &str) -> Result<String, String> {
    let fields = format!(
        "middleware = {{ {{ layer = 'transformation', body = '{access}', \
         event = function(req, ev, plugin) {text} end }} }}"
    );
    let bench = start(&fields).await;
    let exchange = exchange();
    let event = Event::new(
        "content_block_delta",
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#,
    );
    match bench.runtime.middleware(0).expect("a middleware").event(&exchange, &event).get().await {
        Ok(EventFlow::Unchanged) => Ok("unchanged".to_owned()),
        Ok(EventFlow::Replace(events)) => {
            Ok(events.iter().map(|event| String::from_utf8_lossy(&event.raw).into_owned()).collect())
        }
        Ok(EventFlow::Leave(events)) => {
            let events = events.unwrap_or_default();
            let texts = events.iter().map(|event| String::from_utf8_lossy(&event.raw).into_owned());
            Ok(format!("done:{}", texts.collect::<String>()))
        }
        Err(error) => Err(log(&error)),
    }
}

#[tokio::test]
async fn events_pass_change_multiply_and_vanish() {
    let same = r#"event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"HI"}}

"#;
    let cases = [
        ("", "unchanged"),
        ("assert(ev.name == 'content_block_delta' and ev.type == ev.name and ev.text == 'hi')", "unchanged"),
        ("assert(ev.data:get('delta.text') == 'hi' and ev.raw:sub(1, 6) == 'event:')", "unchanged"),
        ("ev.text = ev.text:upper()", same),
        ("ev.data:set('delta.text', 'HI')", same),
        ("ev.text = 'HI' return ev", same),
        ("return ccproxy.DROP", ""),
        ("return ccproxy.DONE", "done:"),
        ("return {}", ""),
        ("return { event = 'x', data = 'a\\nb' }", "event: x\ndata: a\ndata: b\n\n"),
        ("return { data = { type = 'ping' } }", "event: ping\ndata: {\"type\":\"ping\"}\n\n"),
        (
            "return { { event = 'a', data = '1' }, { event = 'b', data = '2' } }",
            "event: a\ndata: 1\n\nevent: b\ndata: 2\n\n",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(on_event("write", text).await.as_deref(), Ok(wanted), "{text}");
    }
    let edited = on_event("write", "ev.text = 'HI' return ccproxy.DONE").await;
    assert_eq!(edited, Ok(format!("done:{same}")), "edits are kept");
}

#[tokio::test]
async fn what_an_event_may_not_become() {
    let cases = [
        ("write", "return 5", "returned a integer; it may return nil, an event"),
        ("write", "return { event = 'a\\nb', data = '' }", "one short line"),
        ("write", "return { event = 'a', data = 'x\\r\\ndata: y' }", "no carriage return"),
        ("write", "return { event = 'a' }", "an event needs `data`"),
        ("write", "return { event = 'a', data = '', id = 5 }", "no key `id`"),
        ("write", "return { event = 'a', data = ('x'):rep(1e6) }", "bytes out of"),
        (
            "write",
            "local t = {} for i = 1, 300 do t[i] = { data = '1' } end return t",
            "more than 256 events",
        ),
        ("read", "return ccproxy.DROP", "body = \"write\""),
        ("read", "ev.text = 'x'", "body = \"write\""),
        ("none", "return ev.text", "body = \"read\""),
        ("none", "return ev.raw", "body = \"read\""),
        ("none", "return ev.data:get('type')", "body = \"read\""),
        ("write", "ev.data = {}", "is a document"),
        ("write", "error(ccproxy.error(502, 'x', 'stop here'))", "stop here"),
    ];
    for (access, text, words) in cases {
        let told = on_event(access, text).await.expect_err(text);
        assert!(told.contains(words), "{text}: {told}");
    }
}

#[tokio::test]
async fn a_slow_stream_uses_up_its_budget() {
    let bench = start(
        "middleware = { { layer = 'transformation', event = function()
            local n = 0 for i = 1, 3e5 do n += i end end } }",
    )
    .await;
    let exchange = exchange();
    let middleware = bench.runtime.middleware(0).expect("a middleware");
    let event = Event::new("x", "1");
    let mut calls = 0;
    let said = loop {
        match middleware.event(&exchange, &event).get().await {
            Ok(_) => calls += 1,
            Err(error) => break log(&error),
        }
        assert!(calls < 100_000, "two seconds are over");
    };
    assert!(said.contains("CPU"), "{said}");
    assert!(calls > 10, "{calls}");
}

#[tokio::test]
async fn chunks_pass_and_change() {
    for (text, wanted) in
        [("", None), ("return bytes:upper()", Some("ABC")), ("return ccproxy.DROP", Some(""))]
    {
        let fields = format!(
            "middleware = {{ {{ layer = 'application', body = 'write', chunk = function(req, bytes) {text} end }} }}"
        );
        let bench = start(&fields).await;
        let middleware = bench.runtime.middleware(0).expect("a middleware");
        let (exchange, came) = (exchange(), Bytes::from_static(b"abc"));
        let flow = middleware.chunk(&exchange, &came).get().await.expect("a chunk");
        assert_eq!(flow.as_deref(), wanted.map(str::as_bytes), "{text}");
    }
}

#[tokio::test]
async fn a_route_produces_a_stream() {
    let bench = start(
        "routes = { { path = '/live', handler = function(req, plugin)
            return { sse = function(stream)
                stream:comment('hello')
                for i = 1, 40 do
                    if i % 10 == 0 then ccproxy.time.sleep('1ms') end
                    assert(stream:send { event = 'tick', data = { n = i } })
                end
            end }
        end } }",
    )
    .await;
    let answer = bench.runtime.route(0).expect("a route").call(&exchange()).await.expect("an answer");
    assert!(answer.is_event_stream());
    let text = body(answer).await;
    assert!(text.starts_with(": hello\n\nevent: tick\ndata: {\"n\":1}\n\n"), "{text}");
    assert!(text.ends_with("event: tick\ndata: {\"n\":40}\n\n"), "{text}");
}

#[tokio::test]
async fn a_broken_producer_breaks_its_stream_and_a_dropped_one_ends() {
    let bench = start(
        "routes = {
            { path = '/a', handler = function() return { sse = function(stream)
                stream:send { data = '1' } error('in mid-stream') end } end },
            { path = '/b', handler = function() return { sse = function(stream)
                while stream:send { data = 'x' } do end end } end } }",
    )
    .await;
    let answer = bench.runtime.route(0).expect("a route").call(&exchange()).await.expect("an answer");
    let error = answer.body.collect(1 << 20).await.expect_err("it breaks");
    assert!(log(&error).contains("in mid-stream"), "{}", log(&error));
    let mut answer = bench.runtime.route(1).expect("a route").call(&exchange()).await.expect("an answer");
    let frame = std::future::poll_fn(|context| {
        http_body::Body::poll_frame(std::pin::Pin::new(&mut answer.body), context)
    });
    assert!(frame.await.is_some_and(|frame| frame.is_ok()));
    drop(answer);
    assert!(bench.runtime.route(1).expect("a route").call(&exchange()).await.is_ok());
}
