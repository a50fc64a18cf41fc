//! The documents keep their word: every Lua block of `docs/plugin-authoring.md` runs in a real proxy.

use std::collections::BTreeSet;

use serde_json::json;

use super::support::{self, Config, Proxy, Reply, Upstream, eventually};

const GUIDE: &str = include_str!("../docs/plugin-authoring.md");

/// A request that is tried: method, path, text of the answer.
type Try = (String, String, String);

/// The Lua blocks, each with the requests that are tried on it.
fn blocks() -> Vec<(String, Vec<Try>)> {
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

/// Keeps the names of the fields of each event it hears.
const RECORDER: &str = r#"local seen, hooks = {}, {}
local function note(event)
  local keys = seen[event.name] or {}
  for key in pairs(event) do keys[key] = true end
  seen[event.name] = keys
end
for _, name in ipairs { "app.startup", "app.ready", "request.started", "request.completed", "request.failed",
  "provider.request.sent", "provider.response.received", "provider.error", "provider.stream.start",
  "provider.stream.chunk", "provider.stream.end", "plugin.loaded", "http.request", "http.response", "http.error" } do
  hooks[name] = note
end
return { name = "recorder", version = "1.0.0", hooks = hooks,
  routes = { { path = "/seen", handler = function() return { json = ccproxy.json.object(seen) } end } } }"#;

/// The documented fields of an event; "those of" another one are included.
fn documented(event: &str) -> BTreeSet<String> {
    let row = GUIDE.lines().find(|line| {
        line.starts_with('|') && line.split('|').nth(1).unwrap().contains(&format!("`{event}`"))
    });
    let cell = row.unwrap().split('|').nth(2).unwrap();
    let (base, own) = match cell.trim().strip_prefix("those of `") {
        Some(rest) => {
            let (base, rest) = rest.split_once('`').unwrap();
            (Some(base), rest.split_once(';').unwrap().1)
        }
        None => (None, cell),
    };
    let mut depth = 0;
    let plain: String = own
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0
        })
        .collect();
    let mut fields: BTreeSet<String> = plain.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    if let Some(base) = base {
        fields.extend(
            documented(base).into_iter().filter(|field| base != "request.started" || field != "headers"),
        );
    }
    fields.extend(["name", "time"].map(str::to_owned));
    fields
}

#[test]
fn events_have_the_fields_that_are_documented() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("recorder", RECORDER)).await;
        let body = json!({ "model": "m", "max_tokens": 9, "stream": true, "messages": [] });
        proxy.client().post("/claude/v1/messages", &body).await.expect(200);
        upstream.next(Reply::status(200).cut_before_head());
        proxy.client().post("/claude/v1/messages", &body).await;
        proxy.save("fresh", "return { name = 'fresh', version = '1.0.0' }").await;
        let seen = eventually("every event", async || {
            let seen = proxy.anonymous().get("/recorder/seen").await.expect(200).json();
            let all = [
                "request.completed",
                "request.failed",
                "http.error",
                "plugin.loaded",
                "app.ready",
                "http.response",
            ];
            all.iter().all(|name| seen.get(name).is_some()).then_some(seen)
        })
        .await;
        for (event, fields) in seen.as_object().unwrap() {
            let real: BTreeSet<String> = fields.as_object().unwrap().keys().cloned().collect();
            assert_eq!(real, documented(event), "{event}");
        }
        proxy.stop().await;
    });
}
