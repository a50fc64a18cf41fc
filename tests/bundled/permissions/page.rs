//! The page at `/permissions`, as far as it can be looked at without a browser: what it is made of, what it
//! may load, and who may answer.

use super::*;

fn browser(proxy: &Proxy) -> Client {
    proxy.client().header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

#[test]
fn it_stands_alone_and_may_load_nothing() {
    support::run(async {
        let proxy = Proxy::start(config("30s")).await;
        let page = browser(&proxy).get("/permissions").await.expect(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy").to_owned();
        let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        for wanted in
            ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(wanted), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let html = page.text();
        assert_eq!(html.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "one script, one style");
        assert_eq!(html.matches("<script").count(), 1);
        for foreign in ["http://", "https://", "src=", "@import", "url(", "onclick=\"", "javascript:"] {
            assert!(!html.contains(foreign), "the page has `{foreign}`");
        }
        for dangerous in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!html.contains(dangerous), "the page uses `{dangerous}`");
        }
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        let again = browser(&proxy).get("/permissions").await.expect(200);
        assert_ne!(again.header("content-security-policy"), policy, "a nonce is used once");
        let list = proxy.client().get("/permissions").await.expect(200);
        assert_eq!(list.header("content-type"), "application/json");
        proxy.stop().await;
    });
}

#[test]
fn the_page_itself_may_answer_and_no_other_page_may() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        let asked = ask(&proxy, json!({ "tool": "Bash", "input": {} }));
        let record = waiting(&proxy).await;
        let (path, body) = (respond_path(&record), json!({ "decision": "allow" }).to_string());
        let own = format!("http://{}", proxy.address());
        let send = async |origin: &str, site: &str, kind: &str| {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\nsec-fetch-site: {site}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
                proxy.address(),
                body.len()
            );
            let mut raw = proxy.raw().await;
            raw.send(head + &body).await;
            raw.answer().await.unwrap().status
        };
        for (origin, site, kind, wanted) in [
            ("https://evil.example", "cross-site", "application/json", 403),
            ("null", "cross-site", "application/json", 403),
            ("http://localhost:3000", "same-site", "application/json", 403),
            (own.as_str(), "cross-site", "application/json", 403),
            (own.as_str(), "same-origin", "text/plain", 415),
            (own.as_str(), "same-origin", "application/x-www-form-urlencoded", 415),
            (own.as_str(), "same-origin", "application/json", 200),
        ] {
            assert_eq!(send(origin, site, kind).await, wanted, "{origin} {site} {kind}");
        }
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        proxy.stop().await;
    });
}

#[test]
fn with_a_client_key_only_the_empty_page_is_open() {
    support::run(async {
        let proxy =
            Proxy::start(config("30s").toml("server.auth_token = \"a-long-enough-client-key\"")).await;
        let anonymous = proxy.anonymous();
        anonymous.get("/permissions/page").await.expect(200);
        for path in ["/permissions", "/permissions/stream", "/permissions/x"] {
            anonymous.get(path).await.expect(401);
        }
        anonymous.post("/permissions/x/respond", &json!({ "decision": "allow" })).await.expect(401);
        anonymous.post("/mcp/permission/check", &json!({})).await.expect(401);
        proxy.stop().await;
    });
}

#[test]
fn what_a_model_writes_stays_text() {
    support::run(async {
        let proxy = Proxy::start(asking("30s")).await;
        let evil = "</script><script>alert(1)</script>";
        let asked = ask(&proxy, json!({ "tool": evil, "input": { "a": evil } }));
        let record = waiting(&proxy).await;
        assert_eq!(record["tool"], evil);
        let page = browser(&proxy).get("/permissions").await.expect(200).text();
        assert!(!page.contains("alert(1)"), "the page holds no data");
        respond(&proxy, &record, &json!({ "decision": "deny" })).await;
        asked.await.unwrap();
        proxy.stop().await;
    });
}
