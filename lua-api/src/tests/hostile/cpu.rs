//! Rows 1-3, 8, 9, 20, 21, 42: running, or waiting, without end.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::middleware::Flow;

use super::Outcome::{Cpu, Fine, Limit, Says};
use super::{Case, body, check, engine, exchange, log, manifest, start_in};

const CASES: &[Case] = &[
    ("1 loop", "while true do end", Cpu),
    ("1 repeat", "repeat local x = 1 until x == 2", Cpu),
    ("1 for", "for i = 1, math.huge do end", Cpu),
    ("2 pcall loop", "while true do pcall(function() while true do end end) end", Cpu),
    ("2 xpcall handler", "xpcall(function() error('x') end, function() while true do end end)", Cpu),
    (
        "2 xpcall loop",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        Cpu,
    ),
    ("2 swallowed once", "pcall(function() while true do end end) return nil", Cpu),
    ("3 coroutine", "coroutine.wrap(function() while true do end end)()", Cpu),
    (
        "3 swallowed by resume",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        Cpu,
    ),
    ("3 nested coroutines", "local function f() return coroutine.wrap(f)() end f()", Limit),
    ("3 index", "local t = setmetatable({}, {__index = function() while true do end end}) return t.x", Cpu),
    ("3 newindex", "setmetatable({}, {__newindex = function() while true do end end}).x = 1", Cpu),
    (
        "3 eq",
        "local m = {__eq = function() while true do end end} return setmetatable({}, m) == setmetatable({}, m)",
        Cpu,
    ),
    (
        "3 lt",
        "local m = {__lt = function() while true do end end} return setmetatable({}, m) < setmetatable({}, m)",
        Cpu,
    ),
    (
        "3 concat",
        "local m = {__concat = function() while true do end end} return setmetatable({}, m) .. 'x'",
        Cpu,
    ),
    ("3 len", "return #setmetatable({}, {__len = function() while true do end end})", Cpu),
    ("3 call", "setmetatable({}, {__call = function() while true do end end})()", Cpu),
    ("3 iter", "for _ in setmetatable({}, {__iter = function() while true do end end}) do end", Cpu),
    ("3 iterator", "for _ in function() return 1 end do end", Cpu),
    ("3 tostring", "tostring(setmetatable({}, {__tostring = function() while true do end end}))", Cpu),
    ("3 print", "print(setmetatable({}, {__tostring = function() while true do end end}))", Cpu),
    ("3 gsub callback", "('x'):gsub('x', function() while true do end end)", Cpu),
    ("3 re.gsub callback", "ccproxy.re.gsub('x', 'x', function() while true do end end)", Cpu),
    ("3 kv.update callback", "ccproxy.kv.update('k', function() while true do end end)", Cpu),
    ("8 pattern", "return (('a'):rep(40000)):find((('a-'):rep(30)) .. 'b')", Cpu),
    ("8 gsub", "return (('a'):rep(40000)):gsub('.-.-.-.-b', '')", Cpu),
    ("8 linear expression", "while true do ccproxy.re.is('^(a+)+$', ('a'):rep(50000) .. '!') end", Cpu),
    (
        "8 wide expression",
        "ccproxy.re.is('(a[ab]{500}){2}[^ab]', ('aabab'):rep(1e5))",
        Says("a pattern of 1003 places cannot search 500000 bytes"),
    ),
    ("8 quadratic expression", "ccproxy.re.gsub('.*[^A-Z]|[A-Z]', ('A'):rep(3e5), '')", Cpu),
    ("8 quadratic split", "ccproxy.re.compile('.*[^A-Z]|[A-Z]'):split(('A'):rep(3e5))", Cpu),
    ("9 comparator", "table.sort({3, 1, 2}, function() error('no') end)", Says("no")),
    ("9 looping comparator", "table.sort({3, 1, 2}, function() while true do end end)", Cpu),
    (
        "9 inconsistent",
        "local t = {} for i = 1, 1000 do t[i] = i end pcall(table.sort, t, function() return true end)",
        Fine,
    ),
    // As many numbers as the memory admits, without a comparator: the interrupt has no say in there.
    (
        "9 large sort",
        "local t = table.create(400000, 0) for i = 1, 400000, 8 do t[i] = i * 7919 % 400009 end \
         while true do table.sort(t) end",
        Cpu,
    ),
    ("20 reentry", "for name in req.headers do req.headers[name] = nil end assert(#req.headers == 0)", Fine),
    (
        "20 waiting in a comparator",
        "table.sort({2, 1}, function() ccproxy.time.sleep(0.001) return true end)",
        Says("yield"),
    ),
    (
        "20 waiting in a metamethod",
        "return setmetatable({}, {__index = function() ccproxy.time.sleep(0.001) end}).x",
        Says("yield"),
    ),
    (
        "20 waiting in kv.update",
        "ccproxy.kv.update('k', function() ccproxy.time.sleep(0.001) end)",
        Says("yield"),
    ),
    ("21 endless yield", "while true do coroutine.yield() end", Cpu),
    ("21 yields of odd values", "for i = 1, 100 do coroutine.yield(i, {}, nil) end", Fine),
    (
        "21 a wait in a coroutine of its own, never resumed",
        "local co = coroutine.create(function() ccproxy.time.sleep(60) end) \
         coroutine.resume(co) coroutine.resume(co)",
        Fine,
    ),
    (
        "21 a busy wait in a coroutine of its own",
        "local co = coroutine.create(function() ccproxy.time.sleep(60) end) while true do coroutine.resume(co) end",
        Cpu,
    ),
    (
        "42 clock",
        "for i = 1, 1000 do local c = os.clock() assert(c * 1000 % 1 < 1e-6 or c * 1000 % 1 > 0.999999) end",
        Fine,
    ),
    ("42 busy wait", "local from = os.clock() while os.clock() - from < 3600 do end", Cpu),
];

