//! `permissions`: rules, people, time-outs; asked by other plugins, over MCP, and by answers that are held.

mod answers;
mod cli;
mod hold;
mod mcp;
mod page;
mod rules;
mod service;
mod stream;
mod terminal;
mod websocket;

use super::*;

/// Asks people, for so long.
pub fn config(timeout: &str) -> Config {
    Config::new()
        .toml("plugins.permissions.enabled = true")
        .toml(&format!("plugins.permissions.timeout = \"{timeout}\""))
}

/// A plugin that asks the service what the client asks it.
const ASKER: &str = r#"return {
  name = "asker", version = "1.0.0", requires = { "permissions" }, patience = "1h",
  routes = { { method = "POST", path = "/ask", handler = function(req)
    local answer, err = ccproxy.services.call("permissions", "check", req.body:table())
    return { json = answer or { error = err.message } }
  end } },
}"#;

pub fn asking(timeout: &str) -> Config {
    config(timeout).script("asker", ASKER)
}

/// What waits now, once something does.
pub async fn waiting(proxy: &Proxy) -> Value {
    waiting_for(proxy, 1).await[0].clone()
}

/// What waits now, once so much does.
pub async fn waiting_for(proxy: &Proxy, count: usize) -> Vec<Value> {
    let client = proxy.client();
    eventually(&format!("{count} requests that wait"), async || {
        let list = client.get("/permissions").await.expect(200).json();
        list["permissions"].as_array().filter(|list| list.len() >= count).cloned()
    })
    .await
}

pub fn respond_path(record: &Value) -> String {
    format!("/permissions/{}/respond", record["id"].as_str().unwrap())
}

pub async fn respond(proxy: &Proxy, record: &Value, body: &Value) -> Value {
    proxy.client().post(&respond_path(record), body).await.expect(200).json()
}

/// Asks in the background.
pub fn ask(proxy: &Proxy, body: Value) -> tokio::task::JoinHandle<Value> {
    let client = proxy.client();
    tokio::spawn(async move { client.post("/asker/ask", &body).await.expect(200).json() })
}
