//! The documents keep their word: every Lua block of `docs/plugin-authoring.md` runs in a real proxy.

use std::collections::BTreeSet;

use serde_json::json;

use super::support::config::write_script;
use super::support::proxy::cli;
use super::support::{self, Config, Proxy, Reply, Upstream, eventually};

const GUIDE: &str = include_str!("../docs/plugin-authoring.md");

/// A plugin of the guide: its `plugin.lua`, its other files by name, and the requests that are tried on it.
struct Block {
    lua: String,
    files: Vec<(String, String)>,
    tries: Vec<Try>,
}

/// A request that is tried, and the status and a text of its answer.
struct Try {
    method: String,
    path: String,
    status: u16,
    wanted: String,
}

/// The Lua blocks. One behind a line `<!-- file: x.lua -->` is a file of the next plugin.
fn blocks() -> Vec<Block> {
    let (mut blocks, mut files, mut file) = (Vec::<Block>::new(), Vec::new(), None);
    let mut lines = GUIDE.lines();
    while let Some(line) = lines.next() {
        let said = |what: &str| line.strip_prefix(what)?.strip_suffix(" -->").map(str::to_owned);
        if line == "```lua" {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let text = inside.map(|line| format!("{line}\n")).collect();
            match file.take() {
                Some(name) => files.push((name, text)),
                None => {
                    blocks.push(Block { lua: text, files: std::mem::take(&mut files), tries: Vec::new() })
                }
            }
        } else if let Some(name) = said("<!-- file: ") {
            file = Some(name);
        } else if let Some(attempt) = said("<!-- try: ") {
            blocks.last_mut().unwrap().tries.push(Try::of(&attempt));
        }
    }
    blocks
}

impl Try {
    /// `GET /path => text`, or `=> 429 text` when it is not 200.
    fn of(text: &str) -> Try {
        let (request, wanted) = text.split_once(" => ").unwrap();
        let (method, path) = request.split_once(' ').unwrap();
        let refused = wanted.split_once(' ').and_then(|(code, rest)| Some((code.parse().ok()?, rest)));
        let (status, wanted) = refused.unwrap_or((200, wanted));
        Try { method: method.to_owned(), path: path.to_owned(), status, wanted: wanted.to_owned() }
    }
}

#[test]
fn the_blocks_of_the_guide_run() {
    support::run(async {
        assert!(blocks().len() >= 6);
        for Block { lua, files, tries } in blocks() {
            let name =
                lua.split("name = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
            let folder = tempfile::tempdir().unwrap();
            write_script(folder.path(), &name, &lua);
            for (file, text) in files {
                std::fs::write(folder.path().join(&name).join(file), text).unwrap();
            }
            let config = Config::new().without_scripts().arg("--scripts");
            let proxy = Proxy::start(config.arg(&folder.path().to_string_lossy())).await;
            let plugin = proxy.plugin(&name).await;
            assert_eq!(plugin["state"], "active", "{name}: {}", plugin["reason"]);
            for stream in [false, true] {
                let body = json!({ "model": "mock", "max_tokens": 9, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] });
                let answer = proxy.client().post("/mock/v1/messages", &body).await.expect(200);
                assert!(answer.whole, "{name}");
            }
            for Try { method, path, status, wanted } in tries {
                let method = http::Method::from_bytes(method.as_bytes()).unwrap();
                let answer = proxy.client().request(method, &path, &[], bytes::Bytes::new()).await;
                let answer = answer.expect(status);
                assert!(answer.text().contains(&wanted), "{path}: {} has no {wanted}", answer.text());
            }
            assert_eq!(proxy.plugin(&name).await["stats"]["errors"], 0, "{name}: {}", proxy.log());
            proxy.stop().await;
        }
    });
}

