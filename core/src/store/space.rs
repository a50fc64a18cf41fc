//! What one plugin keeps: values and exact counters, with expiry, compare-and-set and a quota.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::clock::Clock;
use super::shard::{Change, Entry, Shard};
use super::signals::Signals;
use crate::step::Step;

const SHARDS: usize = 16;

/// How much a space may hold.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Most keys.
    pub keys: usize,
    /// Most bytes of keys and values, with what an entry costs beside them.
    pub bytes: usize,
    /// Longest key in bytes.
    pub key: usize,
    /// Largest value in bytes.
    pub value: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Quota { keys: 100_000, bytes: 32 << 20, key: 512, value: 1 << 20 }
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A whole number.
    Integer(i64),
    /// JSON text. Two values are equal when their texts are.
    Json(Bytes),
}

impl Stored {
    /// Takes JSON text in; whole numbers become countable.
    pub fn json(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        // An i64 has at most 20 letters; anything longer is not worth a look.
        let number = if text.len() <= 20 { std::str::from_utf8(&text).ok() } else { None };
        match number.and_then(|text| text.parse().ok()) {
            Some(number) => Stored::Integer(number),
            None => Stored::Json(text),
        }
    }

    /// The JSON text.
    pub fn text(&self) -> Cow<'_, [u8]> {
        match self {
            Stored::Integer(number) => Cow::Owned(number.to_string().into_bytes()),
            Stored::Json(text) => Cow::Borrowed(text),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Stored::Integer(_) => 8,
            Stored::Json(text) => text.len(),
        }
    }
}

/// Why nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The space holds as many keys or bytes as it may.
    Full,
    /// The key is empty or longer than this many bytes.
    Key(usize),
    /// The value is larger than this many bytes.
    Value(usize),
    /// A counter was asked for, and the value is no whole number.
    NotInteger,
    /// The counter would leave the range of 64 bits.
    Overflow,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Full => f.write_str("the plugin's quota of keys or bytes is used up"),
            Refused::Key(most) => write!(f, "a key has 1 to {most} bytes"),
            Refused::Value(most) => write!(f, "the value is larger than {most} bytes"),
            Refused::NotInteger => f.write_str("the value is not a whole number"),
            Refused::Overflow => f.write_str("the counter would leave the range of 64 bits"),
        }
    }
}

impl std::error::Error for Refused {}

/// What one plugin keeps.
pub struct Space {
    quota: Quota,
    clock: Arc<Clock>,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    keys: AtomicUsize,
    bytes: AtomicUsize,
    /// The second of the clock in which [`Space::make_room`] swept last.
    swept: AtomicU64,
    signals: Arc<Signals>,
}

impl Space {
    pub(super) fn new(quota: Quota, clock: Arc<Clock>) -> Self {
        let signals = Arc::new(Signals::new(clock.clone()));
        Space {
            quota,
            clock,
            hasher: RandomState::new(),
            shards: Default::default(),
            keys: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            swept: AtomicU64::new(u64::MAX),
            signals,
        }
    }

