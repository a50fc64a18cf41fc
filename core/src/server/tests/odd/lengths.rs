//! Bodies that are framed by their length, and what they are declared as.

use super::*;

pub(super) fn lengths() -> Vec<(String, Want)> {
    let sized = |length: &str, body: &str| post(&format!("Content-Length: {length}\r\n"), body);
    vec![
        (sized("2", "{}"), Taken(2)),
        (sized("0", ""), Taken(2)),
        (sized("002", "{}"), Taken(2)),
        (sized(" 2 ", "{}"), Taken(2)),
        (post("", ""), Taken(2)),
        (get("Content-Length: 2\r\n").to_string() + "{}", Taken(2)),
        (sized("+2", "{}"), Closed(400)),
        (sized("-2", "{}"), Closed(400)),
        (sized("-0", ""), Closed(400)),
        (sized("0x2", "{}"), Closed(400)),
        (sized("2.0", "{}"), Closed(400)),
        (sized("2 2", "{}"), Closed(400)),
        (sized("2,2", "{}"), Closed(400)),
        (sized("2, 3", "{}"), Closed(400)),
        (sized("two", "{}"), Closed(400)),
        (sized("", "{}"), Closed(400)),
        (sized("\"2\"", "{}"), Closed(400)),
        (sized("2;", "{}"), Closed(400)),
        (sized("99999999999999999999999", ""), Closed(400)),
        (sized("18446744073709551616", ""), Closed(400)),
        // hyper's own answer to a length that it uses as a sign of its own; odd but safe.
        (sized("18446744073709551615", ""), Closed(431)),
        (sized("9223372036854775807", ""), Closed(413)),
        (sized("67108865", ""), Closed(413)),
        (sized("2\r\nContent-Length: 2", "{}"), Taken(2)),
        (sized("2\r\nContent-Length: 3", "{}"), Closed(400)),
        (sized("2\r\nContent-Length: +2", "{}"), Closed(400)),
        (sized("2\r\nContent-Type: text/plain", "{}"), Closed(415)),
        (format!("POST / HTTP/1.1\r\n{H}Content-Length: 2\r\n\r\n{{}}"), Closed(415)),
        (
            format!("POST / HTTP/1.1\r\n{H}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}"),
            Closed(415),
        ),
        (
            format!(
                "PUT / HTTP/1.1\r\n{H}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            Closed(415),
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
        (sized("2\r\nExpect: 100-continue, x", "{}"), Closed(417)),
        (sized("67108865\r\nExpect: 100-continue", ""), Closed(413)),
        (sized("00000000000000000000000000002", "{}"), Taken(2)),
        (sized("2\t", "{}"), Taken(2)),
        (sized("2\u{b}", "{}"), Closed(400)),
        (sized("2\0", "{}"), Closed(400)),
        (sized("1e0", "{"), Closed(400)),
        (sized("2_0", "{}"), Closed(400)),
        (sized("\u{662}", "{}"), Closed(400)),
        (sized("2\r\nContent-Length:", "{}"), Closed(400)),
        (sized("2\r\nContent-Length: 02", "{}"), Taken(2)),
        (sized("-1", "{}"), Closed(400)),
        (sized("4294967296", ""), Closed(413)),
        (get("Content-Length: 0\r\n"), Taken(2)),
        (get("Content-Length: x\r\n"), Closed(400)),
        (format!("HEAD / HTTP/1.1\r\n{H}Content-Length: 2\r\n\r\n{{}}"), Taken(2)),
        (format!("DELETE / HTTP/1.1\r\n{H}Content-Length: 2\r\n\r\n{{}}"), Taken(2)),
        (sized("2\r\nContent-Type: application/json", "{}"), Closed(415)),
        (
            format!("POST / HTTP/1.1\r\n{H}Content-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{{}}"),
            Closed(415),
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{H}Content-Type: application/json, text/plain\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            Closed(415),
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{H}Content-Type: text/plain; application/json\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            Closed(415),
        ),
        (format!("POST / HTTP/1.1\r\n{H}Content-Type:\r\nContent-Length: 2\r\n\r\n{{}}"), Closed(415)),
        (
            format!(
                "POST / HTTP/1.1\r\n{H}Content-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            Closed(415),
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{H}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            Closed(415),
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{H}Content-Type: application/json;charset=\"utf-8\";x\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            Taken(2),
        ),
    ]
}
