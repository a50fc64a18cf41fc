//! Clients that leave while a handler waits: nothing of the call stays in the VM, and nobody pays for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use ccproxy_core::middleware::{Flow, Next};

use super::{Bench, body, engine, exchange, log, manifest, start, start_in};
use crate::breaker::BreakerSettings;
use crate::engine::Engine;
use crate::host::Limits;

/// Polls once, so that the call has begun, and drops it.
fn begin_and_leave<F: Future>(call: F) {
    let mut call = Box::pin(call);
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it waits");
}

fn memory(bench: &Bench) -> u64 {
    bench.runtime.stats()["memory_bytes"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn what_a_client_left_is_not_kept_in_the_vm() {
    let waits = [
        "ccproxy.time.sleep(3600)",
        "ccproxy.wait('never', 3600)",
        "pcall(ccproxy.time.sleep, 3600)",
        "while true do ccproxy.time.sleep(3600) end",
        "ccproxy.services.call('slow', 'wait')",
        "local co = coroutine.wrap(function() ccproxy.wait('x', 9) end) co() ccproxy.time.sleep(3600)",
    ];
    for wait in waits {
        let fields = format!(
            "provides = {{ 'slow' }}, services = {{ slow = {{ wait = function() ccproxy.time.sleep(3600) end }} }},
             middleware = {{ {{ layer = 'security', request = function(req)
                if req.headers['x-team'] then local large = ('x'):rep(2000) .. req.id {wait} return large end
                return {{ body = 'fine' }} end }} }}"
        );
        let bench = start(&fields).await;
        for (name, service) in bench.runtime.services() {
            bench.services.provide(&name, "t", service);
        }
        let leave = |count: usize| {
            for _ in 0..count {
                begin_and_leave(async { bench.run().await });
            }
        };
        leave(50);
        tokio::task::yield_now().await;
        let before = memory(&bench);
        leave(2000);
        // Services end in tasks of their own.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(memory(&bench) < before + (3 << 20), "{wait}: {before} became {}", memory(&bench));
        let calm = exchange();
        calm.request.lock().headers.remove("x-team");
        assert!(matches!(bench.request(&calm).await, Ok(Flow::Answer(_))), "{wait}");
        let stats = bench.runtime.stats();
        assert_eq!((&stats["errors"], &stats["breaker"]), (&0.into(), &"closed".into()), "{wait}: {stats:?}");
    }
}

/// Counts how often it is dropped.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_client_that_leaves_an_around_ends_the_rest_of_the_way() {
    let bench = start(
        "middleware = { { layer = 'routing', around = function(req, next)
            kept = next
            local res = next()
            return res or { body = 'none' } end } }",
    )
    .await;
    let ended = Arc::new(AtomicUsize::new(0));
    let counter = ended.clone();
    let next = Next::new(move || {
        let guard = Guard(counter.clone());
        Box::pin(async move {
            let _guard = guard;
            std::future::pending().await
        })
    });
    let middleware = bench.runtime.middleware(0).expect("a middleware");
    for count in 1..=20 {
        let exchange = exchange();
        let mut call = middleware.around(&exchange, next.clone());
        let mut context = Context::from_waker(Waker::noop());
        // The first poll reaches `next()`, the second the rest of the way.
        assert!(
            call.as_mut().poll(&mut context).is_pending() && call.as_mut().poll(&mut context).is_pending()
        );
        drop(call);
        assert_eq!(ended.load(Ordering::SeqCst), count, "the rest ends with its client");
        assert_eq!(Arc::strong_count(&exchange), 1, "and nothing holds the exchange");
    }
    // The `next` that the script kept is dead, and works for nobody else.
    let text = "middleware = { { layer = 'routing', around = function(req, next)
        local old = kept kept = next
        if not old then return { body = 'first' } end
        local ok, problem = pcall(old)
        return { body = tostring(ok) .. ' ' .. tostring(problem) } end } }";
    let bench = start(text).await;
    let middleware = bench.runtime.middleware(0).expect("a middleware");
    let ask = async || body(middleware.around(&exchange(), next.clone()).await.expect("an answer")).await;
    assert_eq!(ask().await, "first");
    let told = ask().await;
    assert!(told.starts_with("false") && told.contains("no handler of this plugin"), "{told}");
}

/// The connection of `ccproxy.http` closes when the client that it was for is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_a_plugin_ends_with_its_client() {
    use tokio::io::AsyncReadExt;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let bench = start(&format!(
        "capabilities = {{ 'http:{address}' }}, middleware = {{ {{ layer = 'security', request = function()
            ccproxy.http.get('http://{address}/never') end }} }}"
    ))
    .await;
    let call = tokio::spawn(async move { bench.run().await.map(|_| ()) });
    let (mut connection, _) = listener.accept().await.expect("it asks");
    let mut head = [0; 1024];
    assert!(connection.read(&mut head).await.expect("a request") > 0);
    call.abort();
    let closed = async { while connection.read(&mut head).await.is_ok_and(|count| count > 0) {} };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("it hangs up");
}

