//! The board and its screen, without a terminal.

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use super::board::{Action, Board};
use super::diff::{Line, diff};
use super::events::{Event, Lines};
use super::screen;
use crate::cli::plain;

fn event(name: &str, data: Value) -> Event {
    Event { name: name.to_owned(), id: "a-1".to_owned(), data }
}

fn record(id: &str, tool: &str, input: Value) -> Value {
    json!({ "id": id, "tool": tool, "source": "mcp", "client": "anonymous", "expires_in": 30.0, "input": input })
}

fn board(records: &[Value], now: Instant) -> Board {
    let mut board = Board { connected: true, ..Board::default() };
    board.apply(&event("snapshot", json!({ "permissions": records })), now);
    drawn(&mut board, now);
    board
}

fn drawn(board: &mut Board, now: Instant) -> String {
    drawn_at(board, now, 100, 20)
}

fn drawn_at(board: &mut Board, now: Instant, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| screen::draw(frame, board, now)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let row = |y: u16| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..rows).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

/// When nothing is shielded any more.
fn later(now: Instant) -> Instant {
    now + Duration::from_secs(2)
}

#[test]
fn a_key_that_was_meant_for_another_request_decides_nothing() {
    let now = Instant::now();
    let mut board = board(&[record("1", "Read", json!({})), record("2", "Bash", json!({}))], now);
    assert!(matches!(board.key('y', later(now)), Action::Send(..)));
    board.apply(&event("expired", json!({ "id": "1", "tool": "Read", "status": "expired" })), later(now));
    for key in ['y', 'n', 'a', 'A'] {
        assert_eq!(board.key(key, later(now)), Action::None, "{key}");
    }
    drawn(&mut board, now);
    assert!(matches!(board.key('y', later(later(now))), Action::Send(..)));
}

#[test]
fn requests_come_and_go_and_the_choice_stays() {
    let now = Instant::now();
    let mut board = board(&[record("1", "Bash", json!({})), record("2", "Write", json!({}))], now);
    board.key('j', later(now));
    assert_eq!(board.chosen().expect("a request").tool, "Write");
    board.apply(&event("request", record("3", "Read", json!({}))), now);
    board.apply(&event("resolved", json!({ "id": "1", "tool": "Bash", "status": "allowed" })), now);
    assert_eq!(board.chosen().expect("a request").tool, "Write");
    assert_eq!(board.said, "Bash: allowed");
    board.apply(&event("expired", json!({ "id": "2", "tool": "Write", "status": "expired" })), now);
    assert_eq!(board.chosen().expect("a request").tool, "Read");
    board.apply(&event("snapshot", json!({ "permissions": [] })), now);
    assert!(board.chosen().is_none());
    assert_eq!(board.key('y', later(now)), Action::None);
}

#[test]
fn keys_become_answers() {
    let now = Instant::now();
    let mut board = board(&[record("1", "Bash", json!({ "command": "ls" }))], now);
    let sent = |body: Value| Action::Send("1".to_owned(), body);
    assert_eq!(board.key('y', later(now)), sent(json!({ "decision": "allow" })));
    assert_eq!(board.key('n', later(now)), sent(json!({ "decision": "deny" })));
    assert_eq!(board.key('a', later(now)), sent(json!({ "decision": "allow", "always": "exact" })));
    assert_eq!(board.key('A', later(now)), sent(json!({ "decision": "allow", "always": "tool" })));
    assert_eq!(board.key('e', later(now)), Action::Edit);
    assert_eq!(board.key('q', later(now)), Action::Quit);
    board.take_edit("1", "[1]");
    assert_eq!(board.key('y', later(now)), sent(json!({ "decision": "allow" })), "no object, no change");
    board.take_edit("1", "{\"command\": \"ls -l\"}");
    let screen = drawn(&mut board, now);
    assert_eq!(board.key('a', later(now)), Action::None, "a change is for one call");
    assert_eq!(
        board.key('y', later(now)),
        sent(json!({ "decision": "allow", "input": { "command": "ls -l" } }))
    );
    assert!(
        screen.contains("-   \"command\": \"ls\"") && screen.contains("+   \"command\": \"ls -l\""),
        "{screen}"
    );
    board.key('u', later(now));
    drawn(&mut board, now);
    assert_eq!(board.key('y', later(now)), sent(json!({ "decision": "allow" })));
}

#[test]
fn what_is_not_seen_is_not_allowed() {
    let now = Instant::now();
    let mut board = Board::default();
    let cut = json!({ "id": "1", "tool": "Write", "input_cut": true, "expires_in": 5 });
    assert_eq!(board.apply(&event("request", cut), now), ["1"]);
    assert_eq!(board.key('y', later(now)), Action::None);
    assert!(matches!(board.key('n', later(now)), Action::Send(..)));
    drawn(&mut board, now);
    assert_eq!(board.key('y', later(now)), Action::None, "what is shown is that they are fetched");
    board.fill(&record("1", "Write", json!({ "file": "a" })));
    drawn(&mut board, now);
    assert!(matches!(board.key('y', later(now)), Action::Send(..)));
}

/// A command whose end is far down.
fn hidden() -> Value {
    json!({ "command": format!("echo hello{}rm -rf ~", "\n".repeat(40)) })
}

