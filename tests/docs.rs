//! The documents keep their word: every Lua block of `docs/plugin-authoring.md` runs in a real proxy.

use serde_json::json;

use super::support::{self, Config, Proxy};

const GUIDE: &str = include_str!("../docs/plugin-authoring.md");

/// The Lua blocks, each with the requests that are tried on it: method, path, text of the answer.
fn blocks() -> Vec<(String, Vec<(String, String, String)>)> {
    let mut blocks: Vec<(String, Vec<_>)> = Vec::new();
    let mut inside = false;
    for line in GUIDE.lines() {
        match line {
            "```lua" => {
                inside = true;
                blocks.push(Default::default());
            }
            "```" => inside = false,
            _ if inside => {
                let text = &mut blocks.last_mut().unwrap().0;
                text.push_str(line);
                text.push('\n');
            }
            _ => {
                let attempt = line.strip_prefix("<!-- try: ").and_then(|rest| rest.strip_suffix(" -->"));
                let Some((request, wanted)) = attempt.and_then(|rest| rest.split_once(" => ")) else {
                    continue;
                };
                let (method, path) = request.split_once(' ').unwrap();
                blocks.last_mut().unwrap().1.push((method.to_owned(), path.to_owned(), wanted.to_owned()));
            }
        }
    }
    blocks
}

#[test]
fn the_blocks_of_the_guide_run() {
    support::run(async {
        assert!(blocks().len() >= 4);
        for (lua, tries) in blocks() {
            let name =
                lua.split("name = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
            let proxy = Proxy::start(Config::new().script(&name, &lua)).await;
            let plugin = proxy.plugin(&name).await;
            assert_eq!(plugin["state"], "active", "{name}: {}", plugin["reason"]);
            for stream in [false, true] {
                let body = json!({ "model": "mock", "max_tokens": 9, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] });
                let answer = proxy.client().post("/mock/v1/messages", &body).await.expect(200);
                assert!(answer.whole, "{name}");
            }
            for (method, path, wanted) in tries {
                let method = http::Method::from_bytes(method.as_bytes()).unwrap();
                let answer =
                    proxy.client().request(method, &path, &[], bytes::Bytes::new()).await.expect(200);
                assert!(answer.text().contains(&wanted), "{path}: {} has no {wanted}", answer.text());
            }
            assert_eq!(proxy.plugin(&name).await["stats"]["errors"], 0, "{name}: {}", proxy.log());
            proxy.stop().await;
        }
    });
}

#[test]
fn every_event_is_documented() {
    for (_, name) in ccproxy_core::hooks::Kind::ALL {
        let known = GUIDE.contains(&format!("`{name}")) || name.starts_with("oauth.");
        assert!(known, "`{name}` is missing in the guide");
    }
}
