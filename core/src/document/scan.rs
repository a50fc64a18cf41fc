//! A strict JSON scanner on bytes: no tree, no recursion, no copies.

use std::ops::Range;

use memchr::memchr;

use super::MAX_DEPTH;

/// What is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: &'static str,
    pub(super) at: usize,
}

impl Fault {
    /// The fault as a sentence with line and column, both from 1, the column in bytes.
    pub(super) fn place(self, bytes: &[u8]) -> String {
        let before = bytes.get(..self.at).unwrap_or(bytes);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1) + 1;
        format!("{} at line {line} column {column}", self.what)
    }
}

/// The whole text is one value, `outer` containers deep already.
pub(super) fn document(bytes: &[u8], outer: usize) -> Result<(), Fault> {
    utf8(bytes)?;
    let mut scanner = Scanner::new(bytes, 0);
    scanner.value(outer)?;
    scanner.end()
}

/// The bytes are UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<(), Fault> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault { what: "a byte that is not UTF-8", at: error.valid_up_to() }),
    }
}

/// Whether the string token at `key` (quotes included) spells `name`.
pub(super) fn key_is(bytes: &[u8], key: &Range<usize>, name: &str) -> bool {
    let Some(inner) = bytes.get(key.start + 1..key.end.saturating_sub(1)) else { return false };
    if memchr(b'\\', inner).is_none() {
        inner == name.as_bytes()
    } else {
        super::json::unescape(inner) == name
    }
}

/// A place in the bytes, moving forward over valid JSON.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Scanner { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn next_byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&self, what: &'static str) -> Fault {
        let what = if self.at >= self.bytes.len() { "unexpected end" } else { what };
        Fault { what, at: self.at }
    }

    #[inline]
    pub(super) fn space(&mut self) {
        while matches!(self.next_byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.space();
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => Err(self.fault("text after the end of the value")),
        }
    }

    /// Skips white space and one value, `outer` containers deep already. The open containers are bits of
    /// one number, so depth costs no stack.
    pub(super) fn value(&mut self, outer: usize) -> Result<(), Fault> {
        let mut objects = 0u128;
        let mut depth = 0;
        loop {
            self.space();
            match self.next_byte() {
                Some(b'"') => self.string()?,
                Some(open @ (b'{' | b'[')) => {
                    if outer + depth >= MAX_DEPTH {
                        return Err(self.fault("nesting deeper than 128"));
                    }
                    let object = open == b'{';
                    self.at += 1;
                    self.space();
                    if self.next_byte() == Some(if object { b'}' } else { b']' }) {
                        self.at += 1;
                    } else {
                        objects = (objects << 1) | u128::from(object);
                        depth += 1;
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(self.fault("expected a value")),
            }
            // A value has ended: leave containers until one goes on.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.space();
                let object = objects & 1 == 1;
                match self.next_byte() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.space();
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if object => self.at += 1,
                    Some(b']') if !object => self.at += 1,
                    _ if object => return Err(self.fault("expected `,` or `}`")),
                    _ => return Err(self.fault("expected `,` or `]`")),
                }
                objects >>= 1;
                depth -= 1;
            }
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), Fault> {
        if self.next_byte() != Some(b'"') {
            return Err(self.fault("expected a key in double quotes"));
        }
        self.string()?;
        self.space();
        if self.next_byte() != Some(b':') {
            return Err(self.fault("expected `:`"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.plain();
            match self.next_byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.fault("a control character in a string")),
            }
        }
    }

    /// Skips the part of a string that stands for itself.
    #[inline]
    fn plain(&mut self) {
        const BLOCK: usize = 16;
        let special = |byte: u8| (byte == b'"') | (byte == b'\\') | (byte < 0x20);
        // Blocks without branches inside: the compiler makes vector code of them.
        while let Some(block) = self.bytes.get(self.at..self.at + BLOCK) {
            if block.iter().fold(false, |found, byte| found | special(*byte)) {
                break;
            }
            self.at += BLOCK;
        }
        while self.next_byte().is_some_and(|byte| !special(byte)) {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.next_byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.next_byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.fault("expected four hexadecimal digits"));
                    }
                }
                self.at += 1;
            }
            _ => return Err(self.fault("an unknown escape in a string")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.next_byte() == Some(b'-') {
            self.at += 1;
        }
        match self.next_byte() {
            Some(b'0') => {
                self.at += 1;
                if self.next_byte().is_some_and(|byte| byte.is_ascii_digit()) {
                    return Err(self.fault("a number with a leading zero"));
                }
            }
            _ => self.digits()?,
        }
        if self.next_byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.next_byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.next_byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let from = self.at;
        while self.next_byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(self.fault("expected a digit")) } else { Ok(()) }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        match self.bytes.get(self.at..self.at + word.len()) {
            Some(found) if found == word => {
                self.at += word.len();
                Ok(())
            }
            _ => Err(Fault { what: "expected a value", at: self.at }),
        }
    }
}

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
    scanner: Scanner<'a>,
    object: bool,
    first: bool,
    done: bool,
}

impl<'a> Entries<'a> {
    /// `at` is the place of a `{` or `[`.
    pub(super) fn open(bytes: &'a [u8], at: usize) -> Self {
        let object = bytes.get(at) == Some(&b'{');
        Entries { scanner: Scanner::new(bytes, at + 1), object, first: true, done: false }
    }

    /// After the last child: just behind the closing bracket.
    pub(super) fn at(&self) -> usize {
        self.scanner.at
    }

    fn step(&mut self) -> Result<Option<Entry>, Fault> {
        let scanner = &mut self.scanner;
        scanner.space();
        let close = if self.object { b'}' } else { b']' };
        match scanner.next_byte() {
            Some(byte) if byte == close => {
                scanner.at += 1;
                return Ok(None);
            }
            Some(b',') if !self.first => {
                scanner.at += 1;
                scanner.space();
            }
            _ if self.first => {}
            _ if self.object => return Err(scanner.fault("expected `,` or `}`")),
            _ => return Err(scanner.fault("expected `,` or `]`")),
        }
        self.first = false;
        let mut key = scanner.at..scanner.at;
        if self.object {
            scanner.key()?;
            // The key token ends at the last quote before the colon.
            let token = &scanner.bytes[key.start..scanner.at];
            key.end = key.start + memchr::memrchr(b'"', token).map_or(token.len(), |at| at + 1);
        }
        scanner.space();
        let start = scanner.at;
        scanner.value(1)?;
        Ok(Some(Entry { key, value: start..scanner.at }))
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
