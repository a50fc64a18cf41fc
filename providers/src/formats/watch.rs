//! Watches the raw bytes of a stream: is it over, is it between two events, where does its usage stand.
//! Keeps the start of the stream, the start of the current event and the last bytes, nothing more.

/// Bytes kept of the current event: enough for its name and the type in its data.
const EVENT: usize = 96;
/// Bytes kept of the end, where usage stands.
const TAIL: usize = 2048;
/// Of a larger chunk only the events in its last bytes are looked at.
const LOOK: usize = 1024;
/// How far before those an event's start is searched.
const REACH: usize = 4096;

/// The state of one stream. `terminal` judges the start of an event.
pub(super) struct Watch {
    terminal: fn(&[u8]) -> bool,
    head_limit: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
    event: Vec<u8>,
    /// The current line is empty so far.
    blank: bool,
    /// The last byte was a CR: a LF that follows belongs to it.
    after_cr: bool,
    complete: bool,
}

impl Watch {
    /// Keeps `head_limit` bytes of the stream's start.
    pub(super) fn new(terminal: fn(&[u8]) -> bool, head_limit: usize) -> Self {
        Watch {
            terminal,
            head_limit,
            head: Vec::new(),
            tail: Vec::new(),
            event: Vec::with_capacity(EVENT),
            blank: true,
            after_cr: false,
            complete: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.head.len() < self.head_limit {
            let room = (self.head_limit - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..room]);
        }
        self.keep_tail(&bytes[bytes.len().saturating_sub(TAIL)..]);
        match event_start(bytes) {
            Some(start) => {
                (self.blank, self.after_cr) = (true, false);
                self.event.clear();
                self.scan(&bytes[start..]);
            }
            None => self.scan(bytes),
        }
    }

    /// Whether a terminal event went by whole.
    pub(super) fn complete(&self) -> bool {
        self.complete
    }

    /// Whether the bytes so far end between two events.
    pub(super) fn at_boundary(&self) -> bool {
        self.blank && self.event.is_empty()
    }

    /// The start of the stream.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The end of the stream so far.
    pub(super) fn tail(&self) -> &[u8] {
        &self.tail[self.tail.len().saturating_sub(TAIL)..]
    }

    /// The start of an event that has not ended yet.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.event
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        if self.tail.len() + bytes.len() > 2 * TAIL {
            let old = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..old);
        }
        self.tail.extend_from_slice(bytes);
    }

    fn scan(&mut self, bytes: &[u8]) {
        let mut at = usize::from(self.after_cr && bytes.first() == Some(&b'\n'));
        if !bytes.is_empty() {
            self.after_cr = false;
        }
        while at < bytes.len() {
            let Some(found) = memchr::memchr2(b'\r', b'\n', &bytes[at..]) else {
                self.keep_event(&bytes[at..]);
                self.blank = false;
                return;
            };
            if found == 0 && self.blank {
                self.complete |= (self.terminal)(&self.event);
                self.event.clear();
            } else {
                self.keep_event(&bytes[at..at + found]);
                self.keep_event(b"\n");
            }
            self.blank = true;
            at += found + 1;
            if bytes[at - 1] == b'\r' {
                match bytes.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
    }

    fn keep_event(&mut self, bytes: &[u8]) {
        let room = (EVENT - self.event.len()).min(bytes.len());
        self.event.extend_from_slice(&bytes[..room]);
    }
}

/// A place near the end of a large chunk where an event begins. What stands before it need not be read.
fn event_start(bytes: &[u8]) -> Option<usize> {
    let until = bytes.len().checked_sub(LOOK)?;
    let from = until.saturating_sub(REACH);
    let window = &bytes[from..until];
    let blank = memchr::memmem::rfind(window, b"\n\n").map(|at| at + 2);
    blank.or_else(|| memchr::memmem::rfind(window, b"\n\r\n").map(|at| at + 3)).map(|at| from + at)
}

/// The type of an event: its `event:` name, else the first `"type"` in its data.
pub(super) fn event_type(event: &[u8]) -> &[u8] {
    let mut data: &[u8] = b"";
    for line in event.split(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"event:") {
            return name.trim_ascii();
        }
        if data.is_empty() {
            data = data_of(line).unwrap_or_default();
        }
    }
    own_type(data).unwrap_or_default()
}

