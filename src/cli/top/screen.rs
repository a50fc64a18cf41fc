//! The board, drawn, and as lines of text.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, Paragraph, Row as Cells, Table, TableState, Wrap};

use super::sample::{Board, Handler, Row, size};
use crate::cli::output::Output;
use crate::cli::plain;

const KEYS: &str = "j k choose a plugin   q quit";
const PLUGINS: [&str; 9] =
    ["PLUGIN", "STATE", "CALLS/S", "BUSY %", "MEMORY", "CALLS", "ERRORS", "STRIKES", "DROPPED"];
const HANDLERS: [&str; 6] = ["HANDLER", "CALLS", "ERRORS", "P50 us", "P99 us", "MAX us"];
const EXCHANGES: [&str; 6] = ["AGE", "PROVIDER", "MODEL", "PATH", "ANSWERED", "CLIENT"];

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board) {
    let rows = board.rows();
    let notes = board.notes();
    let foot = (notes.len().min(4) + 1) as u16;
    let parts = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(5),
        Constraint::Length(rows.get(board.chosen).map_or(3, |row| row.handlers.len().clamp(1, 8) as u16 + 3)),
        Constraint::Min(4),
        Constraint::Length(foot),
    ]);
    let [head, plugins, handlers, exchanges, notes_area] = parts.areas(frame.area());
    let mut top = vec![Line::from(plain::line(&board.head())), Line::from(plain::line(&board.flow()))];
    if let Some(trouble) = &board.trouble {
        top.push(Line::styled(plain::line(trouble), Style::new().fg(Color::Red)));
    }
    frame.render_widget(Paragraph::new(Text::from(top)).wrap(Wrap { trim: true }), head);

    let lines = rows.iter().map(|row| {
        let colour = match (row.state.as_str(), row.errors) {
            ("active", 0) => Style::new(),
            ("active", _) => Style::new().fg(Color::Yellow),
            _ => Style::new().fg(Color::Red),
        };
        cells(&plugin_cells(row)).style(colour)
    });
    let widths = [20, 10, 9, 8, 10, 10, 8, 8, 8].map(Constraint::Min);
    let table = Table::new(lines, widths)
        .header(header(&PLUGINS))
        .block(Block::bordered().title(" plugins "))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let chosen = (!rows.is_empty()).then_some(board.chosen);
    frame.render_stateful_widget(table, plugins, &mut TableState::default().with_selected(chosen));

    let (title, list) = match rows.get(board.chosen) {
        Some(row) if row.handlers.is_empty() && !row.reason.is_empty() => (row.reason.clone(), &[][..]),
        Some(row) => (format!("handlers of {}", row.name), row.handlers.as_slice()),
        None => ("handlers".to_owned(), &[][..]),
    };
    let table = Table::new(
        list.iter().map(|one| cells(&handler_cells(one))),
        [40, 10, 8, 10, 10, 10].map(Constraint::Min),
    );
    let block = Block::bordered().title(format!(" {} ", plain::line(&title)));
    frame.render_widget(table.header(header(&HANDLERS)).block(block), handlers);

    let table = Table::new(
        board.exchanges().iter().map(|one| cells(one)),
        [8, 14, 26, 26, 10, 12].map(Constraint::Min),
    );
    let block = Block::bordered().title(" exchanges in flight, since you look ");
    frame.render_widget(table.header(header(&EXCHANGES)).block(block), exchanges);

    let mut last: Vec<Line<'_>> = notes.iter().take(4).map(|note| Line::from(plain::line(note))).collect();
    last.push(Line::from(KEYS));
    frame.render_widget(Paragraph::new(last), notes_area);
}

fn header(names: &[&'static str]) -> Cells<'static> {
    Cells::new(names.iter().map(|name| Cell::from(*name)).collect::<Vec<_>>())
        .style(Style::new().add_modifier(Modifier::BOLD))
}

fn cells(texts: &[String]) -> Cells<'static> {
    Cells::new(texts.iter().map(|text| Cell::from(plain::line(text))).collect::<Vec<_>>())
}

fn plugin_cells(row: &Row) -> [String; 9] {
    let state = if row.breaker == "open" { "breaker open".to_owned() } else { row.state.clone() };
    [
        row.name.clone(),
        state,
        format!("{:.1}", row.calls_a_second),
        format!("{:.2}", row.busy),
        size(row.memory as f64),
        row.calls.to_string(),
        row.errors.to_string(),
        row.strikes.to_string(),
        row.dropped.to_string(),
    ]
}

fn handler_cells(one: &Handler) -> [String; 6] {
    [
        one.name.clone(),
        one.calls.to_string(),
        one.errors.to_string(),
        format!("{:.1}", one.p50),
        format!("{:.1}", one.p99),
        format!("{:.1}", one.max),
    ]
}

/// The same without a terminal.
pub(super) fn print(board: &Board, output: &mut Output) {
    output.line(board.head());
    output.line(board.flow());
    let rows = board.rows();
    output.line("");
    output.table(&PLUGINS, &rows.iter().map(|row| plugin_cells(row).to_vec()).collect::<Vec<_>>());
    for row in rows.iter().filter(|row| !row.handlers.is_empty()) {
        output.line(format!("\nhandlers of {}", row.name));
        output.table(
            &HANDLERS,
            &row.handlers.iter().map(|one| handler_cells(one).to_vec()).collect::<Vec<_>>(),
        );
    }
    let exchanges: Vec<Vec<String>> = board.exchanges().into_iter().map(|one| one.to_vec()).collect();
    if !exchanges.is_empty() {
        output.line("\nexchanges in flight");
        output.table(&EXCHANGES, &exchanges);
    }
    output.line("");
    board.notes().iter().for_each(|note| output.line(note));
}