    /// The plugin's signals between handlers.
    pub fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Step<'_, Option<Stored>> {
        let now = self.clock.now();
        Step::Ready(self.shard(key).get(key, now).map(|entry| entry.value.clone()))
    }

    /// Sets a key, whatever was there. Without `ttl` (time to live) it stays until it is deleted.
    pub fn set(&self, key: &str, value: Stored, ttl: Option<Duration>) -> Step<'_, Result<(), Refused>> {
        Step::Ready(self.write(key, |_, _| Ok(Some((value, self.expiry(ttl))))).map(|_| ()))
    }

    /// Sets a key that is not there. Says whether it was not.
    pub fn add(&self, key: &str, value: Stored, ttl: Option<Duration>) -> Step<'_, Result<bool, Refused>> {
        Step::Ready(self.write(key, |old, _| match old {
            Some(_) => Ok(None),
            None => Ok(Some((value, self.expiry(ttl)))),
        }))
    }

    /// Sets a key whose value is `expected` (`None`: not there). Says whether it was.
    pub fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Stored>,
        value: Stored,
        ttl: Option<Duration>,
    ) -> Step<'_, Result<bool, Refused>> {
        Step::Ready(self.write(key, |old, _| match old.map(|entry| &entry.value) == expected {
            true => Ok(Some((value, self.expiry(ttl)))),
            false => Ok(None),
        }))
    }

    /// Adds to a counter and returns the sum. A counter that is not there begins at 0, and only then is
    /// `ttl` used: a window runs from its first count.
    pub fn incr(&self, key: &str, by: i64, ttl: Option<Duration>) -> Step<'_, Result<i64, Refused>> {
        let mut sum = by;
        let counted = self.write(key, |old, _| {
            let (before, expires) = match old {
                None => (0, self.expiry(ttl)),
                Some(Entry { value: Stored::Integer(number), expires }) => (*number, *expires),
                Some(_) => return Err(Refused::NotInteger),
            };
            sum = before.checked_add(by).ok_or(Refused::Overflow)?;
            Ok(Some((Stored::Integer(sum), expires)))
        });
        Step::Ready(counted.map(|_| sum))
    }

    /// Removes a key. Says whether it was there.
    pub fn delete(&self, key: &str) -> Step<'_, bool> {
        let (was_there, change) = self.shard(key).remove(key, self.clock.now());
        self.account(change);
        Step::Ready(was_there)
    }

    /// Sets when a key expires; `None`: never. Says whether the key is there.
    pub fn expire(&self, key: &str, ttl: Option<Duration>) -> Step<'_, bool> {
        let expires = self.expiry(ttl);
        let mut shard = self.shard(key);
        Step::Ready(match shard.get_mut(key, self.clock.now()) {
            Some(entry) => {
                entry.expires = expires;
                true
            }
            None => false,
        })
    }

    /// How long a key still lives: `None` when it is not there, `Some(None)` when it never expires.
    pub fn ttl(&self, key: &str) -> Step<'_, Option<Option<Duration>>> {
        let now = self.clock.now();
        let left = self.shard(key).get(key, now).map(|entry| entry.expires.map(|at| at.saturating_sub(now)));
        Step::Ready(left)
    }

    /// At most `limit` of the keys that begin with `prefix`, sorted.
    pub fn keys(&self, prefix: &str, limit: usize) -> Step<'_, Vec<String>> {
        let now = self.clock.now();
        let mut found = Vec::new();
        for shard in &self.shards {
            found.extend(shard.lock().keys(prefix, now).map(str::to_owned));
        }
        found.sort_unstable();
        found.truncate(limit);
        Step::Ready(found)
    }

    /// Keys and bytes in use, expired ones that nobody asked for included.
    pub fn usage(&self) -> (usize, usize) {
        (self.keys.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Drops what has expired and says how many keys that were.
    pub fn sweep(&self) -> usize {
        let now = self.clock.now();
        let mut gone = 0;
        for shard in &self.shards {
            let change = shard.lock().sweep(now);
            self.account(change);
            gone += change.keys.unsigned_abs();
        }
        gone
    }

    /// Sweeps a space that is nearly full, at most once a second: a full one must not cost a walk a write.
    fn make_room(&self, now: Duration) {
        let (keys, bytes) = self.usage();
        let tight = keys >= self.quota.keys || bytes >= self.quota.bytes - self.quota.bytes / 8;
        if !tight {
            return;
        }
        let second = now.as_secs();
        if self.swept.swap(second, Ordering::Relaxed) != second {
            self.sweep();
        }
    }

    /// Reads an entry and writes what `decide` makes of it, under one lock. `Ok(None)` writes nothing.
    fn write(
        &self,
        key: &str,
        decide: impl FnOnce(Option<&Entry>, Duration) -> Result<Option<(Stored, Option<Duration>)>, Refused>,
    ) -> Result<bool, Refused> {
        if key.is_empty() || key.len() > self.quota.key {
            return Err(Refused::Key(self.quota.key));
        }
        let now = self.clock.now();
        self.make_room(now);
        let mut shard = self.shard(key);
        self.account(shard.sweep_now_and_then(now));
        let Some((value, expires)) = decide(shard.get(key, now), now)? else { return Ok(false) };
        if value.len() > self.quota.value {
            return Err(Refused::Value(self.quota.value));
        }
        let cost = shard.cost(key, &value);
        if !self.reserve(cost) {
            return Err(Refused::Full);
        }
        shard.insert(key, Entry { value, expires });
        Ok(true)
    }

    /// Takes the cost into the counts, if the quota allows. What makes the space smaller is always allowed.
    fn reserve(&self, cost: Change) -> bool {
        let keys = self.keys.load(Ordering::Relaxed).saturating_add_signed(cost.keys);
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_add_signed(cost.bytes);
        if (cost.keys > 0 && keys > self.quota.keys) || (cost.bytes > 0 && bytes > self.quota.bytes) {
            return false;
        }
        self.account(cost);
        true
    }

    /// Counts may pass the quota by as many writes as run at once: one a thread.
    fn account(&self, change: Change) {
        add(&self.keys, change.keys);
        add(&self.bytes, change.bytes);
    }

    fn expiry(&self, ttl: Option<Duration>) -> Option<Duration> {
        ttl.and_then(|ttl| self.clock.now().checked_add(ttl))
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let place = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[place].lock()
    }
}

fn add(count: &AtomicUsize, change: isize) {
    // Wrapping addition of a two's complement is a signed addition.
    count.fetch_add(change.cast_unsigned(), Ordering::Relaxed);
}
