//! The legal order of a Responses stream: numbered events, items and parts opened before they are filled
//! and closed before the one terminal event. Unknown events may stand anywhere before it.

use std::collections::BTreeMap;

use ccproxy_core::document::{Json, Kind};
use ccproxy_core::format::Grammar;
use ccproxy_core::sse::Event;

use super::wire;

/// Most items that are followed; more is no answer any client expects.
const MAX_ITEMS: usize = 10_000;

/// Where a stream is.
#[derive(Default)]
pub(super) struct ResponsesGrammar {
    last_number: Option<u64>,
    /// Open or done, by `output_index`.
    items: BTreeMap<u64, bool>,
    created: bool,
    complete: bool,
}

impl Grammar for ResponsesGrammar {
    fn accept(&mut self, event: &Event) -> Result<(), String> {
        if event.is_comment() {
            return Ok(());
        }
        let data = Json::whole(&event.data).ok_or("the data of an event must be one JSON value")?;
        let kind =
            data.key("type").and_then(|kind| kind.as_str()).ok_or("the data of an event needs a `type`")?;
        if !event.name.is_empty() && event.name != kind.as_bytes() {
            let name = String::from_utf8_lossy(&event.name);
            return Err(format!("the event is named `{name}` but its type is `{kind}`"));
        }
        if self.complete {
            return Err(format!("`{kind}` after the end of the stream"));
        }
        self.number(&data, &kind)?;
        match &*kind {
            "response.created" if self.created => Err("a second `response.created`".into()),
            "response.created" => {
                self.created = true;
                Ok(())
            }
            "response.output_item.added" => self.add_item(&data),
            "response.output_item.done" => {
                let index = self.open_item(&data, &kind)?;
                self.items.insert(index, false);
                Ok(())
            }
            "response.completed" => {
                if let Some((index, _)) = self.items.iter().find(|(_, open)| **open) {
                    return Err(format!("`{kind}` while output item {index} is open"));
                }
                self.end(&data, &kind)
            }
            "response.failed" | "response.incomplete" => self.end(&data, &kind),
            _ if wire::is_terminal(kind.as_bytes()) => {
                self.complete = true;
                Ok(())
            }
            _ if data.key("output_index").is_some() => self.open_item(&data, &kind).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn complete(&self) -> bool {
        self.complete
    }
}

impl ResponsesGrammar {
    /// Numbers rise; an event may lack its number, as some servers' do.
    fn number(&mut self, data: &Json<'_>, kind: &str) -> Result<(), String> {
        let Some(number) = data.key("sequence_number").and_then(|number| number.as_u64()) else {
            return Ok(());
        };
        if let Some(last) = self.last_number.filter(|last| number <= *last) {
            return Err(format!("`{kind}` has sequence number {number} after {last}"));
        }
        self.last_number = Some(number);
        Ok(())
    }

    fn add_item(&mut self, data: &Json<'_>) -> Result<(), String> {
        let index = output_index(data)?;
        if data.key("item").is_none_or(|item| item.kind() != Kind::Object) {
            return Err("`response.output_item.added` without `item`".into());
        }
        if self.items.len() >= MAX_ITEMS {
            return Err(format!("more than {MAX_ITEMS} output items"));
        }
        match self.items.insert(index, true) {
            None => Ok(()),
            Some(_) => Err(format!("a second `response.output_item.added` for output item {index}")),
        }
    }

    fn open_item(&self, data: &Json<'_>, kind: &str) -> Result<u64, String> {
        let index = output_index(data)?;
        match self.items.get(&index) {
            Some(true) => Ok(index),
            _ => Err(format!("`{kind}` for output item {index}, which is not open")),
        }
    }

    fn end(&mut self, data: &Json<'_>, kind: &str) -> Result<(), String> {
        if data.key("response").is_none_or(|response| response.kind() != Kind::Object) {
            return Err(format!("`{kind}` without `response`"));
        }
        self.complete = true;
        Ok(())
    }
}

fn output_index(data: &Json<'_>) -> Result<u64, String> {
    let index = data.key("output_index").and_then(|index| index.as_u64());
    index.ok_or_else(|| "an item event needs an `output_index`".into())
}
