//! How fast the formats turn into one another, and how often they allocate: `cargo run --release -p ccproxy-bench
//! --bin convert`. No socket, no proxy: only the transformers, on one thread.

use std::alloc::System;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ccproxy_core::transform::{Back, Facts, Transformer};
use ccproxy_providers::formats::{Dialect, Pair};
use serde_json::{Value, json};
use stats_alloc::{Region, StatsAlloc};

/// The system's, counted. The proxy's own is somewhat quicker.
#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

const FORMATS: [(Dialect, &str); 3] =
    [(Dialect::Messages, "messages"), (Dialect::Chat, "chat"), (Dialect::Responses, "responses")];
/// How long one figure is measured; the best of several rounds counts, the others were disturbed.
const ROUND: Duration = Duration::from_millis(150);
const ROUNDS: usize = 5;
/// Turns of the request's conversation.
const TURNS: usize = 40;
/// Deltas of text in a stream.
const DELTAS: usize = 2000;

#[expect(clippy::print_stdout, reason = "the figures are the point")]
fn main() {
    println!(
        "MB/s of what comes in, best of {ROUNDS} rounds; allocations a request, an answer, a delta of a stream\n"
    );
    println!(
        "| client -> provider | request MB/s | allocs | answer MB/s | allocs | stream MB/s | allocs/delta |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (client, client_name) in FORMATS {
        for (provider, provider_name) in FORMATS.into_iter().filter(|(provider, _)| *provider != client) {
            let pair = Pair::of(client, provider);
            let (body, whole, stream) = (request(client), answer(provider), events(provider));
            let asked = measure(body.len(), || drop(black_box(pair.request(&body, Facts::default()))));
            let answered = measure(whole.len(), || drop(black_box(back(&pair, client, false).whole(&whole))));
            let length = stream.iter().map(Bytes::len).sum();
            let streamed = measure(length, || turn(back(&pair, client, true), &stream));
            println!(
                "| {client_name} -> {provider_name} | {:.0} | {} | {:.0} | {} | {:.0} | {:.2} |",
                asked.speed,
                asked.allocations,
                answered.speed,
                answered.allocations,
                streamed.speed,
                streamed.allocations as f64 / DELTAS as f64,
            );
        }
    }
}

/// What one way of turning costs.
struct Cost {
    /// Megabytes of input a second.
    speed: f64,
    /// Allocations a run.
    allocations: usize,
}

fn measure(bytes: usize, mut run: impl FnMut()) -> Cost {
    run();
    let counted = Region::new(&ALLOCATOR);
    run();
    let change = counted.change();
    let allocations = change.allocations + change.reallocations;
    let mut best: f64 = 0.0;
    for _ in 0..ROUNDS {
        let (began, mut runs) = (Instant::now(), 0_u32);
        while began.elapsed() < ROUND {
            run();
            runs += 1;
        }
        best = best.max(bytes as f64 * f64::from(runs) / began.elapsed().as_secs_f64() / 1e6);
    }
    Cost { speed: best, allocations }
}

/// What turns the answer of a small request back.
fn back(pair: &Pair, client: Dialect, stream: bool) -> Box<dyn Back> {
    let said = json!([{ "role": "user", "content": "hi" }]);
    let mut body = json!({ "model": "m", "max_tokens": 100, "stream": stream });
    body[if client == Dialect::Responses { "input" } else { "messages" }] = said;
    match pair.request(&body.to_string().into(), Facts::default()) {
        Ok(turned) => turned.back,
        Err(error) => panic!("{error}"),
    }
}

/// A stream, event by event, as a socket would hand it over.
fn turn(mut back: Box<dyn Back>, stream: &[Bytes]) {
    let mut out = BytesMut::with_capacity(1 << 20);
    for event in stream {
        if let Err(error) = back.feed(event, &mut out) {
            panic!("{error}");
        }
        out.clear();
    }
    back.end(None, &mut out);
    black_box(&out);
}

