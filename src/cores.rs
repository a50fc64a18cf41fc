//! Keeps secrets out of core files: this process leaves none, and no other program of the user's reads its memory.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// From here on. A system that will not is no reason not to run.
pub(crate) fn forbid() {
    // A program that takes cores through a pipe is not bound by the limit; the process itself is what it heeds.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let most = getrlimit(Resource::Core).maximum;
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: most });
}
