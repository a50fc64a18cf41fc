//! The conversation in turns, as Anthropic and Chat want it: what an assistant says and calls is one turn, and
//! the results of its calls stand directly behind it, whatever order they came in.

use std::collections::{HashMap, VecDeque};

use super::{Call, Content, Losses, Message, Part, Role, Text, ToolResult};

/// Consecutive messages of one side.
#[derive(Debug, PartialEq)]
pub(in crate::formats) struct Turn<'c, 'a> {
    pub(in crate::formats) role: Role,
    pub(in crate::formats) name: Option<&'c Text<'a>>,
    /// Results of the calls in the turn before. Only in user turns.
    pub(in crate::formats) results: Vec<Answered<'c, 'a>>,
    /// A result among them belongs to no call: the client shortened its history. It can only be told as text.
    pub(in crate::formats) parts: Vec<&'c Part<'a>>,
}

/// A result, and the cache mark its part carries.
#[derive(Debug, PartialEq)]
pub(in crate::formats) struct Answered<'c, 'a> {
    pub(in crate::formats) result: &'c ToolResult<'a>,
    pub(in crate::formats) part: &'c Part<'a>,
    /// The call was one of a custom tool; not every format says so of the result.
    pub(in crate::formats) custom: bool,
}

/// The turns of a call's messages from the `from`th on.
pub(in crate::formats) fn turns<'c, 'a>(
    call: &'c Call<'a>,
    from: usize,
    losses: &mut Losses,
) -> Vec<Turn<'c, 'a>> {
    let messages = &call.messages[from.min(call.messages.len())..];
    let mut builder = Builder { results: results(messages), turns: Vec::new(), waiting: Vec::new() };
    for message in messages {
        builder.add(message, losses);
    }
    builder.answer();
    if builder.results.values().any(|results| !results.is_empty()) {
        losses.add("messages.tool_result", "a second result of one call");
    }
    builder.turns
}

struct Builder<'c, 'a> {
    /// Results that are not placed yet, by the id of their call.
    results: HashMap<&'c str, VecDeque<Answered<'c, 'a>>>,
    turns: Vec<Turn<'c, 'a>>,
    /// Ids of calls in the last turn, which is an assistant's.
    waiting: Vec<&'c str>,
}

fn results<'c, 'a>(messages: &'c [Message<'a>]) -> HashMap<&'c str, VecDeque<Answered<'c, 'a>>> {
    // Only results of calls that were made count; the first one for a call is its answer.
    let mut known: HashMap<&str, bool> = HashMap::new();
    let mut results: HashMap<&str, VecDeque<Answered<'_, '_>>> = HashMap::new();
    for part in messages.iter().flat_map(|message| &message.parts) {
        if let Content::Call(call) = &part.content {
            known.insert(&call.id, call.custom);
        }
    }
    for part in messages.iter().flat_map(|message| &message.parts) {
        if let Content::Result(result) = &part.content
            && let Some(custom) = known.get(&*result.id)
        {
            results.entry(&result.id).or_default().push_back(Answered { result, part, custom: *custom });
        }
    }
    results
}

impl<'c, 'a> Builder<'c, 'a> {
    fn add(&mut self, message: &'c Message<'a>, losses: &mut Losses) {
        if message.role == Role::Assistant {
            self.turn(message);
            for part in &message.parts {
                if let Content::Call(call) = &part.content {
                    self.waiting.push(&call.id);
                }
                self.push(part);
            }
            return;
        }
        self.answer();
        for part in &message.parts {
            let Content::Result(result) = &part.content else {
                self.turn(message);
                self.push(part);
                continue;
            };
            // The entry stays when its results are placed.
            if self.results.contains_key(&*result.id) {
                continue;
            }
            losses.add("messages.tool_result", "a result without its call is told as text");
            self.turn(message);
            self.push(part);
        }
        if message.parts.is_empty() {
            self.turn(message);
        }
    }

    /// Puts the results of the last turn's calls behind it.
    fn answer(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        // An id that is used again later has its later results then.
        let next = |id: &&'c str| self.results.get_mut(*id).and_then(VecDeque::pop_front);
        let found: Vec<_> = waiting.iter().filter_map(next).collect();
        if !found.is_empty() {
            self.turns.push(Turn { results: found, ..Turn::new(Role::User, None) });
        }
    }

    /// A turn of that side is the last one.
    fn turn(&mut self, message: &'c Message<'a>) {
        let same = |turn: &Turn<'_, '_>| turn.role == message.role && turn.name == message.name.as_ref();
        let joins = |turn: &Turn<'_, '_>| {
            turn.role == Role::User
                && message.role == Role::User
                && turn.parts.is_empty()
                && turn.name.is_none()
        };
        match self.turns.last_mut() {
            Some(turn) if same(turn) => {}
            Some(turn) if joins(turn) => turn.name = message.name.as_ref(),
            _ => self.turns.push(Turn::new(message.role, message.name.as_ref())),
        }
    }

    fn push(&mut self, part: &'c Part<'a>) {
        if let Some(turn) = self.turns.last_mut() {
            turn.parts.push(part);
        }
    }
}

impl<'c, 'a> Turn<'c, 'a> {
    fn new(role: Role, name: Option<&'c Text<'a>>) -> Self {
        Turn { role, name, results: Vec::new(), parts: Vec::new() }
    }
}

impl ToolResult<'_> {
    /// A result without its call, in words.
    pub(in crate::formats) fn told(&self) -> String {
        format!("[result of tool call {}]\n{}", self.id, super::part::texts(&self.parts))
    }
}
