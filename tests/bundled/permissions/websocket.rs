//! Tool calls of answers over a websocket: held, then passed or refused, and remembered as the client heard them.

use super::*;
use crate::support::socket::{Socket, create, kinds};
use crate::support::upstream::responses;

const LOGIN: &str = "authorization: Bearer own-token\r\nchatgpt-account-id: acct-own\r\n";

async fn house(timeout: &str) -> (Upstream, Proxy) {
    let upstream = Upstream::with(responses::answer).await;
    let config = config(timeout)
        .toml("plugins.permissions.hold = true")
        // Shorter than what is held.
        .toml("server.websocket_idle_timeout = \"1s\"")
        .toml(&format!("plugins.codex.base_url = \"{}/codex\"", upstream.url()))
        .toml(&format!("plugins.openai.base_url = \"{}/codex\"", upstream.url()));
    (upstream, Proxy::start(config).await)
}

fn user(text: &str) -> Value {
    json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] })
}

fn calls(messages: &[Value]) -> Vec<&Value> {
    let done = messages.iter().filter(|message| message["type"] == "response.output_item.done");
    done.map(|message| &message["item"]).filter(|item| item["type"] == "function_call").collect()
}

#[test]
fn a_call_is_held_then_passed_edited_or_refused() {
    support::run(async {
        for path in ["/codex/v1/responses", "/v1/responses"] {
            for (decision, wanted) in [
                (json!({ "decision": "allow" }), Some("{\"command\":\"ls\"}")),
                (
                    json!({ "decision": "allow", "input": { "command": "pwd" } }),
                    Some("{\"command\":\"pwd\"}"),
                ),
                (json!({ "decision": "deny", "message": "not here" }), None),
            ] {
                let (upstream, proxy) = house("30s").await;
                let events = responses::tool("resp_a", "call_1", "shell", &json!({ "command": "ls" }));
                upstream.next(responses::named(Reply::stream(&events)));
                let mut socket = Socket::open(proxy.address(), path, LOGIN).await;
                let mut heard = Vec::new();
                socket.say(&create(&json!([user("list")]))).await;
                // What stands before the call is not held.
                while !heard.iter().any(|message: &Value| message.to_string().contains("I look")) {
                    let message = socket.message().await;
                    assert_ne!(message["type"], "error", "{path}: {message}");
                    heard.push(message);
                }
                let record = waiting(&proxy).await;
                assert_eq!((&record["tool"], &record["path"]), (&json!("shell"), &json!(path)));
                // Longer than a client may ask nothing.
                tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
                respond(&proxy, &record, &decision).await;
                heard.extend(socket.answer().await);
                assert_eq!(heard.last().unwrap()["type"], "response.completed", "{:?}", kinds(&heard));
                let told: Vec<&str> =
                    calls(&heard).iter().map(|call| call["arguments"].as_str().unwrap()).collect();
                assert_eq!(told, wanted.into_iter().collect::<Vec<_>>(), "{path} {decision}");
                // The next request goes on from what the client was told.
                let next = match wanted {
                    Some(_) => {
                        json!({ "type": "function_call_output", "call_id": "call_1", "output": "etc" })
                    }
                    None => user("then not"),
                };
                let answer = socket.follow(&json!("resp_a"), &json!([next])).await;
                assert_eq!(answer.last().unwrap()["type"], "response.completed", "{answer:?}");
                let input = upstream.request(1).await.json()["input"].to_string();
                match wanted {
                    Some(arguments) => {
                        let arguments = json!(arguments).to_string();
                        assert!(input.contains(&format!("\"arguments\":{arguments}")), "{input}");
                    }
                    None => {
                        assert!(!input.contains("function_call"), "{input}");
                        assert!(input.contains("was refused: not here"), "{input}");
                    }
                }
                proxy.stop().await;
            }
        }
    });
}

#[test]
fn nobody_decides_and_it_is_refused() {
    support::run(async {
        let (upstream, proxy) = house("1s").await;
        let events = responses::tool("resp_a", "call_1", "shell", &json!({ "command": "ls" }));
        upstream.next(responses::named(Reply::stream(&events)));
        let mut socket = Socket::open(proxy.address(), "/codex/v1/responses", LOGIN).await;
        let answer = socket.create(&json!([user("list")])).await;
        assert!(calls(&answer).is_empty(), "{answer:?}");
        let last = answer.last().unwrap();
        assert_eq!(last["type"], "response.completed");
        assert!(answer.iter().any(|one| one.to_string().contains("nobody decided in time")), "{answer:?}");
        proxy.stop().await;
    });
}

#[test]
fn a_client_that_leaves_is_struck_out() {
    support::run(async {
        let (upstream, proxy) = house("50s").await;
        let events = responses::tool("resp_a", "call_1", "shell", &json!({ "command": "ls" }));
        upstream.next(responses::named(Reply::stream(&events).stall()));
        let mut socket = Socket::open(proxy.address(), "/codex/v1/responses", LOGIN).await;
        socket.say(&create(&json!([user("list")]))).await;
        waiting(&proxy).await;
        drop(socket);
        upstream.request(0).await.closed_after(std::time::Instant::now()).await;
        let client = proxy.client();
        support::wait::patiently(std::time::Duration::from_secs(30), "an empty list", async || {
            let list = client.get("/permissions").await.expect(200).json();
            list["permissions"].as_array()?.is_empty().then_some(())
        })
        .await;
        proxy.stop().await;
    });
}
