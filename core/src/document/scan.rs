//! A strict JSON scanner on bytes: no tree, no recursion, no copies.

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

    /// Steps over one byte.
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    pub(super) fn fault(&self, what: &'static str) -> Fault {
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
    pub(super) fn key(&mut self) -> Result<(), Fault> {
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

    /// Skips the part of a string that stands for itself, sixteen bytes at a time.
    #[inline]
    fn plain(&mut self) {
        let (pairs, _) = self.bytes.get(self.at..).unwrap_or_default().as_chunks::<16>();
        for pair in pairs {
            let special = special(u128::from_le_bytes(*pair));
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 16;
        }
        while self.next_byte().is_some_and(|byte| byte != b'"' && byte != b'\\' && byte >= 0x20) {
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

/// A bit in the first byte of a word that is a quote, a backslash or below 0x20 (bits above it say nothing).
/// After "Determine if a word has a zero byte", <https://graphics.stanford.edu/~seander/bithacks.html>.
#[inline]
fn special(word: u128) -> u128 {
    const ONES: u128 = u128::MAX / 255;
    let zero = |word: u128| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * 0x22));
    let backslash = zero(word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & (ONES * 0x80)
}
