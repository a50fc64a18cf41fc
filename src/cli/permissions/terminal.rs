//! The terminal: keys in, the board out, and the proxy's events between.

use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::board::{Action, Board};
use super::events::{Event, Events};
use super::{editor, respond, screen};
use crate::cli::running::Running;
use crate::cli::x::segment;
use crate::cli::{Failure, Outcome};

/// How often the countdown moves, and keys are looked for.
const TICK: Duration = Duration::from_millis(100);
/// First and longest wait before the stream is opened anew.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// News that may wait to be shown.
const QUEUE: usize = 256;

/// What the proxy has to say.
enum News {
    Connected,
    Lost(String),
    Event(Event),
    /// A whole request.
    Record(Value),
    /// How an answer fared.
    Said(String),
    /// A signal asks for the end.
    End,
}

/// Runs until the person leaves.
pub(super) fn run(proxy: Running) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    // A proxy that is not there, or refuses, is told on the plain terminal.
    runtime.block_on(proxy.get("/permissions"))?;
    let proxy = std::sync::Arc::new(proxy);
    let (sender, news) = channel(QUEUE);
    runtime.spawn(listen(proxy.clone(), sender.clone()));
    #[cfg(unix)]
    runtime.spawn(signals(sender.clone()));
    let mut terminal = ratatui::init();
    let outcome =
        Session { proxy, sender, news, runtime: &runtime, board: Board::default() }.run(&mut terminal);
    ratatui::restore();
    runtime.shutdown_background();
    outcome
}

/// A signal that asks for the end: the terminal is given back first.
#[cfg(unix)]
async fn signals(news: Sender<News>) {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()];
    let [Ok(mut terminate), Ok(mut hang_up), Ok(mut interrupt)] = kinds.map(signal) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
        _ = interrupt.recv() => {}
    }
    let _ = news.send(News::End).await;
}

/// Reads events for ever, and goes on where it was.
async fn listen(proxy: std::sync::Arc<Running>, news: Sender<News>) {
    let mut last: Option<String> = None;
    let mut wait = RETRY.0;
    'streams: loop {
        let before = last.clone();
        let why = match Events::open(&proxy, last.as_deref()).await {
            Ok(mut events) => {
                if news.send(News::Connected).await.is_err() {
                    return;
                }
                loop {
                    match events.next().await {
                        Ok(Some(event)) => {
                            wait = RETRY.0;
                            last = Some(event.id.clone());
                            if news.send(News::Event(event)).await.is_err() {
                                return;
                            }
                        }
                        // One stream does not last for ever: the next goes on where it ended.
                        Ok(None) if last != before => continue 'streams,
                        Ok(None) => break "the proxy ended the stream".to_owned(),
                        Err(failure) => break told(&failure),
                    }
                }
            }
            Err(failure) => told(&failure),
        };
        if news.send(News::Lost(why)).await.is_err() {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

fn told(failure: &Failure) -> String {
    match failure {
        Failure::Failed { message, .. } => message.clone(),
        _ => "it failed".to_owned(),
    }
}

struct Session<'a> {
    proxy: std::sync::Arc<Running>,
    sender: Sender<News>,
    news: Receiver<News>,
    runtime: &'a tokio::runtime::Runtime,
    board: Board,
}

impl Session<'_> {
    fn run(mut self, terminal: &mut DefaultTerminal) -> Outcome {
        let broken = |error: std::io::Error| Failure::new(format!("the terminal failed: {error}"));
        loop {
            while let Ok(news) = self.news.try_recv() {
                if matches!(news, News::End) {
                    return Ok(());
                }
                self.hear(news);
            }
            terminal.draw(|frame| screen::draw(frame, &mut self.board, Instant::now())).map_err(broken)?;
            if !event::poll(TICK).map_err(broken)? {
                continue;
            }
            let event::Event::Key(key) = event::read().map_err(broken)? else { continue };
            match self.board_key(key) {
                Action::None => {}
                Action::Quit => return Ok(()),
                Action::Send(id, body) => self.send(id, body),
                Action::Edit => self.edit(terminal),
            }
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Connected => self.board.connected = true,
            News::Lost(why) => {
                self.board.connected = false;
                self.board.said = why;
            }
            News::Event(event) => {
                for id in self.board.apply(&event, Instant::now()) {
                    let (proxy, sender) = (self.proxy.clone(), self.sender.clone());
                    self.runtime.spawn(async move {
                        if let Ok(record) = proxy.get(&format!("/permissions/{}", segment(&id))).await {
                            let _ = sender.send(News::Record(record)).await;
                        }
                    });
                }
            }
            News::Record(record) => self.board.fill(&record),
            News::Said(text) => self.board.said = text,
            News::End => {}
        }
    }

    fn board_key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => Action::Quit,
            KeyCode::Char(_) if control => Action::None,
            KeyCode::Char(c) => self.board.key(c, Instant::now()),
            KeyCode::Down => self.board.key('j', Instant::now()),
            KeyCode::Up => self.board.key('k', Instant::now()),
            KeyCode::PageDown => self.board.key(' ', Instant::now()),
            KeyCode::PageUp => self.board.key('b', Instant::now()),
            _ => Action::None,
        }
    }

    fn send(&self, id: String, body: Value) {
        let (proxy, sender) = (self.proxy.clone(), self.sender.clone());
        self.runtime.spawn(async move {
            let said = match proxy.post(&respond::path(&id), &body).await {
                Ok(answer) => answer["problem"].as_str().map(|why| format!("no rule was written: {why}")),
                Err(failure) => Some(told(&failure)),
            };
            if let Some(said) = said {
                let _ = sender.send(News::Said(said)).await;
            }
        });
    }

    fn edit(&mut self, terminal: &mut DefaultTerminal) {
        let Some(entry) = self.board.chosen() else { return };
        let (id, text) = (entry.id.clone(), screen::pretty(entry.edited.as_ref().unwrap_or(&entry.input)));
        ratatui::restore();
        let edited = editor::edit(&text);
        *terminal = ratatui::init();
        match edited {
            Ok(text) => self.board.take_edit(&id, &text),
            Err(why) => self.board.said = why,
        }
    }
}
