//! What the code of the host really asked for, so that a test can hold it against what is described. Nothing is
//! noted, and nothing paid, on a thread that is not watched.

use std::cell::RefCell;
use std::collections::BTreeSet;

/// Who looked, and at what.
type Seen = BTreeSet<(String, String)>;

thread_local! {
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// Notes that `who` (a function, a place in a manifest) looked at `what` (an argument, a key).
pub(crate) fn note(who: &str, what: impl FnOnce() -> String) {
    SEEN.with(|seen| {
        if let Some(seen) = seen.borrow_mut().as_mut() {
            seen.insert((who.to_owned(), what()));
        }
    });
}

/// What was noted on this thread since the last time, which is watched from the first time on.
pub(crate) fn take() -> Seen {
    SEEN.with(|seen| seen.borrow_mut().replace(Seen::new()).unwrap_or_default())
}
