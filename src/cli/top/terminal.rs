//! The terminal: a picture every so often, and a few keys.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::sample::{Board, Sample};
use super::{ask, screen};
use crate::cli::running::Running;
use crate::cli::{Failure, Outcome};

/// How often keys are looked for.
const TICK: Duration = Duration::from_millis(100);

/// Runs until the person leaves.
pub(super) fn run(proxy: Running, every: Duration) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let mut board = Board::new(proxy.url());
    // A proxy that is not there, or refuses, is told on the plain terminal.
    board.take(runtime.block_on(ask(&proxy))?);
    let (sender, samples) = sync_channel(1);
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            // When the picture is behind, this look is left out.
            let sample = ask(&proxy).await;
            if let Err(std::sync::mpsc::TrySendError::Disconnected(_)) = sender.try_send(sample) {
                return;
            }
        }
    });
    let mut terminal = ratatui::init();
    let outcome = watch(&mut terminal, &mut board, &samples);
    ratatui::restore();
    runtime.shutdown_background();
    outcome
}

fn watch(
    terminal: &mut DefaultTerminal,
    board: &mut Board,
    samples: &Receiver<Result<Sample, Failure>>,
) -> Outcome {
    let broken = |error: std::io::Error| Failure::new(format!("the terminal failed: {error}"));
    loop {
        terminal.draw(|frame| screen::draw(frame, board)).map_err(broken)?;
        while event::poll(TICK).map_err(broken)? {
            if let event::Event::Key(key) = event::read().map_err(broken)?
                && !heed(board, key)
            {
                return Ok(());
            }
            terminal.draw(|frame| screen::draw(frame, board)).map_err(broken)?;
        }
        for sample in samples.try_iter() {
            match sample {
                Ok(sample) => board.take(sample),
                Err(Failure::Failed { message, .. }) => board.trouble = Some(message),
                Err(_) => board.trouble = Some("the proxy cannot be asked".to_owned()),
            }
        }
    }
}

/// False when it is to leave.
pub(super) fn heed(board: &mut Board, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('j') | KeyCode::Down => board.choose(true),
        KeyCode::Char('k') | KeyCode::Up => board.choose(false),
        _ => {}
    }
    true
}
