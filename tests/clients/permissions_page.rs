//! The page at `/permissions` in a real browser: what a person sees, presses and writes, and what a model, or
//! another page, cannot make of it.

use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use super::browser::Browser;
use crate::bundled::permissions::{ask, asking, respond, waiting, waiting_for};
use crate::support::{self, Proxy, Reply, Tap, Upstream, eventually};

const LIMIT: Duration = Duration::from_secs(180);
const NONE: &str = "document.querySelectorAll('article').length === 0";
const ONE: &str = "document.querySelectorAll('article').length === 1";

/// A browser that looks at the page of a proxy.
struct House {
    browser: Browser,
    proxy: Proxy,
}

impl House {
    async fn new(timeout: &str) -> Option<House> {
        let mut browser = Browser::start().await?;
        let proxy = Proxy::start(asking(timeout)).await;
        browser.open(&format!("http://{}/permissions", proxy.address())).await;
        browser.until("document.querySelector('#state').className === 'on'").await;
        Some(House { browser, proxy })
    }

    /// Has the plugin ask; the answer comes when a person gave one.
    async fn ask(&mut self, tool: &str, input: Value) -> tokio::task::JoinHandle<Value> {
        let asked = ask(&self.proxy, json!({ "tool": tool, "input": input, "session": "s-1" }));
        waiting(&self.proxy).await;
        asked
    }
}

#[test]
fn what_waits_appears_by_itself_and_keys_decide() {
    support::run_within(LIMIT, async {
        let Some(House { mut browser, proxy }) = House::new("50s").await else { return };
        assert!(browser.text("#nothing").await.contains("Nothing waits"));
        let mut house = House { browser, proxy };
        for (key, decision) in [("y", "allow"), ("n", "deny")] {
            let asked = house.ask("Bash", json!({ "command": "ls -l", "description": "Lists" })).await;
            house.browser.until(ONE).await;
            let shown = house.browser.text("article").await;
            for wanted in ["Bash", "service", "s-1", "command", "ls -l", "description", "Lists", "s left"] {
                assert!(shown.contains(wanted), "`{wanted}` in {shown}");
            }
            assert_eq!(house.browser.value("document.title").await, "(1) Permissions - ccproxy");
            house.browser.press_until(key, NONE).await;
            assert_eq!(asked.await.unwrap()["decision"], decision);
        }
        // Who decides elsewhere takes it from the page too.
        let asked = house.ask("Read", json!({})).await;
        house.browser.until(ONE).await;
        respond(&house.proxy, &waiting(&house.proxy).await, &json!({ "decision": "deny" })).await;
        asked.await.unwrap();
        house.browser.until(NONE).await;
        assert_eq!(house.browser.text("#said").await, "Read: denied");
        house.browser.is_content().await;
        house.proxy.stop().await;
    });
}

#[test]
fn keys_walk_and_mean_only_what_has_the_focus() {
    support::run_within(LIMIT, async {
        let Some(House { mut browser, proxy }) = House::new("50s").await else { return };
        let first = ask(&proxy, json!({ "tool": "First", "input": {} }));
        waiting(&proxy).await;
        let second = ask(&proxy, json!({ "tool": "Second", "input": {} }));
        waiting_for(&proxy, 2).await;
        browser.until("document.querySelectorAll('article').length === 2").await;
        browser.press_until("j", "document.activeElement.innerText.startsWith('Second')").await;
        browser.press_until("n", ONE).await;
        assert_eq!(second.await.unwrap()["decision"], "deny");
        assert!(!first.is_finished());
        // What has moved up is not meant by a key that follows at once.
        assert_eq!(browser.value("document.activeElement.innerText.startsWith('First')").await, true);
        browser.press("n").await;
        assert_eq!(browser.value(ONE).await, true);
        browser.press_until("y", NONE).await;
        assert_eq!(first.await.unwrap()["decision"], "allow");
        browser.is_content().await;
        proxy.stop().await;
    });
}

