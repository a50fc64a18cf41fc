//! Regular expressions of scripts: linear in the text, bounded in the size of the program, on any bytes.

use std::num::NonZeroUsize;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

/// Longest pattern in bytes.
const LONGEST: usize = 8 << 10;
/// Largest compiled program in bytes.
const PROGRAM: usize = 1 << 20;

/// Compiles a pattern. The error is for the author of the script.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > LONGEST {
        return Err(format!("the pattern is longer than {LONGEST} bytes"));
    }
    let built = RegexBuilder::new(pattern).size_limit(PROGRAM).dfa_size_limit(PROGRAM).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("the compiled pattern is larger than {limit} bytes"),
        other => format!("not a regular expression: {other}"),
    })
}

/// The patterns a VM used last, compiled.
pub(crate) struct Cache {
    capacity: NonZeroUsize,
    /// Least recently used first.
    entries: Vec<(Box<str>, Arc<Regex>)>,
}

impl Cache {
    /// An empty cache of at most `capacity` patterns.
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Cache { capacity, entries: Vec::new() }
    }

    /// The compiled pattern, compiling it when it is new.
    pub(crate) fn get(&mut self, pattern: &str) -> Result<Arc<Regex>, String> {
        if let Some(place) = self.entries.iter().rposition(|(text, _)| &**text == pattern) {
            let last = self.entries.len() - 1;
            self.entries[place..].rotate_left(1);
            return Ok(self.entries[last].1.clone());
        }
        let regex = Arc::new(compile(pattern)?);
        if self.entries.len() == self.capacity.get() {
            self.entries.remove(0);
        }
        self.entries.push((pattern.into(), regex.clone()));
        Ok(regex)
    }
}
