//! One part of a space, behind one lock: a map whose entries know when they expire.

use std::collections::HashMap;
use std::time::Duration;

use super::space::Stored;

/// Bytes an entry takes beside its key and value: the map's slot, two allocations.
const OVERHEAD: usize = 96;

/// How long a shard may keep expired entries that nobody asks for, while it is written to.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// A value and the time at which it is gone.
pub(super) struct Entry {
    pub(super) value: Stored,
    pub(super) expires: Option<Duration>,
}

impl Entry {
    fn alive(&self, now: Duration) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// What a change did to the counts of the space: keys and bytes, signed.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) keys: isize,
    pub(super) bytes: isize,
}

#[derive(Default)]
pub(super) struct Shard {
    entries: HashMap<Box<str>, Entry>,
    next_sweep: Duration,
}

impl Shard {
    /// The entry, unless it has expired. Expired ones are removed by the next sweep, which keeps the counts.
    pub(super) fn get(&self, key: &str, now: Duration) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.alive(now))
    }

    /// The same, to change its value or its expiry in place.
    pub(super) fn get_mut(&mut self, key: &str, now: Duration) -> Option<&mut Entry> {
        self.entries.get_mut(key).filter(|entry| entry.alive(now))
    }

    /// What [`Shard::insert`] would change.
    pub(super) fn cost(&self, key: &str, value: &Stored) -> Change {
        let old = self.entries.get(key).map(|entry| size(key, &entry.value));
        Change {
            keys: isize::from(old.is_none()),
            bytes: size(key, value).cast_signed() - old.unwrap_or(0).cast_signed(),
        }
    }

    /// Puts an entry in the place of whatever was there.
    pub(super) fn insert(&mut self, key: &str, entry: Entry) {
        match self.entries.get_mut(key) {
            Some(place) => *place = entry,
            None => {
                self.entries.insert(key.into(), entry);
            }
        }
    }

    /// Removes an entry. Says whether it was still alive, and what that freed.
    pub(super) fn remove(&mut self, key: &str, now: Duration) -> (bool, Change) {
        match self.entries.remove_entry(key) {
            Some((key, entry)) => {
                (entry.alive(now), Change { keys: -1, bytes: -size(&key, &entry.value).cast_signed() })
            }
            None => (false, Change::default()),
        }
    }

    /// Sweeps when the last time is long enough ago.
    pub(super) fn sweep_now_and_then(&mut self, now: Duration) -> Change {
        if now < self.next_sweep {
            return Change::default();
        }
        self.sweep(now)
    }

    /// Drops what has expired.
    pub(super) fn sweep(&mut self, now: Duration) -> Change {
        self.next_sweep = now + SWEEP_EVERY;
        let mut change = Change::default();
        self.entries.retain(|key, entry| {
            let keep = entry.alive(now);
            if !keep {
                change.keys -= 1;
                change.bytes -= size(key, &entry.value).cast_signed();
            }
            keep
        });
        change
    }

    /// The live keys that begin with `prefix`.
    pub(super) fn keys(&self, prefix: &str, now: Duration) -> impl Iterator<Item = &str> {
        let alive = self.entries.iter().filter(move |(_, entry)| entry.alive(now));
        alive.map(|(key, _)| &**key).filter(move |key| key.starts_with(prefix))
    }
}

fn size(key: &str, value: &Stored) -> usize {
    OVERHEAD + key.len() + value.len()
}
