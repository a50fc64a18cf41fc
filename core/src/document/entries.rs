//! The children of one array or object, found one after another.

use std::ops::Range;

use memchr::memchr;

use super::json::unescape;
use super::scan::{Fault, Scanner};

/// One child of a container, as places in the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key with its quotes; empty in an array.
    pub(super) key: Range<usize>,
    /// The value.
    pub(super) value: Range<usize>,
}

impl Entry {
    /// Where the entry begins: at its key, or at its value in an array.
    pub(super) fn start(&self) -> usize {
        if self.key.is_empty() { self.value.start } else { self.key.start }
    }
}

/// Walks the children of one container. Ends after the first fault.
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    scanner: Scanner<'a>,
    object: bool,
    first: bool,
    done: bool,
}

impl<'a> Entries<'a> {
    /// `at` is the place of a `{` or `[`.
    pub(super) fn open(bytes: &'a [u8], at: usize) -> Self {
        let object = bytes.get(at) == Some(&b'{');
        Entries { bytes, scanner: Scanner::new(bytes, at + 1), object, first: true, done: false }
    }

    /// After the last child: just behind the closing bracket.
    pub(super) fn at(&self) -> usize {
        self.scanner.at()
    }

    fn step(&mut self) -> Result<Option<Entry>, Fault> {
        let scanner = &mut self.scanner;
        scanner.space();
        let close = if self.object { b'}' } else { b']' };
        match scanner.next_byte() {
            Some(byte) if byte == close => {
                scanner.step();
                return Ok(None);
            }
            Some(b',') if !self.first => {
                scanner.step();
                scanner.space();
            }
            _ if self.first => {}
            _ if self.object => return Err(scanner.fault("expected `,` or `}`")),
            _ => return Err(scanner.fault("expected `,` or `]`")),
        }
        self.first = false;
        let mut key = scanner.at()..scanner.at();
        if self.object {
            scanner.key()?;
            // The key token ends at the last quote before the colon.
            let token = &self.bytes[key.start..scanner.at()];
            key.end = key.start + memchr::memrchr(b'"', token).map_or(token.len(), |at| at + 1);
        }
        scanner.space();
        let start = scanner.at();
        scanner.value(1)?;
        Ok(Some(Entry { key, value: start..scanner.at() }))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

/// Whether the string token at `key` (quotes included) spells `name`.
pub(super) fn key_is(bytes: &[u8], key: &Range<usize>, name: &str) -> bool {
    let Some(inner) = bytes.get(key.start + 1..key.end.saturating_sub(1)) else { return false };
    if memchr(b'\\', inner).is_none() { inner == name.as_bytes() } else { unescape(inner) == name }
}
