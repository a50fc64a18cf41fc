//! Odd HTTP/1.1 messages: each gets the right answer, none hangs, none makes us lose our place.
//!
//! After each message the probe sends `GET /end` with `connection: close`. Each row says what is answered,
//! whether the connection may go on to the end, and by that how many messages the handler may have taken.

mod chunks;
mod fields;
mod lengths;
mod lines;
mod pipelines;

use chunks::chunks;
use fields::{fields, hosts};
use lengths::lengths;
use lines::request_lines;
use pipelines::pipelines;

use super::*;

const END: &str = "GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// A message inside another one.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
const H: &str = "Host: localhost\r\n";
const J: &str = "Host: localhost\r\nContent-Type: application/json\r\n";

/// The answers to a message and to the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    /// Taken; so many answers of 200, the end's included.
    Taken(usize),
    /// Refused, and nothing of it is left on the connection: the end is answered too.
    Refused(u16),
    /// Refused, and the connection ends: what comes after cannot be told from its body.
    Closed(u16),
    /// Several statuses, as they come.
    All(&'static [u16]),
}
use Want::{All, Closed, Refused, Taken};

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

#[tokio::test]
async fn each_odd_message_gets_its_answer() {
    // Messages that promise more than they hold wait for these clocks.
    let clock = Duration::from_millis(400);
    let house = House::new(ServerSettings { head_timeout: clock, body_idle_timeout: clock, ..settings() });
    let rows: Vec<(String, Want)> =
        [request_lines(), hosts(), fields(), lengths(), chunks(), pipelines()].concat();
    assert!(rows.len() >= 160, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (row, (message, want)) in rows.into_iter().enumerate() {
        let answer = house.ask(format!("{message}{END}").as_bytes()).await;
        let served = std::mem::take(&mut *house.served.lock());
        let found = statuses(&answer);
        let right = match want {
            Taken(count) => found == vec![200; count],
            Refused(status) => found == [status, 200],
            Closed(status) => found == [status],
            All(all) => found == all,
        };
        let shown: String = message.chars().take(120).collect();
        // An answer that ends the connection says so.
        let closes = found.len() != 1 || answer.to_lowercase().contains("connection: close");
        if !right || !closes && !message.contains("HTTP/1.0") {
            wrong.push(format!("row {row} {shown:?}: {want:?}, but {found:?} closes {closes}"));
        }
        // Nothing was taken that was not answered, and nothing that was hidden.
        let taken = found.iter().filter(|status| **status == 200).count();
        if served.len() != taken || served.iter().any(|message| message.starts_with("GET /hidden")) {
            wrong.push(format!("row {row} {shown:?}: the handler took {served:?}"));
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

#[tokio::test]
async fn keys_in_both_spellings() {
    let key = crate::secret::Secret::new("house-key");
    let house = House::new(ServerSettings { auth_token: Some(key), ..settings() });
    let rows = [
        ("Authorization: Bearer house-key\r\n", 200),
        ("authorization: bearer house-key\r\n", 200),
        ("Authorization:   Bearer   house-key  \r\n", 200),
        ("X-Api-Key: house-key\r\n", 200),
        ("x-api-key:\thouse-key\t\r\n", 200),
        ("X-Api-Key: house-key\r\nAuthorization: Bearer sk-other\r\n", 200),
        ("X-Api-Key: sk-other\r\nAuthorization: Bearer house-key\r\n", 200),
        ("", 401),
        ("X-Api-Key:\r\n", 401),
        ("X-Api-Key: house-ke\r\n", 401),
        ("X-Api-Key: house-keyy\r\n", 401),
        ("X-Api-Key: HOUSE-KEY\r\n", 401),
        ("X-Api-Key: house-key, house-key\r\n", 401),
        ("X-Api-Key: house-key\r\nX-Api-Key: house-key\r\n", 401),
        ("X-Api-Key: Bearer house-key\r\n", 401),
        ("X_Api_Key: house-key\r\n", 401),
        ("Authorization: house-key\r\n", 401),
        ("Authorization: Bearer\r\n", 401),
        ("Authorization: Bearerhouse-key\r\n", 401),
        ("Authorization: Basic aG91c2Uta2V5\r\n", 401),
        ("Authorization: Bearer house-key\r\nAuthorization: Bearer house-key\r\n", 401),
        ("Proxy-Authorization: Bearer house-key\r\n", 401),
        ("Cookie: x-api-key=house-key\r\n", 401),
    ];
    for (fields, status) in rows {
        let answer = house.ask(get(&format!("{fields}Connection: close\r\n")).as_bytes()).await;
        assert_eq!(statuses(&answer), [status], "{fields:?}: {answer}");
        assert_eq!(answer.contains("www-authenticate: Bearer"), status == 401, "{answer}");
    }
    assert_eq!(house.served.lock().len(), 7);
}

/// hyper itself sees a client leave only when nothing came after its request.
#[tokio::test]
async fn who_leaves_with_more_on_the_way_is_missed_too() {
    let house = House::new(settings());
    for more in ["\r\n", "GET /x HTTP/1.1\r\n", &get(""), &"x".repeat(12 << 10)] {
        let mut stream = house.connect().await;
        let message = head("GET /wait HTTP/1.1", H);
        stream.write_all(format!("{message}{more}").as_bytes()).await.unwrap();
        while house.drain.connections() == 0 {
            tokio::task::yield_now().await;
        }
        drop(stream);
        let gone = async {
            while house.drain.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the connection is gone");
    }
    assert!(house.served.lock().is_empty());
}
