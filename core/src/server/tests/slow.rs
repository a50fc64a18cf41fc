//! Clients that take their time, and houses that are full.

use std::time::Instant;

use super::*;

const HOST: &str = "Host: localhost\r\nContent-Type: application/json\r\n";

fn short() -> ServerSettings {
    ServerSettings {
        head_timeout: Duration::from_millis(150),
        body_idle_timeout: Duration::from_millis(150),
        write_idle_timeout: Duration::from_millis(300),
        ..settings()
    }
}

/// Writes a byte now and then until the other end closes; what it said.
async fn drip(house: &House, start: &str, byte: u8) -> (String, Duration) {
    let mut stream = house.connect().await;
    stream.write_all(start.as_bytes()).await.unwrap();
    let began = Instant::now();
    let (mut reading, mut writing) = stream.split();
    let mut bytes = Vec::new();
    let write = async {
        loop {
            tokio::time::sleep(Duration::from_millis(40)).await;
            if writing.write_all(&[byte]).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        _ = reading.read_to_end(&mut bytes) => {}
        () = write => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => panic!("still open"),
    }
    (String::from_utf8_lossy(&bytes).into_owned(), began.elapsed())
}

#[tokio::test]
async fn a_head_has_its_time_however_it_drips() {
    let house = House::new(short());
    let (answer, took) = drip(&house, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b'x').await;
    assert_eq!(statuses(&answer), [408]);
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(took >= Duration::from_millis(140) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let house = House::new(short());
    let mut stream = house.connect().await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_second_head_has_its_time_too() {
    let house = House::new(short());
    let start = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stream = house.connect().await;
    stream.write_all(start.as_bytes()).await.unwrap();
    let mut answer = [0; 512];
    let count = stream.read(&mut answer).await.unwrap();
    assert_eq!(statuses(&String::from_utf8_lossy(&answer[..count])), [200]);
    // Longer than the head's time: between two requests nobody is hurried.
    tokio::time::sleep(Duration::from_millis(400)).await;
    stream.write_all(b"GET / HT").await.unwrap();
    assert_eq!(statuses(&rest(&mut stream).await), [408]);
}

#[tokio::test]
async fn a_silent_body_is_408_and_a_dripping_one_is_not() {
    let house = House::new(short());
    let message = format!("POST / HTTP/1.1\r\n{HOST}Content-Length: 8\r\n\r\n{{");
    let answer = house.ask(message.as_bytes()).await;
    assert_eq!(statuses(&answer), [408]);
    assert!(answer.contains("connection: close"), "{answer}");
    let message = format!("POST / HTTP/1.1\r\n{HOST}Connection: close\r\nContent-Length: 8\r\n\r\n{{");
    let (answer, _) = drip(&house, &message, b' ').await;
    assert_eq!(statuses(&answer), [200]);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let house = House::new(short());
    let mut stream = house.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), async {
        while house.drain.connections() == 0 {
            tokio::task::yield_now().await;
        }
        while house.drain.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the connection is cut");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_exchange() {
    let house = House::new(settings());
    let mut stream = house.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(house.drain.connections(), 1);
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), async {
        while house.drain.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the connection is gone");
}

#[tokio::test]
async fn a_full_house_says_so() {
    let house = House::new(ServerSettings { max_connections: 1, ..settings() });
    let mut first = house.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_ne!(first.read(&mut [0; 512]).await.unwrap(), 0);
    let answer = house.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(statuses(&answer), [503]);
    assert!(answer.contains("retry-after"), "{answer}");
    drop(first);
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let again = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            if statuses(&house.ask(again).await) == [200] {
                return;
            }
        }
    })
    .await
    .expect("there is room again");
}
