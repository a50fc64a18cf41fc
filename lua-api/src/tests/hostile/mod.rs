//! Scripts that mean harm, or are very wrong: each ends with its expected outcome, and the next call works.
//!
//! One file a group. A case is named by its row in the list of attacks:
//!
//! | rows | where |
//! | --- | --- |
//! | 1-3, 8, 9, 20, 21, 42 running without end | `cpu`; waiting without end also in `tests/gate.rs` |
//! | 4-7, 10, 45 memory | `memory` |
//! | 11, 13-17, 24, 43, 44 the sandbox and other plugins | `escape` |
//! | 12, 40 files, folders and manifests | `tests/discovery.rs`, `tests/manifest.rs` |
//! | 18, 19, 38 handles and host functions | `handles`, `tests/handles.rs` |
//! | 22, 23 error objects | `errors` |
//! | 25-29 heads, upstreams, the network | `wire`, `fetch`, `tests/lua/http.lua` |
//! | 30-34 logs, stores, bodies, numbers | `output`, `tests/lua/{log,kv,json}.lua` |
//! | 35-37 streams | `stream`; the grammar in the core's pipeline and the integration tests |
//! | 39 reload | `tests/reloads.rs`, and `tests/reload.rs` and `tests/saves.rs` of the binary |
//! | 41 changed after approval | nothing is approved by hash yet: a changed file is a reload |
//! | 46 all at once | `tests/hostile.rs` of the binary |

mod cpu;
mod errors;
mod escape;
mod handles;
mod memory;
mod output;
mod stream;
mod wire;

use std::time::{Duration, Instant};

use ccproxy_core::middleware::Flow;

use super::{body, engine, exchange, log, manifest, request_fields, start_in};

/// What must come of a handler.
enum Outcome {
    /// Its CPU budget ends it.
    Cpu,
    /// Its memory limit ends it.
    Memory,
    /// Either of the two, or the depth of the stack.
    Limit,
    /// An error whose log text holds this.
    Says(&'static str),
    /// It goes on unharmed.
    Fine,
}

/// Row and name, body of a `request` handler, outcome.
type Case = (&'static str, &'static str, Outcome);

/// A hang, beside a budget of 30 ms, on a machine that has other work.
const HANG: Duration = Duration::from_secs(5);

/// Runs each attack in a plugin of its own, and then an innocent call of the same plugin.
async fn check(cases: &[Case]) {
    let engine = engine();
    let mut wrong = Vec::new();
    for (name, attack, outcome) in cases {
        let guarded = format!("if req.headers['x-attack'] then {attack} end");
        let fields = format!("capabilities = {{ 'kv' }}, {}", request_fields(&guarded));
        let bench = start_in(&engine, &manifest(&fields)).await;
        let attacked = exchange();
        attacked.request.lock().headers.insert("x-attack", http::HeaderValue::from_static("1"));
        let began = Instant::now();
        let result = bench.request(&attacked).await.map(|_| ()).map_err(|error| log(&error));
        let took = began.elapsed();
        if !fits(outcome, &result) || took > HANG {
            wrong.push(format!("{name}: {result:?} after {took:?}"));
        }
        if let Err(error) = bench.run().await {
            wrong.push(format!("{name}: the call after it failed: {}", log(&error)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn fits(outcome: &Outcome, result: &Result<(), String>) -> bool {
    match (outcome, result) {
        (Outcome::Fine, Ok(())) => true,
        (Outcome::Cpu, Err(text)) => text.contains("CPU"),
        (Outcome::Memory, Err(text)) => text.contains("memory"),
        (Outcome::Limit, Err(text)) => ["CPU", "memory", "overflow"].iter().any(|word| text.contains(word)),
        (Outcome::Says(words), Err(text)) => text.contains(words),
        _ => false,
    }
}

/// The text of the answer of a `request` handler with this body.
async fn answered(text: &str) -> String {
    let bench = start_in(&engine(), &manifest(&request_fields(text))).await;
    match bench.run().await {
        Ok(Flow::Answer(answer)) => body(answer).await,
        other => format!("{:?}", other.map_err(|error| log(&error))),
    }
}
