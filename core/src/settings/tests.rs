//! From a tree of values to the structs of the core.

use std::path::Path;
use std::sync::Arc;

use crate::config::{Environment, read_toml};
use crate::keys::KeyFile;
use crate::settings::{RoutingSettings, ServerSettings, Settings, UpstreamSettings};

fn read(text: &str) -> (Settings, Vec<String>) {
    let (node, problems) = read_toml(text, Path::new("/c.toml"));
    assert_eq!(problems, []);
    let environment: Environment = [("HOME", "/home/u"), ("KEY", "k")].into_iter().collect();
    let (settings, problems) = Settings::read(&node, Arc::new(environment));
    (settings, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn the_schema_is_sound_and_agrees_with_the_defaults_in_code() {
    assert_eq!(Settings::schema().faults(), Vec::<String>::new());
    let (settings, problems) = read("");
    assert_eq!(problems, Vec::<String>::new());
    // Where keys are kept depends on the home.
    let keys = settings.server.keys.clone();
    assert_eq!(keys.as_ref().map(KeyFile::path), Some(Path::new("/home/u/.local/share/ccproxy/keys.json")));
    let expected = ServerSettings { keys, ..ServerSettings::default() };
    assert_eq!(format!("{:?}", settings.server), format!("{expected:?}"));
    assert_eq!(format!("{:?}", settings.upstream), format!("{:?}", UpstreamSettings::default()));
    assert_eq!(settings.routing, RoutingSettings::default());
    assert_eq!(settings.data_dir, Path::new("/home/u/.local/share/ccproxy"));
}

#[test]
fn listen_replaces_host_and_port() {
    let addresses = |text: &str| {
        let (settings, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new());
        settings.server.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(addresses("server.port = 0"), "127.0.0.1:0");
    assert_eq!(addresses("server.host = '::1'"), "[::1]:8000");
    assert_eq!(addresses("server.host = 'localhost'"), "127.0.0.1:8000");
    assert_eq!(addresses("server.listen = ['127.0.0.1:1', '[::1]:2', '127.0.0.1:1']"), "127.0.0.1:1 [::1]:2");
}

#[test]
fn an_address_that_others_reach_needs_a_key() {
    let (_, problems) = read("[server]\nhost = '0.0.0.0'\n");
    let expected = "/c.toml:2:1: `server.host`: `0.0.0.0:8000` can be reached by others, and no key is asked for \
                    (set `server.auth_token`, make a key with `ccproxy keys create`, or listen on `127.0.0.1`)";
    assert_eq!(problems, [expected]);
    let (settings, problems) = read("[server]\nhost = '0.0.0.0'\nauth_token = 'env:KEY'\n");
    assert_eq!(problems, Vec::<String>::new());
    assert!(settings.server.auth_token.is_some_and(|token| token.matches(b"k")));
}

#[test]
fn an_address_that_is_none_is_named() {
    let (_, problems) = read("[server]\nlisten = ['127.0.0.1:99999']\n");
    assert!(
        problems[0].starts_with("/c.toml:2:1: `server.listen`: cannot listen on `127.0.0.1:99999`"),
        "{problems:?}"
    );
}

#[test]
fn half_of_tls_is_a_problem_and_both_are_tls() {
    let (settings, problems) = read("[server.tls]\ncertificate = 'c.pem'\n");
    assert!(settings.server.tls.is_none());
    assert_eq!(problems, ["/c.toml:1:9: `server.tls.key`: must be set: expected a path"]);
    let (settings, _) = read("[server.tls]\ncertificate = 'c.pem'\nkey = '~/k.pem'\n");
    let tls = settings.server.tls.map(|tls| (tls.certificate, tls.key));
    assert_eq!(tls, Some(("/c.pem".into(), "/home/u/k.pem".into())));
}

#[test]
fn routing_is_read_and_what_is_malformed_has_its_place() {
    let (settings, problems) = read(
        "[routing]\ndefault = ['one', 'two/m']\nfail_over_on = [429]\nbreaker_failures = 2\nlongest_rest = '1m'\n\
         aliases = { quick = 'one/m', both = ['one/m', 'two'] }\n\
         rules = [{ model = 'a-*', stream = true, candidates = ['one/b-*'] }]\n",
    );
    assert_eq!(problems, Vec::<String>::new());
    let routing = settings.routing;
    let texts = |aims: &[crate::choice::Aim]| aims.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&routing.default), ["one", "two/m"]);
    assert_eq!(texts(&routing.aliases["both"]), ["one/m", "two"]);
    assert_eq!(texts(&routing.rules[0].candidates), ["one/b-*"]);
    assert_eq!(
        (routing.rules[0].stream, routing.fail_over_on.len(), routing.circuit.failures),
        (Some(true), 1, 2)
    );

    for (text, expected) in [
        ("[routing]\ndefault = ['One']", "/c.toml:2:12: `routing.default[0]`: `One` is no candidate"),
        ("[routing]\ndefault = ['one/a-*']", "`routing.default[0]`: `one/a-*` has 1 `*`, and its pattern 0"),
        (
            "[routing.aliases]\n'a*' = 'one'",
            "/c.toml:2:1: `routing.aliases.a*`: an alias is one model's name",
        ),
        ("[routing.aliases]\na = 7", "/c.toml:2:1: `routing.aliases.a`: expected a candidate"),
        ("[routing.aliases]\na = []", "/c.toml:2:1: `routing.aliases.a`: the list names nobody"),
        ("[routing.aliases]\na = ['one', 2]", "/c.toml:2:1: `routing.aliases.a`: expected a candidate"),
        ("[[routing.rules]]\nmodel = 'x'", "`routing.rules[0].candidates`: must be set"),
        (
            "[[routing.rules]]\ncandidates = []",
            "/c.toml:2:1: `routing.rules[0].candidates`: the list names nobody",
        ),
        (
            "[[routing.rules]]\ncandidates = ['one']\nmodle = 'x'",
            "/c.toml:3:1: `routing.rules[0].modle`: unknown key",
        ),
        (
            "[[routing.rules]]\ncandidates = ['one/*-*']\nmodel = '*'",
            "`routing.rules[0].candidates[0]`: `one/*-*` has 2",
        ),
        (
            "[routing]\nfail_over_on = [200]",
            "`routing.fail_over_on[0]`: found `200`, expected a whole number from 400 to 599",
        ),
    ] {
        let (_, problems) = read(text);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{text}: {problems:?}");
    }
    let many = format!("routing.default = [{}]", "'one',".repeat(17));
    assert!(read(&many).1[0].contains("17 candidates, and at most 16 are asked"));
}
