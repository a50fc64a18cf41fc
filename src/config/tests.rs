//! Layers, trust and messages, with injected environment and folders.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use ccproxy_core::config::{Environment, Node, Origin};
use serde_json::json;
use tempfile::TempDir;

use super::trust::Trust;
use super::*;

/// A machine of its own: a home, a project, an environment.
struct Machine {
    folder: TempDir,
    inputs: Inputs,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home/.config/ccproxy", "project"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let inputs = Inputs { cwd: folder.path().join("project"), ..Inputs::default() };
        Machine { folder, inputs }.env(&[])
    }

    fn env(mut self, variables: &[(&str, &str)]) -> Self {
        let home = self.folder.path().join("home").to_str().unwrap().to_owned();
        let all = variables.iter().copied().chain([("HOME", home.as_str())]);
        self.inputs.environment = Arc::new(all.collect::<Environment>());
        self
    }

    fn user(self, text: &str) -> Self {
        self.file("home/.config/ccproxy/config.toml", text)
    }

    fn project(self, text: &str) -> Self {
        self.file("project/ccproxy.toml", text)
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn flag(mut self, key: &str, value: serde_json::Value) -> Self {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        self.inputs.flags.set(&path, Node::of(&value, &Origin::Flag("--x".into())));
        self
    }

    fn trusting(mut self) -> Self {
        self.inputs.trust = true;
        self
    }

    fn load(&self) -> Loaded {
        load(&self.inputs)
    }

    /// Everything that is wrong, with the folder of the test cut out.
    fn problems(&self) -> Vec<String> {
        let root = format!("{}/", self.folder.path().display());
        self.load().problems.iter().map(|problem| problem.to_string().replace(&root, "")).collect()
    }
}

fn port(loaded: &Loaded) -> u16 {
    loaded.settings.core.server.listen[0].port()
}

#[test]
fn without_anything_there_are_defaults() {
    let machine = Machine::new();
    let loaded = machine.load();
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.settings.core.server.listen[0].to_string(), "127.0.0.1:8000");
    let home = machine.folder.path().join("home");
    assert_eq!(loaded.settings.core.data_dir, home.join(".local/share/ccproxy"));
    assert_eq!(loaded.plugin_folders, [home.join(".config/ccproxy/plugins")]);
}

#[test]
fn each_layer_wins_over_the_ones_below() {
    let key = |machine: &Machine| {
        (port(&machine.load()), machine.load().tree.get(&["server", "port"]).unwrap().origin.clone())
    };
    let machine = Machine::new().user("server.port = 1\n");
    assert_eq!(key(&machine).0, 1);
    let machine = machine.project("server.port = 2\n").trusting();
    assert_eq!(key(&machine).0, 2);
    let machine = machine.env(&[("SERVER__PORT", "3")]);
    assert_eq!(key(&machine), (3, Origin::Environment("SERVER__PORT".into())));
    let machine = machine.flag("server.port", json!(4));
    assert_eq!(key(&machine), (4, Origin::Flag("--x".into())));
}

#[test]
fn the_one_file_that_is_named_replaces_the_search_and_needs_no_trust() {
    let mut machine = Machine::new()
        .user("server.port = 1\n")
        .project("server.port = 2\n")
        .file("one.toml", "server.port = 3\n");
    let one = machine.folder.path().join("one.toml");
    let machine_env = machine.env(&[("CONFIG_FILE", one.to_str().unwrap())]);
    assert_eq!((port(&machine_env.load()), machine_env.load().left_out.len()), (3, 0));
    machine = machine_env.env(&[("CONFIG_FILE", "/nowhere")]);
    machine.inputs.config = Some(one);
    assert_eq!(port(&machine.load()), 3, "the flag wins over the variable");
    machine.inputs.config = Some("gone.toml".into());
    assert!(machine.load().is_broken());
}

#[test]
fn a_project_counts_only_when_it_is_trusted() {
    let machine =
        Machine::new().project("server.port = 2\n").file("project/scripts/x/plugin.lua", "return {}");
    let loaded = machine.load();
    assert_eq!(port(&loaded), 8000);
    let names: Vec<_> =
        loaded.left_out.iter().map(|left| left.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["ccproxy.toml", "scripts"]);
    assert!(loaded.left_out[0].remedy.starts_with("run `ccproxy trust "), "{:?}", loaded.left_out);

    let (mut trust, _) = Trust::read(&loaded.settings.core.data_dir);
    trust.add(&machine.inputs.cwd).unwrap();
    let loaded = machine.load();
    assert_eq!((port(&loaded), loaded.left_out.len()), (2, 0));
    assert_eq!(loaded.plugin_folders[0], machine.inputs.cwd.join("scripts"));
}

