//! Odd HTTP/1.1 messages: each gets the right answer, none hangs, none makes us lose our place.
//!
//! After each message the probe sends `GET /end` with `connection: close`. A message that is taken must be
//! answered, and the end after it; one that is refused must end the connection with its own answer.

use super::*;

const END: &str = "GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const H: &str = "Host: localhost\r\n";
const J: &str = "Host: localhost\r\nContent-Type: application/json\r\n";

/// The answers to a message and to the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    /// Taken; so many answers of 200, the end's included.
    Taken(usize),
    /// Refused by the guard, after which the connection may go on, or by hyper, after which it may not.
    Refused(u16),
    /// Several statuses, as they come.
    All(&'static [u16]),
}
use Want::{All, Refused, Taken};

fn head(line: &str, fields: &str) -> String {
    format!("{line}\r\n{fields}\r\n")
}

fn get(fields: &str) -> String {
    head("GET /x HTTP/1.1", &format!("{H}{fields}"))
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /x HTTP/1.1\r\n{J}{fields}\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

fn request_lines() -> Vec<(String, Want)> {
    let with_host = |line: &str| head(line, H);
    vec![
        (with_host("GET / HTTP/1.1"), Taken(2)),
        (with_host("HEAD / HTTP/1.1"), Taken(2)),
        (with_host("OPTIONS / HTTP/1.1"), Taken(2)),
        (with_host("DELETE / HTTP/1.1"), Taken(2)),
        (with_host("GET /?a=b&c=%20d HTTP/1.1"), Taken(2)),
        (with_host("GET /a//b/../c HTTP/1.1"), Taken(2)),
        (with_host("GET //evil.com/x HTTP/1.1"), Taken(2)),
        (with_host("GET /%00%0d%0a HTTP/1.1"), Taken(2)),
        (with_host("GET /x#fragment HTTP/1.1"), Taken(2)),
        (with_host("GET http://localhost/x HTTP/1.1"), Taken(2)),
        (with_host("GET http://LOCALHOST/x HTTP/1.1"), Taken(2)),
        (with_host("GET http://localhost HTTP/1.1"), Taken(2)),
        (with_host("GET http://evil.com/x HTTP/1.1"), Refused(400)),
        (head("GET http://evil.com/x HTTP/1.1", "Host: evil.com\r\n"), Refused(421)),
        (head("GET http://localhost/x HTTP/1.1", "Host: evil.com\r\n"), Refused(400)),
        (head("GET http://user@localhost/x HTTP/1.1", "Host: user@localhost\r\n"), Refused(400)),
        (with_host("GET localhost HTTP/1.1"), Refused(400)),
        (with_host("GET localhost:80 HTTP/1.1"), Refused(400)),
        (with_host("GET x HTTP/1.1"), Refused(400)),
        (with_host("GET ?a HTTP/1.1"), Refused(400)),
        (with_host("GET * HTTP/1.1"), Refused(400)),
        (with_host("OPTIONS * HTTP/1.1"), Refused(400)),
        (with_host("CONNECT localhost:80 HTTP/1.1"), Refused(405)),
        (with_host("CONNECT evil.com:443 HTTP/1.1"), Refused(405)),
        (with_host("TRACE / HTTP/1.1"), Refused(405)),
        (with_host("BREW / HTTP/1.1"), Refused(501)),
        (with_host("get / HTTP/1.1"), Refused(501)),
        (with_host("PROPFIND / HTTP/1.1"), Refused(501)),
        (with_host("G@T / HTTP/1.1"), Refused(400)),
        (with_host("GE\tT / HTTP/1.1"), Refused(400)),
        (with_host(" GET / HTTP/1.1"), Refused(400)),
        (with_host("GET  / HTTP/1.1"), Refused(400)),
        (with_host("GET /  HTTP/1.1"), Refused(400)),
        (with_host("GET /a b HTTP/1.1"), Refused(400)),
        (with_host("GET\t/ HTTP/1.1"), Refused(400)),
        (with_host("GET / HTTP/1.1 "), Refused(400)),
        (with_host("GET / HTTP/2.0"), Refused(400)),
        (with_host("GET / HTTP/3.0"), Refused(400)),
        (with_host("GET / HTTP/1.2"), Refused(400)),
        (with_host("GET / HTTP/1"), Refused(400)),
        (with_host("GET / HTTP/11"), Refused(400)),
        (with_host("GET / http/1.1"), Refused(400)),
        (with_host("GET / HTTPS/1.1"), Refused(400)),
        (with_host("GET / HTTP/01.1"), Refused(400)),
        (with_host("GET / XTTP/1.1"), Refused(400)),
        ("GET /\r\n\r\n".into(), Refused(400)),
        ("GET\r\n\r\n".into(), Refused(400)),
        ("\0\0\0\0\r\n\r\n".into(), Refused(400)),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".into(), Refused(400)),
        ("SSH-2.0-x\r\n".into(), Refused(400)),
        (with_host("GET /\u{1} HTTP/1.1"), Refused(400)),
        (with_host("GET /\u{7f} HTTP/1.1"), Refused(400)),
        (with_host("GET /\0 HTTP/1.1"), Refused(400)),
        ("\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), Taken(2)),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), Taken(2)),
        ("GET / HTTP/1.1\nHost: localhost\n\n".into(), Taken(2)),
        ("GET / HTTP/1.1\rHost: localhost\r\r".into(), Refused(400)),
        (with_host("GET / HTTP/1.0"), Taken(1)),
        (head("GET / HTTP/1.0", "Host: localhost\r\nConnection: keep-alive\r\n"), Taken(2)),
        (head("GET / HTTP/1.0", ""), Refused(400)),
        (with_host(&format!("GET /{} HTTP/1.1", "a".repeat(8000))), Taken(2)),
        (with_host(&format!("GET /{} HTTP/1.1", "a".repeat(9000))), Refused(414)),
        (with_host(&format!("GET /?{} HTTP/1.1", "a".repeat(60000))), Refused(414)),
        (with_host(&format!("{} / HTTP/1.1", "A".repeat(300))), Refused(501)),
    ]
}

fn hosts() -> Vec<(String, Want)> {
    let host = |fields: &str| head("GET / HTTP/1.1", fields);
    vec![
        (host(""), Refused(400)),
        (host("Host:\r\n"), Refused(400)),
        (host("Host: \r\n"), Refused(400)),
        (host("Host: localhost\r\nHost: localhost\r\n"), Refused(400)),
        (host("Host: localhost\r\nHost: evil.com\r\n"), Refused(400)),
        (host("Host: localhost, evil.com\r\n"), Refused(400)),
        (host("Host: user@localhost\r\n"), Refused(400)),
        (host("Host: localhost/x\r\n"), Refused(400)),
        (host("Host: localhost:x\r\n"), Refused(400)),
        (host("Host: localhost:99999\r\n"), Refused(400)),
        (host("Host: loc\u{e4}lhost\r\n"), Refused(400)),
        (host("Host: local host\r\n"), Refused(400)),
        (host("Host: [::1\r\n"), Refused(400)),
        (host("Host: evil.com\r\n"), Refused(421)),
        (host("Host: localhost.evil.com\r\n"), Refused(421)),
        (host("Host: 10.0.0.1\r\n"), Refused(421)),
        (host("Host: localhost:1\r\n"), Refused(421)),
        (host("Host: 127.0.0.1\r\n"), Taken(2)),
        (host("Host: [::1]\r\n"), Taken(2)),
        (host("Host:localhost\r\n"), Taken(2)),
        (host("hOST: LOCALHOST\t \r\n"), Taken(2)),
    ]
}

fn fields() -> Vec<(String, Want)> {
    vec![
        (get("X: \r\nY:\r\n"), Taken(2)),
        (get("X: \u{e4}\u{f6}\r\n"), Taken(2)),
        (get("X : y\r\n"), Refused(400)),
        (get("X\t: y\r\n"), Refused(400)),
        (get(" X: y\r\n"), Refused(400)),
        (get("X: a\r\n folded\r\n"), Refused(400)),
        (get("X: a\r\n\tfolded\r\n"), Refused(400)),
        (get("X\r\n"), Refused(400)),
        (get(": y\r\n"), Refused(400)),
        (get("X@: y\r\n"), Refused(400)),
        (get("X(: y\r\n"), Refused(400)),
        (get("\u{e4}: y\r\n"), Refused(400)),
        (get("X: a\0b\r\n"), Refused(400)),
        (get("X: a\rb\r\n"), Refused(400)),
        (get("X: a\u{1}b\r\n"), Refused(400)),
        (get("X: a\u{7f}b\r\n"), Refused(400)),
        (get(&"X: y\r\n".repeat(98)), Taken(2)),
        (get(&"X: y\r\n".repeat(100)), Refused(431)),
        (get(&"X: y\r\n".repeat(1000)), Refused(431)),
        (get(&format!("X: {}\r\n", "y".repeat(50 << 10))), Taken(2)),
        (get(&format!("X: {}\r\n", "y".repeat(70 << 10))), Refused(431)),
        (get(&format!("{}: y\r\n", "x".repeat(70 << 10))), Refused(431)),
        (get("Origin: https://evil.com\r\n"), Refused(403)),
        (get("Origin: null\r\n"), Refused(403)),
        (get("Origin: http://localhost\r\n"), Refused(403)),
        (get("Origin: \r\n"), Refused(403)),
        (get("Sec-Fetch-Site: cross-site\r\n"), Refused(403)),
        (get("Sec-Fetch-Site: same-site\r\n"), Refused(403)),
        (get("Sec-Fetch-Site: whatever\r\n"), Refused(403)),
        (get("Sec-Fetch-Site: same-origin\r\n"), Taken(2)),
        (get("Sec-Fetch-Site: none\r\n"), Taken(2)),
        (get("Upgrade: websocket\r\nConnection: upgrade\r\n"), Taken(2)),
        (
            get("Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABk\r\n"),
            Taken(2),
        ),
        (get("Connection: close\r\n"), Taken(1)),
        (get("Connection: keep-alive, close\r\n"), Taken(1)),
        (get("TE: trailers\r\n"), Taken(2)),
        (get("Expect: 200-ok\r\n"), Refused(417)),
        (get("Range: bytes=0-\r\n"), Taken(2)),
    ]
}

fn lengths() -> Vec<(String, Want)> {
    let sized = |length: &str, body: &str| post(&format!("Content-Length: {length}\r\n"), body);
    vec![
        (sized("2", "{}"), Taken(2)),
        (sized("0", ""), Taken(2)),
        (sized("002", "{}"), Taken(2)),
        (sized(" 2 ", "{}"), Taken(2)),
        (post("", ""), Taken(2)),
        (get("Content-Length: 2\r\n").to_string() + "{}", Taken(2)),
        (sized("+2", "{}"), Refused(400)),
        (sized("-2", "{}"), Refused(400)),
        (sized("-0", ""), Refused(400)),
        (sized("0x2", "{}"), Refused(400)),
        (sized("2.0", "{}"), Refused(400)),
        (sized("2 2", "{}"), Refused(400)),
        (sized("2,2", "{}"), Refused(400)),
        (sized("2, 3", "{}"), Refused(400)),
        (sized("two", "{}"), Refused(400)),
        (sized("", "{}"), Refused(400)),
        (sized("\"2\"", "{}"), Refused(400)),
        (sized("2;", "{}"), Refused(400)),
        (sized("99999999999999999999999", ""), Refused(400)),
        (sized("18446744073709551616", ""), Refused(400)),
        // hyper's own answer to a length that it uses as a sign of its own; odd but safe.
        (sized("18446744073709551615", ""), Refused(431)),
        (sized("9223372036854775807", ""), Refused(413)),
        (sized("67108865", ""), Refused(413)),
        (sized("2\r\nContent-Length: 2", "{}"), Taken(2)),
        (sized("2\r\nContent-Length: 3", "{}"), Refused(400)),
        (sized("2\r\nContent-Length: +2", "{}"), Refused(400)),
        (sized("2\r\nContent-Type: text/plain", "{}"), Refused(415)),
        (format!("POST / HTTP/1.1\r\n{H}Content-Length: 2\r\n\r\n{{}}"), Refused(415)),
        (
            format!("POST / HTTP/1.1\r\n{H}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}"),
            Refused(415),
        ),
        (
            format!(
                "PUT / HTTP/1.1\r\n{H}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            Refused(415),
        ),
        (
            format!(
                "PATCH / HTTP/1.1\r\n{H}Content-Type: APPLICATION/JSON ; charset=utf-8\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            Taken(2),
        ),
        (sized("2\r\nExpect: 100-continue", "{}"), All(&[100, 200, 200])),
        (sized("2\r\nExpect: 100-Continue", "{}"), All(&[100, 200, 200])),
        (sized("0\r\nExpect: 100-continue", ""), Taken(2)),
        (sized("2\r\nExpect: 100-continue, x", "{}"), Refused(417)),
        (sized("67108865\r\nExpect: 100-continue", ""), Refused(413)),
    ]
}

fn chunks() -> Vec<(String, Want)> {
    let coding = |value: &str| post(&format!("Transfer-Encoding: {value}\r\n"), "2\r\n{}\r\n0\r\n\r\n");
    vec![
        (chunked("2\r\n{}\r\n0\r\n\r\n"), Taken(2)),
        (chunked("0\r\n\r\n"), Taken(2)),
        (chunked("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), Taken(2)),
        (chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), Taken(2)),
        (chunked("002\r\n{}\r\n000\r\n\r\n"), Taken(2)),
        (chunked("2;a=b\r\n{}\r\n0;c\r\n\r\n"), Taken(2)),
        (chunked("2 ;a=\"b\"\r\n{}\r\n0\r\n\r\n"), Taken(2)),
        (chunked("2\r\n{}\r\n0\r\nX: y\r\n\r\n"), Taken(2)),
        (chunked("2\r\n{}\r\n0\r\nContent-Length: 5\r\nHost: evil\r\n\r\n"), Taken(2)),
        (chunked("2\r\n{}X\r\n0\r\n\r\n"), Refused(400)),
        (chunked("2\r\n{}\n0\r\n\r\n"), Refused(400)),
        (chunked("2\n{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked("2\r{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked("x\r\n{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked("0x2\r\n{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked("-2\r\n{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked("+2\r\n{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked("\r\n{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked(" 2\r\n{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked("2\0\r\n{}\r\n0\r\n\r\n"), Refused(400)),
        (chunked("ffffffffffffffff\r\n{}"), Refused(408)),
        (chunked("10000000000000000\r\n{}"), Refused(400)),
        (chunked("fffffffffffffffffffffffffff\r\n{}"), Refused(400)),
        (chunked(&format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(40 << 10))), Refused(400)),
        (coding("Chunked"), Taken(2)),
        (coding("gzip, chunked"), Refused(501)),
        (coding("chunked, chunked"), Refused(501)),
        (coding("chunked, gzip"), Refused(400)),
        (coding("gzip"), Refused(400)),
        (coding("identity"), Refused(400)),
        (coding("xchunked"), Refused(400)),
        (coding("chunkedx"), Refused(400)),
        (coding("\u{b}chunked"), Refused(400)),
        (coding("\"chunked\""), Refused(400)),
        (coding(""), Refused(400)),
        (coding(" chunked\t"), Taken(2)),
        (coding("chunked\r\nTransfer-Encoding: chunked"), Refused(501)),
        (coding("chunked\r\nTransfer-Encoding: identity"), Refused(400)),
        (coding("identity\r\nTransfer-Encoding: chunked"), Refused(501)),
        (coding("chunked\r\nContent-Length: 5"), Refused(400)),
        (coding("chunked\r\nCONTENT-LENGTH: 0"), Refused(400)),
        (coding("chunked\r\nContent-Length: x"), Refused(400)),
        (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refused(400)),
        (post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), Refused(400)),
        (format!("POST / HTTP/1.0\r\n{J}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Refused(400)),
    ]
}

fn pipelines() -> Vec<(String, Want)> {
    let chunk = chunked("2\r\n{}\r\n0\r\n\r\n");
    let sized = post("Content-Length: 2\r\n", "{}");
    let smuggled = post("Transfer-Encoding: chunked\r\nContent-Length: 40\r\n", "0\r\n\r\n");
    vec![
        (get("") + &get(""), Taken(3)),
        (sized.clone() + &sized, Taken(3)),
        (chunk.clone() + &chunk, Taken(3)),
        (chunk.clone() + &sized + &chunk, Taken(4)),
        (sized.clone() + "\r\n" + &sized, Taken(3)),
        (get("").repeat(30), Taken(31)),
        (sized.clone() + &smuggled, All(&[200, 400])),
        (chunk.clone() + &smuggled, All(&[200, 400])),
        (get("") + &smuggled + &get(""), All(&[200, 400])),
        (sized + "x", All(&[200, 501])),
        (chunk + "BAD\r\n\r\n", All(&[200, 400])),
    ]
}

#[tokio::test]
async fn each_odd_message_gets_its_answer() {
    // Messages that promise more than they hold wait for these clocks.
    let clock = Duration::from_millis(400);
    let house = House::new(ServerSettings { head_timeout: clock, body_idle_timeout: clock, ..settings() });
    let rows: Vec<(String, Want)> =
        [request_lines(), hosts(), fields(), lengths(), chunks(), pipelines()].concat();
    assert!(rows.len() >= 160, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (message, want) in rows {
        let answer = house.ask(format!("{message}{END}").as_bytes()).await;
        let found = statuses(&answer);
        let right = match want {
            Taken(count) => found == vec![200; count],
            Refused(status) => found == [status] || found == [status, 200],
            All(all) => found == all,
        };
        let shown: String = message.chars().take(120).collect();
        // Who refuses a body half-way cannot keep the connection.
        let closes = found.len() != 1 || answer.to_lowercase().contains("connection: close");
        if !right || !closes && !message.contains("HTTP/1.0") {
            wrong.push(format!("{shown:?}: {want:?}, but {found:?} closes {closes}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn byte_by_byte_is_the_same() {
    let house = House::new(settings());
    let whole = chunked("2;x\r\n{}\r\n0\r\nT: x\r\n\r\n") + &post("Content-Length: 2\r\n", "{}") + END;
    let mut stream = house.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in whole.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(statuses(&rest(&mut stream).await), [200, 200, 200]);
}

#[tokio::test]
async fn a_refused_large_body_still_lets_the_answer_arrive() {
    let house = House::new(settings());
    let mut stream = house.connect().await;
    let size = 65 << 20;
    stream.write_all(post(&format!("Content-Length: {size}\r\n"), "").as_bytes()).await.unwrap();
    let piece = vec![b' '; 1 << 20];
    for _ in 0..65 {
        stream.write_all(&piece).await.unwrap();
    }
    let answer = rest(&mut stream).await;
    assert_eq!(statuses(&answer), [413]);
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn an_answer_before_the_bodys_end_closes() {
    let house = House::new(settings());
    let message = format!("POST /early HTTP/1.1\r\n{J}Content-Length: 100000\r\n\r\n{{}}");
    let mut stream = house.connect().await;
    stream.write_all(message.as_bytes()).await.unwrap();
    let mut answer = [0; 512];
    let count = stream.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(text.contains("connection: close") && text.ends_with("early"), "{text}");
}

#[tokio::test]
async fn a_broken_answer_does_not_look_finished() {
    let house = House::new(settings());
    let answer = house.ask(head("GET /break HTTP/1.1", H).as_bytes()).await;
    assert!(answer.contains("begun") && !answer.contains("0\r\n\r\n"), "{answer}");
}