/// A file `*_test.lua` of the guide holds tests of the plugin that follows it.
#[test]
fn the_tests_of_the_guide_pass() {
    support::run(async {
        let mut tested = 0;
        for Block { lua, files, .. } in blocks() {
            if !files.iter().any(|(file, _)| file.ends_with("_test.lua")) {
                continue;
            }
            let name = lua.split("name = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            write_script(folder.path(), name, &lua);
            for (file, text) in files {
                std::fs::write(folder.path().join(name).join(file), text).unwrap();
            }
            let path = folder.path().display().to_string();
            let (code, out, errors) = cli(Config::new(), &["plugins", "test", &path, "--ci"]).await;
            assert_eq!(code, 0, "{out}{errors}");
            tested += 1;
        }
        assert!(tested > 0, "no test is shown");
    });
}

/// Every namespace of the host is called by a block of the guide.
#[test]
fn the_guide_shows_every_host_module_at_work() {
    let code: String = blocks().into_iter().map(|block| block.lua).collect();
    let stubs = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/lua-api/types")).unwrap();
    let lua = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "lua");
    for stub in stubs.map(|stub| stub.unwrap().path()).filter(lua) {
        let name = stub.file_stem().unwrap().to_string_lossy().into_owned();
        let called = ["ccproxy", "body", "luau", "test"].contains(&&*name)
            || code.contains(&format!("ccproxy.{name}"));
        assert!(called, "`ccproxy.{name}` is not at work in the guide");
    }
}

/// The manifest table of the guide has every key that a manifest may have.
#[test]
fn the_guide_has_every_key_of_the_manifest() {
    let stub = include_str!("../lua-api/types/ccproxy.lua");
    for class in
        ["Plugin", "Middleware", "When", "Hook", "Route", "Task", "Command", "OAuthProvider", "Limits"]
    {
        let fields = stub.split(&format!("---@class (exact) ccproxy.{class}\n")).nth(1).unwrap();
        for line in fields.lines().take_while(|line| line.starts_with("---@field ")) {
            let field = line.split(' ').nth(1).unwrap().trim_end_matches('?');
            assert!(GUIDE.contains(&format!("`{field}")), "`{field}` of {class} is not in the guide");
        }
    }
}

/// The ten lines of the README answer as it says.
#[test]
fn the_plugin_of_the_readme_runs() {
    let readme = include_str!("../README.md");
    let lua = readme.split("```lua\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    support::run(async {
        let proxy = Proxy::start(Config::new().script("hello", lua)).await;
        let answer = proxy.anonymous().get("/hello/world").await.expect(200);
        assert_eq!(answer.json(), json!({ "hello": "world" }));
        let body = json!({ "model": "mock", "max_tokens": 50, "messages": [{ "role": "user", "content": "hello" }] });
        let answer = proxy.client().post("/mock/v1/messages", &body).await.expect(200);
        assert!(answer.header("x-hello").starts_with('x'), "{:?}", answer.headers);
        proxy.stop().await;
    });
}

/// Every block of the page on routing is a configuration without a complaint, and its candidates are those it says.
#[test]
fn the_routes_of_the_page_on_routing_are_what_it_says() {
    let page = include_str!("../docs/routing.md");
    let mut blocks: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == "```toml" {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((inside.map(|line| format!("{line}\n")).collect(), Vec::new()));
        } else if let Some(route) =
            line.strip_prefix("<!-- route: ").and_then(|rest| rest.strip_suffix(" -->"))
        {
            let (model, candidates) = route.split_once(" => ").unwrap();
            blocks.last_mut().unwrap().1.push((model.to_owned(), candidates.to_owned()));
        }
    }
    assert!(blocks.len() >= 3 && blocks.iter().any(|(_, routes)| routes.len() >= 5));
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("request.json").to_string_lossy().into_owned();
        for (toml, routes) in blocks {
            let (code, _, err) = cli(Config::new().toml(&toml), &["config", "check"]).await;
            assert_eq!((code, err.as_str()), (0, ""), "{toml}");
            for (model, candidates) in routes {
                std::fs::write(&file, json!({ "model": model, "messages": [] }).to_string()).unwrap();
                let words = ["explain", &file, "--path", "/v1/chat/completions", "--offline", "--json"];
                let (_, out, err) = cli(Config::new().toml(&toml), &words).await;
                let told: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
                let told = told["candidates"].as_array().unwrap().iter();
                let names = told.map(|one| {
                    format!("{}/{}", one["provider"].as_str().unwrap(), one["model"].as_str().unwrap())
                });
                assert_eq!(names.collect::<Vec<_>>().join(" "), candidates, "{model}");
            }
        }
    });
}

#[test]
fn every_event_is_documented() {
    for (_, name) in ccproxy_core::hooks::Kind::ALL {
        let known = GUIDE.contains(&format!("`{name}"));
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
