//! The plugin system seen from outside: what is found, what runs, what does not and why.

use serde_json::{Value, json};

use super::support::config::write_script;
use super::support::proxy::cli;
use super::support::{self, Config, Proxy, Upstream};

fn plugin(name: &str, rest: &str) -> String {
    format!("return {{ name = {name:?}, version = \"1.2.3\", description = \"x\", {rest} }}")
}

/// A plugin whose route `/NAME/` answers with `word`.
fn says(name: &str, word: &str) -> String {
    let route = format!("{{ path = \"/\", handler = function() return {{ body = {word:?} }} end }}");
    plugin(name, &format!("routes = {{ {route} }}"))
}

#[test]
fn the_lists_have_the_mission_s_shapes() {
    support::run(async {
        let proxy = Proxy::start(Config::new().script("mine", &says("mine", "hello"))).await;
        let list = proxy.anonymous().get("/plugins").await.expect(200).json();
        let plugins = list["plugins"].as_array().unwrap();
        assert_eq!(list["total"], plugins.len());
        let find = |name: &str| plugins.iter().find(|plugin| plugin["name"] == name).cloned().unwrap();
        assert_eq!(
            find("mine"),
            json!({ "name": "mine", "type": "system", "status": "active", "version": "1.2.3" })
        );
        assert_eq!(find("claude_api")["type"], "provider");
        let health = proxy.anonymous().get("/plugins/claude_api/health").await.expect(200).json();
        assert_eq!(health["plugin"], "claude_api");
        assert_eq!(health["status"], "healthy");
        assert_eq!(health["adapter_loaded"], true);
        assert_eq!(health["details"]["type"], "provider");
        assert_eq!(health["details"]["initialized"], true);
        proxy.anonymous().get("/plugins/nobody/health").await.expect(404);
        let status = proxy.status().await;
        for key in ["initialization_order", "services", "plugins", "generation"] {
            assert!(!status[key].is_null(), "{key}: {status}");
        }
    });
}

#[test]
fn health_asks_the_plugin() {
    support::run(async {
        let lua = plugin("moody", "health = function() return \"fail\", \"no disk left\", { free = 0 } end");
        let proxy = Proxy::start(Config::new().script("moody", &lua)).await;
        let health = proxy.anonymous().get("/plugins/moody/health").await.expect(503).json();
        assert_eq!(health["status"], "unhealthy");
        assert_eq!(health["details"]["output"], "no disk left");
        assert_eq!(health["details"]["free"], 0);
        let all = proxy.anonymous().get("/health").await.expect(200);
        assert_eq!(all.header("content-type"), "application/health+json");
        assert_eq!(all.json()["checks"]["plugin:moody"][0]["status"], "fail");
        proxy.anonymous().get("/health/ready").await.expect(200);
    });
}

