//! Step 1 and 3 of the way of an exchange: listen, accept, guard; and the drain at the end.

mod guard;

pub use guard::Guard;