/// The string at the key `type` of an object whose start is here; not that of a part of it, which may stand before.
fn own_type(data: &[u8]) -> Option<&[u8]> {
    let (mut depth, mut at) = (0, 0);
    while let Some(byte) = data.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let text = string(&data[at..])?;
                at += text.len() + 1;
                let after = data.get(at + 1..)?.trim_ascii_start();
                if depth == 1 && text == b"type" && after.first() == Some(&b':') {
                    return string(after[1..].trim_ascii_start());
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The inside of a string that begins here and ends.
fn string(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        if inner[at] == b'"' {
            return Some(&inner[..at]);
        }
        at += 2;
    }
}

/// The value of a `data:` line.
pub(super) fn data_of(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"data:").map(<[u8]>::trim_ascii)
}

/// The data of the first `data:` line of an event's start.
pub(super) fn first_data(event: &[u8]) -> &[u8] {
    event.split(|byte| *byte == b'\n').find_map(data_of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stop(event: &[u8]) -> bool {
        event_type(event) == b"stop"
    }

    fn watch(pieces: &[&[u8]]) -> (bool, bool) {
        let mut watch = Watch::new(stop, 16);
        pieces.iter().for_each(|piece| watch.feed(piece));
        (watch.complete(), watch.at_boundary())
    }

    #[test]
    fn sees_the_end_at_every_split() {
        let cases: [(&str, (bool, bool)); 14] = [
            ("event: a\ndata: 1\n\nevent: stop\ndata: {}\n\n", (true, true)),
            ("event: a\r\ndata: 1\r\n\r\nevent: stop\r\ndata: {}\r\n\r\n", (true, true)),
            ("event: a\rdata: 1\r\revent:stop\r\r", (true, true)),
            ("data: {\"type\": \"stop\"}\n\n: late\n\n", (true, true)),
            ("data: {\"item\": {\"type\":\"a\"}, \"n\":1, \"type\" : \"stop\"}\n\n", (true, true)),
            ("data: {\"item\":{\"type\":\"stop\"},\"type\":\"a\"}\n\n", (false, true)),
            ("data: {\"text\":\"\\\"type\\\":\",\"type\":\"stop\"}\n\n", (true, true)),
            ("data: [\"type\", \"stop\"]\n\n", (false, true)),
            ("event: stop\ndata: {}\n", (false, false)),
            ("event: stop\ndata: {}", (false, false)),
            ("event: a\ndata: stop\n\n", (false, true)),
            ("", (false, true)),
            ("event: stop\n\nevent: x", (true, false)),
            ("data: {\"type\":\"a\",\"text\":\"event: stop\"}\n\n", (false, true)),
        ];
        for (text, expected) in cases {
            let bytes = text.as_bytes();
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(watch(&pieces), expected, "{text:?} {first} {second}");
                }
            }
        }
    }

    #[test]
    fn sees_the_end_of_large_chunks_and_large_events() {
        let many = "event: a\ndata: 1\n\n".repeat(1000);
        let large = format!("event: stop\ndata: {{\"text\":\"{}\"}}\n\n", "x".repeat(50_000));
        assert_eq!(watch(&[format!("{many}event: stop\ndata: {{}}\n\n").as_bytes()]), (true, true));
        assert_eq!(watch(&[format!("{many}{large}").as_bytes()]), (true, true));
        assert_eq!(watch(&[many.as_bytes(), large.as_bytes()]), (true, true));
        assert_eq!(watch(&[many.as_bytes()]), (false, true));
        let cut = format!("{many}{large}");
        assert_eq!(watch(&[&cut.as_bytes()[..cut.len() - 1]]), (false, false));
    }

    proptest! {
        #[test]
        fn keeps_exactly_the_ends(chunks in prop::collection::vec("[a-z\n]{0,3000}", 0..6)) {
            let mut watch = Watch::new(stop, 16);
            let whole = chunks.concat();
            chunks.iter().for_each(|chunk| watch.feed(chunk.as_bytes()));
            prop_assert_eq!(watch.head(), &whole.as_bytes()[..whole.len().min(16)]);
            prop_assert_eq!(watch.tail(), &whole.as_bytes()[whole.len().saturating_sub(TAIL)..]);
        }
    }
}
