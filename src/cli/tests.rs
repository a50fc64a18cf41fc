//! The command line itself: what it takes, and what becomes of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use clap::{CommandFactory, Parser};

use super::{Cli, Command, annotated_file};
use crate::config::load;

fn parse(words: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(words.split_whitespace())
}

fn serve(words: &str) -> super::serve::Serve {
    match parse(words).unwrap().command {
        Some(Command::Serve(serve)) => *serve,
        other => panic!("expected serve, found {other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn h_is_help_everywhere() {
    for words in ["ccproxy -h", "ccproxy serve -h", "ccproxy plugins list -h", "ccproxy config -h"] {
        let error = parse(words).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{words}");
    }
}

#[test]
fn config_and_trust_work_for_every_command_and_in_every_place() {
    let commands = [
        "serve",
        "plugins list",
        "plugins show x",
        "plugins settings",
        "plugins check",
        "plugins eject x",
        "plugins run-task x y",
        "config show",
        "config init",
        "config check",
        "config path",
        "config schema",
        "models",
        "explain x",
        "status",
        "doctor",
        "trust",
        "x a b",
    ];
    for command in commands {
        for words in
            [format!("ccproxy --config c.toml --trust {command}"), format!("ccproxy {}", insert(command))]
        {
            let cli = parse(&words).unwrap_or_else(|error| panic!("{words}: {error}"));
            assert_eq!((cli.global.config, cli.global.trust), (Some("c.toml".into()), true), "{words}");
        }
    }
}

/// `plugins list` to `plugins list -c c.toml --trust`; words after `x a b` belong to the plugin.
fn insert(command: &str) -> String {
    match command.strip_prefix("x ") {
        Some(rest) => format!("x -c c.toml --trust {rest}"),
        None => format!("{command} -c c.toml --trust"),
    }
}

#[test]
fn no_command_serves() {
    assert!(parse("ccproxy").unwrap().command.is_none());
}

#[test]
fn flags_of_serve_reach_the_settings() {
    let words = "ccproxy serve --host ::1 --port 9 --auth-token abc --log-level TRACE --log-format json \
                 --enable-plugin a --enable-plugin b --disable-plugin c --scripts s";
    let scripts = parse(words).unwrap().global.scripts;
    let loaded = load(&crate::config::Inputs { scripts, ..serve(words).inputs() });
    assert_eq!(loaded.problems, []);
    let core = &loaded.settings.core;
    assert_eq!(core.server.listen[0].to_string(), "[::1]:9");
    assert!(core.server.auth_token.as_ref().unwrap().matches(b"abc"));
    assert_eq!(
        (core.plugins.enabled.join(","), core.plugins.disabled.join(",")),
        ("a,b".to_owned(), "c".to_owned())
    );
    assert_eq!(loaded.settings.logging.level, tracing::level_filters::LevelFilter::TRACE);
    assert_eq!(loaded.plugin_folders[0], std::path::Path::new("/s"));
}

#[test]
fn a_bad_flag_is_named_as_such() {
    let loaded = load(&serve("ccproxy serve --log-level loud --auth-token= ").inputs());
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("flag `--log-level`: `logging.level`: found `loud`")),
        "{problems:?}"
    );
    assert!(
        problems.iter().any(|problem| problem.contains("`server.auth_token`: the secret is empty")),
        "{problems:?}"
    );
}

#[test]
fn a_port_that_is_none_is_wrong_usage() {
    assert_eq!(parse("ccproxy serve --port 70000").unwrap_err().exit_code(), 2);
    assert_eq!(parse("ccproxy sreve").unwrap_err().exit_code(), 2);
}

#[test]
fn words_for_a_plugin_may_look_like_flags() {
    match parse("ccproxy x limits reset --all -v").unwrap().command {
        Some(Command::X(_)) => {}
        other => panic!("expected x, found {other:?}"),
    }
}

#[test]
fn names_become_one_segment_of_a_path() {
    assert_eq!(super::x::segment("a/../b c"), "a%2F..%2Fb%20c");
}

#[test]
fn the_annotated_file_says_how_layers_work() {
    assert!(annotated_file().contains("CONFIG_FILE"));
}
