//! Messages one after the other, and messages that hide in others.

use super::*;

pub(super) fn pipelines() -> Vec<(String, Want)> {
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
        // What hides in the body of a refused message is never taken for one of its own.
        (
            format!(
                "POST /x HTTP/1.1\r\nHost: evil.com\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
                HIDDEN.len()
            ),
            Closed(421),
        ),
        (post(&format!("Origin: null\r\nContent-Length: {}\r\n", HIDDEN.len()), HIDDEN), Closed(403)),
        (format!("POST /x HTTP/1.1\r\n{H}Content-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()), Closed(415)),
        (format!("TRACE /x HTTP/1.1\r\n{H}Content-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()), Closed(405)),
        (format!("BREW /x HTTP/1.1\r\n{H}Content-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()), Closed(501)),
        (format!("CONNECT localhost:80 HTTP/1.1\r\n{H}\r\n{HIDDEN}"), Closed(405)),
        (
            format!("GET /x HTTP/1.1\r\n{H}Expect: x\r\nContent-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()),
            Closed(417),
        ),
        (
            format!(
                "POST /x HTTP/1.1\r\nHost: evil.com\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{HIDDEN}\r\n0\r\n\r\n",
                HIDDEN.len()
            ),
            Closed(421),
        ),
        (
            post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            Closed(400),
        ),
        (
            post("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            Closed(400),
        ),
        (post("Transfer-Encoding: chunked, identity\r\n", &format!("0\r\n\r\n{HIDDEN}")), Closed(400)),
        (post("Transfer-Encoding: identity, chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")), Closed(501)),
        (
            post("Transfer-Encoding:\u{b}chunked\r\nContent-Length: 5\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            Closed(400),
        ),
        (post(&format!("Content-Length: 0\r\nContent-Length: {}\r\n", HIDDEN.len()), HIDDEN), Closed(400)),
        (post(&format!("Content-Length: {}\r\n", HIDDEN.len()), HIDDEN), Taken(2)),
        (chunked(&format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len())), Taken(2)),
        (chunked(&format!("2;\n{HIDDEN}\r\n0\r\n\r\n")), Closed(400)),
        (get("X: a\r\n\tb\r\n") + HIDDEN, Closed(400)),
        (get("Host: evil.com\r\n") + &get(""), All(&[400, 200, 200])),
        (
            head("GET /x HTTP/1.1", "Host: evil.com\r\n") + &get("") + &head("GET /x HTTP/1.1", ""),
            All(&[421, 200, 400, 200]),
        ),
        (sized.clone() + "\r\n\r\n\r\n", Taken(2)),
        (sized + "x", All(&[200, 501])),
        (chunk + "BAD\r\n\r\n", All(&[200, 400])),
    ]
}
