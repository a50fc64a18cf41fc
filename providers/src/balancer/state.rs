//! What is known of the credentials of a pool at a moment, and which of them a request could have.

use super::affinity::Affinity;
use super::facts::Facts;
use super::standing::{Now, Rest, Standing};
use super::strategy::Free;
use super::verdict::Why;

/// How they stand, and who had what.
pub(super) struct State {
    pub(super) standings: Vec<Standing>,
    /// Who was chosen last.
    pub(super) last: Option<usize>,
    pub(super) items: Affinity,
    pub(super) conversations: Affinity,
}

impl State {
    /// What keeps a credential from this request, if anything.
    pub(super) fn resting(&self, index: usize, facts: &Facts, now: Now) -> Option<&Rest> {
        self.standings[index].resting(facts.model.as_deref(), now)
    }

    /// Those that can be used now, in the order of the pool.
    pub(super) fn free(&self, allowed: &[usize], facts: &Facts, tried: &[usize], now: Now) -> Vec<Free> {
        let able = allowed.iter().filter(|index| !tried.contains(index));
        let able = able.filter(|&&index| self.resting(index, facts, now).is_none());
        able.map(|&index| Free {
            index,
            in_flight: self.standings[index].in_flight,
            uses: self.standings[index].uses,
        })
        .collect()
    }

    /// Without those that wait for somebody to log in, where there are others: a login that nobody made tells a client
    /// nothing of when to come back.
    pub(super) fn useful(&self, allowed: &[usize], facts: &Facts, now: Now) -> Vec<usize> {
        let needs_login =
            |index| self.resting(index, facts, now).is_some_and(|rest| rest.why == Why::NeedsLogin);
        let useful: Vec<usize> = allowed.iter().copied().filter(|index| !needs_login(*index)).collect();
        if useful.is_empty() { allowed.to_vec() } else { useful }
    }
}
