//! The CLI's events as one answer of the Messages API: a turn in which the CLI ran tools is several messages of the
//! model, which become one; its own tools and the thinking are shown as the settings say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::config::Show;
use super::digest::Told;
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
                    let message = event["message"].as_object_mut()?;
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
