//! HTTP/2 frame by frame: requests that no library would send, and floods. Each gets its answer, its stream
//! reset or its connection ended; the others are served meanwhile.

use super::*;

/// What became of a message, or of its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Status(u16),
    /// The stream was reset with this code.
    Reset(u32),
    /// The connection was ended with this code.
    Away(u32),
    /// It was closed, whatever was said before.
    Closed,
}
use End::{Away, Closed, Reset, Status};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PROTOCOL_ERROR: u32 = 1;
const ENHANCE_YOUR_CALM: u32 = 11;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

type Fields<'a> = &'a [(&'a str, &'a str)];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block of literals (RFC 7541 section 6.2.2), each shorter than 127 bytes.
fn block(fields: Fields<'_>) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

fn get(more: Fields<'_>) -> Vec<u8> {
    block(&[&[(":method", "GET"), (":scheme", "http"), (":path", "/x")], more].concat())
}

fn ours(more: Fields<'_>) -> Vec<u8> {
    get(&[&[(":authority", "localhost")], more].concat())
}

fn post(more: Fields<'_>) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/x"),
        (":authority", "localhost"),
        ("content-type", "application/json"),
    ];
    block(&[&fields, more].concat())
}

/// A connection that speaks in frames.
struct Raw(TcpStream);

impl Raw {
    async fn open(house: &House) -> Raw {
        let mut stream = house.connect().await;
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
        Raw(stream)
    }

    /// A server that has ended the connection need not take all of it.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], payload))
    }

    /// Reads up to the first answer, reset or end.
    async fn end(&mut self) -> End {
        let end = async {
            while let Some((kind, payload)) = self.read().await {
                let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
                match kind {
                    HEADERS => return Status(status(&payload)),
                    RST_STREAM => return Reset(number(0)),
                    GOAWAY => return Away(number(4)),
                    _ => {}
                }
            }
            Closed
        };
        tokio::time::timeout(Duration::from_secs(20), end).await.expect("an end")
    }
}

/// The status at the start of a header block, as far as it occurs here.
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x8c, ..] => 400,
        [0x48, 0x82, 0x68, 0x41, ..] => 421,
        [0x48, 0x82, 0x68, 0x02, ..] => 405,
        _ => panic!("another status: {block:x?}"),
    }
}

async fn serves(house: &House) {
    let message = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&house.ask(message).await), [200]);
}

#[tokio::test]
async fn odd_requests() {
    let house = House::new(settings());
    let host = |value| ("host", value);
    let rows: Vec<(&str, Vec<u8>, End)> = vec![
        ("plain", ours(&[]), Status(200)),
        ("no authority", get(&[]), Status(400)),
        ("a host field instead", get(&[host("localhost")]), Status(200)),
        ("both, the same", ours(&[host("localhost")]), Status(200)),
        ("both, different", ours(&[host("evil.com")]), Status(400)),
        ("two hosts", ours(&[host("localhost"), host("localhost")]), Status(400)),
        ("a foreign authority", get(&[(":authority", "evil.com")]), Status(421)),
        ("a foreign host", get(&[host("evil.com")]), Status(421)),
        ("userinfo", get(&[(":authority", "user@localhost")]), Status(400)),
        ("an empty authority", get(&[(":authority", "")]), Reset(PROTOCOL_ERROR)),
        ("two authorities", ours(&[(":authority", "localhost")]), Reset(PROTOCOL_ERROR)),
        ("a late pseudo field", ours(&[("x", "y"), (":status", "200")]), Reset(PROTOCOL_ERROR)),
        ("an unknown pseudo field", ours(&[(":x", "y")]), Away(PROTOCOL_ERROR)),
        ("an upper case name", ours(&[("X", "y")]), Away(PROTOCOL_ERROR)),
        ("connection", ours(&[("connection", "close")]), Reset(PROTOCOL_ERROR)),
        ("keep-alive", ours(&[("keep-alive", "1")]), Reset(PROTOCOL_ERROR)),
        ("transfer-encoding", ours(&[("transfer-encoding", "chunked")]), Reset(PROTOCOL_ERROR)),
        ("upgrade", ours(&[("upgrade", "h2c")]), Reset(PROTOCOL_ERROR)),
        ("te", ours(&[("te", "gzip")]), Reset(PROTOCOL_ERROR)),
        ("te: trailers", ours(&[("te", "trailers")]), Status(200)),
        ("a line end in a value", ours(&[("x", "a\r\nb: c")]), Away(PROTOCOL_ERROR)),
        ("a length without a body", ours(&[("content-length", "5")]), Reset(PROTOCOL_ERROR)),
        ("two lengths", ours(&[("content-length", "0"), ("content-length", "5")]), Reset(PROTOCOL_ERROR)),
    ];
    for (name, fields, end) in rows {
        let mut raw = Raw::open(&house).await;
        raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields)).await;
        assert_eq!(raw.end().await, end, "{name}");
    }
    let targets =
        [("*", Status(400)), ("", Reset(PROTOCOL_ERROR)), ("http://localhost/x", Reset(PROTOCOL_ERROR))];
    for (path, end) in targets {
        let fields =
            [(":method", "OPTIONS"), (":scheme", "http"), (":path", path), (":authority", "localhost")];
        let mut raw = Raw::open(&house).await;
        raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields))).await;
        assert_eq!(raw.end().await, end, "{path}");
    }
}

