//! The service `permissions`, and how a request ends.

use super::*;

fn call(command: &str) -> Value {
    json!({ "tool": "Bash", "input": { "command": command }, "session": "s1", "client": "ada" })
}

#[test]
fn a_person_allows_denies_and_edits() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        let asked = ask(&proxy, call("touch a"));
        let record = waiting(&proxy).await;
        assert_eq!((&record["tool"], &record["input"]["command"]), (&json!("Bash"), &json!("touch a")));
        assert_eq!((&record["session"], &record["client"]), (&json!("s1"), &json!("ada")));
        assert_eq!((&record["source"], &record["status"]), (&json!("service"), &json!("pending")));
        assert!(record["expires_in"].as_f64().unwrap() > 20.0, "{record}");
        assert_eq!(respond(&proxy, &record, &json!({ "decision": "allow" })).await["status"], "allowed");
        let answer = asked.await.unwrap();
        assert_eq!(answer["decision"], "allow");
        assert_eq!(answer["input"], json!({ "command": "touch a" }));

        let asked = ask(&proxy, call("rm b"));
        let record = waiting(&proxy).await;
        respond(&proxy, &record, &json!({ "decision": "deny", "message": "not that" })).await;
        let answer = asked.await.unwrap();
        assert_eq!((&answer["decision"], &answer["message"]), (&json!("deny"), &json!("not that")));

        let asked = ask(&proxy, call("rm c"));
        let record = waiting(&proxy).await;
        respond(&proxy, &record, &json!({ "decision": "allow", "input": { "command": "ls" } })).await;
        assert_eq!(asked.await.unwrap()["input"], json!({ "command": "ls" }));
        proxy.logged("tool call denied").await;
        proxy.logged("\\\"edited\\\":true").await;
        let log = proxy.log();
        assert!(log.contains("tool call allowed"), "{log}");
        assert!(!log.contains("rm b"), "arguments are not logged: {log}");
        proxy.stop().await;
    });
}

#[test]
fn only_the_first_answer_counts_and_what_is_unknown_is_404() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        let asked = ask(&proxy, call("x"));
        let record = waiting(&proxy).await;
        respond(&proxy, &record, &json!({ "decision": "deny" })).await;
        assert_eq!(asked.await.unwrap()["decision"], "deny");
        let again = proxy.client().post(&respond_path(&record), &json!({ "decision": "allow" })).await;
        assert_eq!(again.expect(409).json()["error"]["message"], "this request is denied already");
        let one = proxy.client().get(&format!("/permissions/{}", record["id"].as_str().unwrap())).await;
        assert_eq!(one.expect(200).json()["status"], "denied");
        proxy.client().get("/permissions/nobody").await.expect(404);
        proxy.client().post("/permissions/nobody/respond", &json!({ "decision": "allow" })).await.expect(404);
        proxy.stop().await;
    });
}

#[test]
fn wrong_answers_are_told_and_decide_nothing() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        let asked = ask(&proxy, call("x"));
        let record = waiting(&proxy).await;
        for (body, told) in [
            (json!({}), "`decision` is"),
            (json!([]), "the body is"),
            (json!({ "decision": "maybe" }), "`decision` is"),
            (json!({ "decision": "allow", "forever": true }), "no key `forever`"),
            (json!({ "decision": "allow", "always": "never" }), "`always` is"),
            (json!({ "decision": "allow", "input": "ls" }), "`input` is an object"),
            (json!({ "decision": "deny", "input": {} }), "`input` is an object"),
            (json!({ "decision": "allow", "input": {}, "always": true }), "this call alone"),
            (json!({ "decision": "deny", "message": "x".repeat(1001) }), "`message` is text"),
            (json!({ "decision": "allow", "input": { "a": "x".repeat(300_000) } }), "max_input"),
        ] {
            let answer = proxy.client().post(&respond_path(&record), &body).await.expect(400).json();
            let text = answer["error"]["message"].as_str().unwrap();
            assert!(text.contains(told), "{text} for {body}");
        }
        proxy.client().post_bytes(&respond_path(&record), "{").await.expect(400);
        respond(&proxy, &record, &json!({ "decision": "allow" })).await;
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        proxy.stop().await;
    });
}

#[test]
fn nobody_in_time_is_a_no_unless_the_operator_says_otherwise() {
    support::run(async {
        for (setting, wanted) in [("deny", "deny"), ("allow", "allow")] {
            let config = asking("1s").toml(&format!("plugins.permissions.on_timeout = \"{setting}\""));
            let proxy = Proxy::start(config).await;
            let answer = ask(&proxy, call("x")).await.unwrap();
            assert_eq!((&answer["decision"], &answer["by"]), (&json!(wanted), &json!("timeout")));
            let list = proxy.client().get("/permissions").await.expect(200).json();
            assert_eq!(list["permissions"], json!([]));
            proxy.stop().await;
        }
    });
}

#[test]
fn what_waits_and_what_it_holds_is_bounded() {
    support::run(async {
        let config = asking("30s")
            .toml("plugins.permissions.max_pending = 2")
            .toml("plugins.permissions.max_input = \"1KiB\"");
        let proxy = Proxy::start(config).await;
        let (one, two) = (ask(&proxy, call("1")), ask(&proxy, call("2")));
        let records = waiting_for(&proxy, 2).await;
        let third = ask(&proxy, call("3")).await.unwrap();
        assert_eq!((&third["decision"], &third["by"]), (&json!("deny"), &json!("full")));
        let large = ask(&proxy, call(&"x".repeat(2000))).await.unwrap();
        assert_eq!((&large["decision"], &large["by"]), (&json!("deny"), &json!("size")));
        for record in &records {
            respond(&proxy, record, &json!({ "decision": "allow" })).await;
        }
        assert_eq!(one.await.unwrap()["decision"], "allow");
        assert_eq!(two.await.unwrap()["decision"], "allow");
        proxy.stop().await;
    });
}

