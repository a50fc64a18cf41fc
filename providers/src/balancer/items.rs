//! Finds what a provider encrypted for itself in the bytes of requests and answers: thoughts with their signature,
//! encrypted contents, names of stored answers. Only the credential that they were made with can bring them back.
//!
//! Nothing is parsed: strings are told apart from what is between them, at any split of the bytes. A quoted name
//! followed by a colon and a string is what is looked for, and the last characters of that string are what it is known by;
//! a signature that came in two pieces is still known by the second.

use memchr::memchr3;

/// So many of the last characters of an item tell it apart.
const TAIL: usize = 64;
/// What is shorter is no item.
const SHORTEST: usize = 16;
/// Longest name that is looked for.
const LONGEST_NAME: usize = 24;

/// Names of strings that are items: of Messages, of Responses, and of chats that carry thoughts of others.
const ITEMS: [&[u8]; 5] =
    [b"signature", b"encrypted_content", b"data", b"thought_signature", b"reasoning_opaque"];
/// Names of strings that name a stored answer.
const NAMES: [&[u8]; 2] = [b"id", b"previous_response_id"];
/// How the name of a stored answer begins.
const STORED: &[u8] = b"resp_";

/// Reads bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Items {
    state: State,
    /// The beginning of the string that may turn out to be a name.
    name: Vec<u8>,
    /// The string that may turn out to be an item: its beginning, its end, its length.
    head: Vec<u8>,
    tail: Vec<u8>,
    length: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between strings.
    #[default]
    Outside,
    /// In a string that is no value of ours.
    Inside,
    /// Behind a backslash in such a string.
    Escaped,
    /// Behind a string that is a name of ours.
    Named(Kind),
    /// Behind its colon.
    Colon(Kind),
    /// In its string.
    Value(Kind),
    /// Behind a backslash in there, with the hexadecimal digits so far.
    ValueEscaped(Kind, Option<(u8, u16)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Item,
    Name,
}

impl Items {
    /// Reads on, and gives the end of each item.
    pub(super) fn feed(&mut self, bytes: &[u8], mut found: impl FnMut(&[u8])) {
        let mut at = 0;
        while at < bytes.len() {
            at = match self.state {
                State::Inside | State::Value(_) => self.text(bytes, at, &mut found),
                _ => {
                    let again = self.step(bytes[at]);
                    if again { at } else { at + 1 }
                }
            };
        }
    }

    /// A run of plain characters of a string, and the one that ends it.
    fn text(&mut self, bytes: &[u8], from: usize, found: &mut impl FnMut(&[u8])) -> usize {
        let end = memchr3(b'"', b'\\', b'\n', &bytes[from..]).map_or(bytes.len(), |at| from + at);
        let run = &bytes[from..end];
        if let State::Value(_) = self.state {
            self.keep(run);
        } else if self.name.len() <= LONGEST_NAME {
            self.name.extend_from_slice(&run[..run.len().min(LONGEST_NAME + 1)]);
        }
        let Some(&mark) = bytes.get(end) else { return end };
        self.state = match (mark, self.state) {
            // No string goes over a line: whatever this is, it is not JSON.
            (b'\n', _) => State::Outside,
            (b'\\', State::Value(kind)) => State::ValueEscaped(kind, None),
            (b'\\', _) => State::Escaped,
            (_, State::Value(kind)) => {
                self.finish(kind, found);
                State::Outside
            }
            _ => self.named().map_or(State::Outside, State::Named),
        };
        end + 1
    }