#[tokio::test]
async fn each_ends_with_its_outcome_and_the_next_call_works() {
    check(CASES).await;
}

/// The 50 ms are of the thread's own time: an honest script on a crowded machine is not struck.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(unix)]
async fn an_honest_plugin_keeps_within_its_budget_beside_eight_busy_threads() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let over = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let source = manifest(
        "limits = { cpu = '10ms' }, middleware = { { layer = 'security', request = function(req)
            local n = 0 for i = 1, 2000 do n += i end req.headers['x-n'] = tostring(n) end } }",
    );
    let bench = start_in(&engine(), &source).await;
    for call in 0..500 {
        if let Err(error) = bench.run().await {
            panic!("call {call}: {}", log(&error));
        }
        // Between two calls the thread is as likely to be preempted as within one.
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().expect("it ends");
    }
    assert_eq!(bench.runtime.stats()["vm_rebuilds"], 0);
}

#[tokio::test]
async fn a_spoiled_vm_is_built_again_with_its_state() {
    let source = manifest(
        "setup = function(plugin, previous) count = 100 end, \
         middleware = { { layer = 'security', request = function(req) \
            count += 1 \
            if req.headers['x-loop'] then while true do end end \
            return { json = { count = count } } end } }",
    );
    let bench = start_in(&engine(), &source).await;
    let count = async |looping: bool| {
        let exchange = exchange();
        if looping {
            exchange.request.lock().headers.insert("x-loop", http::HeaderValue::from_static("1"));
        }
        match bench.request(&exchange).await {
            Ok(Flow::Answer(answer)) => body(answer).await,
            other => format!("{:?}", other.map_err(|error| log(&error))),
        }
    };
    assert_eq!(count(false).await, r#"{"count":101}"#);
    assert_eq!(count(false).await, r#"{"count":102}"#);
    assert!(count(true).await.contains("CPU"));
    assert_eq!(count(false).await, r#"{"count":101}"#, "setup ran again in a new VM");
    assert_eq!(bench.runtime.stats()["vm_rebuilds"], 1);
}

/// Calls that wait for their turn behind an attack are not its victims: they run in the next VM.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_queued_behind_an_attack_run_in_the_next_vm() {
    let source = manifest(
        "middleware = { { layer = 'security', request = function(req)
            if req.headers['x-loop'] then while true do end end return { body = 'fine' } end } }",
    );
    let bench = Arc::new(start_in(&engine(), &source).await);
    for _ in 0..5 {
        let calls: Vec<_> = (0..40)
            .map(|number| {
                let bench = bench.clone();
                tokio::spawn(async move {
                    let exchange = exchange();
                    if number == 0 {
                        let header = http::HeaderValue::from_static("1");
                        exchange.request.lock().headers.insert("x-loop", header);
                    }
                    (number, bench.request(&exchange).await)
                })
            })
            .collect();
        for call in calls {
            match call.await.expect("it ends") {
                (0, outcome) => assert!(log(&outcome.expect_err("it loops")).contains("CPU")),
                (number, Ok(Flow::Answer(answer))) => assert_eq!(body(answer).await, "fine", "{number}"),
                (number, other) => panic!("{number}: {:?}", other.map_err(|error| log(&error))),
            }
        }
    }
}

/// A wait that nobody ends is ended by the wall clock, and leaves nothing behind in the VM.
#[tokio::test]
async fn waits_without_end_are_ended_by_the_wall_clock() {
    let limits = crate::host::Limits { wall: Duration::from_millis(20), ..crate::tests::tight() };
    let engine = crate::Engine::new(limits, crate::BreakerSettings { failures: 1000, ..Default::default() });
    for wait in ["ccproxy.time.sleep(3600)", "ccproxy.wait('never', 3600)"] {
        let source = manifest(&crate::tests::request_fields(wait));
        let bench = start_in(&engine, &source).await;
        let memory =
            |bench: &crate::tests::Bench| bench.runtime.stats()["memory_bytes"].as_u64().unwrap_or(0);
        bench.run().await.expect_err("too long");
        let before = memory(&bench);
        for _ in 0..60 {
            let error = bench.run().await.expect_err("too long");
            assert!(log(&error).contains("longer than its time limit"), "{}", log(&error));
        }
        assert!(memory(&bench) < before + (512 << 10), "{before} became {}", memory(&bench));
    }
}
