//! Text in, values and problems out.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn schema() -> Schema {
    Schema::of([
        Field::string("host", "Where").or("127.0.0.1"),
        Field::table(
            "server",
            Schema::of([
                Field::integer("port", "Port").between(0, 65_535).or(8000),
                Field::duration("timeout", "Wait").or("5m"),
                Field::size("max_body", "Most").between(1, 1u64 << 30).or("16MiB"),
                Field::list("hosts", FieldKind::string(), "Names").or(json!([])),
                Field::secret("token", "Key"),
                Field::path("ca", "File"),
                Field::boolean("on", "Switch").or(true),
                Field::choice("level", &["info", "debug"], "Level").or("info"),
                Field::url("base", "Where"),
            ]),
            "Server",
        ),
        Field::table(
            "tls",
            Schema::of([
                Field::path("key", "Key").required(),
                Field::path("certificate", "Chain").required(),
            ]),
            "TLS",
        ),
        Field::map("aliases", FieldKind::string(), "Names"),
    ])
}

fn read(text: &str) -> (Value, Vec<String>) {
    read_with(text, &Environment::default())
}

fn read_with(text: &str, environment: &Environment) -> (Value, Vec<String>) {
    let (node, mut problems) = read_toml(text, Path::new("/etc/c.toml"));
    let (value, more) = schema().validate(&node, environment);
    problems.extend(more);
    (value, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn nothing_written_gives_the_defaults() {
    let (value, problems) = read("");
    assert_eq!(problems, Vec::<String>::new());
    let server = json!({ "port": 8000, "timeout": 300.0, "max_body": 16 << 20, "hosts": [], "on": true, "level": "info" });
    assert_eq!(value, json!({ "host": "127.0.0.1", "server": server }));
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let text = "hots = 'x'\n[server]\nprot = 1\nport = 70000\ntimeout = 'soon'\nlevel = 'debgu'\non = 'yes'\n\
                max_body = '2GiB'\nbase = 'ftp://u:pw@x'\nhosts = ['a',\n 5]\n[tls]\nkey = 'k'\n";
    let (value, problems) = read(text);
    let expected = [
        "/etc/c.toml:1:1: `hots`: unknown key (did you mean `host`)",
        "/etc/c.toml:3:1: `server.prot`: unknown key (did you mean `server.port`)",
        "/etc/c.toml:4:1: `server.port`: found `70000`, expected a whole number from 0 to 65535",
        "/etc/c.toml:5:1: `server.timeout`: found `soon`, expected a duration such as `30s` or `5m`",
        "/etc/c.toml:6:1: `server.level`: found `debgu`, expected one of `info`, `debug` (did you mean `debug`)",
        "/etc/c.toml:7:1: `server.on`: found `yes`, expected `true` or `false`",
        "/etc/c.toml:8:1: `server.max_body`: found `2GiB`, expected a size such as `16MiB` from 1B to 1GiB",
        "/etc/c.toml:9:1: `server.base`: found `ftp://...@x`, expected an http or https URL",
        "/etc/c.toml:11:2: `server.hosts[1]`: found `5`, expected text",
        "/etc/c.toml:12:2: `tls.certificate`: must be set: expected a path",
    ];
    assert_eq!(problems, expected);
    assert_eq!(value["server"]["port"], 8000, "a bad value gives way to the default");
}

#[test]
fn a_key_in_the_wrong_table_is_found_elsewhere() {
    let (_, problems) = read("max_body = 5\n");
    assert_eq!(problems, ["/etc/c.toml:1:1: `max_body`: unknown key (did you mean `server.max_body`)"]);
}

#[test]
fn broken_toml_names_every_place_and_keeps_the_rest() {
    let (value, problems) = read("[server]\nport = \nhosts = ['a'\n[tls\n");
    assert!(problems.iter().any(|problem| problem.starts_with("/etc/c.toml:2:")), "{problems:?}");
    assert!(problems.len() > 1, "{problems:?}");
    assert_eq!(value["host"], "127.0.0.1");
}

#[test]
fn secrets_are_resolved_and_never_shown() {
    let environment: Environment = [("KEY", "sk-1"), ("EMPTY", "")].into_iter().collect();
    let (value, problems) = read_with("[server]\ntoken = 'env:KEY'\n", &environment);
    assert_eq!((value["server"]["token"].as_str(), problems.len()), (Some("sk-1"), 0));

    for name in ["EMPTY", "GONE"] {
        let (value, problems) = read_with(&format!("server.token = 'env:{name}'"), &environment);
        assert_eq!(value["server"].get("token"), None);
        let expected = format!("/etc/c.toml:1:8: `server.token`: environment variable `{name}` is not set");
        assert_eq!(problems, [expected]);
    }

    let (_, problems) = read("[server]\ntoken = ['sk-secret']\n");
    assert!(!problems[0].contains("sk-secret"), "{problems:?}");
}

#[test]
fn a_secret_file_is_read_from_beside_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "sk-2\n").unwrap();
    let (node, _) = read_toml("[server]\ntoken = 'file:key'\nca = 'ca.pem'\n", &folder.path().join("c.toml"));
    let (value, problems) = schema().validate(&node, &Environment::default());
    assert_eq!(problems, []);
    assert_eq!(value["server"]["token"], "sk-2");
    assert_eq!(value["server"]["ca"], folder.path().join("ca.pem").to_str().unwrap());
}

