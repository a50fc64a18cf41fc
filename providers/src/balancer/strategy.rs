//! Which of the credentials that could be used is. Pure: what is known goes in, one of them comes out.

/// How one is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Strategy {
    /// The first in order that can be used.
    #[default]
    Failover,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests on their way, then the fewest at all.
    LeastUsed,
    /// A conversation stays with the one that it began with.
    Sticky,
}

/// A credential that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Free {
    /// Its place in the pool.
    pub(super) index: usize,
    pub(super) in_flight: u32,
    pub(super) uses: u64,
}

/// What a choice depends on beside who is free.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Situation {
    /// The place of the one that was chosen last.
    pub(super) last: Option<usize>,
    /// The one that this conversation had.
    pub(super) had: Option<usize>,
    /// What stands for the conversation.
    pub(super) conversation: u64,
}

impl Strategy {
    pub(super) const WORDS: [&str; 4] = ["failover", "round_robin", "least_used", "sticky"];

    pub(super) fn of(word: &str) -> Self {
        match word {
            "round_robin" => Strategy::RoundRobin,
            "least_used" => Strategy::LeastUsed,
            "sticky" => Strategy::Sticky,
            _ => Strategy::Failover,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Strategy::Failover => "failover",
            Strategy::RoundRobin => "round_robin",
            Strategy::LeastUsed => "least_used",
            Strategy::Sticky => "sticky",
        }
    }

    /// One of those that are free, who stand in the order of the pool.
    pub(super) fn choose(self, free: &[Free], situation: Situation) -> Option<usize> {
        let first = free.first()?.index;
        Some(match self {
            Strategy::Failover => first,
            Strategy::RoundRobin => {
                let after = free.iter().find(|one| Some(one.index) > situation.last);
                after.map_or(first, |one| one.index)
            }
            Strategy::LeastUsed => free.iter().min_by_key(|one| (one.in_flight, one.uses, one.index))?.index,
            Strategy::Sticky => {
                let had = situation.had.filter(|had| free.iter().any(|one| one.index == *had));
                let drawn = || free.iter().max_by_key(|one| draw(situation.conversation, one.index));
                had.or_else(|| Some(drawn()?.index))?
            }
        })
    }
}

/// Rendezvous hashing: each pair has a number that is always the same, so a conversation finds its credential
/// again after a restart, and only those move whose credential went away.
fn draw(conversation: u64, index: usize) -> u64 {
    // The finaliser of SplitMix64.
    let mut mixed = conversation ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(indices: &[usize]) -> Vec<Free> {
        indices.iter().map(|&index| Free { index, in_flight: 0, uses: 0 }).collect()
    }

    #[test]
    fn the_first_or_the_next() {
        let at = |last| Situation { last, ..Situation::default() };
        assert_eq!(Strategy::Failover.choose(&free(&[1, 2]), at(Some(1))), Some(1));
        assert_eq!(Strategy::Failover.choose(&[], at(None)), None);
        let turns: Vec<_> = [None, Some(0), Some(1), Some(2), Some(3)]
            .map(|last| Strategy::RoundRobin.choose(&free(&[0, 1, 3]), at(last)))
            .into();
        assert_eq!(turns, [Some(0), Some(1), Some(3), Some(3), Some(0)]);
    }

    #[test]
    fn the_least_used_counts_those_on_their_way_first() {
        let mut all = free(&[0, 1, 2]);
        (all[0].in_flight, all[1].uses, all[2].uses) = (1, 9, 8);
        assert_eq!(Strategy::LeastUsed.choose(&all, Situation::default()), Some(2));
        all[2].in_flight = 2;
        all[1].in_flight = 2;
        assert_eq!(Strategy::LeastUsed.choose(&all, Situation::default()), Some(0));
    }

    #[test]
    fn conversations_stay_and_are_spread() {
        let of = |conversation, free: &[Free], had| {
            Strategy::Sticky.choose(free, Situation { conversation, had, last: None })
        };
        let (all, two) = (free(&[0, 1, 2]), free(&[0, 2]));
        let mut counts = [0; 3];
        for conversation in 0..300u64 {
            let conversation = conversation.wrapping_mul(0x1234_5678_9abc_def1);
            let one = of(conversation, &all, None).unwrap_or(9);
            counts[one] += 1;
            assert_eq!(of(conversation, &all, None), Some(one), "always the same");
            if one != 1 {
                assert_eq!(
                    of(conversation, &two, None),
                    Some(one),
                    "only those of the one that went away move"
                );
            }
        }
        assert!(counts.iter().all(|count| *count > 60), "{counts:?}");
        assert_eq!(of(7, &all, Some(1)), Some(1), "where it was, it stays");
        assert_ne!(of(7, &two, Some(1)), Some(1));
    }
}
