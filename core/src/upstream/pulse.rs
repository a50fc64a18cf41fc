//! Tells data from signs of life in an event stream: pings and comments pass to the client but do not
//! count as data, or a stalled model would look alive for ever.

use memchr::memchr2;

/// Looks at the bytes of one event stream as they pass. Right at every split of the bytes.
#[derive(Debug)]
pub(super) struct Pulse {
    line: Line,
    /// The start of the present line, as far as it is needed to tell what it is.
    start: [u8; START],
    held: usize,
    /// The present event is a ping.
    ping: bool,
    /// The last byte was a CR: a LF that follows belongs to it.
    after_cr: bool,
}

/// `event: keep-alive` is the longest line start that matters.
const START: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Its start is being collected.
    Start,
    /// It is known; the rest of it is skipped.
    Skip,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Pulse { line: Line::Start, start: [0; START], held: 0, ping: false, after_cr: false }
    }

    /// Takes the next bytes; whether there is data in them.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        let mut data = false;
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while !bytes.is_empty() {
            let end = memchr2(b'\r', b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line == Line::Start {
                self.hold(part);
                if end.is_some() || self.held == START {
                    data |= self.classify();
                    self.line = Line::Skip;
                }
            }
            match end {
                None => break,
                Some(end) => {
                    let cr = bytes[end] == b'\r';
                    bytes = &bytes[end + 1..];
                    if cr {
                        self.after_cr = bytes.is_empty();
                        bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
                    }
                    self.line = Line::Start;
                    self.held = 0;
                }
            }
        }
        data
    }

    fn hold(&mut self, part: &[u8]) {
        let taken = part.len().min(START - self.held);
        self.start[self.held..self.held + taken].copy_from_slice(&part[..taken]);
        self.held += taken;
    }

    /// What the line is, by its start. An `event` line sets, and an empty line forgets, the name.
    fn classify(&mut self) -> bool {
        let line = self.start[..self.held].trim_ascii_end();
        if line.is_empty() {
            self.ping = false;
        } else if let Some(name) = line.strip_prefix(b"event:") {
            self.ping = matches!(name.trim_ascii(), b"ping" | b"keepalive" | b"keep-alive" | b"heartbeat");
        } else if line.starts_with(b"data") {
            return !self.ping;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &[(&str, bool)] = &[
        (": a comment\n\n", false),
        (":\n\n:\n\n", false),
        ("event: ping\ndata: {\"type\": \"ping\"}\n\n", false),
        ("event:ping\r\ndata:{}\r\n\r\n", false),
        ("event: keepalive\ndata: {}\n\n", false),
        ("id: 5\nretry: 10\n\n", false),
        ("data: {\"a\":1}\n\n", true),
        ("data:x\n\n", true),
        ("event: content_block_delta\ndata: {}\n\n", true),
        ("event: pingpong\ndata: {}\n\n", true),
        ("event: ping\ndata: {}\n\nevent: message_stop\ndata: {}\n\n", true),
        ("event: ping\ndata: {}\n\ndata: [DONE]\n\n", true),
        (": x\ndata: 1\n\n", true),
        ("event: ping\rdata: {}\r\r: x\r\r", false),
        ("event: ping\rdata: {}\r\revent: a\rdata: {}\r\r", true),
        ("event: ping\r\ndata: {}\r\n\r\ndata: {}\r\n\r\n", true),
    ];

    #[test]
    fn data_is_told_from_pings_at_every_split() {
        for (text, expected) in CASES {
            for split in 0..=text.len() {
                let mut pulse = Pulse::new();
                let (one, two) = text.as_bytes().split_at(split);
                let first = pulse.feed(one);
                let second = pulse.feed(two);
                assert_eq!(first | second, *expected, "{text:?} split at {split}");
            }
            let mut pulse = Pulse::new();
            let found = text.as_bytes().iter().fold(false, |found, byte| found | pulse.feed(&[*byte]));
            assert_eq!(found, *expected, "{text:?} byte by byte");
        }
    }
}
