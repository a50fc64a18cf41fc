//! `around`: retry, replacement, passing on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ccproxy_core::body::Answer;
use ccproxy_core::error::{Error, Kind, Side};
use ccproxy_core::middleware::Next;
use http::StatusCode;

use super::{Bench, body, exchange, log, start};

/// The rest of the way: 503 until the `good`th try, or an error always.
fn rest(tries: &Arc<AtomicU32>, good: u32) -> Next {
    let tries = tries.clone();
    Next::new(move || {
        let tries = tries.clone();
        Box::pin(async move {
            let count = tries.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            if good == 0 {
                return Err(Error::upstream(Kind::GatewayTimeout, "the provider stalled"));
            }
            let status = if count < good { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            Ok(Answer::bytes(status, "application/json", format!("{{\"try\":{count}}}").into()))
        })
    })
}

async fn around(text: &str, good: u32) -> (Bench, Result<Answer, Error>, u32) {
    let fields = format!(
        "middleware = {{ {{ layer = 'routing', body = 'write', around = function(req, next) {text} end }} }}"
    );
    let bench = start(&fields).await;
    let tries = Arc::new(AtomicU32::new(0));
    let exchange = exchange();
    let answer =
        bench.runtime.middleware(0).expect("a middleware").around(&exchange, rest(&tries, good)).await;
    let tries = tries.load(Ordering::SeqCst);
    (bench, answer, tries)
}

#[tokio::test]
async fn it_retries_until_the_answer_is_good() {
    let text = "for try = 1, 5 do
            req.headers['x-try'] = tostring(try)
            local res = next()
            if res.status < 500 then res.headers['x-tries'] = tostring(try) return res end
        end";
    let (_, answer, tries) = around(text, 3).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, tries), (StatusCode::OK, 3));
    assert_eq!(answer.headers["x-tries"], "3");
    assert_eq!(body(answer).await, r#"{"try":3}"#);
}

#[tokio::test]
async fn it_may_answer_itself_edit_the_answer_or_not_care() {
    let (_, answer, tries) = around("return { status = 418, body = 'tea' }", 1).await;
    assert_eq!((answer.expect("an answer").status.as_u16(), tries), (418, 0));
    let (_, answer, tries) = around("", 1).await;
    assert_eq!((answer.expect("an answer").status, tries), (StatusCode::OK, 1));
    let (_, answer, _) = around("local res = next() res.body:set('more', true) return res", 1).await;
    assert_eq!(body(answer.expect("an answer")).await, r#"{"try":1,"more":true}"#);
    let (_, answer, _) = around("next()", 1).await;
    assert!(log(&answer.expect_err("nothing returned")).contains("must return its answer"));
}

#[tokio::test]
async fn a_failure_of_the_rest_is_seen_and_passed_on_whole() {
    for text in
        ["local res, err = next() assert(err.status == 504) return err", "next()", "error(select(2, next()))"]
    {
        let (bench, answer, tries) = around(text, 0).await;
        let error = answer.expect_err("it failed");
        assert_eq!((error.side(), error.kind(), tries), (Side::Upstream, Kind::GatewayTimeout, 1), "{text}");
        assert_eq!(bench.runtime.stats()["errors"], 0);
    }
    let (_, answer, tries) = around("next() next() return { body = 'fallback' }", 0).await;
    assert_eq!((body(answer.expect("an answer")).await.as_str(), tries), ("fallback", 2));
}

#[tokio::test]
async fn the_rest_may_need_the_same_vm() {
    let bench = start(
        "middleware = {
            { layer = 'security', around = function(req, next) local res = next() return res end },
            { layer = 'routing', request = function(req) return { body = 'inner' } end } }",
    )
    .await;
    let runtime = bench.runtime.clone();
    let exchange = exchange();
    let inner = exchange.clone();
    let next = Next::new(move || {
        let (runtime, exchange) = (runtime.clone(), inner.clone());
        Box::pin(async move {
            match runtime.middleware(1).expect("a middleware").request(&exchange).get().await? {
                ccproxy_core::middleware::Flow::Answer(answer) => Ok(answer),
                ccproxy_core::middleware::Flow::Continue | ccproxy_core::middleware::Flow::Leave => {
                    Ok(Answer::new(StatusCode::NO_CONTENT))
                }
            }
        })
    });
    let outer = bench.runtime.middleware(0).expect("a middleware");
    assert_eq!(body(outer.around(&exchange, next).await.expect("an answer")).await, "inner");
}
