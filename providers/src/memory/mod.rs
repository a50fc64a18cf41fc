//! What clients of Responses may refer to instead of sending it again: answers by `previous_response_id`, items by
//! `item_reference`. OpenAI keeps them for its clients; where another provider answers, the proxy does: in
//! memory only, a bounded number of bytes, the least recently used given up first, each client's own.

mod recall;
mod remember;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

pub(crate) use remember::Remembering;

/// Longest chain of answers that is followed.
const LONGEST: usize = 1000;

/// What is remembered.
#[derive(Debug)]
pub struct Memory {
    most: usize,
    held: Mutex<Held>,
}

/// Whose, and its id.
type Key = (Arc<str>, Arc<str>);

#[derive(Debug, Default)]
struct Held {
    turns: HashMap<Key, Turn>,
    /// Items of answers: the turn they are in, and which they are.
    items: HashMap<Key, (Arc<str>, usize)>,
    /// The keys of the turns by their last use.
    uses: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
}

/// One request and its answer.
#[derive(Clone, Debug, Default)]
struct Turn {
    /// The answer before it.
    previous: Option<Arc<str>>,
    /// The items that came with the request, each as JSON text.
    input: Vec<Bytes>,
    /// The items of the answer, with their ids.
    output: Vec<(Option<Arc<str>>, Bytes)>,
    used: u64,
}

impl Turn {
    fn size(&self) -> usize {
        // What a map and a list need beside the text, roughly.
        const AROUND: usize = 200;
        let texts = self.input.iter().chain(self.output.iter().map(|(_, item)| item));
        texts.map(|item| item.len() + AROUND).sum::<usize>() + 2 * AROUND
    }
}

impl Memory {
    /// At most so many bytes; none keeps nothing.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Memory { most, held: Mutex::default() })
    }

    /// Every item up to the end of an answer, oldest first. `None` when a part of it is not known (any more).
    fn conversation(&self, client: &str, id: &str) -> Option<Vec<Bytes>> {
        let mut held = self.held.lock();
        let client: Arc<str> = client.into();
        let (mut chain, mut next) = (Vec::new(), Some(Arc::<str>::from(id)));
        while let Some(id) = next {
            if chain.len() == LONGEST {
                return None;
            }
            let key = (client.clone(), id);
            held.touch(&key);
            let turn = held.turns.get(&key)?.clone();
            next = turn.previous.clone();
            chain.push(turn);
        }
        let items = chain.into_iter().rev().flat_map(|turn| {
            let output = turn.output.into_iter().map(|(_, item)| item);
            turn.input.into_iter().chain(output)
        });
        Some(items.collect())
    }

    /// One item of an answer.
    fn item(&self, client: &str, id: &str) -> Option<Bytes> {
        let mut held = self.held.lock();
        let client: Arc<str> = client.into();
        let (turn, place) = held.items.get(&(client.clone(), id.into()))?.clone();
        let key = (client, turn);
        held.touch(&key);
        held.turns.get(&key)?.output.get(place).map(|(_, item)| item.clone())
    }

    fn keep(&self, client: &str, id: &str, turn: Turn) {
        let size = turn.size();
        // One conversation does not push out all the others.
        if size > self.most / 4 {
            return;
        }
        let mut held = self.held.lock();
        let key: Key = (client.into(), id.into());
        held.forget(&key);
        for (place, (id, _)) in turn.output.iter().enumerate() {
            if let Some(id) = id {
                held.items.insert((key.0.clone(), id.clone()), (key.1.clone(), place));
            }
        }
        held.bytes += size;
        held.turns.insert(key.clone(), turn);
        held.touch(&key);
        while held.bytes > self.most {
            let Some(oldest) = held.uses.values().next().cloned() else { break };
            held.forget(&oldest);
        }
    }
}

impl Held {
    /// It was used just now.
    fn touch(&mut self, key: &Key) {
        let Some(turn) = self.turns.get_mut(key) else { return };
        self.uses.remove(&turn.used);
        self.clock += 1;
        turn.used = self.clock;
        self.uses.insert(self.clock, key.clone());
    }

    fn forget(&mut self, key: &Key) {
        let Some(turn) = self.turns.remove(key) else { return };
        self.uses.remove(&turn.used);
        self.bytes -= turn.size();
        for id in turn.output.into_iter().filter_map(|(id, _)| id) {
            let item = (key.0.clone(), id);
            // A later answer may have taken the id over.
            if self.items.get(&item).is_some_and(|(turn, _)| *turn == key.1) {
                self.items.remove(&item);
            }
        }
    }
}