#[test]
fn nothing_is_allowed_before_its_end_was_on_the_screen() {
    let now = Instant::now();
    for (columns, rows) in [(80, 24), (40, 12), (200, 30), (20, 9)] {
        let mut board = Board { connected: true, ..Board::default() };
        let records: Vec<Value> = ["1", "2", "3", "4"].map(|id| record(id, "Bash", hidden())).into();
        board.apply(&event("snapshot", json!({ "permissions": records })), now);
        let screen = drawn_at(&mut board, now, columns, rows);
        let size = format!("{columns}x{rows}\n{screen}");
        assert!(screen.contains("echo hello") && !screen.contains("rm -rf"), "{size}");
        assert!(screen.contains(" more") && screen.contains(": space "), "{size}");
        for key in ['y', 'a', 'A'] {
            assert_eq!(board.key(key, later(now)), Action::None, "{key} at {size}");
        }
        assert!(drawn_at(&mut board, now, columns, rows).contains("there is more to"), "{size}");
        assert!(matches!(board.key('n', later(now)), Action::Send(..)), "a no is always right: {size}");
        let mut seen = String::new();
        for _ in 0..60 {
            board.key(' ', later(now));
            seen = drawn_at(&mut board, now, columns, rows);
        }
        // However often it is pressed, the end stays.
        assert!(seen.contains("rm -rf ~") && !seen.contains("more line"), "{seen}");
        assert!(matches!(board.key('y', later(now)), Action::Send(..)), "{seen}");
        for _ in 0..60 {
            board.key('b', later(now));
        }
        assert!(drawn_at(&mut board, now, columns, rows).contains("echo hello"));
        // It goes for this one alone, and for a change anew.
        board.take_edit("1", &json!({ "command": format!("{}ls", "\n".repeat(90)) }).to_string());
        board.key('j', later(now));
        drawn_at(&mut board, now, columns, rows);
        assert_eq!(board.key('y', later(now)), Action::None);
    }
}

#[test]
fn the_arguments_have_room_on_every_screen() {
    let now = Instant::now();
    let records: Vec<Value> =
        (0..9).map(|id| record(&id.to_string(), "Bash", json!({ "command": "ls" }))).collect();
    for (columns, rows) in [(40, 12), (40, 9), (30, 7), (80, 24), (30, 6)] {
        let mut board = board(&records, now);
        let screen = drawn_at(&mut board, now, columns, rows);
        assert!(screen.contains("ls") && screen.contains("Bash"), "{columns}x{rows}\n{screen}");
        assert!(screen.contains(" q"), "{columns}x{rows}\n{screen}");
    }
    // No screen is too small to be drawn; on the smallest nothing can be read, and nothing allowed.
    for (columns, rows) in [(1, 1), (2, 3), (12, 3), (3, 40)] {
        let mut board = Board::default();
        board.apply(&event("snapshot", json!({ "permissions": records })), now);
        drawn_at(&mut board, now, columns, rows);
        if rows <= 3 {
            assert_eq!(board.key('y', later(now)), Action::None, "{columns}x{rows}");
        }
    }
    // A name that the list cannot show stands with the arguments.
    let name = "mcp__docs__".to_owned() + &"x".repeat(60) + "_delete";
    let mut board = board(&[record("1", &name, json!({}))], now);
    let screen = drawn_at(&mut board, now, 40, 20);
    assert!(screen.contains("tool:") && screen.contains("_delete"), "{screen}");
}

#[test]
fn the_screen_shows_tool_arguments_and_time() {
    let now = Instant::now();
    let edit = json!({ "file_path": "a.rs", "old_string": "one\ntwo", "new_string": "one\nthree" });
    let mut board = board(&[record("1", "Edit", edit)], now);
    let screen = drawn(&mut board, now + Duration::from_secs(10));
    for wanted in
        ["20 s  Edit  (mcp, anonymous)", "file_path:", "a.rs", "  one", "- two", "+ three", "y allow"]
    {
        assert!(screen.contains(wanted), "`{wanted}` in\n{screen}");
    }
}

#[test]
fn text_of_others_steers_nothing() {
    assert_eq!(plain::line("a\u{1b}[2Jb\u{202e}c\r"), "a\\u{1b}[2Jb\\u{202e}c\\r");
    assert_eq!(plain::lines("a\n\tb"), ["a", "    b"]);
    let now = Instant::now();
    let mut board = board(&[record("1", "Ba\u{1b}[31msh", json!({ "command": "ls\u{1b}]0;x\u{7}" }))], now);
    assert!(!drawn(&mut board, now).contains('\u{1b}'));
}

#[test]
fn differences_are_found() {
    let same = |text: &str| Line::Same(text.to_owned());
    let (gone, new) = (|t: &str| Line::Gone(t.to_owned()), |t: &str| Line::New(t.to_owned()));
    assert_eq!(diff("a\nb\nc", "a\nx\nc"), [same("a"), gone("b"), new("x"), same("c")]);
    assert_eq!(diff("", "a"), [new("a")]);
    assert_eq!(diff("a", ""), [gone("a")]);
}

#[test]
fn events_are_read_at_every_split() {
    let text = b": hello\n\nevent: request\nid: ab-7\ndata: {\"id\":\"1\"}\n\nevent: expired\ndata: {}\n\n";
    for split in 0..text.len() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in [&text[..split], &text[split..]] {
            lines.0.extend(piece);
            while let Some(event) = lines.event() {
                found.push((event.name, event.id));
            }
        }
        let wanted = [("request".to_owned(), "ab-7".to_owned()), ("expired".to_owned(), String::new())];
        assert_eq!(found, wanted, "split at {split}");
    }
}
