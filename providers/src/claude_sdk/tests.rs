use serde_json::{Value, json};

use super::config::Show;
use super::render::Render;
use super::whole::Whole;

fn start(id: &str, input: u64) -> Value {
    json!({"type": "message_start", "message": {
        "id": id, "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": input, "output_tokens": 1},
    }})
}

fn block(index: u64, block: Value, delta: Value) -> Vec<Value> {
    vec![
        json!({"type": "content_block_start", "index": index, "content_block": block}),
        json!({"type": "content_block_delta", "index": index, "delta": delta}),
        json!({"type": "content_block_stop", "index": index}),
    ]
}

fn end(reason: &str) -> Vec<Value> {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    vec![
        json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
}

/// A turn in which the model thinks, the CLI runs Bash, and the model speaks.
fn turn(show: Show) -> Value {
    let mut render = Render::new(show, show);
    let mut events = vec![start("one", 11)];
    events.extend(block(
        0,
        json!({"type": "thinking", "thinking": "", "signature": ""}),
        json!({"type": "thinking_delta", "thinking": "hm"}),
    ));
    events.extend(block(
        1,
        json!({"type": "tool_use", "id": "b", "name": "Bash", "input": {}}),
        json!({"type": "input_json_delta", "partial_json": "{\"command\":\"ls\"}"}),
    ));
    events.extend(end("tool_use"));
    for event in events {
        assert_eq!(render.stream(event), None);
    }
    render.results(&json!({"content": [{"type": "tool_result", "tool_use_id": "b", "content": "a.txt"}]}));
    render.results(&json!({"content": [{"type": "tool_result", "tool_use_id": "b", "content": "twice"}]}));
    let mut events = vec![start("two", 20)];
    let text = json!({"type": "text_delta", "text": "done"});
    events.extend(block(0, json!({"type": "text", "text": ""}), text));
    events.extend(end("end_turn"));
    for event in events {
        assert_eq!(render.stream(event), None);
    }
    render.finish("m", "", Some(0.5));
    render.finish("m", "", None);
    let mut whole = Whole::default();
    let events = render.take();
    assert_eq!(events.iter().filter(|event| event["type"] == "message_start").count(), 1);
    let starts = events.iter().filter(|event| event["type"] == "content_block_start");
    let indices: Vec<u64> = starts.filter_map(|event| event["index"].as_u64()).collect();
    assert_eq!(indices, (0..indices.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.last().map(|event| &event["type"]), Some(&json!("message_stop")));
    events.into_iter().for_each(|event| assert!(whole.take(event)));
    whole.message()
}

#[test]
fn several_messages_become_one() {
    let message = turn(Show::Ignore);
    assert_eq!(message["content"], json!([{"type": "text", "text": "done"}]));
    assert_eq!((&message["id"], &message["stop_reason"]), (&json!("one"), &json!("end_turn")));
    let usage = json!({"input_tokens": 31, "output_tokens": 14, "cost_usd": 0.5});
    assert_eq!(message["usage"], usage);
}

#[test]
fn what_only_the_cli_has_is_shown_as_set() {
    let forwarded = turn(Show::Forward);
    assert_eq!(forwarded["content"][0], json!({"type": "thinking", "thinking": "hm", "signature": ""}));
    let call = json!({"type": "mcp_tool_use", "id": "b", "name": "Bash", "server_name": "claude_code", "input": {"command": "ls"}});
    assert_eq!(forwarded["content"][1], call);
    assert_eq!(forwarded["content"][2]["content"][0]["text"], "a.txt");
    let formatted = turn(Show::Formatted);
    let texts: String =
        formatted["content"].as_array().expect("blocks").iter().filter_map(|b| b["text"].as_str()).collect();
    assert_eq!(
        texts,
        "<thinking>hm</thinking>\n<tool_use name=\"Bash\">{\"command\":\"ls\"}</tool_use>\n\
         <tool_result>a.txt</tool_result>\ndone"
    );
}

#[test]
fn a_call_of_the_clients_tool_ends_the_answer() {
    let mut render = Render::new(Show::Forward, Show::Formatted);
    let mut events = vec![start("one", 3)];
    let call = json!({"type": "tool_use", "id": "t", "name": "mcp__client__look", "input": {}});
    events.extend(block(0, call, json!({"type": "input_json_delta", "partial_json": "{}"})));
    events.extend(end("tool_use"));
    let calls: Vec<Vec<String>> = events.into_iter().filter_map(|event| render.stream(event)).collect();
    assert_eq!(calls, [["t"]]);
    let told = render.take();
    assert_eq!(told[1]["content_block"]["name"], "look");
    assert_eq!(told[told.len() - 2]["delta"]["stop_reason"], "tool_use");
    assert_eq!(render.stream(start("two", 3)), None);
    assert!(render.take().is_empty());
}

#[test]
fn odd_events_break_nothing() {
    for odd in [json!(7), json!(null), json!({"type": 5}), json!({"type": "message_start", "message": 7})] {
        let mut render = Render::new(Show::Forward, Show::Forward);
        assert_eq!(render.stream(odd.clone()), None);
        assert!(!render.started());
        assert_eq!(render.stream(start("one", 1)), None);
        for event in [
            odd,
            json!({"type": "content_block_start", "index": "x", "content_block": 5}),
            json!({"type": "content_block_delta", "index": 9, "delta": 5}),
            json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 1, "delta": 5}),
            json!({"type": "message_delta", "delta": 5}),
            json!({"type": "message_stop"}),
        ] {
            assert_eq!(render.stream(event), None);
        }
        render.results(&json!(5));
        render.finish("m", "", None);
        let mut whole = Whole::default();
        render.take().into_iter().for_each(|event| assert!(whole.take(event)));
        assert_eq!(whole.message()["stop_reason"], "end_turn");
    }
}

#[test]
fn a_turn_without_events_tells_its_result() {
    let mut render = Render::new(Show::Forward, Show::Formatted);
    render.finish("m", "only this", None);
    let mut whole = Whole::default();
    render.take().into_iter().for_each(|event| assert!(whole.take(event)));
    assert_eq!(whole.message()["content"][0]["text"], "only this");
}
