//! The board, drawn.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, List, ListState, Paragraph};
use serde_json::Value;

use super::board::{Board, Entry};
use super::diff::{self, Line as Changed};
use super::rows;
use crate::cli::plain;

/// The keys, from the longest way to tell them to the shortest.
const KEYS: [&str; 3] = [
    "y allow  n deny  e edit  a always, these arguments  A always, this tool  j k move  space b scroll  q quit",
    "y allow  n deny  e edit  a A always  j k move  space b scroll  q quit",
    "y n e  a A  j k  space b  q",
];
/// Least rows of the arguments, with their frame; without so much there is no list.
const DETAIL: u16 = 5;
/// Least rows of the list, with its frame.
const LIST: u16 = 3;
/// Columns that stand before the name of the tool in the list, its frame included.
const BEFORE_TOOL: usize = 9;
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws all of it, and notes how far the arguments have been seen.
pub(super) fn draw(frame: &mut Frame<'_>, board: &mut Board, now: Instant) {
    let area = frame.area();
    let foot_lines = foot(&board.said, area.width, area.height);
    let foot_height = u16::try_from(foot_lines.len()).unwrap_or(area.height).min(area.height);
    let list_height = list_height(area.height - foot_height, board.entries.len());
    let parts = [Constraint::Length(list_height), Constraint::Min(0), Constraint::Length(foot_height)];
    let [list, detail, foot] = Layout::vertical(parts).areas(area);
    if list_height > 0 {
        draw_list(frame, board, list, now);
    }
    draw_arguments(frame, board, detail, list_height > 0);
    frame.render_widget(Paragraph::new(foot_lines), foot);
}

/// What happened last, and the keys: on low screens in few rows.
fn foot(said: &str, width: u16, height: u16) -> Vec<Line<'static>> {
    let most = if height < 16 { 1 } else { 2 };
    let mut lines = rows::words(&plain::line(said), width);
    // An empty row is for screens that have one to spare.
    lines.truncate(if said.is_empty() && height < 10 { 0 } else { 2 });
    let mut ways = KEYS.iter().map(|keys| rows::words(keys, width));
    let keys = ways.find(|lines| lines.len() <= most).unwrap_or_else(|| rows::words(KEYS[2], width));
    lines.extend(keys);
    lines
}

/// The list gives way to the arguments: it has a third of the rows, and none where both have no room.
fn list_height(rows: u16, entries: usize) -> u16 {
    let wanted = u16::try_from(entries).unwrap_or(u16::MAX).clamp(1, 8) + 2;
    match rows < LIST + DETAIL {
        true => 0,
        false => wanted.min((rows / 3).max(LIST)),
    }
}

fn draw_list(frame: &mut Frame<'_>, board: &Board, area: Rect, now: Instant) {
    let title = if board.connected { " waiting " } else { " not connected, trying again " };
    let items: Vec<Line<'_>> = board.entries.iter().map(|entry| row(entry, now)).collect();
    let items = List::new(items)
        .block(Block::bordered().title(title))
        .highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let selected = (!board.entries.is_empty()).then_some(board.selected);
    frame.render_stateful_widget(items, area, &mut ListState::default().with_selected(selected));
}

fn draw_arguments(frame: &mut Frame<'_>, board: &mut Board, area: Rect, listed: bool) {
    let mut block = Block::bordered().title(match (listed, board.connected) {
        (true, _) => " arguments ".to_owned(),
        (false, true) => format!(" {} waiting ", board.entries.len()),
        (false, false) => " not connected ".to_owned(),
    });
    let inner = block.inner(area);
    let text = board.chosen().map_or_else(
        || Text::from("Nothing waits."),
        |entry| {
            let mut text = Text::default();
            let name = plain::line(&entry.tool);
            if !listed || Span::raw(&*name).width() + BEFORE_TOOL > usize::from(area.width) {
                text.extend([Line::styled(format!("tool: {name}"), BOLD)]);
            }
            text.extend(arguments(entry));
            text
        },
    );
    let lines: Vec<Line<'static>> =
        text.lines.iter().flat_map(|line| rows::rows(&line.to_string(), line.style, inner.width)).collect();
    let height = if inner.width == 0 { 0 } else { usize::from(inner.height) };
    board.seen(lines.len(), height);
    let below = lines.len().saturating_sub(board.scroll + height);
    if below > 0 {
        let lines = match (area.width < 28, below) {
            (true, _) => "",
            (false, 1) => " line",
            (false, _) => " lines",
        };
        block = block.title_bottom(format!(" {below} more{lines}: space "));
    }
    let shown: Vec<Line<'static>> = lines.into_iter().skip(board.scroll).take(height).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
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
    if entry.input.as_object().is_some_and(serde_json::Map::is_empty) {
        return Text::from("No arguments.");
    }
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
    let mut lines = vec![Line::styled(format!("{}:", plain::line(name)), BOLD)];
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
