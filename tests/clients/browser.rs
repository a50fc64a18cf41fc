//! A real browser: Chromium without a window, told what to do over its DevTools protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>), with an empty profile and nothing but loopback.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::installed_at;
use super::program::{PATIENCE, Program, Running};
use crate::support::wait::patiently;

/// Where systems keep it.
const PLACES: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome-stable",
    "/usr/bin/google-chrome",
];
/// What it notes of itself in each page: whatever the page's policy forbade.
const WATCH: &str = "window.forbidden = [];
  document.addEventListener('securitypolicyviolation', (event) => forbidden.push(event.violatedDirective + ' ' + event.blockedURI));";

/// A running browser with one tab. Dropping it ends all of its processes.
pub struct Browser {
    _program: Running,
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
    asked: u64,
    /// What went wrong in pages: exceptions, and errors of the console.
    complaints: Vec<String>,
}

impl Browser {
    /// Starts one; `None`, said aloud, when none is installed, or no tests of clients are wanted.
    pub async fn start() -> Option<Browser> {
        super::installed("")?;
        let there = PLACES.iter().find(|place| std::path::Path::new(place).exists());
        let place = installed_at(std::path::Path::new(there.unwrap_or(&PLACES[0])))?;
        let program = Program::new(&place);
        let profile = format!("--user-data-dir={}", program.home().join("profile").display());
        let running = program
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-port=0", &profile, "about:blank"])
            .spawn();
        let url = running.complains("the address of the browser", |line| {
            line.strip_prefix("DevTools listening on ws://").map(str::to_owned)
        });
        let url = url.await;
        let (host, path) = url.split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        while !told.ends_with(b"\r\n\r\n") {
            told.push(stream.read_u8().await.unwrap());
        }
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        let mut browser =
            Browser { _program: running, socket, session: None, asked: 0, complaints: Vec::new() };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await;
        Some(browser)
    }

    /// Has it do something, and gives what came of it.
    pub async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, async {
            loop {
                let Message::Text(text) = self.socket.next().await.unwrap().unwrap() else { continue };
                let mut heard: Value = serde_json::from_str(&text).unwrap();
                if heard["id"] == self.asked {
                    assert!(heard["error"].is_null(), "{method}: {heard}");
                    return heard["result"].take();
                }
                self.note(&heard);
            }
        });
        answer.await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {method}"))
    }

    fn note(&mut self, heard: &Value) {
        let wrong = match heard["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => true,
            "Runtime.consoleAPICalled" => heard["params"]["type"] == "error",
            "Log.entryAdded" => {
                let entry = &heard["params"]["entry"];
                entry["source"] == "security" || (entry["level"] == "error" && entry["source"] != "network")
            }
            _ => false,
        };
        if wrong {
            self.complaints.push(heard["params"].to_string());
        }
    }

    /// Opens a page, up to its end.
    pub async fn open(&mut self, url: &str) {
        let told = self.call("Page.navigate", json!({ "url": url })).await;
        assert!(told["errorText"].is_null(), "{url}: {told}");
        self.until("document.readyState === 'complete'").await;
    }

    /// The value of an expression in the page; of what it promises.
    pub async fn value(&mut self, expression: &str) -> Value {
        let how = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut told = self.call("Runtime.evaluate", how).await;
        assert!(told["exceptionDetails"].is_null(), "{expression}: {told}");
        told["result"]["value"].take()
    }

    /// The text of an element as it is shown.
    pub async fn text(&mut self, selector: &str) -> String {
        let value = self.value(&format!("document.querySelector({selector:?})?.innerText ?? ''")).await;
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub async fn until(&mut self, expression: &str) {
        let waited = patiently(Duration::from_secs(20), expression, async || {
            (self.value(expression).await == true).then_some(())
        });
        waited.await;
    }

    /// Presses a key, as a person does, where the focus is.
    pub async fn press(&mut self, key: &str) {
        let mut event = json!({ "type": "keyDown", "key": key });
        if key.len() == 1 {
            event["text"] = key.into();
        }
        self.call("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", event).await;
    }

    /// Presses a key until an expression is true: a page may leave a key alone that comes too early.
    pub async fn press_until(&mut self, key: &str, expression: &str) {
        patiently(Duration::from_secs(20), expression, async || {
            self.press(key).await;
            (self.value(expression).await == true).then_some(())
        })
        .await;
    }

    /// Types where the focus is.
    pub async fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// By day, or by night.
    pub async fn scheme(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// The window as PNG, in base64.
    pub async fn picture(&mut self) -> String {
        let told = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        told["data"].as_str().unwrap().to_owned()
    }

    /// Nothing was forbidden to the page and nothing failed in it.
    pub async fn is_content(&mut self) {
        assert_eq!(self.value("window.forbidden").await, json!([]));
        assert!(self.complaints.is_empty(), "{:#?}", self.complaints);
    }
}