    /// One byte that is in no run; true: it is to be looked at again.
    fn step(&mut self, byte: u8) -> bool {
        let space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        match (self.state, byte) {
            (State::Outside, b'"') => {
                self.name.clear();
                self.state = State::Inside;
            }
            (State::Outside, _) => {}
            (State::Escaped, _) => {
                // A name of ours has no escapes.
                self.name.resize(LONGEST_NAME + 1, 0);
                self.state = State::Inside;
            }
            (State::Named(_) | State::Colon(_), _) if space => {}
            (State::Named(kind), b':') => self.state = State::Colon(kind),
            (State::Colon(kind), b'"') => {
                (self.length, self.state) = (0, State::Value(kind));
                self.head.clear();
                self.tail.clear();
            }
            (State::Named(_) | State::Colon(_), _) => {
                self.state = State::Outside;
                return true;
            }
            (State::ValueEscaped(kind, None), b'u') => self.state = State::ValueEscaped(kind, Some((0, 0))),
            (State::ValueEscaped(kind, None), _) => {
                self.keep(&[byte]);
                self.state = State::Value(kind);
            }
            (State::ValueEscaped(kind, Some((count, code))), _) => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let (count, code) = (count + 1, code << 4 | digit as u16);
                self.state = State::ValueEscaped(kind, Some((count, code)));
                if count == 4 {
                    // Items are ASCII.
                    self.keep(&[u8::try_from(code).unwrap_or(b'?')]);
                    self.state = State::Value(kind);
                }
            }
            (State::Inside | State::Value(_), _) => {}
        }
        false
    }

    fn named(&self) -> Option<Kind> {
        let name = self.name.as_slice();
        match () {
            () if ITEMS.contains(&name) => Some(Kind::Item),
            () if NAMES.contains(&name) => Some(Kind::Name),
            () => None,
        }
    }

    fn keep(&mut self, run: &[u8]) {
        self.length = self.length.saturating_add(run.len());
        let room = STORED.len().saturating_sub(self.head.len());
        self.head.extend_from_slice(&run[..run.len().min(room)]);
        self.tail.extend_from_slice(&run[run.len().saturating_sub(TAIL)..]);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
    }

    fn finish(&self, kind: Kind, found: &mut impl FnMut(&[u8])) {
        let counts = match kind {
            Kind::Item => self.length >= SHORTEST,
            Kind::Name => self.head == STORED && self.length > STORED.len(),
        };
        if counts {
            found(&self.tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[&str]) -> Vec<String> {
        let (mut items, mut all) = (Items::default(), Vec::new());
        for piece in pieces {
            items.feed(piece.as_bytes(), |item| all.push(String::from_utf8_lossy(item).into_owned()));
        }
        all
    }

    const STREAM: &str = concat!(
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"signature_delta\",",
        "\"signature\": \"EqQB+abc\\/defghij0123\"}}\n\n",
        "data: {\"text\":\"she said \\\"signature\\\":\\\"not-an-item-at-all\\\"\"}\n\n",
        "data: {\"type\":\"redacted_thinking\",\"data\":\"Abcdefghijklmnopqrs=\"}\n\n",
        "data: {\"id\":\"resp_1\",\"encrypted_content\":\"gAAAA\\u002bBCDEFGHIJKLMN\",\"id\":\"msg_123456789012345\"}\n\n",
    );

    #[test]
    fn items_are_found_at_every_split_and_nothing_else_is() {
        let expected = ["EqQB+abc/defghij0123", "Abcdefghijklmnopqrs=", "resp_1", "gAAAA+BCDEFGHIJKLMN"];
        assert_eq!(found(&[STREAM]), expected);
        for at in 0..STREAM.len() {
            let (left, right) = STREAM.split_at(at);
            assert_eq!(found(&[left, right]), expected, "split at {at}");
        }
        let single: Vec<String> = STREAM.chars().map(String::from).collect();
        assert_eq!(found(&single.iter().map(String::as_str).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn requests_name_them_in_the_same_way() {
        let body = r#"{"previous_response_id":"resp_1","input":[{"type":"reasoning","encrypted_content":null},{"signature":""}],
            "data" : [ "signature", "x" ], "other":{"signature":17,"data":"short"}}"#;
        assert_eq!(found(&[body]), ["resp_1"]);
        let long = format!(r#"{{"signature":"{}"}}"#, "0123456789".repeat(50));
        assert_eq!(found(&[&long])[0].len(), TAIL);
        // What came in two pieces is known by the second.
        let tail = "Z".repeat(TAIL);
        let two = format!(
            "data: {{\"signature\":\"{}\"}}\n\ndata: {{\"signature\":\"{tail}\"}}\n\n",
            "Y".repeat(40)
        );
        assert!(found(&[&two]).contains(&tail));
        assert_eq!(found(&[&format!(r#"{{"signature":"{}{tail}"}}"#, "Y".repeat(40))]), [tail.as_str()]);
    }

    #[test]
    fn what_is_no_json_ends_at_the_line() {
        assert_eq!(
            found(&["it's \"broken\ndata: {\"signature\":\"abcdefghijklmnop\"}\n"]),
            ["abcdefghijklmnop"]
        );
        assert_eq!(found(&["{\"signature\":\"cut in the middl"]), [""; 0]);
    }
}