/// A conversation of an agent: long instructions, tools, calls and their results.
fn request(format: Dialect) -> Bytes {
    let long = "Work in small steps, and say what you found.\n".repeat(200);
    let result = "src/main.rs: fn main() { println!(\"Grüezi\"); }\n".repeat(40);
    let schema = json!({ "type": "object", "properties": { "path": { "type": "string", "description": "where" } }, "required": ["path"] });
    let arguments = json!({ "path": "src/main.rs" });
    let names = (0..20).map(|tool| format!("tool_{tool}"));
    let turns = 0..TURNS;
    let body = match format {
        Dialect::Messages => {
            let turns = turns.flat_map(|turn| {
                let id = format!("toolu_{turn}");
                [
                    json!({ "role": "assistant", "content": [{ "type": "text", "text": "I look." }, { "type": "tool_use", "id": id, "name": "tool_1", "input": arguments }] }),
                    json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": result }] }),
                ]
            });
            json!({
                "model": "claude-sonnet-4-5", "max_tokens": 1000, "stream": true, "system": [{ "type": "text", "text": long }],
                "messages": first("user").chain(turns).collect::<Vec<_>>(),
                "tools": names.map(|name| json!({ "name": name, "description": "does it", "input_schema": schema })).collect::<Vec<_>>(),
            })
        }
        Dialect::Chat => {
            let turns = turns.flat_map(|turn| {
                let id = format!("call_{turn}");
                [
                    json!({ "role": "assistant", "content": "I look.", "tool_calls": [{ "id": id, "type": "function", "function": { "name": "tool_1", "arguments": arguments.to_string() } }] }),
                    json!({ "role": "tool", "tool_call_id": id, "content": result }),
                ]
            });
            let system = std::iter::once(json!({ "role": "system", "content": long }));
            json!({
                "model": "gpt-5.2", "stream": true,
                "messages": system.chain(first("user")).chain(turns).collect::<Vec<_>>(),
                "tools": names.map(|name| json!({ "type": "function", "function": { "name": name, "description": "does it", "parameters": schema } })).collect::<Vec<_>>(),
            })
        }
        Dialect::Responses => {
            let turns = turns.flat_map(|turn| {
                let id = format!("call_{turn}");
                [
                    json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "I look." }] }),
                    json!({ "type": "function_call", "call_id": id, "name": "tool_1", "arguments": arguments.to_string() }),
                    json!({ "type": "function_call_output", "call_id": id, "output": result }),
                ]
            });
            json!({
                "model": "gpt-5.2", "stream": true, "instructions": long,
                "input": first("user").chain(turns).collect::<Vec<_>>(),
                "tools": names.map(|name| json!({ "type": "function", "name": name, "description": "does it", "parameters": schema, "strict": false })).collect::<Vec<_>>(),
            })
        }
    };
    body.to_string().into()
}

fn first(role: &str) -> impl Iterator<Item = Value> {
    std::iter::once(json!({ "role": role, "content": "Mend the test." }))
}

/// An answer of 20 KB with a call.
fn answer(format: Dialect) -> Vec<u8> {
    let text = "The sky is dark because the universe is young. ".repeat(400);
    let arguments = json!({ "path": "src/main.rs" });
    let body = match format {
        Dialect::Messages => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "stop_sequence": null,
            "content": [{ "type": "text", "text": text }, { "type": "tool_use", "id": "toolu_1", "name": "w", "input": arguments }],
            "usage": { "input_tokens": 5, "output_tokens": 9 },
        }),
        Dialect::Chat => json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": { "role": "assistant", "content": text, "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "w", "arguments": arguments.to_string() } }] } }],
            "usage": { "prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14 },
        }),
        Dialect::Responses => json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
            "output": [{ "id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{ "type": "output_text", "text": text, "annotations": [] }] },
                { "id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "w", "arguments": arguments.to_string(), "status": "completed" }],
            "usage": { "input_tokens": 5, "output_tokens": 9, "total_tokens": 14 },
        }),
    };
    body.to_string().into_bytes()
}

/// A stream of many deltas of text, in events.
fn events(format: Dialect) -> Vec<Bytes> {
    let named = |event: Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()).into()
    };
    let mut all: Vec<Bytes> = Vec::new();
    match format {
        Dialect::Messages => {
            let usage = json!({ "input_tokens": 5, "output_tokens": 1 });
            let message = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage });
            all.push(named(json!({ "type": "message_start", "message": message })));
            all.push(named(json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } })));
            let delta = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": " the universe" } });
            all.extend(std::iter::repeat_n(named(delta), DELTAS));
            all.push(named(json!({ "type": "content_block_stop", "index": 0 })));
            all.push(named(json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null }, "usage": { "output_tokens": 9 } })));
            all.push(named(json!({ "type": "message_stop" })));
        }
        Dialect::Chat => {
            let chunk = |delta: Value, finish: Value| {
                let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
                Bytes::from(format!("data: {chunk}\n\n"))
            };
            all.push(chunk(json!({ "role": "assistant", "content": "" }), Value::Null));
            all.extend(std::iter::repeat_n(
                chunk(json!({ "content": " the universe" }), Value::Null),
                DELTAS,
            ));
            all.push(chunk(json!({}), "stop".into()));
            all.push("data: [DONE]\n\n".into());
        }
        Dialect::Responses => {
            let response = |status: &str| json!({ "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": [] });
            all.push(named(json!({ "type": "response.created", "sequence_number": 0, "response": response("in_progress") })));
            let item = json!({ "id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": [] });
            all.push(named(json!({ "type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item })));
            let delta = |number| json!({ "type": "response.output_text.delta", "sequence_number": number, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": " the universe", "logprobs": [] });
            all.extend((0..DELTAS).map(|number| named(delta(number + 2))));
            all.push(named(json!({ "type": "response.output_item.done", "sequence_number": DELTAS + 2, "output_index": 0, "item": item })));
            all.push(named(json!({ "type": "response.completed", "sequence_number": DELTAS + 3, "response": response("completed") })));
        }
    }
    all
}
