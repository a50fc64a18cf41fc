//! `ccproxy dev` and `ccproxy lua`: what a save says, how a mistake is shown, and who gets in.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::support::config::write_script;
use super::support::{self, Config, Proxy, eventually};

const COUNTER: &str = r#"
local count = 0
return {
  name = "counter",
  version = "1.0.0",
  capabilities = { "kv" },
  routes = {
    { path = "/up", handler = function()
      count = count + 1
      return { json = { count = count } }
    end },
  },
}
"#;

/// A workbench over a folder with `counter`.
async fn start(folder: &std::path::Path) -> Proxy {
    write_script(folder, "counter", COUNTER);
    Proxy::start(Config::new().without_scripts().command("dev").arg(&folder.to_string_lossy())).await
}

/// A line in a session of its own.
async fn lua(proxy: &Proxy, code: &str) -> (i32, String, String) {
    proxy.cli(&["lua", "counter", "-e", code]).await
}

#[test]
fn a_session_runs_inside_the_plugin() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        let proxy = start(folder.path()).await;
        let (code, out, errors) =
            lua(&proxy, "ccproxy.kv.set('k', { 1, 2 }) return ccproxy.kv.get('k'), plugin.name").await;
        assert_eq!((code, out.as_str()), (0, "{ 1, 2 }\n\"counter\"\n"), "{errors}");
        let (code, out, errors) = lua(&proxy, "manifest.routes[1].handler().json").await;
        assert_eq!((code, out.as_str()), (0, "{ count = 1 }\n"), "{errors}");
        // It is the VM that serves.
        let served = proxy.client().get("/counter/up").await.expect(200).json();
        assert_eq!(served, json!({ "count": 2 }));
        let (code, _, errors) = lua(&proxy, "nothing.here").await;
        assert_eq!(code, 1);
        assert!(errors.contains("session:1: attempt to index nil"), "{errors}");
        let (code, out, _) = proxy.cli(&["lua", "counter", "--json", "-e", "1, 'a'"]).await;
        let told: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((code, &told["values"], &told["data"]), (0, &json!(["1", "\"a\""]), &json!([1, "a"])));
        proxy.stop().await;
    });
}

#[test]
fn only_the_owner_of_the_data_folder_gets_in() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        let proxy = start(folder.path()).await;
        let mut plates = std::fs::read_dir(proxy.data_dir()).unwrap().flatten().map(|entry| entry.path());
        let is_plate =
            |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("dev-");
        let plate = plates.find(is_plate).expect("a file for the owner");
        let mode = std::fs::metadata(&plate).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let ask = async |body: Value| proxy.client().post("/plugins/counter/eval", &body).await;
        ask(json!({ "secret": "guessed", "source": "1" })).await.expect(403);
        let refused = ask(json!({ "source": "1" })).await.expect(400);
        assert!(!refused.text().contains("guessed"));
        // A page in a browser is refused before it is looked at.
        let foreign = [("content-type", "application/json"), ("origin", "https://evil.example")];
        let answer =
            proxy.client().request(http::Method::POST, "/plugins/counter/eval", &foreign, "{}".into()).await;
        answer.expect(403);
        proxy.stop().await;
        assert!(!plate.exists(), "the door is shut");

        let plain = Proxy::start(Config::new().script("counter", COUNTER)).await;
        let answer =
            plain.client().post("/plugins/counter/eval", &json!({ "secret": "", "source": "1" })).await;
        let text = answer.expect(403).text();
        assert!(text.contains("ccproxy dev"), "{text}");
        let (code, _, errors) = plain.cli(&["lua", "counter", "-e", "1"]).await;
        assert_eq!(code, 1);
        assert!(errors.contains("no workbench runs"), "{errors}");
        plain.stop().await;
    });
}

#[test]
fn each_workbench_of_a_data_folder_is_found_until_it_ends() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        let first = start(folder.path()).await;
        let data = format!("data_dir = {:?}", first.data_dir());
        let config = Config::new().without_scripts().toml(&data).command("dev");
        let second = Proxy::start(config.arg(&folder.path().to_string_lossy())).await;
        let (code, out, errors) = lua(&second, "second = 2 return second").await;
        assert_eq!((code, out.as_str()), (0, "2\n"), "{errors}");
        let (code, out, errors) = lua(&first, "second").await;
        assert_eq!((code, out.as_str()), (0, "2\n"), "the one that began last: {errors}");
        second.stop().await;
        let (code, out, errors) = lua(&first, "second").await;
        assert_eq!((code, out.as_str()), (0, "nil\n"), "the other one is still there: {errors}");
        first.stop().await;
    });
}

#[test]
fn a_plugins_own_folder_is_no_folder_of_plugins() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        write_script(folder.path(), "counter", COUNTER);
        let own = folder.path().join("counter");
        let own = own.to_string_lossy();
        for command in [&["dev", &*own][..], &["plugins", "types", &own]] {
            let (code, _, errors) = support::proxy::cli(Config::new(), command).await;
            assert_eq!(code, 1);
            let around = folder.path().canonicalize().unwrap();
            assert!(errors.contains("is a plugin itself"), "{errors}");
            assert!(errors.contains(&*around.file_name().unwrap().to_string_lossy()), "{errors}");
        }
    });
}

#[test]
fn a_save_says_what_changed_and_a_mistake_is_shown() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        let proxy = start(folder.path()).await;
        let says = async |text: &str| {
            eventually(&format!("the workbench says `{text}`"), async || {
                proxy.printed().contains(text).then_some(())
            })
            .await;
        };
        let better = COUNTER.replace("1.0.0", "1.1.0").replace("\"kv\"", "\"kv\", \"files\"");
        write_script(folder.path(), "counter", &better.replace("/up", "/down"));
        says("~ counter reloaded: version 1.0.0 -> 1.1.0, +capability files, +route GET /counter/down, -route GET /counter/up").await;
        write_script(folder.path(), "counter", "return {\n  name = = 1,\n}\n");
        says("! counter keeps its old code: ").await;
        says("> 2 |   name = = 1,").await;
        // A mistake of the manifest has a key; its line is found.
        write_script(folder.path(), "counter", &COUNTER.replace("version = \"1.0.0\"", "version = 7"));
        says("`version`: ").await;
        says("> 5 |   version = 7").await;
        write_script(
            folder.path(),
            "counter",
            &COUNTER.replace("count = count + 1", "count = count + missing.field"),
        );
        says("~ counter mended and reloaded").await;
        proxy.client().get("/counter/up").await.expect(503);
        proxy.logged("count = count + missing.field").await;
        std::fs::remove_dir_all(folder.path().join("counter")).unwrap();
        says("- counter is gone").await;
        proxy.stop().await;
    });
}
