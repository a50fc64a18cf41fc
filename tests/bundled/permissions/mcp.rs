//! `POST /mcp/permission/check`: an MCP server over streamable HTTP.

use super::*;

const PATH: &str = "/mcp/permission/check";

/// A session that has begun.
struct Session {
    client: Client,
}

impl Session {
    async fn begin(proxy: &Proxy, version: &str) -> (Session, Value) {
        let client = proxy.client().header("accept", "application/json, text/event-stream");
        let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let answer = client.post(PATH, &hello).await.expect(200);
        let id = answer.header("mcp-session-id").to_owned();
        assert!(!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        let session = Session { client: client.header("mcp-session-id", &id) };
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = session.client.post(PATH, &ready).await.expect(202);
        assert!(accepted.body.is_empty());
        (session, answer.json())
    }

    async fn ask(&self, message: Value) -> Answer {
        self.client.post(PATH, &message).await
    }
}

fn call(id: &Value, arguments: &Value) -> Value {
    let params = json!({ "name": "check_permission", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

/// The answer of a tool's call, in a stream.
fn streamed(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let events = sse::data(&answer.body);
    assert_eq!(events.len(), 1, "{}", answer.text());
    events[0].clone()
}

/// What the tool says about the call.
fn said(message: &Value) -> Value {
    assert_eq!(message["result"]["isError"], false, "{message}");
    serde_json::from_str(message["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
}

#[test]
fn it_introduces_itself_in_the_version_that_was_asked_for() {
    support::run(async {
        let proxy = Proxy::start(config("30s")).await;
        for (asked, given) in [
            ("2025-11-25", "2025-11-25"),
            ("2025-06-18", "2025-06-18"),
            ("2024-11-05", "2024-11-05"),
            // It has batches, which this server does not take.
            ("2025-03-26", "2024-11-05"),
            ("2019-01-01", "2025-11-25"),
            ("2031-01-01", "2025-11-25"),
        ] {
            let (session, hello) = Session::begin(&proxy, asked).await;
            assert_eq!(hello["result"]["protocolVersion"], given);
            assert!(hello["result"]["capabilities"]["tools"].is_object(), "{hello}");
            let list = session.ask(json!({ "jsonrpc": "2.0", "id": "l", "method": "tools/list" })).await;
            let list = list.expect(200).json();
            assert_eq!(list["id"], "l");
            assert_eq!(list["result"]["tools"][0]["name"], "check_permission");
            assert_eq!(list["result"]["tools"][0]["inputSchema"]["required"], json!(["tool_name", "input"]));
            let ping = session.ask(json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })).await.expect(200);
            assert_eq!(ping.json(), json!({ "jsonrpc": "2.0", "id": 9, "result": {} }));
        }
        proxy.stop().await;
    });
}

#[test]
fn a_call_waits_for_a_person_and_numbers_stay_exact() {
    support::run(async {
        let proxy = Proxy::start(config("30s")).await;
        let (session, _) = Session::begin(&proxy, "2025-06-18").await;
        let text = r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"check_permission","arguments":{"tool_name":"Write","input":{"n":9007199254740993, "e":[]},"tool_use_id":"t1"}}}"#;
        let client = session.client.clone();
        let asked = tokio::spawn(async move { client.post_bytes(PATH, text).await.expect(200) });
        let record = waiting(&proxy).await;
        assert_eq!((&record["tool"], &record["source"]), (&json!("Write"), &json!("mcp")));
        respond(&proxy, &record, &json!({ "decision": "allow" })).await;
        let answer = asked.await.unwrap();
        assert!(answer.text().contains("\"id\":9007199254740993"), "{}", answer.text());
        let message = streamed(&answer);
        let text = message["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text, r#"{"behavior":"allow","updatedInput":{"n":9007199254740993, "e":[]}}"#);

        let client = session.client.clone();
        let body = call(&json!(2), &json!({ "tool_name": "Write", "input": { "a": 1 } }));
        let asked = tokio::spawn(async move { client.post(PATH, &body).await.expect(200) });
        let record = waiting(&proxy).await;
        respond(&proxy, &record, &json!({ "decision": "allow", "input": { "a": 2 } })).await;
        assert_eq!(said(&streamed(&asked.await.unwrap()))["updatedInput"], json!({ "a": 2 }));

        let client = session.client.clone();
        let body = call(&json!(3), &json!({ "tool_name": "Write", "input": {} }));
        let asked = tokio::spawn(async move { client.post(PATH, &body).await.expect(200) });
        let record = waiting(&proxy).await;
        respond(&proxy, &record, &json!({ "decision": "deny", "message": "no" })).await;
        assert_eq!(said(&streamed(&asked.await.unwrap())), json!({ "behavior": "deny", "message": "no" }));
        proxy.stop().await;
    });
}

#[test]
fn a_client_that_takes_no_stream_is_answered_in_one_piece() {
    support::run(async {
        let proxy = Proxy::start(config("1s")).await;
        let (session, _) = Session::begin(&proxy, "2025-06-18").await;
        let body = call(&json!(1), &json!({ "tool_name": "Write", "input": {} }));
        let id = session.ask(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize" })).await;
        let plain = proxy.client().header("mcp-session-id", id.header("mcp-session-id"));
        let answer = plain.post(PATH, &body).await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(said(&answer.json())["behavior"], "deny");
        proxy.stop().await;
    });
}

#[test]
fn what_is_wrong_is_told_as_json_rpc_does() {
    support::run(async {
        let proxy = Proxy::start(config("1s")).await;
        let (session, _) = Session::begin(&proxy, "2025-06-18").await;
        let anonymous = proxy.client();
        for (body, status, code) in [
            ("{", 400, -32700),
            ("[]", 400, -32600),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, -32600),
            (r#"{"id":1,"method":"ping"}"#, 400, -32600),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, 400, -32600),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, 400, -32600),
            (r#"{"jsonrpc":"2.0","id":1}"#, 400, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#, 200, -32601),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"other"}}"#, 200, -32602),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"check_permission","arguments":{"tool_name":"x","input":"y"}}}"#,
                200,
                -32602,
            ),
        ] {
            let answer = session.client.post_bytes(PATH, body).await.expect(status).json();
            assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
        }
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        anonymous.post(PATH, &ping).await.expect(400);
        anonymous.clone().header("mcp-session-id", "nobody").post(PATH, &ping).await.expect(404);
        let old = session.client.clone().header("mcp-protocol-version", "1999-01-01");
        old.post(PATH, &ping).await.expect(400);
        let batches = session.client.clone().header("mcp-protocol-version", "2025-03-26");
        let told = batches.post(PATH, &ping).await.expect(400).json();
        assert!(told["error"]["message"].as_str().unwrap().contains("2025-06-18, 2024-11-05"), "{told}");
        let told = session.ask(json!({ "jsonrpc": "2.0", "id": 4, "result": {} })).await;
        told.expect(202);
        assert_eq!(anonymous.get(PATH).await.expect(405).header("allow"), "POST, DELETE");
        let delete = session.client.request(http::Method::DELETE, PATH, &[], bytes::Bytes::new()).await;
        delete.expect(204);
        session.ask(ping).await.expect(404);
        proxy.stop().await;
    });
}

#[test]
fn a_call_can_be_taken_back() {
    support::run(async {
        let proxy = Proxy::start(config("60s")).await;
        let (session, _) = Session::begin(&proxy, "2025-06-18").await;
        let client = session.client.clone();
        let body = call(&json!("c1"), &json!({ "tool_name": "Write", "input": {} }));
        let asked = tokio::spawn(async move { client.post(PATH, &body).await.expect(200) });
        waiting(&proxy).await;
        let params = json!({ "requestId": "c1" });
        let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        session.ask(cancelled).await.expect(202);
        assert_eq!(said(&streamed(&asked.await.unwrap()))["behavior"], "deny");
        let list = proxy.client().get("/permissions").await.expect(200).json();
        assert_eq!(list["permissions"], json!([]));
        proxy.stop().await;
    });
}