#[test]
fn arguments_are_edited_and_the_change_is_shown() {
    support::run_within(LIMIT, async {
        let Some(mut house) = House::new("50s").await else { return };
        let input =
            json!({ "file_path": "/tmp/x", "old_string": "same\nbefore", "new_string": "same\nafter" });
        let asked = house.ask("Edit", input).await;
        let browser = &mut house.browser;
        browser.until(ONE).await;
        assert_eq!(browser.text("article .changes .gone").await, "- before");
        assert_eq!(browser.text("article .changes .new").await, "+ after");
        assert_eq!(browser.text("article .changes .same").await.trim(), "same");
        browser.press_until("e", "document.activeElement.tagName === 'TEXTAREA'").await;
        // A letter in the field is a letter.
        browser.press("n").await;
        browser.press("Escape").await;
        browser.until("document.querySelector('textarea') === null").await;
        browser.press_until("e", "document.activeElement.tagName === 'TEXTAREA'").await;
        browser.value("document.activeElement.select()").await;
        browser.write("{ \"no\": JSON }").await;
        let send = "document.querySelector('.edit .yes').click()";
        browser.value(send).await;
        browser
            .until("document.querySelector('#said').innerText.startsWith('These arguments are no JSON')")
            .await;
        browser.value("document.activeElement.select()").await;
        browser.write("{ \"file_path\": \"/tmp/other\" }").await;
        assert!(browser.text(".edit .changes .new").await.contains("/tmp/other"));
        browser.value(send).await;
        browser.until(NONE).await;
        let answer = asked.await.unwrap();
        assert_eq!(answer["decision"], "allow");
        assert_eq!(answer["input"], json!({ "file_path": "/tmp/other" }));
        house.browser.is_content().await;
        house.proxy.stop().await;
    });
}

#[test]
fn what_was_not_shown_to_its_end_cannot_be_allowed() {
    support::run_within(LIMIT, async {
        let Some(mut house) = House::new("50s").await else { return };
        let command = format!("echo hello{}rm -rf ~", "\n".repeat(60));
        let asked = house.ask("Bash", json!({ "command": command })).await;
        let browser = &mut house.browser;
        browser.until("document.querySelectorAll('article pre').length === 1").await;
        let disabled = "document.querySelectorAll('article button:disabled').length";
        assert_eq!(browser.value(disabled).await, 3, "all that allow");
        let told = "document.querySelector('#said').innerText.startsWith('There is more to read first')";
        for key in ["y", "a", "A"] {
            browser.value("said.textContent = ''").await;
            browser.press_until(key, told).await;
        }
        assert!(!asked.is_finished());
        browser.value("document.querySelector('article pre').scrollTop = 1e6").await;
        browser.until(&format!("{disabled} === 0")).await;
        assert_eq!(browser.value("document.querySelector('article .hint').hidden").await, true);
        browser.press_until("y", NONE).await;
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        house.browser.is_content().await;
        house.proxy.stop().await;
    });
}

#[test]
fn always_writes_the_rule() {
    support::run_within(LIMIT, async {
        let Some(mut house) = House::new("50s").await else { return };
        let file = house.proxy.home().join(".local/share/ccproxy/plugins/permissions/rules.toml");
        for (key, tool) in [("a", "Bash"), ("A", "Read")] {
            let asked = house.ask(tool, json!({ "command": "make all" })).await;
            house.browser.until(ONE).await;
            house.browser.press_until(key, NONE).await;
            assert_eq!(asked.await.unwrap()["decision"], "allow");
        }
        let text = eventually("two rules", async || {
            std::fs::read_to_string(&file).ok().filter(|text| text.matches("[[rules]]").count() == 2)
        });
        let text = text.await;
        assert!(text.contains("make all") && text.contains("exact = true"), "{text}");
        // Nobody is asked any more.
        for (tool, command) in [("Bash", "make all"), ("Read", "anything")] {
            let answer = ask(&house.proxy, json!({ "tool": tool, "input": { "command": command } }));
            assert_eq!(answer.await.unwrap()["decision"], "allow");
        }
        house.browser.is_content().await;
        house.proxy.stop().await;
    });
}

#[test]
fn the_time_that_is_left_is_counted_down_and_then_it_is_over() {
    support::run_within(LIMIT, async {
        let Some(mut house) = House::new("3s").await else { return };
        let asked = house.ask("Bash", json!({})).await;
        let browser = &mut house.browser;
        browser.until("document.querySelector('article.soon .left')?.innerText === '2 s left'").await;
        browser.until("document.querySelector('article progress').value <= 1").await;
        browser.until(NONE).await;
        assert_eq!(browser.text("#said").await, "Bash: expired");
        assert_eq!(asked.await.unwrap()["decision"], "deny");
        house.browser.is_content().await;
        house.proxy.stop().await;
    });
}

