//! Patterns of model names, and what their stars stand for.

use smallvec::SmallVec;

/// A pattern: `*` is any run of characters, everything else is itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// What each star stands for, in order.
pub(super) type Captures<'t> = SmallVec<[&'t str; 2]>;

impl Pattern {
    /// Any text is a pattern.
    pub fn new(text: &str) -> Self {
        Pattern(text.into())
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// How many stars it has.
    pub fn stars(&self) -> usize {
        self.0.bytes().filter(|byte| *byte == b'*').count()
    }

    /// How much it says: the number of its characters that are no star.
    pub fn weight(&self) -> usize {
        self.0.len() - self.stars()
    }

    /// What the stars stand for when the text fits: each as little as it can, the last one the rest. Linear:
    /// no place of the text is looked at twice by the same part.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(last) = parts.next_back() else { return (first == text).then(Captures::new) };
        let mut rest = text.strip_prefix(first)?.strip_suffix(last)?;
        let mut captures = Captures::new();
        for part in parts {
            let at = rest.find(part)?;
            captures.push(&rest[..at]);
            rest = &rest[at + part.len()..];
        }
        captures.push(rest);
        Some(captures)
    }

    /// Whether the text fits.
    pub fn fits(&self, text: &str) -> bool {
        self.captures(text).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_what_is_between() {
        for (pattern, text, expected) in [
            ("gpt-5", "gpt-5", Some(vec![])),
            ("gpt-5", "gpt-5.1", None),
            ("", "", Some(vec![])),
            ("*", "anything/at all", Some(vec!["anything/at all"])),
            ("*", "", Some(vec![""])),
            ("claude-*", "claude-opus-5", Some(vec!["opus-5"])),
            ("claude-*", "claude", None),
            ("claude-*-4-*", "claude-sonnet-4-5", Some(vec!["sonnet", "5"])),
            ("a*b*c", "a-b-b-c", Some(vec!["-", "-b-"])),
            ("ab*ba", "aba", None),
            ("**", "x", Some(vec!["", "x"])),
            ("*-mini", "gpt-5-mini", Some(vec!["gpt-5"])),
            ("größe-*", "größe-ü", Some(vec!["ü"])),
        ] {
            let found = Pattern::new(pattern).captures(text).map(|captures| captures.to_vec());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_weight_is_what_is_said() {
        assert_eq!(Pattern::new("gpt-*-mini").weight(), 9);
        assert_eq!(Pattern::new("*").weight(), 0);
        assert_eq!(Pattern::new("a*b*").stars(), 2);
    }

    #[test]
    fn agrees_with_the_globs_of_middleware() {
        for pattern in ["a*", "*a", "a*b", "*a*b*", "ab", "*", "a**b", ""] {
            for text in ["", "a", "b", "ab", "aab", "abb", "ba", "bab", "xaxbx"] {
                assert_eq!(
                    Pattern::new(pattern).fits(text),
                    crate::chain::glob(pattern, text),
                    "{pattern} {text}"
                );
            }
        }
    }
}