#[test]
fn fifty_wait_at_once_and_each_gets_its_own_answer() {
    support::run(async {
        let proxy = Proxy::start(asking("60s")).await;
        let asked: Vec<_> = (0..50).map(|number| ask(&proxy, call(&number.to_string()))).collect();
        for record in waiting_for(&proxy, 50).await {
            let number: usize = record["input"]["command"].as_str().unwrap().parse().unwrap();
            let word = if number.is_multiple_of(2) { "allow" } else { "deny" };
            respond(&proxy, &record, &json!({ "decision": word })).await;
        }
        for (number, asked) in asked.into_iter().enumerate() {
            let wanted = if number.is_multiple_of(2) { "allow" } else { "deny" };
            assert_eq!(asked.await.unwrap()["decision"], wanted, "{number}");
        }
        proxy.stop().await;
    });
}

#[test]
fn whoever_asked_and_left_is_struck_out() {
    support::run_within(std::time::Duration::from_secs(60), async {
        let proxy = Proxy::start(asking("10m")).await;
        let asked = ask(&proxy, call("x"));
        let record = waiting(&proxy).await;
        asked.abort();
        let path = format!("/permissions/{}", record["id"].as_str().unwrap());
        let client = proxy.client();
        let over = support::wait::patiently(
            std::time::Duration::from_secs(40),
            "the end of the request",
            async || Some(client.get(&path).await.json()).filter(|record| record["status"] != "pending"),
        )
        .await;
        assert_eq!(over["status"], "withdrawn");
        proxy.stop().await;
    });
}

#[test]
fn a_reload_loses_nobody_who_waits() {
    support::run(async {
        let proxy = Proxy::start(asking("60s")).await;
        let asked = ask(&proxy, call("x"));
        let record = waiting(&proxy).await;
        let generation = proxy.status().await["generation"].as_u64().unwrap();
        proxy.save("other", "return { name = \"other\", version = \"1.0.0\" }").await;
        eventually("a new generation", async || {
            (proxy.status().await["generation"].as_u64().unwrap() > generation).then_some(())
        })
        .await;
        assert_eq!(waiting(&proxy).await["id"], record["id"]);
        respond(&proxy, &record, &json!({ "decision": "allow" })).await;
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        proxy.stop().await;
    });
}

/// Room for many. Plugins have the time that a crowd of large arguments takes on a busy machine in a debug build; a
/// handler that never ends breaks any limit.
fn crowded() -> Config {
    let config = asking("10m").toml("plugins.permissions.max_pending = 200");
    config.toml("lua.cpu = \"1s\"").toml("lua.wall = \"2m\"")
}

#[test]
fn what_was_decided_takes_no_room_from_what_comes() {
    support::run_within(std::time::Duration::from_secs(90), async {
        let proxy = Proxy::start(crowded()).await;
        // Together more than the store holds, so none of it may stay.
        for wave in 0..3 {
            let large = "x".repeat(240_000);
            let asked: Vec<_> = (0..90).map(|_| ask(&proxy, call(&large))).collect();
            for record in waiting_for(&proxy, 90).await {
                let input = (wave == 1).then(|| json!({ "command": format!("ls {large}") }));
                let mut said = json!({ "decision": "allow" });
                if let Some(input) = &input {
                    said["input"] = input.clone();
                }
                respond(&proxy, &record, &said).await;
            }
            for asked in asked {
                let answer = asked.await.unwrap();
                assert_eq!((&answer["decision"], &answer["by"]), (&json!("allow"), &json!("anonymous")));
                let length = answer["input"]["command"].as_str().unwrap().len();
                assert_eq!(length, if wave == 1 { 240_003 } else { 240_000 });
            }
        }
        proxy.stop().await;
    });
}

#[test]
fn a_full_store_harms_no_listener_and_nobody_who_waits() {
    support::run_within(std::time::Duration::from_secs(90), async {
        let proxy = Proxy::start(crowded()).await;
        let mut raw = super::stream::open(&proxy, None).await;
        assert!(raw.until("event: snapshot").await);
        let large = "x".repeat(240_000);
        let mut asked: Vec<_> = (0..150).map(|_| ask(&proxy, call(&large))).collect();
        let client = proxy.client();
        let refused = eventually("a full store", async || {
            let over = asked.iter().filter(|asked| asked.is_finished()).count();
            let list = client.get("/permissions").await.expect(200).json();
            (over > 0 && list["permissions"].as_array()?.len() + over == 150).then_some(over)
        })
        .await;
        assert!(refused < 80, "there is room for most: {refused}");
        let health = client.get("/plugins/permissions/health").await.json();
        assert_eq!(health["status"], "degraded", "{health}");
        assert!(health.to_string().contains("room"), "{health}");
        // What is small still finds room, is told, and can be answered.
        asked.push(ask(&proxy, call("the small one")));
        assert!(raw.until("the small one").await);
        for record in waiting_for(&proxy, 151 - refused).await {
            respond(&proxy, &record, &json!({ "decision": "deny" })).await;
        }
        for asked in asked {
            assert_eq!(asked.await.unwrap()["decision"], "deny");
        }
        assert!(raw.until("event: resolved").await);
        proxy.stop().await;
    });
}
