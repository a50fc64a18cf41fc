//! The CLI's events as one answer of the Messages API: a turn in which the CLI ran tools is several messages of the
//! model, which become one; its own tools and the thinking are shown as the settings say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::config::Show;
use super::history::Told;
use super::mcp;
use super::protocol::take;

/// Counts that are added up over the messages of a turn.
const COUNTS: [&str; 4] =
    ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"];
/// Most bytes of arguments that are kept to be shown as text.
const LONGEST: usize = 1 << 20;

/// Makes one answer.
pub(super) struct Render {
    thinking: Show,
    tools: Show,
    out: Vec<Value>,
    started: bool,
    over: bool,
    next: u64,
    /// What became of the open blocks of the present message.
    open: BTreeMap<u64, Block>,
    /// The client's tools that the present message calls.
    calls: Vec<String>,
    /// The CLI's own tools that were called, and not yet answered.
    own: BTreeSet<String>,
    /// The counts of the messages before, and of the present one.
    before: BTreeMap<&'static str, u64>,
    present: BTreeMap<&'static str, u64>,
    stop: Option<Value>,
    told: Told,
}

enum Block {
    /// Passes, under this number.
    Passed(u64),
    /// Thinking, passed as text.
    Spoken(u64),
    /// A call of the CLI's own tool, shown as text once it is whole.
    Written { name: String, arguments: String },
    /// Not shown.
    Dropped,
}

impl Render {
    pub(super) fn new(thinking: Show, tools: Show) -> Self {
        Render {
            thinking,
            tools,
            out: Vec::new(),
            started: false,
            over: false,
            next: 0,
            open: BTreeMap::new(),
            calls: Vec::new(),
            own: BTreeSet::new(),
            before: BTreeMap::new(),
            present: BTreeMap::new(),
            stop: None,
            told: Told::default(),
        }
    }

