//! Rows 35-37: streams that a script breaks, swells or slows. That a client never reads an illegal stream is
//! tested where the stream is judged: in the core's pipeline, and through sockets in `tests/lua.rs`.

use bytes::Bytes;
use ccproxy_core::middleware::EventFlow;
use ccproxy_core::sse::{Decoder, Event};

use super::{engine, exchange, log, manifest, start_in};

fn fields(moment: &str, on_error: &str, text: &str) -> String {
    manifest(&format!(
        "middleware = {{ {{ layer = 'transformation', body = 'write', on_error = '{on_error}', \
         {moment} = function(req, it) {text} end }} }}"
    ))
}

/// Row 35: whatever text a script puts into an event, one event comes out, whole.
#[tokio::test]
async fn an_event_table_is_exactly_one_event_whatever_its_text() {
    for data in [
        "a\\n\\nevent: forged\\ndata: x",
        "a\\n",
        "\\n\\n\\n",
        "data: x",
        ": comment",
        "\\0",
        "\u{feff}x",
        "",
    ] {
        let source = fields("event", "closed", &format!("return {{ event = 'x', data = '{data}' }}"));
        let bench = start_in(&engine(), &source).await;
        let came = Event::new("x", "1");
        let flow = bench.runtime.middleware(0).expect("a middleware").event(&exchange(), &came).get().await;
        let Ok(EventFlow::Replace(events)) = flow else { panic!("{data}: {flow:?}") };
        let mut decoder = Decoder::new();
        decoder.feed(events.iter().flat_map(|event| event.raw.to_vec()).collect::<Vec<u8>>().into());
        let event = decoder.pull().expect("no giant").expect("an event");
        assert_eq!(event.name, "x", "{data}");
        assert_eq!(decoder.pull().expect("no giant"), None, "{data}");
        assert!(decoder.at_boundary(), "{data}");
    }
}

/// Row 36: for little input a bounded output; for much a hundred times as much.
#[tokio::test]
async fn amplification_is_capped_for_events_and_bytes() {
    let engine = engine();
    let event = Event::new("x", "y".repeat(1000));
    for (size, fits) in [(60_000, true), (90_000, true), (200_000, false), (7_000_000, false)] {
        let text = format!("return {{ data = ('x'):rep({size}) }}");
        let bench = start_in(&engine, &fields("event", "closed", &text)).await;
        let flow = bench.runtime.middleware(0).expect("a middleware").event(&exchange(), &event).get().await;
        assert_eq!(flow.is_ok(), fits, "event of {size}");
        let text = format!("return ('x'):rep({size})");
        let bench = start_in(&engine, &fields("chunk", "closed", &text)).await;
        let came = Bytes::from(vec![b'y'; 1000]);
        let flow = bench.runtime.middleware(0).expect("a middleware").chunk(&exchange(), &came).get().await;
        assert_eq!(flow.is_ok(), fits, "chunk of {size}");
    }
}

/// Row 37: slow for each piece, but never too slow: the exchange's budget ends it. One strike for it; from
/// then on the plugin is left out of this exchange, also in a new VM, and not of others.
#[tokio::test]
async fn a_plugin_slow_for_each_piece_is_left_out_of_the_rest_of_the_exchange() {
    let text = "seen = (seen or 0) + 1
        if req.headers['x-attack'] then local n = 0 for i = 1, 3e5 do n += i end end";
    for (moment, on_error) in [("event", "open"), ("chunk", "open"), ("event", "closed")] {
        // No single call is too long, however slow the machine.
        let limits = crate::host::Limits { cpu: std::time::Duration::from_secs(10), ..crate::tests::tight() };
        let engine =
            crate::Engine::new(limits, crate::BreakerSettings { failures: 1000, ..Default::default() });
        let bench = start_in(&engine, &fields(moment, on_error, text)).await;
        let middleware = bench.runtime.middleware(0).expect("a middleware");
        let attacked = exchange();
        attacked.request.lock().headers.insert("x-attack", http::HeaderValue::from_static("1"));
        let event = Event::new("x", "1");
        let once = async |exchange| match moment {
            "event" => middleware.event(exchange, &event).get().await.map(|_| ()),
            _ => middleware.chunk(exchange, &event.raw).get().await.map(|_| ()),
        };
        let mut calls = 0;
        let error = loop {
            match once(&attacked).await {
                Ok(()) if bench.runtime.stats()["skipped"] == 1 => {
                    break "left out: its CPU is used up".to_owned();
                }
                Ok(()) => calls += 1,
                Err(error) => break log(&error),
            }
            assert!(calls < 100_000, "two seconds are over");
        };
        assert!(error.contains("CPU") && calls > 10, "{error} after {calls} calls");
        let rebuilds = bench.runtime.stats()["vm_rebuilds"].as_u64().unwrap_or(9);
        for _ in 0..200 {
            match (on_error, once(&attacked).await) {
                ("open", Ok(())) => {}
                ("closed", Err(error)) => assert!(log(&error).contains("for this exchange is used up")),
                (_, other) => panic!("{moment} {on_error}: {other:?}"),
            }
        }
        once(&exchange()).await.expect("another exchange has its own budget");
        let stats = bench.runtime.stats();
        assert!(stats["vm_rebuilds"].as_u64().unwrap_or(9) <= rebuilds + 1, "{stats:?}");
        assert_eq!(stats["breaker"], "closed", "{stats:?}");
        if on_error == "open" {
            assert!(stats["errors"].as_u64().is_some_and(|errors| (1..=2).contains(&errors)), "{stats:?}");
        }
    }
}