/// An answer of `next()` goes to one client, once.
#[tokio::test]
async fn an_answer_that_a_script_kept_is_nobody_elses() {
    let bench = start(
        "middleware = { { layer = 'routing', around = function(req, next)
            local res = next() kept = kept or res return kept end } }",
    )
    .await;
    let next = Next::new(|| {
        Box::pin(async {
            Ok(ccproxy_core::body::Answer::bytes(http::StatusCode::OK, "text/plain", "once".into()))
        })
    });
    let middleware = bench.runtime.middleware(0).expect("a middleware");
    let first = middleware.around(&exchange(), next.clone()).await.expect("an answer");
    assert_eq!(body(first).await, "once");
    let error = middleware.around(&exchange(), next).await.expect_err("it is another exchange's");
    assert!(log(&error).contains("returned already"), "{}", log(&error));
}

#[tokio::test]
async fn services_that_call_each_other_in_a_circle_end() {
    let source = manifest(
        "provides = { 'loop' }, services = { loop = { again = function(n)
            local back, err = ccproxy.services.call('loop', 'again', n + 1)
            return back or { depth = n, why = err.message } end } }",
    );
    let bench = start_in(&engine(), &source).await;
    for (name, service) in bench.runtime.services() {
        bench.services.provide(&name, "t", service);
    }
    let told = bench.services.call("loop", "again", vec![1.into()]).await.expect("an answer");
    assert_eq!(told["depth"], 16, "{told}");
    // And again: the depth is that of a chain, not of a plugin.
    assert_eq!(bench.services.call("loop", "again", vec![1.into()]).await.expect("an answer")["depth"], 16);
}

/// One fault is one strike: those that waited in the VM it spoiled are its victims.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_victims_of_a_spoiled_vm_are_no_strikes() {
    let engine = Engine::new(
        Limits { wall: Duration::from_secs(60), ..super::tight() },
        BreakerSettings { failures: 3, ..BreakerSettings::default() },
    );
    let source = manifest(
        "hooks = { ['app.ready'] = function() while true do end end },
         middleware = { { layer = 'security', request = function(req)
            if req.headers['x-team'] then ccproxy.wait('never', 60) end return { body = 'fine' } end } }",
    );
    let bench = Arc::new(start_in(&engine, &source).await);
    let mut parked = Vec::new();
    for _ in 0..20 {
        let (bench, exchange) = (bench.clone(), exchange());
        let mut call = Box::pin(async move { bench.request(&exchange).await });
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        parked.push(call);
    }
    let event = ccproxy_core::hooks::Event::new(ccproxy_core::hooks::Kind::AppReady, serde_json::Map::new());
    let hook = bench.runtime.hook(0).expect("a hook");
    assert!(log(&hook.observe(Arc::new(event)).await.expect_err("it loops")).contains("CPU"));
    for call in parked {
        // At once, not when its minute is over.
        let error = log(&call.await.expect_err("its VM is gone"));
        assert!(error.contains("VM was replaced"), "{error}");
        let calm = exchange();
        calm.request.lock().headers.remove("x-team");
        bench.request(&calm).await.expect("the breaker is closed");
    }
    assert_eq!(bench.runtime.stats()["vm_rebuilds"], 1);
}

/// Clients that do not wait for a slow `setup` do not keep it from being done.
#[tokio::test]
async fn a_vm_is_built_again_although_its_clients_leave() {
    let source = manifest(
        "setup = function() ccproxy.time.sleep(0.05) end, middleware = { { layer = 'security', request = function(req)
            if req.headers['x-team'] then while true do end end return { body = 'fine' } end } }",
    );
    let bench = start_in(&engine(), &source).await;
    assert!(log(&bench.run().await.expect_err("it loops")).contains("CPU"));
    let calm = exchange();
    calm.request.lock().headers.remove("x-team");
    while bench.runtime.stats()["vm_rebuilds"] == 0 {
        begin_and_leave(async { bench.request(&calm).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(bench.request(&calm).await, Ok(Flow::Answer(_))));
    assert_eq!(bench.runtime.stats()["vm_rebuilds"], 1);
}

/// To refuse is work well done: a probe that refuses closes the breaker.
#[tokio::test]
async fn a_probe_that_refuses_closes_the_breaker() {
    let settings = BreakerSettings { failures: 1, probe: Duration::ZERO, ..BreakerSettings::default() };
    let engine = Engine::new(super::tight(), settings);
    let source = manifest(
        "tasks = { { name = 'x', every = 9, run = function()
            if not failed then failed = true error('once') end
            error(ccproxy.error(503, 'down', 'the sink is down')) end } }",
    );
    let bench = start_in(&engine, &source).await;
    let task = bench.runtime.task(0).expect("a task");
    task.run().await.expect_err("it throws");
    assert_ne!(bench.runtime.stats()["breaker"], "closed");
    task.run().await.expect_err("it refuses");
    assert_eq!(bench.runtime.stats()["breaker"], "closed");
}
