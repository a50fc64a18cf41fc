//! Calls that go by the same id: some servers count them anew in every answer. Anthropic refuses a conversation in
//! which an id comes twice, and nobody could tell their results apart.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Content, Message};

/// Gives a call whose id another had before it an id of its own, and its result with it.
pub(in crate::formats) fn tell_calls_apart(messages: &mut [Message<'_>]) {
    let mut ids = HashSet::new();
    let mut calls =
        messages.iter().flat_map(|message| &message.parts).filter_map(|part| match &part.content {
            Content::Call(call) => Some(&*call.id),
            _ => None,
        });
    if calls.all(|id| ids.insert(id)) {
        return;
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut waiting: HashMap<String, VecDeque<String>> = HashMap::new();
    for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
        match &mut part.content {
            Content::Call(call) => {
                let count = seen.entry(call.id.to_string()).or_default();
                let own = if *count == 0 { call.id.to_string() } else { format!("{}_{count}", call.id) };
                *count += 1;
                waiting.entry(call.id.to_string()).or_default().push_back(own.clone());
                call.id = own.into();
            }
            Content::Result(result) => {
                if let Some(own) = waiting.get_mut(&*result.id).and_then(VecDeque::pop_front) {
                    result.id = own.into();
                }
            }
            _ => {}
        }
    }
}
