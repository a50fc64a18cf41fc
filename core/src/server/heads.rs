//! The request heads of an HTTP/1 connection as they were on the wire.
//!
//! hyper drops `content-length` without a word when `transfer-encoding` is there too, so that the service
//! cannot see an attempt to smuggle. This keeps a copy of each head's bytes, and only of those: bodies
//! are followed by their framing and skipped. It refuses nothing by itself and never feeds hyper.

use memchr::memchr;

/// Largest buffer that a connection holds on to between two heads.
const SPARE: usize = 8 << 10;

/// How the body that follows a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// What the raw head of a chunked request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing against it.
    Clean,
    /// It has a `content-length` too.
    TwoFramings,
    /// The head could not be found, so nothing can be said.
    Unseen,
}

/// Follows the bytes that are read.
#[derive(Debug)]
pub(super) struct Heads {
    kept: Vec<u8>,
    most: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Head,
    Body(u64),
    Chunks(Chunks),
    /// More than the largest head was kept without an end, or something did not add up.
    Lost,
}

impl Heads {
    /// Keeps at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Heads { kept: Vec::new(), most, place: Place::Head }
    }

    /// Takes bytes as they are read.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        match &mut self.place {
            Place::Head => self.keep(bytes),
            Place::Body(left) => {
                let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= skipped as u64;
                if *left == 0 {
                    self.place = Place::Head;
                    self.keep(&bytes[skipped..]);
                }
            }
            Place::Chunks(chunks) => match chunks.feed(bytes) {
                None => {}
                Some(rest) => {
                    self.place = Place::Head;
                    self.keep(&bytes[rest..]);
                }
            },
            Place::Lost => {}
        }
    }

    /// hyper has read a head that is followed by such a body. Tells about its raw bytes when it is chunked.
    pub(super) fn request(&mut self, framing: Framing) -> Verdict {
        let end = match self.place {
            Place::Head => head_end(&self.kept),
            _ => None,
        };
        let Some(end) = end else {
            self.forget();
            return Verdict::Unseen;
        };
        let verdict = match framing {
            Framing::Chunked if names_length(&self.kept[..end]) => Verdict::TwoFramings,
            _ => Verdict::Clean,
        };
        self.place = match framing {
            Framing::Length(0) => Place::Head,
            Framing::Length(length) => Place::Body(length),
            Framing::Chunked => Place::Chunks(Chunks::default()),
        };
        // The start of the body came with the head; perhaps the next head too.
        let mut kept = std::mem::take(&mut self.kept);
        self.feed(&kept[end..]);
        if self.kept.capacity() == 0 && kept.capacity() <= SPARE {
            kept.clear();
            self.kept = kept;
        }
        verdict
    }

    /// Whether bytes of a head have come whose request has not.
    pub(super) fn has_begun(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Lets go of everything: this is not HTTP/1.1.
    pub(super) fn forget(&mut self) {
        self.place = Place::Lost;
        self.kept = Vec::new();
    }

    /// The bytes kept so far.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.kept.len() + bytes.len() > self.most {
            // A head this large is refused by hyper; body bytes that came along are cut off.
            let room = self.most - self.kept.len();
            if head_end(&self.kept).is_none() && head_end(&bytes[..room.min(bytes.len())]).is_none() {
                self.forget();
                return;
            }
        }
        self.kept.extend_from_slice(bytes);
    }
}

/// Where the first head ends: after its empty line. Empty lines before it do not count.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    loop {
        at += memchr(b'\n', &bytes[at..])? + 1;
        match &bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Whether a line of the head is a `content-length` field.
fn names_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length";
    head.split(|byte| *byte == b'\n').any(|line| {
        line.len() > NAME.len() && line[NAME.len()] == b':' && line[..NAME.len()].eq_ignore_ascii_case(NAME)
    })
}

/// Follows a chunked body to its end. hyper is the one who judges it.
#[derive(Debug, Default)]
struct Chunks {
    state: ChunkState,
    size: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum ChunkState {
    /// In the hexadecimal digits.
    #[default]
    Size,
    /// In the rest of the size line.
    SizeLine,
    /// In the data and the line end after it.
    Data,
    DataEnd,
    /// In the trailer; whether the present line has a byte yet.
    Trailer(bool),
}

impl Chunks {
    /// Where the body ends in these bytes, if it does.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            at += 1;
            self.state = match self.state {
                ChunkState::Size => match char::from(byte).to_digit(16) {
                    Some(digit) => {
                        self.size = self.size.saturating_mul(16).saturating_add(u64::from(digit));
                        ChunkState::Size
                    }
                    None if byte == b'\n' => self.size_end(),
                    None => ChunkState::SizeLine,
                },
                ChunkState::SizeLine if byte == b'\n' => self.size_end(),
                ChunkState::Data => {
                    let rest = bytes.len() - at;
                    // This byte is data too.
                    let skipped = usize::try_from(self.size - 1).unwrap_or(usize::MAX).min(rest);
                    at += skipped;
                    self.size -= skipped as u64 + 1;
                    if self.size == 0 { ChunkState::DataEnd } else { ChunkState::Data }
                }
                ChunkState::DataEnd if byte == b'\n' => ChunkState::Size,
                ChunkState::Trailer(false) if byte == b'\n' => return Some(at),
                ChunkState::Trailer(_) if byte == b'\n' => ChunkState::Trailer(false),
                ChunkState::Trailer(begun) => ChunkState::Trailer(begun || byte != b'\r'),
                same => same,
            };
        }
        None
    }

    fn size_end(&self) -> ChunkState {
        if self.size == 0 { ChunkState::Trailer(false) } else { ChunkState::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n";
    const ONE: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n10\r\n0123456789\r\n\r\nCL\r\n0\r\nx: y\r\n\r\n";
    const SIZED: &str = "\r\nPOST / HTTP/1.1\nContent-Length: 30\n\nPOST / HTTP/1.1\r\ncontent-length";
    const NONE: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    /// Feeds requests one after the other in pieces of `size`, as a pipelining client would.
    fn verdicts(size: usize) -> Vec<Verdict> {
        let requests = [
            (SIZED, Framing::Length(30)),
            (NONE, Framing::Length(0)),
            (ONE, Framing::Chunked),
            (ONE, Framing::Chunked),
            (TWO, Framing::Chunked),
            (NONE, Framing::Length(0)),
            (TWO, Framing::Chunked),
        ];
        let whole: Vec<u8> = requests.iter().flat_map(|(text, _)| text.bytes()).collect();
        let mut heads = Heads::new(4096);
        let mut pieces = whole.chunks(size);
        let mut found = Vec::new();
        for (_, framing) in requests {
            while !matches!(heads.place, Place::Head) || head_end(&heads.kept).is_none() {
                heads.feed(pieces.next().expect("more bytes"));
            }
            found.push(heads.request(framing));
        }
        found
    }

    #[test]
    fn two_framings_are_seen_however_the_bytes_come() {
        use Verdict::{Clean, TwoFramings};
        for size in 1..300 {
            let expected = [Clean, Clean, Clean, Clean, TwoFramings, Clean, TwoFramings];
            assert_eq!(verdicts(size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_head_without_end_is_let_go() {
        let mut heads = Heads::new(100);
        heads.feed(b"POST / HTTP/1.1\r\n");
        heads.feed(&[b'a'; 200]);
        assert!(!heads.has_begun());
        assert_eq!(heads.request(Framing::Chunked), Verdict::Unseen);
    }
}