#[tokio::test]
async fn bodies_are_what_they_promise() {
    let house = House::new(settings());
    let rows: [(&str, Fields<'_>, &[u8], End); 4] = [
        ("right", &[("content-length", "2")], b"{}", Status(200)),
        ("short", &[("content-length", "3")], b"{}", Reset(PROTOCOL_ERROR)),
        ("long", &[("content-length", "1")], b"{}", Reset(PROTOCOL_ERROR)),
        ("none promised", &[], b"{}", Status(200)),
    ];
    for (name, fields, body, end) in rows {
        let mut raw = Raw::open(&house).await;
        let head = frame(HEADERS, END_HEADERS, 1, &post(fields));
        raw.send(&[head, frame(DATA, END_STREAM, 1, body)].concat()).await;
        assert_eq!(raw.end().await, end, "{name}");
    }
}

/// A field of 3,900 bytes that is put into the table once and named 12,000 times, a byte each.
fn bomb() -> Vec<u8> {
    let length = 3900 - 127;
    let value = [&[0x7f, 0x80 | (length & 0x7f) as u8, (length >> 7) as u8][..], &[b'y'; 3900]].concat();
    [ours(&[]), b"\x40\x01x".to_vec(), value, vec![0xbe; 12_000]].concat()
}

#[tokio::test]
async fn floods_end_their_connection_and_nobody_elses() {
    let house = House::new(settings());
    let opened = |stream| frame(HEADERS, END_HEADERS, stream, &post(&[]));
    let odd = |count: u32| (0..count).map(|number| 2 * number + 1);
    let reset = |stream| {
        [
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &ours(&[])),
            frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()),
        ]
        .concat()
    };
    // The server is made to reset them itself (CVE-2025-8671).
    let most = 0x7fff_ffff_u32.to_be_bytes();
    let made = |stream| [opened(stream), frame(WINDOW_UPDATE, 0, stream, &most)].concat();
    let unfinished = frame(HEADERS, 0, 1, &ours(&[]));
    let more = frame(CONTINUATION, 0, 1, &block(&[("x", "y")]).repeat(200));
    let rows: Vec<(&str, Vec<u8>, u32)> = vec![
        ("rapid reset", odd(5000).flat_map(reset).collect(), ENHANCE_YOUR_CALM),
        ("made to reset", odd(5000).flat_map(made).collect(), ENHANCE_YOUR_CALM),
        ("continuation", [unfinished.clone(), more.repeat(200)].concat(), ENHANCE_YOUR_CALM),
        (
            "empty continuation",
            [unfinished, frame(CONTINUATION, 0, 1, &[]).repeat(5000)].concat(),
            ENHANCE_YOUR_CALM,
        ),
        ("a bomb of fields", frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb()), ENHANCE_YOUR_CALM),
        ("empty data", [opened(1), frame(DATA, 0, 1, &[]).repeat(50_000)].concat(), ENHANCE_YOUR_CALM),
    ];
    for (name, bytes, code) in rows {
        let mut raw = Raw::open(&house).await;
        raw.send(&bytes).await;
        let mut end = raw.end().await;
        while matches!(end, Status(_) | Reset(_)) {
            end = raw.end().await;
        }
        // A reset may overtake the last word.
        assert!(end == Away(code) || end == Closed, "{name}: {end:?}");
        serves(&house).await;
    }
}

#[tokio::test]
async fn floods_that_cost_their_sender_as_much_are_borne() {
    let house = House::new(settings());
    let rows: [(&str, Vec<u8>); 3] = [
        ("ping", frame(PING, 0, 0, b"12345678")),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("unknown", frame(0x42, 0, 0, &[0; 1000])),
    ];
    for (name, bytes) in rows {
        let mut raw = Raw::open(&house).await;
        // Its answers are not read: at some point nothing more is taken from it.
        let flood = async {
            for _ in 0..200 {
                if !raw.send(&bytes.repeat(50)).await {
                    break;
                }
            }
        };
        let taken = tokio::time::timeout(Duration::from_secs(2), flood).await;
        serves(&house).await;
        if taken.is_ok() && raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &ours(&[]))).await {
            let end = raw.end().await;
            assert!(matches!(end, Status(200) | Closed), "{name}: {end:?}");
        }
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_and_windows_of_nothing_are_bounded() {
    let house = House::new(ServerSettings { write_idle_timeout: Duration::from_millis(200), ..settings() });
    let mut raw = Raw::open(&house).await;
    // No room for a byte of any answer.
    raw.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
    let endless =
        block(&[(":method", "GET"), (":scheme", "http"), (":path", "/endless"), (":authority", "localhost")]);
    for number in 0..100 {
        raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &endless)).await;
    }
    serves(&house).await;
    let end = async { while raw.read().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), end).await.expect("a client that takes nothing is let go");
}

/// The end is told with a ping, whose answer a client that is gone never sends.
#[tokio::test]
async fn a_client_that_does_not_confirm_the_end_does_not_hold_it_up() {
    let house = House::new(ServerSettings { write_idle_timeout: Duration::from_millis(200), ..settings() });
    let mut raw = Raw::open(&house).await;
    raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &ours(&[]))).await;
    assert_eq!(raw.end().await, Status(200));
    house.drain.begin();
    assert_eq!(raw.end().await, Away(0));
    tokio::time::timeout(Duration::from_secs(10), house.running).await.expect("it ends").unwrap();
}
