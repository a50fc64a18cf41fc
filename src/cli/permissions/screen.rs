//! The board, drawn.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, List, ListState, Paragraph, Wrap};
use serde_json::Value;

use super::board::{Board, Entry};
use super::diff::{self, Line as Changed};
use crate::cli::plain;

const KEYS: &str = "y allow  n deny  e edit  a always, these arguments  A always, this tool  j k move  space b scroll  q quit";

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, now: Instant) {
    let rows = u16::try_from(board.entries.len()).unwrap_or(u16::MAX).clamp(1, 8) + 2;
    let parts = Layout::vertical([Constraint::Length(rows), Constraint::Min(3), Constraint::Length(3)]);
    let [list, detail, foot] = parts.areas(frame.area());
    let title = if board.connected { " waiting " } else { " not connected, trying again " };
    let items: Vec<Line<'_>> = board.entries.iter().map(|entry| row(entry, now)).collect();
    let items = List::new(items)
        .block(Block::bordered().title(title))
        .highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let selected = (!board.entries.is_empty()).then_some(board.selected);
    frame.render_stateful_widget(items, list, &mut ListState::default().with_selected(selected));
    let text = board.chosen().map_or_else(|| Text::from("Nothing waits."), arguments);
    let detail_text = Paragraph::new(text)
        .wrap(Wrap { trim: false })
        .scroll((board.scroll, 0))
        .block(Block::bordered().title(" arguments "));
    frame.render_widget(detail_text, detail);
    let foot_text = Text::from(vec![Line::from(plain::line(&board.said)), Line::from(KEYS)]);
    frame.render_widget(Paragraph::new(foot_text).wrap(Wrap { trim: true }), foot);
}

fn row(entry: &Entry, now: Instant) -> Line<'static> {
    let left = entry.expires.saturating_duration_since(now).as_secs_f64().ceil();
    Line::from(format!("{left:>4} s  {}  ({})", plain::line(&entry.tool), plain::line(&entry.from)))
}

fn arguments(entry: &Entry) -> Text<'static> {
    if let Some(edited) = &entry.edited {
        return changes(&pretty(&entry.input), &pretty(edited));
    }
    if entry.input.is_null() {
        return Text::from("They are being fetched.");
    }
    let mut text = Text::default();
    let (Some(old), Some(new)) = (entry.input["old_string"].as_str(), entry.input["new_string"].as_str())
    else {
        // Lines of long texts are easier to read as lines.
        for (name, value) in entry.input.as_object().into_iter().flatten() {
            text.extend(named(name, value));
        }
        if !entry.input.is_object() {
            text.extend(plain::lines(&pretty(&entry.input)).into_iter().map(Line::from));
        }
        return text;
    };
    for (name, value) in entry.input.as_object().into_iter().flatten() {
        if name != "old_string" && name != "new_string" {
            text.extend(named(name, value));
        }
    }
    text.extend(changes(old, new));
    text
}

fn named(name: &str, value: &Value) -> Vec<Line<'static>> {
    let shown = value.as_str().map_or_else(|| pretty(value), str::to_owned);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::styled(format!("{}:", plain::line(name)), bold)];
    lines.extend(plain::lines(&shown).into_iter().map(|line| Line::from(format!("  {line}"))));
    lines
}

fn changes(old: &str, new: &str) -> Text<'static> {
    let lines = diff::diff(old, new).into_iter().map(|line| match line {
        Changed::Same(text) => Line::from(format!("  {}", plain::line(&text))),
        Changed::Gone(text) => Line::styled(format!("- {}", plain::line(&text)), Style::new().fg(Color::Red)),
        Changed::New(text) => {
            Line::styled(format!("+ {}", plain::line(&text)), Style::new().fg(Color::Green))
        }
    });
    Text::from(lines.collect::<Vec<_>>())
}

/// JSON over several lines.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
