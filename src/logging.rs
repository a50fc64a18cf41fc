//! What the proxy says about itself: one line an event, on standard error or in a file.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt as lines};

use crate::config::{LogFormat, Logging};
use crate::excerpt::Excerpts;

/// Starts logging. The error says why a log file cannot be written.
///
/// With `excerpts`, a line that names a place in a script is followed by that place.
pub(crate) fn start(logging: &Logging, excerpts: Option<Excerpts>) -> Result<(), String> {
    let (writer, terminal) = match &logging.file {
        Some(path) => {
            let file = open(path)
                .map_err(|error| format!("cannot write the log file `{}`: {error}", path.display()))?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
        None => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
    };
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match logging.format {
        LogFormat::Json => Box::new(lines::layer().json().flatten_event(true).with_writer(writer)),
        format => {
            let colour =
                format == LogFormat::Pretty || (format == LogFormat::Auto && terminal && colours_wanted());
            Box::new(lines::layer().event_format(Line { colour, excerpts }).with_writer(writer))
        }
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter(logging.level)));
    subscriber.try_init().map_err(|error| error.to_string())
}

/// Our own crates and the plugins at the chosen level; others speak only of trouble, unless everything is asked for.
fn filter(level: LevelFilter) -> Targets {
    let others = if level == LevelFilter::TRACE { LevelFilter::DEBUG } else { level.min(LevelFilter::WARN) };
    Targets::new().with_default(others).with_target("ccproxy", level).with_target("plugin", level)
}

fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Opens a log file at its end; a new one is for its owner only.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Time, level, message, fields. Control bytes are escaped, so that what a client or a provider sends
/// neither starts a line of its own nor reaches the terminal.
struct Line {
    colour: bool,
    excerpts: Option<Excerpts>,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        let level = *event.metadata().level();
        match self.colour {
            true => write!(writer, " \u{1b}[{}m{level:>5}\u{1b}[0m", colour(level))?,
            false => write!(writer, " {level:>5}")?,
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        write!(writer, " {}", fields.message)?;
        writeln!(writer, "{}", fields.rest)?;
        match &self.excerpts {
            Some(excerpts) => write!(writer, "{}", excerpts.of_line(&fields.message).unwrap_or_default()),
            None => Ok(()),
        }
    }
}

fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 34,
    }
}

/// The message, and the other fields as ` name=value`.
#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Fields {
    fn take(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            escape(&mut self.message, text);
        } else {
            let _ = write!(self.rest, " {}=", field.name());
            escape(&mut self.rest, text);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let quoted = field.name() != "message" && (value.is_empty() || value.contains([' ', '=', '"']));
        match quoted {
            true => self.take(field, &format!("{value:?}")),
            false => self.take(field, value),
        }
    }
}

fn escape(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn written(logging: Logging, say: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/x.log");
        let file = open(&path).unwrap();
        let layer =
            lines::layer().event_format(Line { colour: false, excerpts: None }).with_writer(Mutex::new(file));
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter(logging.level)));
        tracing::subscriber::with_default(subscriber, say);
        std::fs::read_to_string(&path).unwrap()
    }

    fn at(level: LevelFilter) -> Logging {
        Logging { level, format: LogFormat::Plain, file: None }
    }

    #[test]
    fn a_value_cannot_start_a_line_or_colour_it() {
        let text = written(at(LevelFilter::INFO), || {
            tracing::info!(target: "ccproxy", path = "/a\nERROR b\u{1b}[31m", "hello\r\nworld");
        });
        assert_eq!(text.lines().count(), 1);
        assert!(text.ends_with(" INFO hello\\r\\nworld path=\"/a\\nERROR b\\u{1b}[31m\"\n"), "{text}");
    }

    #[test]
    fn other_crates_speak_only_of_trouble() {
        let text = written(at(LevelFilter::DEBUG), || {
            tracing::debug!(target: "hyper::proto", "noise");
            tracing::warn!(target: "rustls", "trouble");
            tracing::debug!(target: "ccproxy_core::pipeline", "ours");
            tracing::debug!(target: "plugin", "a script's");
        });
        assert!(!text.contains("noise") && text.contains("trouble"), "{text}");
        assert!(text.contains("ours") && text.contains("a script's"), "{text}");
        let text = written(at(LevelFilter::OFF), || tracing::error!(target: "ccproxy", "x"));
        assert_eq!(text, "");
    }
}
