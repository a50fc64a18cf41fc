//! What waits and what the person is about: everything about the screen that is not drawing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::events::Event;

/// A request on the board.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) tool: String,
    /// Where it comes from.
    pub(super) from: String,
    /// Its arguments; null while they are not known.
    pub(super) input: Value,
    pub(super) expires: Instant,
    /// Arguments that are to be used instead, not sent yet.
    pub(super) edited: Option<Value>,
    /// The end of what it would be run with has been on the screen.
    pub(super) read: bool,
}

/// What a key asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Nothing beyond the board.
    None,
    /// Leave.
    Quit,
    /// Open the editor.
    Edit,
    /// Send this answer to this request.
    Send(String, Value),
}

/// All of it.
#[derive(Default)]
pub(super) struct Board {
    pub(super) entries: Vec<Entry>,
    pub(super) selected: usize,
    /// One line about what happened last.
    pub(super) said: String,
    /// How many rows the arguments are scrolled.
    pub(super) scroll: usize,
    /// Rows of them that are on the screen.
    pub(super) page: usize,
    pub(super) connected: bool,
    /// Until when no key decides anything: another request has just taken the place of the chosen one, or of none.
    pub(super) shielded: Option<Instant>,
}

/// How long a key may still be meant for the request that was there before.
const SHIELD: Duration = Duration::from_millis(700);

impl Board {
    /// Takes an event. Gives the ids of requests whose arguments have to be asked for.
    pub(super) fn apply(&mut self, event: &Event, now: Instant) -> Vec<String> {
        match event.name.as_str() {
            "snapshot" => {
                let records: Vec<&Value> =
                    event.data["permissions"].as_array().into_iter().flatten().collect();
                let chosen = self.chosen().map(|entry| entry.id.clone());
                self.entries.retain(|entry| records.iter().any(|record| record["id"] == *entry.id));
                let wanted = records.into_iter().filter_map(|record| self.add(record, now)).collect();
                self.choose(chosen, now);
                wanted
            }
            "request" => self.add(&event.data, now).into_iter().collect(),
            "resolved" | "expired" => {
                let id = event.data["id"].as_str().unwrap_or_default();
                let chosen = self.chosen().map(|entry| entry.id.clone());
                let before = self.entries.len();
                self.entries.retain(|entry| entry.id != id);
                if self.entries.len() < before {
                    let word = |key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
                    self.said = format!("{}: {}", word("tool"), word("status"));
                }
                self.choose(chosen, now);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Fills in arguments that were asked for.
    pub(super) fn fill(&mut self, record: &Value) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| record["id"] == *entry.id) {
            entry.input = record["input"].clone();
        }
    }

    fn add(&mut self, record: &Value, now: Instant) -> Option<String> {
        let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let id = word("id");
        if id.is_empty() || self.entries.iter().any(|entry| entry.id == id) {
            return None;
        }
        let from: Vec<String> =
            ["source", "client", "session"].map(word).into_iter().filter(|word| !word.is_empty()).collect();
        if self.entries.is_empty() {
            // A key that is on its way is not meant for what has just come.
            self.shielded = Some(now + SHIELD);
        }
        let left = record["expires_in"].as_f64().unwrap_or_default().clamp(0.0, 86_400.0);
        self.entries.push(Entry {
            id: id.clone(),
            tool: word("tool"),
            from: from.join(", "),
            input: record["input"].clone(),
            expires: now + Duration::from_secs_f64(left),
            edited: None,
            read: false,
        });
        (record["input_cut"] == true).then_some(id)
    }

    /// The request that is looked at.
    pub(super) fn chosen(&self) -> Option<&Entry> {
        self.entries.get(self.selected)
    }

    /// Keeps the choice on the same request, where it is still there.
    fn choose(&mut self, id: Option<String>, now: Instant) {
        let place = id.and_then(|id| self.entries.iter().position(|entry| entry.id == id));
        if place.is_none() {
            self.scroll = 0;
            self.shielded = Some(now + SHIELD);
        }
        self.selected = place.unwrap_or(self.selected).min(self.entries.len().saturating_sub(1));
    }

    /// Arguments from the editor: text that must be a JSON object.
    pub(super) fn take_edit(&mut self, id: &str, text: &str) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) else {
            self.said = "this request is over".to_owned();
            return;
        };
        match serde_json::from_str::<Value>(text) {
            Ok(value) if value == entry.input => {
                (entry.edited, entry.read) = (None, false);
                self.said = "nothing was changed".to_owned();
            }
            Ok(value) if value.is_object() => {
                (entry.edited, entry.read) = (Some(value), false);
                self.scroll = 0;
                self.said = "y sends the changed arguments, u takes the change back".to_owned();
            }
            Ok(_) => self.said = "the arguments are a JSON object".to_owned(),
            Err(error) => self.said = format!("this is no JSON: {error}"),
        }
    }

    /// What a key means now.
    pub(super) fn key(&mut self, key: char, now: Instant) -> Action {
        match key {
            'q' => return Action::Quit,
            'j' => self.step(1),
            'k' => self.step(-1),
            // One row stays, so that the eye finds its place.
            ' ' => self.scroll = self.scroll.saturating_add(self.page.saturating_sub(1).max(1)),
            'b' => self.scroll = self.scroll.saturating_sub(self.page.saturating_sub(1).max(1)),
            'u' => {
                if let Some(entry) = self.entries.get_mut(self.selected) {
                    (entry.edited, entry.read) = (None, false);
                    self.scroll = 0;
                }
            }
            _ => {}
        }
        let Some(entry) = self.chosen() else { return Action::None };
        let send = |body: Value| Action::Send(entry.id.clone(), body);
        // What has not been seen is not decided about, except to refuse it.
        let unseen = entry.input.is_null();
        let shielded = self.shielded.is_some_and(|until| now < until);
        match key {
            'y' | 'n' | 'a' | 'A' if shielded => {
                self.said = "this is another request: look first".to_owned();
                Action::None
            }
            'n' => send(json!({ "decision": "deny" })),
            'y' | 'a' | 'A' | 'e' if unseen => {
                self.said = "the arguments are not here yet".to_owned();
                Action::None
            }
            'y' | 'a' | 'A' if !entry.read => {
                self.said = "there is more to read first: space".to_owned();
                Action::None
            }
            'y' => match &entry.edited {
                Some(edited) => send(json!({ "decision": "allow", "input": edited })),
                None => send(json!({ "decision": "allow" })),
            },
            'a' | 'A' if entry.edited.is_some() => {
                self.said = "a change is for this call alone: y sends it, u takes it back".to_owned();
                Action::None
            }
            'a' => send(json!({ "decision": "allow", "always": "exact" })),
            'A' => send(json!({ "decision": "allow", "always": "tool" })),
            'e' => Action::Edit,
            _ => Action::None,
        }
    }

    /// Takes note of what is on the screen: so many of so many rows of the arguments, from `scroll` on, which
    /// goes no further than to the last of them.
    pub(super) fn seen(&mut self, rows: usize, height: usize) {
        self.scroll = self.scroll.min(rows.saturating_sub(height));
        self.page = height;
        let end = height > 0 && self.scroll + height >= rows;
        if let Some(entry) = self.entries.get_mut(self.selected) {
            entry.read |= end && !entry.input.is_null();
        }
    }

    fn step(&mut self, by: isize) {
        let last = self.entries.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
        self.scroll = 0;
    }
}
