//! Which credential an item or a conversation belongs to. Bounded, and nothing is known for ever.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};

/// Most entries of each of the two halves.
const HALF: usize = 32_768;

/// What an item or a conversation is known by. Its bytes are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark(pub(super) u64);

impl Mark {
    /// Of these bytes; `what` keeps different things apart.
    pub(super) fn of(what: &str, parts: &[&[u8]]) -> Self {
        let mut whole =
            Vec::with_capacity(what.len() + parts.iter().map(|part| part.len() + 1).sum::<usize>());
        whole.extend_from_slice(what.as_bytes());
        for part in parts {
            whole.push(0);
            whole.extend_from_slice(part);
        }
        let digest = digest(&SHA256, &whole);
        Mark(digest.as_ref().iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte)))
    }
}

/// Two halves: the younger takes what is new, and when it is full, the older one is forgotten.
#[derive(Debug)]
pub(super) struct Affinity {
    life: Duration,
    young: HashMap<Mark, (u16, Instant)>,
    old: HashMap<Mark, (u16, Instant)>,
}

impl Affinity {
    /// Knows nothing yet, and nothing for longer than this.
    pub(super) fn new(life: Duration) -> Self {
        Affinity { life, young: HashMap::new(), old: HashMap::new() }
    }

    /// The place of the credential it belongs to.
    pub(super) fn get(&self, mark: Mark, now: Instant) -> Option<usize> {
        let (index, since) = self.young.get(&mark).or_else(|| self.old.get(&mark))?;
        (now.saturating_duration_since(*since) < self.life).then_some(usize::from(*index))
    }

    /// From now on it belongs to this one.
    pub(super) fn put(&mut self, mark: Mark, index: usize, now: Instant) {
        let Ok(index) = u16::try_from(index) else { return };
        if self.young.len() >= HALF && !self.young.contains_key(&mark) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark, (index, now));
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_by_age_and_by_number() {
        let (now, mut affinity) = (Instant::now(), Affinity::new(Duration::from_secs(60)));
        let mark = |number: u64| Mark::of("item", &[&number.to_le_bytes()]);
        affinity.put(mark(1), 3, now);
        assert_eq!(affinity.get(mark(1), now + Duration::from_secs(59)), Some(3));
        assert_eq!(affinity.get(mark(1), now + Duration::from_secs(60)), None);
        assert_eq!(affinity.get(mark(2), now), None);
        for number in 2..3 * HALF as u64 {
            affinity.put(mark(number), 1, now);
        }
        assert!(affinity.young.len() + affinity.old.len() <= 2 * HALF);
        assert_eq!(affinity.get(mark(1), now), None);
        assert_eq!(affinity.get(mark(3 * HALF as u64 - 1), now), Some(1));
        assert_ne!(Mark::of("a", &[b"bc", b"d"]), Mark::of("a", &[b"b", b"cd"]));
    }
}
