//! `ccproxy permissions` in a terminal: what a person sees, which keys do what, and how it is left.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use super::*;
use crate::support::Terminal;

/// A proxy that asks, and a person's terminal at it.
struct Desk {
    proxy: Proxy,
    terminal: Terminal,
}

impl Desk {
    async fn new(timeout: &str) -> Desk {
        Desk::with_editor(timeout, "true").await
    }

    /// `editor`: a line of shell, the file's name is `$1`.
    async fn with_editor(timeout: &str, editor: &str) -> Desk {
        let proxy = Proxy::start(asking(timeout)).await;
        let script = proxy.home().join("editor.sh");
        std::fs::write(&script, format!("#!/bin/sh\n{editor}\n")).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        let config = Config::new().env("EDITOR", script.to_str().unwrap());
        let url = format!("http://{}", proxy.address());
        let terminal = Terminal::start(proxy.home(), &config, &["permissions", "--url", &url]);
        terminal.shows("Nothing waits.").await;
        terminal.until("connected", |text| text.contains(" waiting ")).await;
        Desk { proxy, terminal }
    }

    fn ask(&self, tool: &str, input: Value) -> tokio::task::JoinHandle<Value> {
        ask(&self.proxy, json!({ "tool": tool, "input": input }))
    }
}

#[test]
fn what_waits_is_shown_and_keys_decide() {
    support::run(async {
        let mut desk = Desk::new("50s").await;
        for (key, tool, decision) in [
            ("y", "First", "allow"),
            ("n", "Second", "deny"),
            ("a", "Third", "allow"),
            ("A", "Fourth", "allow"),
        ] {
            let asked = desk.ask(tool, json!({ "command": format!("make {tool}") }));
            desk.terminal.shows(&format!("make {tool}")).await;
            desk.terminal
                .until("the row", |text| text.contains(&format!(" s  {tool}  (service, anonymous)")))
                .await;
            // A key that comes too early is told so, and is pressed again.
            let record = waiting(&desk.proxy).await;
            desk.terminal.press_until(key, "the decision", |_| asked.is_finished()).await;
            assert_eq!(asked.await.unwrap()["decision"], decision, "{record}");
            desk.terminal.until("the end of the row", |text| !text.contains(&format!("make {tool}"))).await;
            desk.terminal.shows("Nothing waits.").await;
        }
        let rules = text(&data(&desk.proxy, "permissions"));
        assert!(rules.contains("make Third") && rules.contains("\"Fourth\""), "{rules}");
        assert!(!rules.contains("make Fourth"), "{rules}");
        desk.terminal.press("q");
        assert!(desk.terminal.left().await.success());
        desk.proxy.stop().await;
    });
}

#[test]
fn arguments_are_edited_in_the_persons_editor() {
    support::run(async {
        let mut desk = Desk::with_editor("50s", "sed -i s/rm/ls/ \"$1\"").await;
        let asked = desk.ask("Bash", json!({ "command": "rm -r x", "timeout": 5 }));
        desk.terminal.shows("rm -r x").await;
        desk.terminal
            .press_until("e", "the difference", |text| {
                text.contains("-   \"command\": \"rm -r x\"") && text.contains("+   \"command\": \"ls -r x\"")
            })
            .await;
        desk.terminal.shows("y sends the changed arguments").await;
        // Taken back, and changed again.
        desk.terminal.press("u");
        desk.terminal.until("no difference", |text| !text.contains("ls -r x")).await;
        desk.terminal.press("e");
        desk.terminal.shows("ls -r x").await;
        let told = "a change is for this call alone";
        desk.terminal.press_until("a", told, |text| text.contains(told)).await;
        desk.terminal.press("y");
        assert_eq!(asked.await.unwrap()["input"], json!({ "command": "ls -r x", "timeout": 5 }));
        desk.terminal.press("q");
        assert!(desk.terminal.left().await.success());
        desk.proxy.stop().await;
    });
}

