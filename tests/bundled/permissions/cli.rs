//! `ccproxy permissions`, for scripts.

use super::*;
use crate::support::proxy::cli;

fn at(proxy: &Proxy, words: &[&str]) -> Vec<String> {
    let url = format!("http://{}", proxy.address());
    ["permissions", "--url", &url].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

async fn run(proxy: &Proxy, words: &[&str]) -> (i32, String, String) {
    let words = at(proxy, words);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    cli(Config::new(), &words).await
}

#[test]
fn a_script_lists_and_decides() {
    support::run(async {
        let proxy = Proxy::start(asking("60s")).await;
        assert_eq!(run(&proxy, &["list"]).await.1, "nothing waits\n");
        let asked = ask(&proxy, json!({ "tool": "Ba\u{1b}[31msh", "input": { "command": "ls" } }));
        let record = waiting(&proxy).await;
        let id = record["id"].as_str().unwrap();
        let (code, text, _) = run(&proxy, &["list"]).await;
        assert!(code == 0 && text.contains(id) && text.contains("{\"command\":\"ls\"}"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let (_, text, _) = run(&proxy, &["list", "--json"]).await;
        let list: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(list["permissions"][0]["id"], id);
        let (code, _, errors) = run(&proxy, &["respond", id, "allow", "--input", "{"]).await;
        assert!(code == 1 && errors.contains("`--input` is no JSON"), "{errors}");
        let (code, text, errors) =
            run(&proxy, &["respond", id, "allow", "--input", "{\"command\":\"pwd\"}"]).await;
        assert_eq!((code, text.as_str()), (0, "allowed\n"), "{errors}");
        assert_eq!(asked.await.unwrap()["input"]["command"], "pwd");
        let (code, _, errors) = run(&proxy, &["respond", id, "deny"]).await;
        assert!(code == 1 && errors.contains("this request is allowed already"), "{errors}");
        let asked = ask(&proxy, json!({ "tool": "Bash", "input": { "command": "ls" } }));
        let id = waiting(&proxy).await["id"].as_str().unwrap().to_owned();
        let (code, text, _) =
            run(&proxy, &["respond", &id, "deny", "--always=tool", "--message", "no", "--json"]).await;
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &told["remembered"]), (0, &json!(true)), "{told}");
        assert_eq!(asked.await.unwrap()["message"], "no");
        // Where the options of the command stand does not matter.
        let url = format!("http://{}", proxy.address());
        let asked = ask(&proxy, json!({ "tool": "Read", "input": { "command": "pwd" } }));
        let id = waiting(&proxy).await["id"].as_str().unwrap().to_owned();
        let (code, text, errors) =
            cli(Config::new(), &["permissions", "list", "--url", &url, "--json"]).await;
        assert!(code == 0 && text.contains(&id), "{text}{errors}");
        let (code, text, errors) = run(&proxy, &["--json", "respond", &id, "deny"]).await;
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &told["status"]), (0, &json!("denied")), "{errors}");
        asked.await.unwrap();
        let bare = proxy.address().to_string();
        for bare in [bare.as_str(), "localhost:1", "ftp://localhost"] {
            let (code, _, errors) = cli(Config::new(), &["permissions", "list", "--url", bare]).await;
            assert!(code == 1 && errors.contains("begins with `http://`"), "{errors}");
        }
        let (code, _, errors) = run(&proxy, &[]).await;
        assert!(code == 1 && errors.contains("this is no terminal"), "{errors}");
        proxy.stop().await;
    });
}

#[test]
fn a_proxy_without_the_plugin_is_told() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let (code, _, errors) = run(&proxy, &["list"]).await;
        assert!(code == 1 && errors.contains("answered 404"), "{errors}");
        proxy.stop().await;
    });
}
