//! What is logged while a test runs, on its thread.

use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Most lines that are kept.
const MOST: usize = 10_000;

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) level: Level,
    /// The plugin that wrote it with `ccproxy.log`.
    pub(super) plugin: Option<String>,
    pub(super) message: String,
    /// As JSON, when a plugin gave any.
    pub(super) fields: Option<String>,
    /// What else stands in the line.
    rest: String,
}

impl Line {
    /// For people.
    pub(super) fn show(&self) -> String {
        let mut text = format!("{:5} ", self.level);
        if let Some(plugin) = &self.plugin {
            let _ = write!(text, "[{plugin}] ");
        }
        text.push_str(&self.message);
        if let Some(fields) = &self.fields {
            let _ = write!(text, " {fields}");
        }
        text.push_str(&self.rest);
        text
    }
}

/// Keeps the lines of one thread.
#[derive(Clone, Default)]
pub(super) struct Logs {
    lines: Arc<Mutex<Vec<Line>>>,
    spans: Arc<AtomicU64>,
}

impl Logs {
    /// The lines so far.
    pub(super) fn lines(&self) -> Vec<Line> {
        self.lines.lock().clone()
    }
}

impl Subscriber for Logs {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().starts_with("ccproxy");
        !metadata.is_span() && (metadata.target() == "plugin" || (own && *metadata.level() <= Level::INFO))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // An identity is never 0.
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        let mut lines = self.lines.lock();
        if lines.len() < MOST {
            let of_plugin = event.metadata().target() == "plugin";
            lines.push(Line {
                level: *event.metadata().level(),
                plugin: words.plugin.filter(|_| of_plugin),
                message: words.message,
                fields: words.fields,
                rest: words.rest,
            });
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Words {
    message: String,
    plugin: Option<String>,
    fields: Option<String>,
    rest: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            "plugin" => self.plugin = Some(value.to_owned()),
            "fields" => self.fields = Some(value.to_owned()),
            name => {
                let _ = write!(self.rest, " {name}={value}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