#[test]
fn an_editor_that_fails_or_writes_nonsense_changes_nothing() {
    support::run(async {
        for (editor, told) in [
            ("exit 7", "ended with exit status: 7"),
            ("echo '[1, 2' >\"$1\"", "this is no JSON"),
            ("echo '[1, 2]' >\"$1\"", "the arguments are a JSON object"),
            ("true", "nothing was changed"),
        ] {
            let mut desk = Desk::with_editor("50s", editor).await;
            let asked = desk.ask("Bash", json!({ "command": "ls" }));
            desk.terminal.shows("command:").await;
            desk.terminal.press_until("e", told, |text| text.contains(told)).await;
            desk.terminal.press_until("y", "the decision", |_| asked.is_finished()).await;
            assert_eq!(asked.await.unwrap()["input"], json!({ "command": "ls" }), "{editor}");
            desk.terminal.press("q");
            assert!(desk.terminal.left().await.success());
            desk.proxy.stop().await;
        }
    });
}

#[test]
fn what_was_not_shown_to_its_end_cannot_be_allowed() {
    support::run(async {
        let mut desk = Desk::new("50s").await;
        let command = format!("echo hello{}rm -rf ~", "\n".repeat(40));
        let asked = desk.ask("Bash", json!({ "command": command }));
        desk.terminal.shows("echo hello").await;
        let told = "there is more to read first";
        for key in ["y", "a", "A"] {
            desk.terminal.press_until(key, told, |text| text.contains(told)).await;
            assert!(!asked.is_finished(), "{key}");
        }
        assert!(desk.terminal.text().contains("more lines: space"), "{}", desk.terminal.text());
        desk.terminal.press_until(" ", "its end", |text| text.contains("rm -rf ~")).await;
        desk.terminal.press_until("y", "the decision", |_| asked.is_finished()).await;
        assert_eq!(asked.await.unwrap()["decision"], "allow");
        desk.terminal.press("q");
        assert!(desk.terminal.left().await.success());
        desk.proxy.stop().await;
    });
}

#[test]
fn the_time_that_is_left_is_counted_down() {
    support::run(async {
        let mut desk = Desk::new("3s").await;
        let asked = desk.ask("Bash", json!({ "command": "ls" }));
        for left in ["2 s  Bash", "1 s  Bash"] {
            desk.terminal.shows(left).await;
        }
        desk.terminal.shows("Bash: expired").await;
        assert_eq!(asked.await.unwrap()["decision"], "deny");
        desk.terminal.press("q");
        assert!(desk.terminal.left().await.success());
        desk.proxy.stop().await;
    });
}

#[test]
fn it_is_drawn_anew_in_every_size_and_shows_hostile_text_as_text() {
    support::run(async {
        let mut desk = Desk::new("50s").await;
        let evil = "\u{1b}]0;owned\u{7}\u{1b}[2Jgone \u{202e}desrever";
        let asked = desk.ask("Bash", json!({ "command": evil, "many": "line\n".repeat(300) }));
        desk.terminal.shows("\\u{1b}]0;owned\\u{7}\\u{1b}[2Jgone \\u{202e}desrever").await;
        for (rows, columns) in [(10, 40), (3, 12), (1, 1), (50, 200), (24, 80)] {
            desk.terminal.resize(rows, columns);
            if columns >= 40 {
                desk.terminal
                    .until("the frame at its width", |text| {
                        // Its corner tells it from an older and wider frame that was cut.
                        let first = text.lines().next().unwrap_or_default();
                        first.chars().count() == usize::from(columns) && first.ends_with('┐')
                    })
                    .await;
            }
        }
        desk.terminal.shows("many:").await;
        desk.terminal.press("     ");
        desk.terminal.until("what is further down", |text| !text.contains("many:")).await;
        desk.terminal.press_until("n", "the decision", |_| asked.is_finished()).await;
        desk.terminal.press("q");
        assert!(desk.terminal.left().await.success());
        desk.proxy.stop().await;
    });
}

#[test]
fn however_it_ends_the_terminal_is_as_before() {
    support::run(async {
        let mut desk = Desk::new("50s").await;
        desk.terminal.press("\u{3}");
        desk.terminal.left().await;
        desk.proxy.stop().await;
        for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
            let desk = Desk::new("50s").await;
            desk.terminal.signal(signal);
            desk.terminal.left().await;
            desk.proxy.stop().await;
        }
        // A proxy that ends is told, and looked for again.
        let desk = Desk::new("50s").await;
        desk.proxy.stop().await;
        let mut terminal = desk.terminal;
        terminal.shows("not connected, trying again").await;
        terminal.press("q");
        assert!(terminal.left().await.success());
    });
}
