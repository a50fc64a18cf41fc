//! The words of a script, without its comments and what stands in its strings.
//!
//! Syntax: <https://luau.org/syntax>; whoever writes it wrong is told by the compiler.

use std::ops::Range;

/// A word, and where it stands in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Name,
    /// A string, with its quotes.
    Text,
    Number,
    /// One character.
    Symbol,
}

impl Token {
    pub(super) fn text<'s>(&self, source: &'s str) -> &'s str {
        source.get(self.at.clone()).unwrap_or_default()
    }
}

/// The words of a script.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { bytes: source.as_bytes(), at: 0, tokens: Vec::new() };
    while reader.at < reader.bytes.len() {
        reader.next();
    }
    reader.tokens
}

struct Reader<'s> {
    bytes: &'s [u8],
    at: usize,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, from: usize) {
        self.tokens.push(Token { kind, at: from..self.at });
    }

    fn next(&mut self) {
        let from = self.at;
        match self.peek(0) {
            byte if byte.is_ascii_whitespace() => self.at += 1,
            b'-' if self.peek(1) == b'-' => {
                self.at += 2;
                match self.long_bracket() {
                    Some(level) => self.skip_long(level),
                    None => self.skip_while(|byte| byte != b'\n'),
                }
            }
            quote @ (b'"' | b'\'' | b'`') => {
                self.at += 1;
                self.skip_quoted(quote);
                self.push(Kind::Text, from);
            }
            b'[' if self.long_bracket().is_some() => {
                let level = self.long_bracket().unwrap_or_default();
                self.skip_long(level);
                self.push(Kind::Text, from);
            }
            byte if byte.is_ascii_digit() => {
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
                self.push(Kind::Number, from);
            }
            byte if is_name(byte) => {
                self.skip_while(is_name);
                self.push(Kind::Name, from);
            }
            _ => {
                self.at += 1;
                self.push(Kind::Symbol, from);
            }
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.at < self.bytes.len() && wanted(self.bytes[self.at]) {
            self.at += 1;
        }
    }

    fn skip_quoted(&mut self, quote: u8) {
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                b'\\' => self.at += 2,
                byte if byte == quote => {
                    self.at += 1;
                    return;
                }
                // Only the compiler says what is wrong with it.
                b'\n' if quote != b'`' => return,
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
    }

    /// The number of equals signs of `[==[`, when there is one here.
    fn long_bracket(&self) -> Option<usize> {
        if self.peek(0) != b'[' {
            return None;
        }
        let level = (1..).take_while(|ahead| self.peek(*ahead) == b'=').count();
        (self.peek(level + 1) == b'[').then_some(level)
    }

    fn skip_long(&mut self, level: usize) {
        let end = format!("]{}]", "=".repeat(level));
        let found = memchr::memmem::find(&self.bytes[self.at..], end.as_bytes());
        self.at = found.map_or(self.bytes.len(), |found| self.at + found + end.len());
    }
}

/// Bytes beyond ASCII are no name, but must not be cut either.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        tokens(source).iter().map(|token| token.text(source)).collect()
    }

    #[test]
    fn comments_are_left_out_and_strings_are_one_word() {
        let source = "a.b -- c.d\n--[[ e\n f ]] 'it\\'s' [==[ ]] g ]==] `h` \"-- i\" 1.5e3 [1] \u{e9}";
        assert_eq!(
            words(source),
            [
                "a",
                ".",
                "b",
                "'it\\'s'",
                "[==[ ]] g ]==]",
                "`h`",
                "\"-- i\"",
                "1.5e3",
                "[",
                "1",
                "]",
                "\u{e9}"
            ]
        );
        for odd in ["\"open\nx", "[[open", "--[[open", "'\\", ""] {
            let _ = words(odd);
        }
        assert_eq!(words("'open\nx"), ["'open", "x"]);
    }
}
