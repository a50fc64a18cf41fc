//! A websocket client that does as told, well or badly.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::wait::within;

/// What a websocket may run over.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// An open websocket.
pub struct Socket {
    stream: WebSocketStream<Box<dyn Wire>>,
}

/// What comes from the other side.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// A text message.
    Message(Value),
    /// The close frame: code and reason.
    Close(u16, String),
    /// The end of the connection without one.
    End,
}

/// The upgrade of a client, with these lines more.
pub fn upgrade(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n{lines}\r\n"
    )
}

impl Socket {
    /// Opens one as Codex does.
    pub async fn open(address: SocketAddr, target: &str, lines: &str) -> Socket {
        Self::over(connect(address).await, target, lines).await
    }

    /// The same over a connection that is there.
    pub async fn over(mut wire: impl Wire + 'static, target: &str, lines: &str) -> Socket {
        let lines = format!("openai-beta: responses_websockets=2026-02-06\r\n{lines}");
        let head = exchange(&mut wire, &upgrade(target, &lines)).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let lower = head.to_lowercase();
        assert!(lower.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
        assert!(!lower.contains("extensions"), "{head}");
        let wire: Box<dyn Wire> = Box::new(wire);
        Socket { stream: WebSocketStream::from_raw_socket(wire, Role::Client, None).await }
    }

    /// Writes a head and reads the answer's.
    pub async fn ask(address: SocketAddr, request: &str) -> String {
        exchange(&mut connect(address).await, request).await
    }

    /// Sends a message.
    pub async fn say(&mut self, message: &Value) -> &mut Self {
        self.send(Message::text(message.to_string())).await
    }

    /// Sends a frame of any kind.
    pub async fn send(&mut self, message: Message) -> &mut Self {
        within("a frame to be written", self.stream.send(message)).await.unwrap();
        self
    }

    /// Sends bytes that need not be a frame.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.stream.get_mut().write_all(bytes).await.unwrap();
        self.stream.get_mut().flush().await.unwrap();
        self
    }

    /// What comes next; pings are answered and not told.
    pub async fn hear(&mut self) -> Heard {
        loop {
            match within("a frame", self.stream.next()).await {
                Some(Ok(Message::Text(text))) => return Heard::Message(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame.map_or((0, String::new()), |CloseFrame { code, reason }| {
                        (code.into(), reason.to_string())
                    });
                    return Heard::Close(code, reason);
                }
                Some(Ok(_)) => {}
                Some(Err(Error::Protocol(_) | Error::Io(_) | Error::ConnectionClosed)) | None => {
                    return Heard::End;
                }
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    /// What the next pong brings back.
    pub async fn pong(&mut self) -> Vec<u8> {
        loop {
            match within("a pong", self.stream.next()).await {
                Some(Ok(Message::Pong(bytes))) => return bytes.to_vec(),
                Some(Ok(_)) => {}
                other => panic!("no pong but {other:?}"),
            }
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> Value {
        match self.hear().await {
            Heard::Message(message) => message,
            other => panic!("no message but {other:?}"),
        }
    }

    /// The messages up to the end of one answer.
    pub async fn answer(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.message().await;
            let kind = message["type"].as_str().unwrap().to_owned();
            messages.push(message);
            if matches!(&*kind, "response.completed" | "response.failed" | "response.incomplete" | "error") {
                return messages;
            }
        }
    }

    /// Asks with all the input, and takes the answer.
    pub async fn create(&mut self, input: &Value) -> Vec<Value> {
        self.say(&create(input)).await.answer().await
    }

    /// Asks with what is new, and takes the answer.
    pub async fn follow(&mut self, id: &Value, input: &Value) -> Vec<Value> {
        let mut message = create(input);
        message["previous_response_id"] = id.clone();
        self.say(&message).await.answer().await
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

async fn exchange(wire: &mut impl Wire, request: &str) -> String {
    wire.write_all(request.as_bytes()).await.unwrap();
    wire.flush().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = within("the head of an answer", wire.read_u8()).await else { break };
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

/// A request as Codex makes it.
pub fn create(input: &Value) -> Value {
    json!({
        "type": "response.create", "model": "gpt-6.1-sol", "stream": true, "input": input, "store": false,
        "include": ["reasoning.encrypted_content"], "tools": [], "tool_choice": "auto",
        "client_metadata": { "turn_id": "turn-1", "x-codex-window-id": "w:1" },
    })
}

/// The types of messages.
pub fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}
