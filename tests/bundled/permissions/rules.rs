//! Rules of the configuration, and those that "always" writes.

use super::*;

/// What becomes of a call: the answer, and the rule that gave it.
async fn decided(proxy: &Proxy, tool: &str, input: Value) -> (String, String) {
    let answer = ask(proxy, json!({ "tool": tool, "input": input, "client": "ada" })).await.unwrap();
    let word = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    (word("decision"), word("by"))
}

fn ruled(rules: &str) -> Config {
    asking("1s")
        .toml("plugins.permissions.default = \"deny\"")
        .toml(&format!("plugins.permissions.rules = [{rules}]"))
}

#[test]
fn the_first_rule_that_matches_decides() {
    support::run(async {
        let proxy = Proxy::start(ruled(
            r#"{ action = "deny", tool = "Bash", arguments = { command = "\\brm\\b" }, message = "no rm" },
               { action = "allow", tool = "Bash", arguments = { command = "\\A(ls|git status)\\z" }, exact = true },
               { action = "allow", tool = "mcp__docs__*" },
               { action = "allow", tool = "Read", client = "ada", source = "service" },
               { action = "allow", tool = "Write", client = "bob" },
               { action = "ask", tool = "Edit" }"#,
        ))
        .await;
        for (tool, input, behavior, by) in [
            ("Bash", json!({ "command": "ls" }), "allow", "configuration rule 2"),
            ("Bash", json!({ "command": "ls; rm x" }), "deny", "configuration rule 1"),
            ("Bash", json!({ "command": "ls\n" }), "deny", "default"),
            ("Bash", json!({ "command": "ls", "run_in_background": true }), "deny", "default"),
            ("Bash", json!({ "command": ["ls"] }), "deny", "default"),
            ("Bash", json!({}), "deny", "default"),
            ("mcp__docs__search", json!({ "q": 1 }), "allow", "configuration rule 3"),
            ("mcp__other__search", json!({}), "deny", "default"),
            ("bash", json!({ "command": "ls" }), "deny", "default"),
            ("Read", json!({ "file": "a" }), "allow", "configuration rule 4"),
            ("Write", json!({ "file": "a" }), "deny", "default"),
            ("Edit", json!({}), "deny", "timeout"),
        ] {
            let found = decided(&proxy, tool, input.clone()).await;
            assert_eq!((found.0.as_str(), found.1.as_str()), (behavior, by), "{tool} {input}");
        }
        let answer = ask(&proxy, json!({ "tool": "Bash", "input": { "command": "rm" } })).await.unwrap();
        assert_eq!(answer["message"], "no rm");
        proxy.stop().await;
    });
}

#[test]
fn a_wrong_rule_is_told_and_closes_what_it_guards() {
    support::run(async {
        let proxy = Proxy::start(
            config("1s")
                .toml("plugins.permissions.rules = [{ action = \"allow\", arguments = { a = \"(\" } }]"),
        )
        .await;
        let plugin = proxy.plugin("permissions").await;
        assert_eq!(plugin["state"], "failed", "{plugin}");
        assert!(plugin["reason"].as_str().unwrap().contains("arguments.a"), "{plugin}");
        let (target, body) = question("openai_chat", "mock", false);
        proxy.client().post(target, &body).await.expect(503);
        proxy.stop().await;
    });
}

#[test]
fn always_writes_a_rule_that_people_can_read_and_change() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        let call = json!({ "tool": "Bash", "input": { "command": "make -j2 'a.b'", "n": 3 } });
        let asked = ask(&proxy, call.clone());
        let told =
            respond(&proxy, &waiting(&proxy).await, &json!({ "decision": "allow", "always": true })).await;
        assert_eq!(told["remembered"], true, "{told}");
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        let file = data(&proxy, "permissions").join("rules.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("[[rules]]") && text.contains("action = \"allow\""), "{text}");
        assert!(text.contains("tool = \"Bash\"") && text.contains("exact = true"), "{text}");
        #[cfg(unix)]
        assert_eq!(mode(&file), 0o600);
        // The same call passes, a slightly other one does not.
        let again = ask(&proxy, call).await.unwrap();
        assert_eq!((&again["decision"], &again["by"]), (&json!("allow"), &json!("rules.toml rule 1")));
        let other = json!({ "tool": "Bash", "input": { "command": "make -j2 'axb'", "n": 3 } });
        let asked = ask(&proxy, other);
        let told =
            respond(&proxy, &waiting(&proxy).await, &json!({ "decision": "deny", "always": "tool" })).await;
        assert_eq!(told["remembered"], true, "{told}");
        assert_eq!(asked.await.unwrap()["decision"], "deny");
        assert_eq!(decided(&proxy, "Bash", json!({ "command": "anything" })).await.1, "rules.toml rule 2");
        // What the operator writes counts at the next call.
        std::fs::write(&file, "[[rules]]\naction = \"allow\"\ntool = \"Bash\"\n").unwrap();
        let found = decided(&proxy, "Bash", json!({ "command": "anything" })).await;
        assert_eq!(found, ("allow".to_owned(), "rules.toml rule 1".to_owned()));
        proxy.stop().await;
    });
}

