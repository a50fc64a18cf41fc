//! The board with figures of two looks, drawn on a terminal that is not there.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use serde_json::{Value, json};

use super::sample::{Board, Sample, size};
use super::{screen, terminal};

fn plugin(name: &str, calls: u64, lua_ms: f64) -> Value {
    let handlers = json!([
        { "handler": "security.request", "calls": calls, "errors": 1, "p50_us": 4.5, "p99_us": 90.0, "max_us": 1234.5 },
    ]);
    json!({
        "name": name, "state": "active", "reason": null, "dropped_events": 2,
        "stats": { "calls": calls, "errors": 1, "strikes": 0, "lua_ms": lua_ms, "memory_bytes": 3 << 20, "breaker": "closed", "handlers": handlers },
    })
}

fn look(started: u64, calls: u64) -> Sample {
    let traffic = json!({
        "uptime_seconds": 3725.0, "in_flight": 1, "started": started, "failed": 0,
        "bytes": { "request": 0, "response": 0 }, "tokens": { "input": started * 10, "output": started, "cached": 0 },
        "exchanges": [{ "seconds": 1.25, "provider": "mock", "model": "m\u{1b}[31m", "path": "/mock/v1/messages", "response_bytes": 2048, "client": "anonymous" }],
    });
    let status = json!({
        "version": "0.1.0", "generation": 3, "retiring": 0, "warnings": ["two plugins want one thing"],
        "reload": { "generation": 3, "took_ms": 12.3, "loaded": ["limits"], "failed": [{ "plugin": "bad", "state": "broken", "reason": "plugin.lua:1: no" }] },
        "plugins": [
            plugin("idle", 0, 0.0),
            plugin("limits", calls, calls as f64),
            { "name": "bad", "state": "broken", "reason": "plugin.lua:1: no", "stats": null },
            { "name": "off", "state": "disabled", "reason": "not mentioned", "stats": null },
        ],
    });
    Sample::new(traffic, status)
}

fn board() -> Board {
    let mut board = Board::new("http://127.0.0.1:8000");
    board.take(look(100, 100));
    board.take(look(200, 300));
    board
}

#[test]
fn rates_are_what_grew_between_two_looks() {
    let mut board = board();
    let rates = board.rates();
    assert!(rates.exchanges > 0.0 && (rates.input_tokens / rates.exchanges - 10.0).abs() < 0.01);
    let names: Vec<String> = board.rows().into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["limits", "bad", "idle"], "the busiest, the ill one, the rest; not what is off");
    assert!((board.rows()[0].calls_a_second / rates.exchanges - 2.0).abs() < 0.01);
    // The proxy was started anew: its counts begin at zero.
    board.take(look(7, 3));
    assert!(board.rates().exchanges > 0.0);
    assert!(board.rows().iter().all(|row| row.calls_a_second >= 0.0));
}

#[test]
fn the_picture_shows_plugins_handlers_exchanges_and_what_went_wrong() {
    let mut board = board();
    let mut screen = Terminal::new(TestBackend::new(140, 40)).expect("a screen");
    screen.draw(|frame| screen::draw(frame, &board)).expect("drawn");
    let shown = |screen: &Terminal<TestBackend>| screen.backend().to_string();
    let text = shown(&screen);
    for part in [
        "generation 3",
        "up 1 h 2 min",
        "limits",
        "handlers of limits",
        "1234.5",
        "/mock/v1/messages",
        "2.0 KiB",
        "bad broken: plugin.lua:1: no",
        "two plugins want",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "what a client says cannot steer the terminal");
    assert!(terminal::heed(&mut board, KeyEvent::from(KeyCode::Char('j'))));
    screen.draw(|frame| screen::draw(frame, &board)).expect("drawn");
    assert!(shown(&screen).contains(" plugin.lua:1: no "), "{}", shown(&screen));
    assert!(!terminal::heed(&mut board, KeyEvent::from(KeyCode::Char('q'))));
    // Small terminals are no reason to fail.
    for (wide, high) in [(1, 1), (20, 5), (80, 12)] {
        let mut small = Terminal::new(TestBackend::new(wide, high)).expect("a screen");
        small.draw(|frame| screen::draw(frame, &board)).expect("drawn");
    }
}

#[test]
fn scripts_get_it_as_json() {
    let told = board().json();
    assert_eq!(told["plugins"][0]["handlers"][0]["p99_us"], 90.0);
    assert_eq!(told["traffic"]["in_flight"], 1);
    assert_eq!((size(512.0), size(1536.0)), ("512 B".to_owned(), "1.5 KiB".to_owned()));
}
