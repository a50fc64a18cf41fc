//! `ccproxy.log`: lines with fields, at a bounded rate, with nothing in them that could fake another line.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use mlua::{Lua, MultiValue, Table, Value};
use tracing::Level;

use crate::args::Args;
use crate::data::{self, Style};
use crate::host::Host;
use crate::meter::Meter;

/// Longest message, and longest fields as JSON, in bytes. A longer message is cut, larger fields are left out.
const LONGEST: usize = 16 << 10;

/// Writes log lines for one plugin.
pub struct Logger {
    plugin: Arc<str>,
    rate: u32,
    meter: Meter,
}

impl Logger {
    /// At most `limits.log_rate` lines a second.
    pub fn new(host: &Host) -> Self {
        let rate = host.limits.log_rate;
        Logger { plugin: host.plugin.clone(), rate, meter: Meter::new(rate) }
    }

    /// Whether anyone reads lines of this level. Ask before building one.
    pub fn wants(&self, level: Level) -> bool {
        match level {
            Level::ERROR => tracing::enabled!(target: "plugin", Level::ERROR),
            Level::WARN => tracing::enabled!(target: "plugin", Level::WARN),
            Level::INFO => tracing::enabled!(target: "plugin", Level::INFO),
            _ => tracing::enabled!(target: "plugin", Level::DEBUG),
        }
    }

    /// Writes a line, unless there were too many in this second. `fields` is JSON text.
    pub fn line(&self, level: Level, message: &[u8], fields: Option<&str>) {
        let Some(dropped) = self.meter.pass(Instant::now()) else { return };
        let plugin = &*self.plugin;
        if dropped > 0 {
            tracing::warn!(target: "plugin", plugin, dropped, "more than {} log lines a second", self.rate);
        }
        let message = printable(message);
        match level {
            Level::ERROR => tracing::error!(target: "plugin", plugin, fields, "{message}"),
            Level::WARN => tracing::warn!(target: "plugin", plugin, fields, "{message}"),
            Level::INFO => tracing::info!(target: "plugin", plugin, fields, "{message}"),
            _ => tracing::debug!(target: "plugin", plugin, fields, "{message}"),
        }
    }
}

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let log = lua.create_table()?;
    let logger = Arc::new(Logger::new(host));
    for (name, function, level) in [
        ("debug", "log.debug", Level::DEBUG),
        ("info", "log.info", Level::INFO),
        ("warn", "log.warn", Level::WARN),
        ("error", "log.error", Level::ERROR),
    ] {
        let (logger, host) = (logger.clone(), host.clone());
        let write = lua.create_function(move |lua, values: MultiValue| {
            super::context(&host, function)?;
            let args = Args::new(function, values);
            let message = args.text(1)?;
            let fields = args.any(2);
            if !matches!(fields, Value::Nil | Value::Table(_)) {
                return Err(args.wrong(2, "table of fields or nil", &fields));
            }
            if logger.wants(level) {
                logger.line(level, &message.as_bytes(), text_of(lua, &fields).as_deref());
            }
            Ok(())
        })?;
        log.set(name, write)?;
    }
    Ok(log)
}

/// The fields as JSON; of what cannot be written, the reason. A log line never fails.
fn text_of(lua: &Lua, fields: &Value) -> Option<String> {
    if fields.is_nil() {
        return None;
    }
    match data::to_json(lua, fields, LONGEST, Style::Compact) {
        Ok(text) => Some(printable(&text)),
        Err(refused) => Some(printable(format!("not logged: {refused}").as_bytes())),
    }
}

/// Text without line ends, terminal codes and letters that turn the reading direction; cut when too long.
fn printable(bytes: &[u8]) -> String {
    let cut = bytes.get(..LONGEST).unwrap_or(bytes);
    let text = String::from_utf8_lossy(cut);
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let hidden =
            matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match letter {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() || hidden => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", letter as u32);
            }
            letter => out.push(letter),
        }
    }
    if cut.len() < bytes.len() {
        out.push_str("... (cut)");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_fakes_another_line() {
        assert_eq!(printable(b"a\nb\r\x1b[31m\0\xff"), "a\\nb\\u{d}\\u{1b}[31m\\u{0}\u{fffd}");
        assert_eq!(printable("\u{202e}x\u{85}".as_bytes()), "\\u{202e}x\\u{85}");
        assert!(printable(&[b'x'; 100_000]).ends_with("x... (cut)"));
    }
}