#[test]
fn text_of_the_environment_becomes_what_the_field_is() {
    let from = |name: &str, text: &str| {
        let mut node = Node::empty();
        let origin = Origin::Environment(name.to_ascii_uppercase().into());
        node.set(&["server".to_owned(), name.to_owned()], Node::of(&json!(text), &origin));
        let (value, problems) = schema().validate(&node, &Environment::default());
        problems.is_empty().then(|| value["server"][name].clone())
    };
    assert_eq!(from("port", " 9000 "), Some(json!(9000)));
    assert_eq!(from("on", "off"), Some(json!(false)));
    assert_eq!(from("hosts", "a, b,"), Some(json!(["a", "b"])));
    assert_eq!(from("hosts", r#"["a","b,c"]"#), Some(json!(["a", "b,c"])));
    assert_eq!(from("timeout", "1m"), Some(json!(60.0)));
    assert_eq!(from("level", "DEBUG"), Some(json!("debug")));
    assert_eq!(from("port", "many"), None);
}

#[test]
fn a_layer_above_wins_key_by_key_and_keeps_its_origin() {
    let (mut below, _) = read_toml("[server]\nport = 1\nhosts = ['a', 'b']\n", Path::new("/a.toml"));
    let (above, _) = read_toml("[server]\nhosts = ['c']\n", Path::new("/b.toml"));
    below.merge(above);
    assert_eq!(below.value(), json!({ "server": { "port": 1, "hosts": ["c"] } }));
    let origin = |key| below.get(&["server", key]).unwrap().origin.to_string();
    assert_eq!((origin("port"), origin("hosts")), ("/a.toml:2:1".to_owned(), "/b.toml:2:1".to_owned()));
}

#[test]
fn an_unknown_variable_is_a_warning_that_changes_nothing() {
    let mut node = Node::empty();
    let origin = Origin::Environment("SERVER__PROT".into());
    node.set(&["server".to_owned(), "prot".to_owned()], Node::of(&json!("1"), &origin));
    let (_, problems) = schema().validate(&node, &Environment::default());
    assert!(!problems[0].is_error());
    assert_eq!(
        problems[0].to_string(),
        "environment `SERVER__PROT`: `server.prot`: unknown setting, left out (did you mean `server.port`)"
    );
}

#[test]
fn a_plugin_table_speaks_with_its_full_key() {
    let schema = Schema::of([Field::integer("per_minute", "Requests").between(1, 1000).or(60)]);
    let (node, _) = read_toml("per_minut = 1\n", Path::new("/c.toml"));
    let (_, problems) = schema.validate_at("plugins.limit", &node, &Environment::default());
    let expected =
        "/c.toml:1:1: `plugins.limit.per_minut`: unknown key (did you mean `plugins.limit.per_minute`)";
    assert_eq!(problems[0].to_string(), expected);
}

#[test]
fn faults_of_a_schema_are_found_when_it_is_declared() {
    let schema = Schema::of([
        Field::integer("a", "").or("one"),
        Field::string("b", "").matching("("),
        Field::string("b", ""),
        Field::duration("c", "").or("5m"),
    ]);
    let faults = schema.faults();
    assert_eq!(faults.len(), 3, "{faults:?}");
}

#[test]
fn a_pattern_is_checked() {
    let schema = Schema::of([Field::string("name", "").matching("^[a-z]+$")]);
    let check =
        |text: &str| schema.validate(&read_toml(text, Path::new("c")).0, &Environment::default()).1.len();
    assert_eq!((check("name = 'abc'"), check("name = 'A b'")), (0, 1));
}

#[test]
fn the_annotated_file_reads_back_as_the_defaults() {
    let text = toml_text(&schema());
    assert_eq!(read(&text), read(""), "as it is written, it sets nothing");
    let live: String = text
        .lines()
        .filter(|line| !line.ends_with("# not set by default") && *line != "#[tls]")
        .map(|line| {
            line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned() + "\n"
        })
        .collect();
    let (mut value, problems) = read(&live);
    assert_eq!(problems, Vec::<String>::new(), "{live}");
    value["server"].as_object_mut().unwrap().remove("ca");
    assert_eq!(value, read("").0);
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    assert_eq!(without_password("http://user:pw@proxy:80/a@b"), "http://...@proxy:80/a@b");
    assert_eq!(without_password("http://proxy:80/a@b"), "http://proxy:80/a@b");
    let proxy = value_text(&FieldKind::ProxyUrl, &json!("socks5h://u:p@h:1"));
    assert_eq!(proxy, "\"socks5h://...@h:1\"");
    let url = value_text(&FieldKind::Url, &json!("http://u:p@h/"));
    assert_eq!(
        (url.as_str(), value_text(&FieldKind::Secret, &json!("sk")).as_str()),
        ("\"http://...@h/\"", "\"...\"")
    );
}

#[test]
fn json_schema_describes_what_may_be_written() {
    let document = schema().json_schema("test");
    assert_eq!(document["additionalProperties"], false);
    assert_eq!(document["properties"]["server"]["properties"]["port"]["maximum"], 65_535);
    assert_eq!(document["properties"]["tls"]["required"], json!(["key", "certificate"]));
}
