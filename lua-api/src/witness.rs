//! What the code of the host really asked for, so that a test can hold it against what is described.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static SEEN: RefCell<BTreeSet<(String, String)>> = RefCell::default();
}

/// Notes that `who` (a function, a place in a manifest) looked at `what` (an argument, a key).
pub(crate) fn note(who: &str, what: &str) {
    SEEN.with(|seen| seen.borrow_mut().insert((who.to_owned(), what.to_owned())));
}

/// What was noted on this thread.
pub(crate) fn take() -> BTreeSet<(String, String)> {
    SEEN.with(|seen| std::mem::take(&mut *seen.borrow_mut()))
}