#[test]
fn a_project_cannot_vouch_for_itself() {
    let machine = Machine::new().project("data_dir = './mine'\nserver.port = 2\n");
    let (mut trust, _) = Trust::read(&machine.inputs.cwd.join("mine"));
    trust.add(&machine.inputs.cwd).unwrap();
    assert_eq!(port(&machine.load()), 8000);
}

#[test]
fn the_root_of_the_repository_is_searched_last() {
    let mut machine = Machine::new().file("project/.git/HEAD", "").project("server.port = 2\n").trusting();
    machine.inputs.cwd = machine.folder.path().join("project/a/b");
    std::fs::create_dir_all(&machine.inputs.cwd).unwrap();
    assert_eq!(port(&machine.load()), 2);
    let machine = machine.file("project/a/b/.ccproxy.toml", "server.port = 5\n");
    assert_eq!(port(&machine.load()), 5);
}

#[test]
fn scripts_that_are_no_plugins_are_not_spoken_of() {
    let machine = Machine::new().file("project/scripts/build.sh", "");
    assert_eq!(machine.load().left_out, []);
}

#[test]
fn variables_reach_every_kind_of_setting() {
    let machine = Machine::new()
        .user("[plugins.access_log]\nformat = 'common'\n[plugins.access_log.Labels]\nTeam = 'a'\n")
        .env(&[
            ("ENABLED_PLUGINS", "a,b"),
            ("DISABLED_PLUGINS", r#"["c"]"#),
            ("enable_plugins", "yes"),
            ("logging__LEVEL", "DEBUG"),
            ("SERVER__TLS__CERTIFICATE", "/c.pem"),
            ("SERVER__TLS__KEY", "/k.pem"),
            ("SERVER__ALLOWED_HOSTS", "a.example, b.example"),
            ("PLUGINS__ACCESS_LOG__FORMAT", "json"),
            ("PLUGINS__ACCESS_LOG__LABELS__TEAM", "b"),
            ("PLUGINS__LIMIT", r#"{"per_minute": 5}"#),
            ("PLUGINS__LIMIT__BURST", "7"),
            ("SERVER__HEAD_TIMEOUT", ""),
        ]);
    let loaded = machine.load();
    assert_eq!(loaded.problems, []);
    let core = &loaded.settings.core;
    assert_eq!(
        (core.plugins.enabled.join(" "), core.plugins.disabled.join(" ")),
        ("a b".to_owned(), "c".to_owned())
    );
    assert_eq!(core.server.allowed_hosts, ["a.example", "b.example"]);
    assert!(core.server.tls.is_some());
    assert_eq!(loaded.settings.logging.level, tracing::level_filters::LevelFilter::DEBUG);
    assert_eq!(
        core.plugins.tables["access_log"].value(),
        json!({ "format": "json", "Labels": { "Team": "b" } })
    );
    assert_eq!(core.plugins.tables["limit"].value(), json!({ "per_minute": 5, "burst": "7" }));
}

#[test]
fn variables_of_other_programs_are_left_alone_and_ours_are_checked() {
    let machine = Machine::new().env(&[
        ("DATABASE__URL", "x"),
        ("SERVER_NAME", "x"),
        ("DATA_DIR", "/x"),
        ("__", "x"),
        ("SERVER__", "x"),
        ("SERVER__PROT", "1"),
        ("SERVER__PORT", "many"),
    ]);
    let expected = [
        "environment `SERVER__PORT`: `server.port`: found `many`, expected a whole number from 0 to 65535",
        "environment `SERVER__PROT`: `server.prot`: unknown setting, left out (did you mean `server.port`)",
    ];
    assert_eq!(machine.problems(), expected);
}

#[test]
fn host_and_port_of_a_stronger_layer_win_over_listen() {
    let machine = Machine::new().user("server.listen = ['127.0.0.1:1']\n");
    assert_eq!(port(&machine.load()), 1);
    let machine = machine.flag("server.port", json!(9));
    assert_eq!(port(&machine.load()), 9);
}

#[test]
fn typos_name_file_line_and_nearest_key() {
    let machine =
        Machine::new().user("\n[server]\nprot = 1\n[loging]\nlevel = 'x'\n[security]\nauth_token = 'k'\n");
    let file = "home/.config/ccproxy/config.toml";
    let expected = [
        format!("{file}:3:1: `server.prot`: unknown key (did you mean `server.port`)"),
        format!("{file}:4:2: `loging`: unknown key (did you mean `logging`)"),
        format!("{file}:6:2: `security`: unknown key (the client key is `server.auth_token`)"),
    ];
    assert_eq!(machine.problems(), expected);
}

#[test]
fn folders_of_the_user_follow_the_xdg_variables() {
    let folders =
        |variables: &[(&str, &str)]| Folders::of(&variables.iter().copied().collect::<Environment>());
    let home = folders(&[("HOME", "/h")]);
    assert_eq!(
        (home.config.as_path(), home.data.as_path()),
        (Path::new("/h/.config/ccproxy"), Path::new("/h/.local/share/ccproxy"))
    );
    let named = folders(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "relative")]);
    assert_eq!(
        (named.config.as_path(), named.data.as_path()),
        (Path::new("/c/ccproxy"), Path::new("/h/.local/share/ccproxy"))
    );
}

