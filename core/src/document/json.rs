//! A value inside a document: where it stands, what kind it is, how it reads.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::entries::{Entries, Entry, key_is};
use super::path::Segment;
use super::scan::Scanner;

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean,
    /// A number; its text is kept.
    Number,
    /// A string.
    String,
    /// `[...]`
    Array,
    /// `{...}`
    Object,
}

impl Kind {
    /// Its name with an article, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "a boolean",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }
}

/// A value, borrowed from the bytes of its document.
#[derive(Clone, Debug)]
pub struct Json<'a> {
    source: &'a [u8],
    range: Range<usize>,
}

impl<'a> Json<'a> {
    pub(super) fn new(source: &'a [u8], range: Range<usize>) -> Self {
        Json { source, range }
    }

    /// The value of a text that is known to be valid.
    pub(super) fn trimmed(source: &'a [u8]) -> Self {
        let start = source.len() - source.trim_ascii_start().len();
        Json { source, range: start..source.trim_ascii_end().len().max(start) }
    }

    /// A text that is one value and nothing more than white space around it.
    pub fn whole(source: &'a [u8]) -> Option<Self> {
        let value = Self::prefix(source)?;
        Scanner::new(source, value.range.end).end().ok()?;
        Some(value)
    }

    /// The value that a text begins with, whatever follows.
    pub fn prefix(source: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::new(source, 0);
        scanner.space();
        let start = scanner.at();
        scanner.value(0).ok()?;
        Some(Json { source, range: start..scanner.at() })
    }

    /// Its text.
    pub fn raw(&self) -> &'a [u8] {
        &self.source[self.range.clone()]
    }

    /// Where it stands in the document's bytes.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.source.get(self.range.start) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The text of a string, unescaped. Borrowed when it holds no escape; a lone surrogate reads as U+FFFD.
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        let raw = self.raw();
        let inner = raw.get(1..raw.len().saturating_sub(1))?;
        Some(match memchr(b'\\', inner) {
            None => String::from_utf8_lossy(inner),
            Some(_) => Cow::Owned(unescape(inner)),
        })
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind() == Kind::Boolean).then(|| self.raw() == b"true")
    }

    /// The text of a number, as written.
    pub fn as_number(&self) -> Option<&'a str> {
        if self.kind() != Kind::Number {
            return None;
        }
        std::str::from_utf8(self.raw()).ok()
    }

    /// A number that is written as an integer and fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.parse().ok()
    }

    /// A number that is written as an integer and fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.parse().ok()
    }

    /// A number, as near as binary floating point comes.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number()?.parse().ok()
    }

    /// The child at a key or index. Of a repeated key the last.
    pub fn child(&self, segment: &Segment) -> Option<Json<'a>> {
        match segment {
            Segment::Key(key) => self.key(key),
            Segment::Index(index) => self.index(*index),
        }
    }

    /// The value of a key of an object. Of a repeated key the last.
    pub fn key(&self, key: &str) -> Option<Json<'a>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let entry = self.entries().filter(|entry| key_is(self.source, &entry.key, key)).last()?;
        Some(self.at(entry))
    }

    /// An item of an array: 1 is the first, -1 the last.
    pub fn index(&self, index: i64) -> Option<Json<'a>> {
        if self.kind() != Kind::Array {
            return None;
        }
        let entry = match usize::try_from(index) {
            Ok(index) => self.entries().nth(index.checked_sub(1)?)?,
            Err(_) => {
                let mut entries: Vec<Entry> = self.entries().collect();
                let place = entries.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?;
                entries.swap_remove(place)
            }
        };
        Some(self.at(entry))
    }

    /// How many children an array or object has, repeated keys counted each time.
    #[expect(clippy::len_without_is_empty, reason = "a scalar has no length, so emptiness is no yes or no")]
    pub fn len(&self) -> Option<usize> {
        self.is_container().then(|| self.entries().count())
    }

    /// The children, in written order.
    pub fn children(&self) -> Option<Children<'a>> {
        let entries = Entries::open(self.source, self.range.start);
        self.is_container().then_some(Children { source: self.source, entries })
    }

    /// The keys of an object, in written order, a repeated one once.
    pub fn keys(&self) -> Option<Vec<Cow<'a, str>>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let mut seen = std::collections::HashSet::new();
        let keys = self.children()?.filter_map(|(key, _)| key);
        Some(keys.filter(|key| seen.insert(key.clone())).collect())
    }

    /// Whether it is an array or an object.
    pub fn is_container(&self) -> bool {
        matches!(self.kind(), Kind::Array | Kind::Object)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + use<'a> {
        Entries::open(self.source, self.range.start).map_while(Result::ok)
    }

    fn at(&self, entry: Entry) -> Json<'a> {
        Json { source: self.source, range: entry.value }
    }
}

/// The children of a container: the key, where it has keys, and the value.
pub struct Children<'a> {
    source: &'a [u8],
    entries: Entries<'a>,
}

impl<'a> Iterator for Children<'a> {
    type Item = (Option<Cow<'a, str>>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?.ok()?;
        let key = Json::new(self.source, entry.key.clone());
        let key = if entry.key.is_empty() { None } else { key.as_str() };
        Some((key, Json::new(self.source, entry.value)))
    }
}

/// The text of the inside of a valid string token.
pub(super) fn unescape(inner: &[u8]) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr(b'\\', rest) {
        text.push_str(&String::from_utf8_lossy(&rest[..at]));
        let (plain, taken) = match rest.get(at + 1) {
            Some(b'u') => code_point(&rest[at..]),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(other) => (char::from(*other), 2),
            None => (char::REPLACEMENT_CHARACTER, 1),
        };
        text.push(plain);
        rest = rest.get(at + taken..).unwrap_or_default();
    }
    text.push_str(&String::from_utf8_lossy(rest));
    text
}

/// The character of a `\uXXXX` at the start, or of a pair of them, and how many bytes it took.
fn code_point(escape: &[u8]) -> (char, usize) {
    let unit = |at: usize| {
        let start = escape.get(at..at + 2)?;
        let digits = std::str::from_utf8(escape.get(at + 2..at + 6)?).ok()?;
        (start == b"\\u").then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    let Some(first) = unit(0) else { return (char::REPLACEMENT_CHARACTER, 2) };
    let pair = [first, unit(6).unwrap_or(0)];
    match char::decode_utf16(pair).next() {
        Some(Ok(found)) => (found, if found.len_utf16() == 2 { 12 } else { 6 }),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}
