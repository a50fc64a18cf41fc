//! One VM, many tasks: parked handlers let others in, busy ones park the others' tasks, nobody blocks.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::middleware::Flow;
use ccproxy_core::step::Step;

use super::{Bench, body, exchange, log, start};

/// Waits for `/go` of another exchange; everybody else passes.
const WAITER: &str = r#"
    middleware = { { layer = "security", request = function(req)
        if req.headers["x-wait"] then
            local value, reason = ccproxy.wait("go", req.headers["x-wait"])
            return { body = tostring(value or reason.type) .. " " .. req.headers["x-wait"] }
        end
        if req.headers["x-go"] then return { body = tostring(ccproxy.notify("go", "went", { keep = 0 })) } end
        local n = 0
        for i = 1, 1000 do n += i end
        return { body = tostring(n) }
    end } },
    capabilities = { "kv" }
"#;

fn with(name: &'static str, value: &'static str) -> Arc<ccproxy_core::exchange::Exchange> {
    let exchange = exchange();
    exchange.request.lock().headers.insert(name, http::HeaderValue::from_static(value));
    exchange
}

async fn answer(bench: &Bench, exchange: Arc<ccproxy_core::exchange::Exchange>) -> String {
    match bench.request(&exchange).await {
        Ok(Flow::Answer(answer)) => body(answer).await,
        other => format!("{:?}", other.map_err(|error| log(&error))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_handler_lets_others_in() {
    let bench = Arc::new(start(WAITER).await);
    let waiting = {
        let bench = bench.clone();
        tokio::spawn(async move { answer(&bench, with("x-wait", "60s")).await })
    };
    // Until the waiter is there, nobody is woken.
    while answer(&bench, with("x-go", "1")).await == "0" {
        assert_eq!(answer(&bench, exchange()).await, "500500");
    }
    assert_eq!(waiting.await.expect("it ends"), "went 60s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_one_vm() {
    let bench = Arc::new(start(WAITER).await);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    assert_eq!(answer(&bench, exchange()).await, "500500");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it ends");
    }
    assert_eq!(bench.runtime.stats()["errors"], 0);
}

#[tokio::test]
async fn a_free_vm_answers_without_a_future_and_a_waiting_handler_with_one() {
    let bench = start(WAITER).await;
    let middleware = bench.runtime.middleware(0).expect("a middleware");
    let free = exchange();
    assert!(matches!(middleware.request(&free), Step::Ready(Ok(Flow::Answer(_)))));
    let waits = with("x-wait", "10ms");
    assert!(matches!(middleware.request(&waits), Step::Later(_)), "dropped unpolled, it is ended");
    assert_eq!(answer(&bench, with("x-wait", "10ms")).await, "timeout 10ms");
}

#[tokio::test]
async fn a_dropped_waiter_is_ended_and_the_wall_clock_ends_a_long_one() {
    let bench = start(WAITER).await;
    let gone = tokio::time::timeout(Duration::from_millis(20), answer(&bench, with("x-wait", "60s"))).await;
    assert!(gone.is_err());
    assert_eq!(answer(&bench, with("x-go", "1")).await, "0", "nobody waits any more");
    let limits = crate::host::Limits { wall: Duration::from_millis(30), ..super::tight() };
    let engine = crate::Engine::new(limits, crate::BreakerSettings::default());
    let bench = super::start_in(&engine, &super::manifest(WAITER)).await;
    let said = answer(&bench, with("x-wait", "60s")).await;
    assert!(said.contains("longer than its time limit"), "{said}");
    assert_eq!(answer(&bench, exchange()).await, "500500");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoiled_vm_ends_its_parked_handlers() {
    let source = format!(
        "return {{ name = 't', version = '1.0.0', hooks = {{ ['app.ready'] = function() while true do end end }}, {WAITER} }}"
    );
    let bench = Arc::new(super::start_in(&super::engine(), &source).await);
    let waiting = {
        let bench = bench.clone();
        tokio::spawn(async move { answer(&bench, with("x-wait", "60s")).await })
    };
    let woken = async || answer(&bench, with("x-go", "1")).await;
    // A first waiter comes and goes, so that the next one is known to wait.
    while woken().await == "0" {
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting.await.expect("it ends"), "went 60s");
    let middleware = bench.runtime.middleware(0).expect("a middleware");
    let parked = with("x-wait", "1s");
    let Step::Later(later) = middleware.request(&parked) else { panic!("it waits") };
    let event = ccproxy_core::hooks::Event::new(ccproxy_core::hooks::Kind::AppReady, serde_json::Map::new());
    let hook = bench.runtime.hook(0).expect("a hook");
    assert!(log(&hook.observe(Arc::new(event)).await.expect_err("it loops")).contains("CPU"));
    assert!(log(&later.await.expect_err("its VM is gone")).contains("VM was replaced"));
    assert_eq!(answer(&bench, exchange()).await, "500500");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn per_core_plugins_keep_an_exchange_in_its_vm() {
    let bench = start(
        "instances = 'per_core', middleware = { { layer = 'security', request = function(req)
            req.state.n = (req.state.n or 0) + 1
            return { body = tostring(req.state.n) } end } }",
    )
    .await;
    for _ in 0..20 {
        let exchange = exchange();
        for turn in 1..=3 {
            assert_eq!(answer(&bench, exchange.clone()).await, turn.to_string());
        }
    }
}