#[test]
fn dependencies_decide_the_order_and_missing_ones_skip_only_their_plugin() {
    support::run(async {
        let config = Config::new()
            .script("a_last", &plugin("a_last", "dependencies = { \"m_mid\" }"))
            .script("m_mid", &plugin("m_mid", "requires = { \"pricing\" }"))
            .script(
                "z_first",
                &plugin("z_first", "services = { pricing = { of = function() return 3 end } }"),
            )
            .script("orphan", &plugin("orphan", "dependencies = { \"nobody\" }"))
            .script("needy", &plugin("needy", "requires = { \"nothing\" }"))
            .script("ring_a", &plugin("ring_a", "dependencies = { \"ring_b\" }"))
            .script("ring_b", &plugin("ring_b", "dependencies = { \"ring_a\" }"))
            .script("too_new", &plugin("too_new", "dependencies = { \"z_first >=2\" }"))
            .script("old_enough", &plugin("old_enough", "dependencies = { \"z_first >=1.2, <2\" }"))
            .script("sleeper", &plugin("sleeper", "dependencies = { \"access_log\" }"))
            .script("wishes", &plugin("wishes", "optional_requires = { \"nothing\" }"));
        let proxy = Proxy::start(config).await;
        let status = proxy.status().await;
        let order: Vec<&str> =
            status["initialization_order"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let place = |name: &str| order.iter().position(|known| *known == name);
        assert!(place("z_first") < place("m_mid") && place("m_mid") < place("a_last"), "{order:?}");
        assert!(place("z_first") < place("old_enough"), "{order:?}");
        assert!(place("wishes").is_some() && place("claude_api").is_some(), "{order:?}");
        assert_eq!(status["services"]["pricing"], "z_first");
        for (name, reason) in [
            ("orphan", "nobody"),
            ("needy", "nothing"),
            ("ring_a", "ring_b"),
            ("ring_b", "ring_a"),
            ("too_new", "it needs plugin `z_first` >=2, and `1.2.3` is there"),
            ("sleeper", "`access_log`, which does not run: off by default"),
        ] {
            let plugin = proxy.plugin(name).await;
            assert_ne!(plugin["state"], "active", "{plugin}");
            assert!(plugin["reason"].as_str().unwrap().contains(reason), "{plugin}");
            assert!(place(name).is_none());
        }
    });
}

#[test]
fn a_plugin_that_fails_to_start_leaves_the_others_alone_and_its_routes_say_why() {
    support::run(async {
        let broken = plugin(
            "broken",
            "setup = function() error(\"no luck\") end, routes = { { path = \"/x\", handler = function() return {} end } }",
        );
        let config = Config::new().script("broken", &broken).script("fine", &says("fine", "yes"));
        let proxy = Proxy::start(config).await;
        assert_eq!(proxy.anonymous().get("/fine/").await.expect(200).text(), "yes");
        let answer = proxy.anonymous().get("/broken/x").await.expect(503);
        assert!(answer.text().contains("broken") && !answer.text().contains("no luck"), "{}", answer.text());
        let state = proxy.plugin("broken").await;
        let reason = state["reason"].as_str().unwrap();
        assert!(reason.contains("no luck") && reason.contains("plugin.lua:1"), "{state}");
        proxy.logged("no luck").await;
    });
}

#[test]
fn a_middleware_that_says_it_is_closed_refuses_while_its_plugin_cannot_start() {
    support::run(async {
        let failing = |layer: &str, on_error: &str| {
            let middleware = format!("{{ layer = {layer:?}, {on_error} request = function() end }}");
            plugin("guard", &format!("setup = function() error('no') end, middleware = {{ {middleware} }}"))
        };
        let closed = "on_error = 'closed',";
        for (layer, on_error, wanted) in [
            ("security", "", 503),
            ("routing", "", 503),
            ("observability", closed, 503),
            ("transformation", closed, 503),
            ("application", closed, 503),
            ("security", "on_error = 'open',", 200),
            ("observability", "", 200),
            ("transformation", "", 200),
            ("application", "", 200),
        ] {
            let proxy = Proxy::start(Config::new().script("guard", &failing(layer, on_error))).await;
            let body =
                json!({ "model": "m", "max_tokens": 5, "messages": [{ "role": "user", "content": "x" }] });
            let answer = proxy.client().post("/mock/v1/messages", &body).await;
            assert_eq!(answer.status.as_u16(), wanted, "{layer} {on_error} {}", answer.text());
            proxy.anonymous().get("/health/ready").await.expect(200);
            let status = proxy.status().await;
            let order = status["middleware_order"].as_array().unwrap().len();
            assert_eq!(order, usize::from(wanted == 503), "{status}");
        }
    });
}

#[test]
fn nearer_folders_win_by_name() {
    support::run(async {
        let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_script(near.path(), "twice", &says("twice", "near"));
        write_script(far.path(), "twice", &says("twice", "far"));
        write_script(far.path(), "max_tokens", &says("max_tokens", "mine, not the bundled one"));
        let config = Config::new()
            .toml(&format!("plugin_discovery.directories = [{:?}, {:?}]", near.path(), far.path()))
            .arg("--enable-plugin=twice")
            .arg("--enable-plugin=max_tokens");
        let proxy = Proxy::start(config.without_scripts()).await;
        assert_eq!(proxy.anonymous().get("/twice/").await.expect(200).text(), "near");
        assert_eq!(
            proxy.anonymous().get("/max_tokens/").await.expect(200).text(),
            "mine, not the bundled one"
        );
    });
}

#[test]
fn lists_and_settings_decide_what_is_enabled() {
    support::run(async {
        let three = || {
            Config::new()
                .script("one", &says("one", "1"))
                .script("two", &says("two", "2"))
                .script("three", &says("three", "3"))
        };
        let states = async |config: Config| {
            let proxy = Proxy::start(config).await;
            let mut states = Vec::new();
            for name in ["one", "two", "three"] {
                states.push(proxy.plugin(name).await["state"] == "active");
            }
            (states, proxy.status().await["warnings"].to_string())
        };
        let (active, _) = states(three()).await;
        assert_eq!(active, [true, true, true]);
        let (active, _) = states(three().toml("disabled_plugins = [\"two\"]")).await;
        assert_eq!(active, [true, false, true]);
        let (active, _) = states(three().env("DISABLED_PLUGINS", "one,two")).await;
        assert_eq!(active, [false, false, true]);
        let (active, _) = states(three().env("ENABLED_PLUGINS", "[\"one\"]")).await;
        assert_eq!(active, [true, false, false]);
        let (active, _) = states(three().toml("plugins.three.enabled = false")).await;
        assert_eq!(active, [true, true, false]);
        let (active, warnings) =
            states(three().toml("enabled_plugins = [\"one\", \"two\"]\ndisabled_plugins = [\"two\"]")).await;
        assert_eq!(active, [true, false, false]);
        assert!(warnings.contains("two"), "{warnings}");
        let (active, _) = states(three().toml("enable_plugins = false")).await;
        assert_eq!(active, [false, false, false]);
    });
}

#[test]
fn openapi_lists_core_and_plugin_routes_with_tags() {
    support::run(async {
        let lua = plugin(
            "spend",
            "routes = { { method = \"POST\", path = \"/of/{team}\", tags = { \"money\" }, summary = \"Spend\", handler = function() return {} end },
               { path = \"/files/{*rest}\", handler = function(req) return { body = req.params.rest } end } }",
        );
        let proxy = Proxy::start(Config::new().script("spend", &lua)).await;
        let description = proxy.anonymous().get("/openapi.json").await.expect(200).json();
        assert!(description["openapi"].as_str().unwrap().starts_with("3."));
        let route = &description["paths"]["/spend/of/{team}"]["post"];
        assert_eq!(route["tags"], json!(["money"]));
        assert_eq!(route["parameters"][0]["name"], "team");
        let rest = &description["paths"]["/spend/files/{rest}"]["get"];
        assert_eq!(rest["tags"], json!(["plugin-spend"]), "{rest}");
        let mut operations = Vec::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                operations.push(operation["operationId"].clone());
                assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{path}");
                let named = operation["parameters"].as_array().map_or(0, Vec::len);
                assert_eq!(named, path.matches('{').count(), "{path}: every parameter is described");
                assert!(!path.contains('*'), "{path}");
            }
        }
        let all = operations.len();
        operations.sort_by_key(ToString::to_string);
        operations.dedup();
        assert_eq!(operations.len(), all, "operation ids are unique");
        assert_eq!(proxy.anonymous().get("/spend/files/a/b").await.expect(200).text(), "a/b");
        assert!(description["paths"]["/plugins/status"]["get"].is_object());
        assert!(description["paths"]["/claude/v1/messages"]["post"]["tags"].is_array());
    });
}

