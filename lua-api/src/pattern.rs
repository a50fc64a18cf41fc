//! Regular expressions of scripts: linear in the text, bounded in the size of the program, on any bytes.
//!
//! A search runs in host code, which no interrupt reaches, and may cost the length of the text times the
//! width of the pattern. So the two together are bounded.

use std::num::NonZeroUsize;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// Longest pattern in bytes.
const LONGEST: usize = 8 << 10;
/// Largest compiled program in bytes.
const PROGRAM: usize = 1 << 20;

/// Most steps that one search may take: about a second.
const WORK: usize = 200_000_000;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// In how many places of the pattern a search can be at once.
    width: usize,
}

impl Pattern {
    /// Whether a text of this length may be searched. The error is for the author of the script.
    pub(crate) fn admits(&self, length: usize) -> Result<(), String> {
        match length.saturating_mul(self.width) <= WORK {
            true => Ok(()),
            false => Err(format!(
                "a pattern of {} places cannot search {length} bytes; shorten the text, or its `{{n,m}}`",
                self.width
            )),
        }
    }
}

/// Compiles a pattern. The error is for the author of the script.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
    if pattern.len() > LONGEST {
        return Err(format!("the pattern is longer than {LONGEST} bytes"));
    }
    let built = RegexBuilder::new(pattern).size_limit(PROGRAM).dfa_size_limit(PROGRAM).build();
    let regex = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("the compiled pattern is larger than {limit} bytes"),
        other => format!("not a regular expression: {other}"),
    })?;
    let parsed = ParserBuilder::new().utf8(false).build().parse(pattern);
    let width = parsed.map_err(|error| format!("not a regular expression: {error}"))?;
    Ok(Pattern { regex, width: width_of(&width).max(1) })
}

/// Characters that can stand in a match, repetitions written out. Of alternative words only one is followed.
fn width_of(hir: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(width_of).fold(0, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(text) => text.0.len(),
        HirKind::Class(_) => 1,
        HirKind::Repetition(repeated) => {
            let times = repeated.max.unwrap_or(repeated.min).max(1) as usize;
            width_of(&repeated.sub).saturating_mul(times)
        }
        HirKind::Capture(capture) => width_of(&capture.sub),
        HirKind::Concat(parts) => sum(parts),
        HirKind::Alternation(parts) => {
            let words = parts.iter().all(|part| matches!(part.kind(), HirKind::Literal(_)));
            if words { parts.iter().map(width_of).max().unwrap_or(0) } else { sum(parts) }
        }
    }
}

/// The patterns a VM used last, compiled.
pub(crate) struct Cache {
    capacity: NonZeroUsize,
    /// Least recently used first.
    entries: Vec<(Box<str>, Arc<Pattern>)>,
}

impl Cache {
    /// An empty cache of at most `capacity` patterns.
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Cache { capacity, entries: Vec::new() }
    }

    /// The compiled pattern, compiling it when it is new.
    pub(crate) fn get(&mut self, pattern: &str) -> Result<Arc<Pattern>, String> {
        if let Some(place) = self.entries.iter().rposition(|(text, _)| &**text == pattern) {
            let last = self.entries.len() - 1;
            self.entries[place..].rotate_left(1);
            return Ok(self.entries[last].1.clone());
        }
        let compiled = Arc::new(compile(pattern)?);
        if self.entries.len() == self.capacity.get() {
            self.entries.remove(0);
        }
        self.entries.push((pattern.into(), compiled.clone()));
        Ok(compiled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_of_a_pattern_is_what_a_search_can_follow_at_once() {
        let width = |pattern| compile(pattern).expect("it compiles").width;
        for (pattern, wanted) in [
            ("", 1),
            ("abc", 3),
            (r"\w+@\w+\.\w+", 5),
            (r"\d{4}-\d\d", 7),
            ("secret|password|token", 8),
            ("(a[ab]{500}){2}c", 1003),
            ("(a|b+c){3}", 9),
        ] {
            assert_eq!(width(pattern), wanted, "{pattern}");
        }
        let wide = compile("[ab]{900}c").expect("it compiles");
        assert!(wide.admits(100_000).is_ok() && wide.admits(8 << 20).is_err());
        assert!(compile(r"\w+@\w+\.\w+").is_ok_and(|pattern| pattern.admits(8 << 20).is_ok()));
    }
}