#[test]
fn a_broken_file_allows_nothing_and_is_told() {
    support::run(async {
        let proxy = Proxy::start(asking("1s").toml("plugins.permissions.default = \"allow\"")).await;
        assert_eq!(decided(&proxy, "Read", json!({})).await.1, "default");
        let folder = data(&proxy, "permissions");
        std::fs::create_dir_all(&folder).unwrap();
        for text in
            ["[[rules]", "[[rules]]\naction = \"perhaps\"", "[[rules]]\naction = \"deny\"\ntol = \"x\""]
        {
            std::fs::write(folder.join("rules.toml"), text).unwrap();
            let found = decided(&proxy, "Read", json!({})).await;
            assert_eq!(found, ("deny".to_owned(), "timeout".to_owned()), "{text}");
            let health = proxy.client().get("/plugins/permissions/health").await.json();
            assert_eq!(health["status"], "degraded", "{health}");
        }
        let asked = ask(&proxy, json!({ "tool": "Read", "input": {} }));
        let told =
            respond(&proxy, &waiting(&proxy).await, &json!({ "decision": "allow", "always": true })).await;
        assert_eq!(told["remembered"], false, "{told}");
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        proxy.stop().await;
    });
}

#[test]
fn always_breaks_no_file_of_the_operators() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        let folder = data(&proxy, "permissions");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("rules.toml");
        let own = "rules = [{ action = \"deny\", tool = \"Nope\" }]";
        std::fs::write(&file, own).unwrap();
        let asked = ask(&proxy, json!({ "tool": "Bash", "input": {} }));
        let told =
            respond(&proxy, &waiting(&proxy).await, &json!({ "decision": "allow", "always": "tool" })).await;
        assert_eq!(told["remembered"], false, "{told}");
        assert!(told["problem"].as_str().unwrap().contains("`[[rules]]`"), "{told}");
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), own);
        let found = decided(&proxy, "Nope", json!({})).await;
        assert_eq!(found, ("deny".to_owned(), "rules.toml rule 1".to_owned()));
        // A last line without an end is ended first.
        std::fs::write(&file, "[[rules]]\naction = \"deny\"\ntool = \"Nope\"").unwrap();
        let asked = ask(&proxy, json!({ "tool": "Bash", "input": {} }));
        let told =
            respond(&proxy, &waiting(&proxy).await, &json!({ "decision": "allow", "always": "tool" })).await;
        assert_eq!(told["remembered"], true, "{told}");
        asked.await.unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().contains("tool = \"Nope\"\n# "));
        assert_eq!(decided(&proxy, "Bash", json!({})).await.1, "rules.toml rule 2");
        assert_eq!(decided(&proxy, "Nope", json!({})).await.1, "rules.toml rule 1");
        proxy.stop().await;
    });
}

#[test]
fn a_misspelled_file_is_told_and_a_good_one_is_counted() {
    support::run(async {
        let proxy = Proxy::start(
            asking("1s").toml("plugins.permissions.rules = [{ action = \"allow\", tool = \"X\" }]"),
        )
        .await;
        let folder = data(&proxy, "permissions");
        std::fs::create_dir_all(&folder).unwrap();
        let health = async || proxy.client().get("/plugins/permissions/health").await.json();
        for (text, told) in [
            ("[[rule]]\naction = \"deny\"", "`rule`"),
            ("[[rules]]\naction = \"deny\"\n[other]\na = 1", "`other`"),
            ("[rules]\naction = \"deny\"", "`[[rules]]`"),
            ("rules = \"all\"", "`[[rules]]`"),
        ] {
            std::fs::write(folder.join("rules.toml"), text).unwrap();
            let health = health().await;
            assert_eq!(health["status"], "degraded", "{text}: {health}");
            assert!(health.to_string().contains(told), "{text}: {health}");
        }
        std::fs::write(folder.join("rules.toml"), "[[rules]]\naction = \"deny\"\n".repeat(3)).unwrap();
        let health = health().await;
        assert_eq!(health["status"], "healthy", "{health}");
        assert!(health.to_string().contains("1 rule of the configuration, 3 of rules.toml"), "{health}");
        proxy.stop().await;
    });
}