#[test]
fn hostile_arguments_are_only_text() {
    support::run_within(LIMIT, async {
        let Some(mut house) = House::new("50s").await else { return };
        let evil = "</pre></script><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>";
        let mirrored = "ls \u{202e}fr- mr\u{202c}\u{200b}";
        let input = json!({ "command": evil, "__proto__": { "x": 1 }, evil: "name", "mirrored": mirrored });
        let asked = house.ask(evil, input).await;
        let browser = &mut house.browser;
        browser.until(ONE).await;
        let shown = browser.text("article").await;
        assert_eq!(shown.matches("<script>window.hit = 1</script>").count(), 3, "{shown}");
        assert!(shown.contains("ls \\u{202e}fr- mr\\u{202c}\\u{200b}"), "{shown}");
        assert!(shown.contains("__proto__"), "{shown}");
        let made = "document.querySelectorAll('article script, article img, article a').length";
        assert_eq!(browser.value(made).await, 0);
        assert_eq!(browser.value("window.hit ?? null").await, Value::Null);
        browser.press_until("n", NONE).await;
        asked.await.unwrap();
        // Arguments that an event does not hold are fetched; the page stays quick, and keeps its width.
        let huge = "x".repeat(200 << 10);
        let asked = house.ask("Write", json!({ "content": huge, "lines": "a\n".repeat(5_000) })).await;
        let browser = &mut house.browser;
        browser.until("document.querySelectorAll('article pre').length === 2").await;
        assert_eq!(browser.value("document.querySelector('article pre').innerText.length").await, 200 << 10);
        let wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(browser.value(wide).await, true);
        assert_eq!(browser.value("document.querySelector('article').offsetHeight < 1500").await, true);
        let to_the_end =
            "document.querySelectorAll('article pre').forEach((box) => { box.scrollTop = 1e7; })";
        browser.value(to_the_end).await;
        browser.press_until("y", NONE).await;
        assert_eq!(asked.await.unwrap()["input"]["content"].as_str().unwrap().len(), 200 << 10);
        house.browser.is_content().await;
        house.proxy.stop().await;
    });
}

#[test]
fn it_goes_on_after_a_broken_connection() {
    support::run_within(LIMIT, async {
        let Some(mut browser) = Browser::start().await else { return };
        let proxy = Proxy::start(asking("50s").toml("server.allowed_hosts = [\"127.0.0.1\"]")).await;
        let tap = Tap::to(proxy.address()).await;
        browser.open(&format!("http://{}/permissions", tap.address())).await;
        let first = ask(&proxy, json!({ "tool": "First", "input": {} }));
        browser.until(ONE).await;
        let record = waiting(&proxy).await;
        tap.cut();
        browser.until("document.querySelector('#state').className === ''").await;
        // Both happen while nobody listens.
        respond(&proxy, &record, &json!({ "decision": "deny" })).await;
        first.await.unwrap();
        let second = ask(&proxy, json!({ "tool": "Second", "input": {} }));
        browser.until("document.querySelector('#state').className === 'on'").await;
        browser.until("document.querySelector('article h2')?.innerText === 'Second'").await;
        assert_eq!(browser.value(ONE).await, true);
        browser.press_until("y", NONE).await;
        assert_eq!(second.await.unwrap()["decision"], "allow");
        browser.is_content().await;
        proxy.stop().await;
    });
}

#[test]
fn a_client_key_is_asked_for_and_stays_in_the_page() {
    support::run_within(LIMIT, async {
        let Some(mut browser) = Browser::start().await else { return };
        let key = "a-long-enough-client-key";
        let proxy = Proxy::start(asking("50s").toml(&format!("server.auth_token = {key:?}"))).await;
        browser.open(&format!("http://{}/permissions/page", proxy.address())).await;
        browser.until("document.activeElement.id === 'key'").await;
        browser.write("wrong").await;
        let connect = "document.querySelector('#login button').click()";
        browser.value(connect).await;
        browser.until("document.querySelector('#state').innerText.startsWith('This is not')").await;
        browser.value("document.querySelector('#key').select()").await;
        browser.write(key).await;
        browser.value(connect).await;
        browser.until("document.querySelector('#login').hidden && document.querySelector('#state').className === 'on'").await;
        let client = proxy.anonymous().header("authorization", &format!("Bearer {key}"));
        let asked = tokio::spawn({
            let client = client.clone();
            async move { client.post("/asker/ask", &json!({ "tool": "Bash", "input": {} })).await.json() }
        });
        browser.press_until("y", "document.querySelector('#said').innerText === 'Bash: allowed'").await;
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        let kept = "localStorage.length + sessionStorage.length + document.cookie.length";
        assert_eq!(browser.value(kept).await, 0);
        proxy.stop().await;
    });
}