#[test]
fn a_token_under_its_old_name_is_not_lost_in_silence() {
    let machine = Machine::new().env(&[("SECURITY__AUTH_TOKEN", "k")]);
    assert!(machine.problems()[0].ends_with("(the variable is `SERVER__AUTH_TOKEN` here)"));
    assert!(!machine.problems()[0].contains("`k`"));
}

#[test]
fn the_documented_file_is_the_schema_and_reads_as_the_defaults() {
    let documented = include_str!("../../docs/ccproxy.toml");
    assert_eq!(documented, crate::cli::annotated_file(), "write it anew with `ccproxy config init --stdout`");
    let (settings, server) = documented.split_once("# A server of your own").expect("an example");
    let live: String = settings
        .lines()
        .filter(|line| {
            !line.ends_with("# not set by default")
                && *line != "#[server.tls]"
                && *line != "#[plugins.access_log]"
                && *line != "#enabled = true"
        })
        .map(|line| {
            line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned() + "\n"
        })
        .collect();
    let (server, oauth) = server.split_once("# An identity provider").expect("another example");
    let machine = Machine::new();
    let defaults = machine.load().value;
    let machine = machine.user(documented);
    assert_eq!((machine.load().problems, machine.load().value), (vec![], defaults.clone()));
    let machine = machine.user(&live);
    assert_eq!(machine.load().problems, []);
    assert_eq!(machine.load().value, defaults);
    let server: String =
        server.lines().skip(1).map(|line| line.trim_start_matches('#').to_owned() + "\n").collect();
    let machine = machine.user(&server);
    let loaded = machine.load();
    assert_eq!(loaded.problems, []);
    assert!(loaded.settings.core.plugins.own.contains("lan"), "{server}");
    // Secrets of the example point to variables that are not there.
    let oauth = oauth.lines().filter(|line| !line.contains("env:NAME") && !line.starts_with("# "));
    let oauth: String =
        oauth.filter_map(|line| line.strip_prefix('#')).map(|line| line.to_owned() + "\n").collect();
    let oauth = oauth.replace("client_id = \"\"", "client_id = \"us\"");
    let loaded = machine.user(&oauth).load();
    assert_eq!(loaded.problems, [], "{oauth}");
    assert_eq!(loaded.value["oauth"]["acme"]["token_url"], "https://example.com");
    for (key, _) in schema().leaves().into_iter().chain(ccproxy_providers::oauth::schema().leaves()) {
        let name = key.rsplit('.').next().unwrap();
        assert!(
            documented.contains(&format!("\n#{name} = "))
                || ["plugins", "providers", "oauth"].contains(&name),
            "{key} is not documented"
        );
    }
}

#[test]
fn a_mistake_that_a_stronger_layer_hides_is_a_warning_with_its_place() {
    let machine = Machine::new()
        .user("[server]\nport = \"many\"\nmax_body = \"1MiB\"\nallowed_hosts = 5\n")
        .project("[server]\nport = 9001\nallowed_hosts = [\"a\"]\n")
        .trusting()
        .flag("server.max_body", json!("2MiB"));
    let loaded = machine.load();
    assert!(!loaded.is_broken(), "{:?}", loaded.problems);
    let told: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("config.toml:2:1: `server.port`: found `many`"), "{told:?}");
    assert!(told[0].contains("no effect now") && told[0].contains("ccproxy.toml:2:1"), "{told:?}");
    assert!(told[1].contains("config.toml:4:1: `server.allowed_hosts`"), "{told:?}");
    assert_eq!(loaded.settings.core.server.listen[0].port(), 9001);
}
