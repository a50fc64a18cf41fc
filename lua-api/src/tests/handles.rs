//! Handles that outlive their handler, and what the exchange keeps for a plugin.

use std::sync::Arc;

use ccproxy_core::middleware::Flow;

use super::{body, exchange, log, start};

/// Keeps the first request's handles in globals and uses them in the later ones.
const HOARDER: &str = r#"
    middleware = { { layer = "security", body = "write", request = function(req)
        if not kept then
            kept, headers, document = req, req.headers, req.body
            kept_state = req.state
            return
        end
        local tries = {
            function() return kept.path end, function() return kept.state end,
            function() return headers["x-team"] end, function() headers["x"] = "y" end,
            function() return headers:all("accept") end, function() for _ in headers do end end,
            function() return document:get("model") end, function() document:set("model", "x") end,
            function() kept.path = "/x" end, function() return tostring(kept) end,
        }
        for place, try in tries do
            local ok, problem = pcall(try)
            assert(not ok, "try " .. place .. " worked")
            assert(tostring(problem):find("no handler of this plugin is at work"), tostring(problem))
        end
        return { body = "all dead, " .. tostring(req.headers["x-team"]) }
    end } }
"#;

#[tokio::test]
async fn a_handle_kept_too_long_is_dead_and_never_another_exchange() {
    let bench = start(HOARDER).await;
    let first = exchange();
    bench.request(&first).await.expect("it goes on");
    // The first exchange is still there, but none of the plugin's handlers is at work on it.
    let second = exchange();
    match bench.request(&second).await {
        Ok(Flow::Answer(answer)) => assert_eq!(body(answer).await, "all dead, red"),
        other => panic!("{:?}", other.map_err(|error| log(&error))),
    }
    drop(first);
    assert!(matches!(bench.request(&exchange()).await, Ok(Flow::Answer(_))));
}

#[tokio::test]
async fn state_is_one_table_an_exchange_and_goes_with_it() {
    let bench = start(
        "middleware = { { layer = 'security', request = function(req)
            req.state.count = (req.state.count or 0) + 1
            req.state.me = req
            return { body = tostring(req.state.count) } end } }",
    )
    .await;
    let count = async |exchange: &Arc<_>| match bench.request(exchange).await {
        Ok(Flow::Answer(answer)) => body(answer).await,
        other => format!("{:?}", other.map_err(|error| log(&error))),
    };
    let first = exchange();
    assert_eq!(count(&first).await, "1");
    assert_eq!(count(&first).await, "2");
    assert_eq!(count(&exchange()).await, "1");
    // A state that refers to its own request does not keep the exchange, nor memory, alive.
    let before = bench.runtime.stats()["memory_bytes"].as_u64().unwrap_or(0);
    for _ in 0..20_000 {
        count(&exchange()).await;
    }
    let after = bench.runtime.stats()["memory_bytes"].as_u64().unwrap_or(u64::MAX);
    assert!(after < before + (2 << 20), "{before} bytes became {after}");
    assert_eq!(Arc::strong_count(&first), 1);
}