    /// The events that are ready for the client.
    pub(super) fn take(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.out)
    }

    /// Whether anything was told.
    pub(super) fn started(&self) -> bool {
        self.started
    }

    /// What the client was told, to know it again.
    pub(super) fn told(&self) -> u64 {
        self.told.digest()
    }

    /// An event of the model. Gives the ids of the client's tools when the message is over and calls some: then
    /// the answer is over too.
    pub(super) fn stream(&mut self, mut event: Value) -> Option<Vec<String>> {
        let index = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                self.calls.clear();
                self.open.clear();
                self.count(&event["message"]["usage"]);
                if !self.started {
                    let Some(message) = event["message"].as_object_mut() else { return None };
                    message.insert("content".into(), json!([]));
                    self.begin(event);
                }
            }
            _ if !self.started || self.over => {}
            "content_block_start" => self.open_block(index, event),
            "content_block_delta" => self.delta(index, event),
            "content_block_stop" => self.close(index, event),
            "message_delta" => {
                self.count(&event["usage"]);
                self.stop = Some(take(&mut event, "delta"));
            }
            "message_stop" => {
                for (name, count) in std::mem::take(&mut self.present) {
                    *self.before.entry(name).or_default() += count;
                }
                if !self.calls.is_empty() {
                    let calls = std::mem::take(&mut self.calls);
                    self.stop = Some(json!({"stop_reason": "tool_use", "stop_sequence": null}));
                    self.end(None);
                    return Some(calls);
                }
            }
            _ => {}
        }
        None
    }

    /// Results of the CLI's own tools.
    pub(super) fn results(&mut self, message: &Value) {
        for block in message["content"].as_array().into_iter().flatten() {
            let id = block["tool_use_id"].as_str().unwrap_or_default();
            if block["type"] != "tool_result" || !self.own.remove(id) || self.over {
                continue;
            }
            let content = match &block["content"] {
                Value::String(text) => json!([{"type": "text", "text": text}]),
                other => other.clone(),
            };
            match self.tools {
                Show::Forward => {
                    let is_error = block["is_error"] == true;
                    let kind = json!({"type": "mcp_tool_result", "tool_use_id": id, "is_error": is_error, "content": content});
                    let index = self.number();
                    self.out
                        .push(json!({"type": "content_block_start", "index": index, "content_block": kind}));
                    self.out.push(json!({"type": "content_block_stop", "index": index}));
                }
                Show::Formatted => {
                    let blocks = content.as_array().into_iter().flatten();
                    let texts: Vec<&str> = blocks.filter_map(|block| block["text"].as_str()).collect();
                    self.text(&format!("<tool_result>{}</tool_result>\n", texts.join("\n")));
                }
                Show::Ignore => {}
            }
        }
    }

    /// The turn is over. `told` is its text, for a turn without any event of the model; `cost` its price in dollars.
    pub(super) fn finish(&mut self, model: &str, told: &str, cost: Option<f64>) {
        if self.over {
            return;
        }
        if !self.started {
            let usage = json!({"input_tokens": 0, "output_tokens": 0});
            let message = json!({
                "id": "msg_claude_code", "type": "message", "role": "assistant", "model": model, "content": [],
                "stop_reason": null, "stop_sequence": null, "usage": usage,
            });
            self.begin(json!({"type": "message_start", "message": message}));
            self.text(told);
        }
        self.end(cost);
    }

    fn begin(&mut self, event: Value) {
        self.started = true;
        self.out.push(event);
    }

    fn end(&mut self, cost: Option<f64>) {
        self.over = true;
        let open: Vec<u64> = self.open.keys().copied().collect();
        for index in open {
            self.close(index, json!({"type": "content_block_stop"}));
        }
        let mut usage: Map<String, Value> =
            self.before.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
        if let Some(cost) = cost {
            usage.insert("cost_usd".into(), cost.into());
        }
        let stop = self.stop.take().filter(|stop| stop["stop_reason"].is_string());
        let delta = stop.unwrap_or_else(|| json!({"stop_reason": "end_turn", "stop_sequence": null}));
        self.out.push(json!({"type": "message_delta", "delta": delta, "usage": usage}));
        self.out.push(json!({"type": "message_stop"}));
    }

    fn count(&mut self, usage: &Value) {
        for name in COUNTS {
            if let Some(count) = usage[name].as_u64() {
                self.present.insert(name, count);
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// A block of text that is all there.
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let index = self.number();
        self.open_text(index);
        self.speak(index, text);
        self.out.push(json!({"type": "content_block_stop", "index": index}));
    }

    fn open_text(&mut self, index: u64) {
        let block = json!({"type": "text", "text": ""});
        self.out.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
    }

    fn speak(&mut self, index: u64, text: &str) {
        self.told.text(text);
        let delta = json!({"type": "text_delta", "text": text});
        self.out.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
    }

    fn open_block(&mut self, index: u64, mut event: Value) {
        let block = &mut event["content_block"];
        if !block.is_object() {
            return;
        }
        let name = block["name"].as_str().unwrap_or_default().to_owned();
        let state = match block["type"].as_str().unwrap_or_default() {
            "thinking" | "redacted_thinking" => match self.thinking {
                Show::Forward => Block::Passed(self.number()),
                Show::Formatted if block["type"] == "thinking" => {
                    let number = self.number();
                    self.open_text(number);
                    self.speak(number, "<thinking>");
                    self.open.insert(index, Block::Spoken(number));
                    return;
                }
                Show::Formatted | Show::Ignore => Block::Dropped,
            },
            "tool_use" => match mcp::outer_name(&name) {
                Some(outer) => {
                    block["name"] = outer.into();
                    let id = block["id"].as_str().unwrap_or_default().to_owned();
                    self.told.call(&id);
                    self.calls.push(id);
                    Block::Passed(self.number())
                }
                None => {
                    self.own.insert(block["id"].as_str().unwrap_or_default().to_owned());
                    match self.tools {
                        Show::Forward => {
                            block["type"] = "mcp_tool_use".into();
                            block["server_name"] = "claude_code".into();
                            Block::Passed(self.number())
                        }
                        Show::Formatted => Block::Written { name, arguments: String::new() },
                        Show::Ignore => Block::Dropped,
                    }
                }
            },
            _ => Block::Passed(self.number()),
        };
        if let Block::Passed(number) = state {
            event["index"] = number.into();
            self.out.push(event);
        }
        self.open.insert(index, state);
    }

    fn delta(&mut self, index: u64, mut event: Value) {
        let delta = &event["delta"];
        match self.open.get_mut(&index) {
            Some(Block::Passed(number)) => {
                if let Some(text) = delta["text"].as_str() {
                    self.told.text(text);
                }
                event["index"] = (*number).into();
                self.out.push(event);
            }
            Some(Block::Spoken(number)) => {
                let number = *number;
                if let Some(text) = delta["thinking"].as_str() {
                    self.speak(number, text);
                }
            }
            Some(Block::Written { arguments, .. }) => {
                let part = delta["partial_json"].as_str().unwrap_or_default();
                if arguments.len() + part.len() <= LONGEST {
                    arguments.push_str(part);
                }
            }
            Some(Block::Dropped) | None => {}
        }
    }

    fn close(&mut self, index: u64, mut event: Value) {
        match self.open.remove(&index) {
            Some(Block::Passed(number)) => {
                event["index"] = number.into();
                self.out.push(event);
            }
            Some(Block::Spoken(number)) => {
                self.speak(number, "</thinking>\n");
                self.out.push(json!({"type": "content_block_stop", "index": number}));
            }
            Some(Block::Written { name, arguments }) => {
                self.text(&format!("<tool_use name=\"{name}\">{arguments}</tool_use>\n"));
            }
            Some(Block::Dropped) | None => {}
        }
    }
}

/// Gathers the events of an answer into the message that they tell.
#[derive(Default)]
pub(super) struct Whole {
    message: Value,
    /// Arguments of the open call.
    arguments: String,
}

impl Whole {
    pub(super) fn take(&mut self, mut event: Value) {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.message = take(&mut event, "message"),
            "content_block_start" => {
                self.arguments.clear();
                if let Some(content) = self.message.get_mut("content").and_then(Value::as_array_mut) {
                    content.push(take(&mut event, "content_block"));
                }
            }
            "content_block_delta" => self.delta(&event["delta"]),
            "content_block_stop" if !self.arguments.is_empty() => {
                let input = serde_json::from_str(&self.arguments).unwrap_or_else(|_| json!({}));
                self.arguments.clear();
                if let Some(block) = self.last() {
                    block["input"] = input;
                }
            }
            "message_delta" => {
                let mut delta = take(&mut event, "delta");
                for key in ["stop_reason", "stop_sequence"] {
                    if let Some(message) = self.message.as_object_mut() {
                        message.insert(key.into(), take(&mut delta, key));
                    }
                }
                if let (Some(usage), Some(more)) = (
                    self.message.get_mut("usage").and_then(Value::as_object_mut),
                    event["usage"].as_object().cloned(),
                ) {
                    usage.extend(more);
                }
            }
            _ => {}
        }
    }

    /// The message.
    pub(super) fn message(self) -> Value {
        self.message
    }

    fn last(&mut self) -> Option<&mut Value> {
        self.message.get_mut("content")?.as_array_mut()?.last_mut()
    }

    fn delta(&mut self, delta: &Value) {
        if let Some(part) = delta["partial_json"].as_str() {
            self.arguments.push_str(part);
            return;
        }
        let Some(block) = self.last() else { return };
        for key in ["text", "thinking", "signature"] {
            if let Some(part) = delta[key].as_str() {
                let so_far = block[key].as_str().unwrap_or_default();
                block[key] = format!("{so_far}{part}").into();
            }
        }
        if !delta["citation"].is_null() {
            match block["citations"].as_array_mut() {
                Some(citations) => citations.push(delta["citation"].clone()),
                None => block["citations"] = json!([delta["citation"]]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        render
            .results(&json!({"content": [{"type": "tool_result", "tool_use_id": "b", "content": "a.txt"}]}));
        render
            .results(&json!({"content": [{"type": "tool_result", "tool_use_id": "b", "content": "twice"}]}));
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
        events.into_iter().for_each(|event| whole.take(event));
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
        let texts: String = formatted["content"]
            .as_array()
            .expect("blocks")
            .iter()
            .filter_map(|b| b["text"].as_str())
            .collect();
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
        for odd in [json!(7), json!(null), json!({"type": 5}), json!({"type": "message_start", "message": 7})]
        {
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
            render.take().into_iter().for_each(|event| whole.take(event));
            assert_eq!(whole.message()["stop_reason"], "end_turn");
        }
    }

    #[test]
    fn a_turn_without_events_tells_its_result() {
        let mut render = Render::new(Show::Forward, Show::Formatted);
        render.finish("m", "only this", None);
        let mut whole = Whole::default();
        render.take().into_iter().for_each(|event| whole.take(event));
        assert_eq!(whole.message()["content"][0]["text"], "only this");
    }
}