#[test]
fn another_page_in_the_same_browser_can_neither_read_nor_answer() {
    support::run_within(LIMIT, async {
        let Some(mut browser) = Browser::start().await else { return };
        let proxy = Proxy::start(asking("50s")).await;
        let asked = ask(&proxy, json!({ "tool": "Bash", "input": { "command": "a-secret-of-mine" } }));
        let record = waiting(&proxy).await;
        let html =
            Reply::status(200).header("content-type", "text/html").bytes("<!doctype html><p>Elsewhere");
        let elsewhere = Upstream::with(move |_| html.clone()).await;
        let proxied = format!("http://{}", proxy.address());
        let path = format!("{proxied}/permissions/{}/respond", record["id"].as_str().unwrap());
        for host in ["127.0.0.1", "localhost"] {
            browser.open(&elsewhere.url().replace("127.0.0.1", host)).await;
            let read = |what: &str| {
                format!("fetch('{proxied}{what}').then((reply) => reply.text()).catch(() => 'refused')")
            };
            for what in ["/permissions", "/permissions/page", "/permissions/stream", "/plugins/status"] {
                assert_eq!(browser.value(&read(what)).await, "refused", "{host} {what}");
            }
            // Without leave to read, a request may go all the same: it must do nothing.
            for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json"] {
                let send = format!(
                    "fetch('{path}', {{ method: 'POST', mode: '{}', headers: {{ 'content-type': '{kind}' }}, \
                     body: '{{\"decision\":\"allow\"}}' }}).then((reply) => reply.type).catch(() => 'refused')",
                    if kind == "application/json" { "cors" } else { "no-cors" }
                );
                let told = browser.value(&send).await;
                assert!(told == "opaque" || told == "refused", "{host} {kind}: {told}");
            }
            let stream = format!(
                "new Promise((done) => {{ const source = new EventSource('{proxied}/permissions/stream'); \
                 source.onerror = () => {{ source.close(); done('refused'); }}; \
                 source.addEventListener('snapshot', () => done('read')); }})"
            );
            assert_eq!(browser.value(&stream).await, "refused", "{host}");
            // A form whose body is nearly JSON, and the page in a frame.
            let form = format!(
                "new Promise((done) => {{ const frame = document.createElement('iframe'); frame.name = 'inner'; \
                 document.body.append(frame); const form = document.createElement('form'); form.method = 'POST'; \
                 form.action = '{path}'; form.enctype = 'text/plain'; form.target = 'inner'; \
                 const input = document.createElement('input'); input.name = '{{\"decision\":\"allow\",\"message\":\"'; \
                 input.value = '\"}}'; form.append(input); document.body.append(form); \
                 frame.onload = () => {{ if (form.isConnected) {{ form.remove(); form.sent = 1; }} else done('sent'); }}; \
                 form.submit(); setTimeout(() => done('sent'), 1000); }})"
            );
            assert_eq!(browser.value(&form).await, "sent");
            let framed = format!(
                "new Promise((done) => {{ const frame = document.createElement('iframe'); frame.src = '{proxied}/permissions'; \
                 frame.onload = () => done(frame.contentDocument === null ? 'closed' : 'open'); document.body.append(frame); }})"
            );
            assert_eq!(browser.value(&framed).await, "closed", "{host}");
            assert_eq!(waiting(&proxy).await["id"], record["id"], "{host}: it waits still");
        }
        respond(&proxy, &record, &json!({ "decision": "deny" })).await;
        assert_eq!(asked.await.unwrap()["decision"], "deny");
        proxy.stop().await;
    });
}

#[test]
fn it_is_readable_by_day_and_by_night() {
    support::run_within(LIMIT, async {
        let Some(mut house) = House::new("50s").await else { return };
        let edit = json!({ "file_path": "/srv/app/config.toml", "old_string": "[server]\nport = 80\nhost = \"::\"", "new_string": "[server]\nport = 8080\nhost = \"::1\"" });
        let first = house
            .ask("Bash", json!({ "command": "git push --force origin main", "description": "Pushes" }))
            .await;
        let second = ask(&house.proxy, json!({ "tool": "Edit", "input": edit }));
        house.browser.until("document.querySelectorAll('article').length === 2").await;
        let mut colours = Vec::new();
        for scheme in ["light", "dark"] {
            house.browser.scheme(scheme).await;
            let colour =
                "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color";
            colours.push(house.browser.value(colour).await);
            let picture = house.browser.picture().await;
            if let Some(folder) = std::env::var_os("CCPROXY_TEST_PICTURES") {
                let bytes = base64::engine::general_purpose::STANDARD.decode(picture).unwrap();
                std::fs::write(std::path::Path::new(&folder).join(format!("{scheme}.png")), bytes).unwrap();
            }
        }
        assert_ne!(colours[0], colours[1]);
        house.browser.is_content().await;
        house.proxy.stop().await;
        for asked in [first, second] {
            asked.await.unwrap();
        }
    });
}
