//! The legal order of a Messages stream: start, blocks one after another, delta, stop. Unknown events
//! may stand anywhere before the end.

use std::borrow::Cow;

use ccproxy_core::document::Json;
use ccproxy_core::format::Grammar;
use ccproxy_core::sse::Event;

/// Where a stream is.
#[derive(Default)]
pub(super) struct MessagesGrammar {
    started: bool,
    /// Index and type of the block that is open.
    open: Option<(u64, String)>,
    /// Index that the next block must have.
    next: u64,
    delta: bool,
    complete: bool,
}

impl Grammar for MessagesGrammar {
    fn accept(&mut self, event: &Event) -> Result<(), String> {
        if event.is_comment() {
            return Ok(());
        }
        let data = Json::whole(&event.data).ok_or("the data of an event must be one JSON value")?;
        let kind = text(&data, "type").ok_or("the data of an event needs a `type`")?;
        if event.name != kind.as_bytes() {
            let name = String::from_utf8_lossy(&event.name);
            return Err(format!("the event is named `{name}` but its type is `{kind}`"));
        }
        if self.complete {
            return Err(format!("`{kind}` after the end of the stream"));
        }
        match &*kind {
            "ping" => Ok(()),
            "error" => {
                self.complete = true;
                Ok(())
            }
            "message_start" if self.started => Err("a second `message_start`".into()),
            "message_start" => {
                self.started = true;
                Ok(())
            }
            _ if !self.started => Err(format!("`{kind}` before `message_start`")),
            "content_block_start" => self.start_block(&data),
            "content_block_delta" => self.delta_block(&data),
            "content_block_stop" => self.stop_block(&data),
            "message_delta" => {
                self.delta = true;
                self.all_closed("message_delta")
            }
            "message_stop" => {
                self.all_closed("message_stop")?;
                if !self.delta {
                    return Err("`message_stop` without `message_delta`".into());
                }
                self.complete = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn complete(&self) -> bool {
        self.complete
    }
}

impl MessagesGrammar {
    fn start_block(&mut self, data: &Json<'_>) -> Result<(), String> {
        self.all_closed("content_block_start")?;
        if self.delta {
            return Err("`content_block_start` after `message_delta`".into());
        }
        let index = index(data)?;
        if index != self.next {
            return Err(format!("content block {index} where {} is next", self.next));
        }
        let block = data.key("content_block").ok_or("`content_block_start` without `content_block`")?;
        let kind = text(&block, "type").ok_or("a content block needs a `type`")?;
        self.open = Some((index, kind.into_owned()));
        self.next += 1;
        Ok(())
    }

    fn delta_block(&self, data: &Json<'_>) -> Result<(), String> {
        let index = index(data)?;
        let Some((_, block)) = self.open.as_ref().filter(|(open, _)| *open == index) else {
            return Err(format!("`content_block_delta` for block {index}, which is not open"));
        };
        let delta = data.key("delta").ok_or("`content_block_delta` without `delta`")?;
        let kind = text(&delta, "type").ok_or("a delta needs a `type`")?;
        let fits = match &*kind {
            "text_delta" | "citations_delta" => block == "text",
            "thinking_delta" | "signature_delta" => block == "thinking",
            "input_json_delta" => block.ends_with("tool_use"),
            _ => true,
        };
        if fits { Ok(()) } else { Err(format!("a `{kind}` in a `{block}` block")) }
    }

    fn stop_block(&mut self, data: &Json<'_>) -> Result<(), String> {
        let index = index(data)?;
        match self.open.take_if(|(open, _)| *open == index) {
            Some(_) => Ok(()),
            None => Err(format!("`content_block_stop` for block {index}, which is not open")),
        }
    }

    fn all_closed(&self, event: &str) -> Result<(), String> {
        match &self.open {
            Some((index, _)) => Err(format!("`{event}` while content block {index} is open")),
            None => Ok(()),
        }
    }
}

fn index(data: &Json<'_>) -> Result<u64, String> {
    data.key("index").and_then(|index| index.as_u64()).ok_or_else(|| "a block event needs an `index`".into())
}

fn text<'a>(object: &Json<'a>, key: &str) -> Option<Cow<'a, str>> {
    object.key(key)?.as_str()
}
