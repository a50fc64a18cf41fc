//! The end of the server, and what keeps it from beginning.

use super::*;

async fn ended(house: House) {
    tokio::time::timeout(Duration::from_secs(10), house.running).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn idle_connections_go_at_once_and_new_ones_are_refused() {
    let house = House::new(settings());
    let mut idle = house.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_ne!(idle.read(&mut [0; 512]).await.unwrap(), 0);
    house.drain.begin();
    assert_eq!(rest(&mut idle).await, "");
    let address = house.address;
    ended(house).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_exchange_in_flight_finishes_and_says_close() {
    let house = House::new(settings());
    let mut busy = house.connect().await;
    let head =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{";
    busy.write_all(head.as_bytes()).await.unwrap();
    while house.drain.connections() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    house.drain.begin();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!house.running.is_finished());
    busy.write_all(b"}").await.unwrap();
    let answer = rest(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("POST / {}"), "{answer}");
    ended(house).await;
}

#[tokio::test]
async fn the_second_word_and_the_timeout_end_it_now() {
    for word in [true, false] {
        let drain_timeout = if word { Duration::from_secs(600) } else { Duration::from_millis(100) };
        let house = House::new(ServerSettings { drain_timeout, ..settings() });
        let mut stuck = house.connect().await;
        stuck.write_all(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.drain.begin();
        if word {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!house.running.is_finished());
            house.drain.now();
        }
        assert_eq!(rest(&mut stuck).await, "");
        ended(house).await;
    }
}

#[tokio::test]
async fn a_port_in_use_names_the_address_and_the_remedy() {
    let first = Server::bind(&settings()).unwrap();
    let taken = ServerSettings { listen: first.addresses().to_vec(), ..settings() };
    let error = Server::bind(&taken).unwrap_err().to_string();
    assert!(error.contains(&first.addresses()[0].to_string()) && error.contains("in use"), "{error}");
    assert!(error.contains("server.port"), "{error}");
}

#[tokio::test]
async fn an_open_address_needs_a_key() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let open = ServerSettings { listen: vec![address.parse().unwrap()], ..settings() };
        let error = Server::bind(&open).unwrap_err().to_string();
        assert!(error.contains("server.auth_token") && error.contains(address), "{error}");
    }
    let keyed = ServerSettings {
        listen: vec!["0.0.0.0:0".parse().unwrap()],
        auth_token: Some(crate::secret::Secret::new("k")),
        ..settings()
    };
    Server::bind(&keyed).unwrap();
}