#[test]
fn settings_are_checked_with_file_line_and_nearest_key() {
    support::run(async {
        let lua = plugin(
            "limits",
            "config = { per_minute = ccproxy.schema.integer({ default = 60, min = 1, doc = \"x\" }) }",
        );
        let config = Config::new().script("limits", &lua).toml("plugins.limits.per_minut = 5");
        let (code, out, errors) = cli(config, &["config", "check"]).await;
        let said = format!("{out}{errors}");
        assert_ne!(code, 0, "{said}");
        for part in ["config.toml", "per_minut", "per_minute"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let config = Config::new().script("limits", &lua).toml("plugins.limits.per_minute = 0");
        let (code, out, errors) = cli(config, &["config", "check"]).await;
        assert_ne!(code, 0, "{out}{errors}");
        let config = Config::new().script("limits", &lua).env("PLUGINS__LIMITS__PER_MINUTE", "7");
        let (code, out, errors) = cli(config, &["plugins", "settings", "limits", "--json"]).await;
        assert_eq!(code, 0, "{errors}");
        assert!(out.contains('7'), "{out}");
    });
}

#[test]
fn broken_declarations_are_told_and_skipped() {
    support::run(async {
        let config = Config::new()
            .script("syntax", "return { name = \"syntax\",, }")
            .script("nothing", "local x = 1")
            .script("misnamed", &plugin("other", ""))
            .script("typo", &plugin("typo", "midleware = {}"))
            .script("endless", "while true do end")
            .script("fine", &says("fine", "yes"));
        let proxy = Proxy::start(config).await;
        assert_eq!(proxy.anonymous().get("/fine/").await.expect(200).text(), "yes");
        let status = proxy.status().await.to_string();
        for (name, part) in [
            ("syntax", "plugin.lua:1"),
            ("misnamed", "misnamed"),
            ("typo", "middleware"),
            ("nothing", "table"),
            ("endless", "endless"),
        ] {
            assert!(status.contains(part), "{name}: {status}");
        }
        let client = proxy.client();
        client
            .post(
                "/mock/v1/messages",
                &json!({ "model": "m", "max_tokens": 5, "messages": [{ "role": "user", "content": "x" }] }),
            )
            .await
            .expect(200);
    });
}

#[test]
fn commands_and_tasks_run_on_demand() {
    support::run(async {
        let lua = plugin(
            "worker",
            "commands = { { name = \"sum\", summary = \"Adds\", run = function(args) local n = 0 for _, a in args do n += tonumber(a) end return { sum = n } end } },
             tasks = { { name = \"sweep\", every = \"1h\", run = function() ran = (ran or 0) + 1 end },
                       { name = \"fails\", every = \"1h\", enabled = false, run = function() error('no room') end } },
             auth_commands = { { name = \"login\", run = function(args) return \"as \" .. args[1] end } },
             routes = { { path = \"/ran\", handler = function() return { json = { ran = ran or 0 } } end } }",
        );
        let lua = format!("local ran\n{lua}");
        let proxy = Proxy::start(Config::new().script("worker", &lua)).await;
        let client = proxy.anonymous();
        let answer =
            client.post("/plugins/worker/commands/sum", &json!({ "args": ["2", "40"] })).await.expect(200);
        assert_eq!(answer.json()["result"]["sum"], 42);
        client.post("/plugins/worker/commands/nope", &json!({})).await.expect(404);
        client.post("/plugins/worker/tasks/sweep/run", &json!({})).await.expect(200);
        assert_eq!(client.get("/worker/ran").await.expect(200).json()["ran"], 1);
        let task = &proxy.plugin("worker").await["tasks"][0];
        assert_eq!(task["name"], "sweep");
        let failed = client.post("/plugins/worker/tasks/fails/run", &json!({})).await.expect(503).text();
        assert!(failed.contains("last_error") && !failed.contains("no room"), "{failed}");
        let task = &proxy.plugin("worker").await["tasks"][1];
        assert!(task["last_error"].as_str().unwrap().contains("no room"), "{task}");
        let login =
            client.post("/plugins/worker/commands/login", &json!({ "args": ["ada"] })).await.expect(200);
        assert_eq!(login.json()["result"], "as ada");
        client.post("/plugins/worker/tasks/nope/run", &json!({})).await.expect(404);
    });
}

#[test]
fn native_plugins_can_be_switched_off() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy =
            Proxy::start(Config::new().upstream(&upstream).toml("disabled_plugins = [\"claude_api\"]")).await;
        let answer =
            proxy.client().post("/claude/v1/messages", &json!({ "model": "m", "messages": [] })).await;
        assert!([404, 503].contains(&answer.status.as_u16()), "{}", answer.text());
        assert!(upstream.requests().is_empty());
    });
}
