//! What goes wrong in a script, in the words of the log. A client never reads any of it.

use ccproxy_core::Error;

/// Longest text of a script that is kept.
pub(crate) const MAX_TEXT: usize = 4 << 10;

/// A failed call into a script.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The script raised an error: its text, and where.
    Script {
        /// What it said, with file and line when known.
        message: String,
        /// The call stack, for the debug log.
        traceback: String,
    },
    /// The script raised, or the host was given, an error meant for the client.
    Refusal(Error),
    /// Its CPU budget is used up, whether it swallowed the error or not.
    Late(String),
    /// The CPU budget of its exchange was used up before it began.
    Spent,
    /// Its memory is used up.
    Memory(String),
    /// It took too long, waiting included.
    Timeout(String),
    /// The VM it ran in was thrown away while it waited.
    Gone,
    /// A panic in a host function.
    Panic(String),
    /// It returned what it may not return.
    Value(String),
}

impl Fault {
    /// A plain script error.
    pub(crate) fn script(message: impl Into<String>) -> Self {
        Fault::Script { message: clip(message.into()), traceback: String::new() }
    }

    /// Whether the VM's state can no longer be trusted.
    pub(crate) fn spoils_vm(&self) -> bool {
        matches!(self, Fault::Late(_) | Fault::Memory(_) | Fault::Panic(_))
    }

    /// Whether it is a strike against the plugin. What another call brought about is none: that call has
    /// had its strike.
    pub(crate) fn is_strike(&self) -> bool {
        !matches!(self, Fault::Gone | Fault::Refusal(_))
    }

    /// The word for counters.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Fault::Script { .. } => "error",
            Fault::Refusal(_) => "refusal",
            Fault::Late(_) | Fault::Spent => "cpu",
            Fault::Memory(_) => "memory",
            Fault::Timeout(_) => "timeout",
            Fault::Gone => "gone",
            Fault::Panic(_) => "panic",
            Fault::Value(_) => "value",
        }
    }

    /// The error the house sees. `handler` is `request`, `task `sweep``, ...
    pub(crate) fn into_error(self, plugin: &str, handler: &str) -> Error {
        let text = match self {
            Fault::Refusal(error) => return error,
            Fault::Script { message, traceback } => {
                if !traceback.is_empty() {
                    tracing::debug!(plugin, handler, traceback = %clip(traceback), "script traceback");
                }
                return Error::plugin(plugin, located(plugin, handler, &message));
            }
            Fault::Late(text) | Fault::Memory(text) | Fault::Timeout(text) | Fault::Value(text) => text,
            Fault::Spent => "its CPU budget for this exchange is used up".to_owned(),
            Fault::Gone => "its VM was replaced after another call broke a limit".to_owned(),
            Fault::Panic(text) => format!("panic in a host function: {text}"),
        };
        Error::plugin(plugin, located(plugin, handler, &text))
    }
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        if let mlua::Error::MemoryError(_) = innermost(&error) {
            return Fault::Memory("out of memory".to_owned());
        }
        Fault::Script { message: clip(cause_text(&error)), traceback: traceback(&error) }
    }
}

/// `plugin `x`, `request` at plugin.lua:12: the message`.
fn located(plugin: &str, handler: &str, message: &str) -> String {
    match split_position(message) {
        Some((position, rest)) => format!("plugin `{plugin}`, {handler} at {position}: {rest}"),
        None => format!("plugin `{plugin}`, {handler}: {message}"),
    }
}

/// Splits `plugin.lua:12: text` after the line number.
fn split_position(message: &str) -> Option<(&str, &str)> {
    let start = message.find(".lua:")? + ".lua:".len();
    let name = &message[..start];
    if name.contains(char::is_whitespace) {
        return None;
    }
    let digits = message[start..].bytes().take_while(u8::is_ascii_digit).count();
    let rest = message[start + digits..].strip_prefix(':')?;
    (digits > 0).then(|| (&message[..start + digits], rest.trim_start()))
}

/// The error at the root of wrappings.
pub(crate) fn innermost(error: &mlua::Error) -> &mlua::Error {
    match error {
        mlua::Error::CallbackError { cause, .. } | mlua::Error::WithContext { cause, .. } => innermost(cause),
        other => other,
    }
}

/// The root cause as one text, without the tracebacks in between.
pub(crate) fn cause_text(error: &mlua::Error) -> String {
    match innermost(error) {
        mlua::Error::RuntimeError(message) | mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::BadArgument { pos, name, cause, .. } => {
            let cause = cause_text(cause);
            match name {
                Some(name) => format!("bad argument #{pos} (`{name}`): {cause}"),
                None => format!("bad argument #{pos}: {cause}"),
            }
        }
        mlua::Error::FromLuaConversionError { from, to, message } => {
            let hint = message.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
            format!("expected {to}, got {from}{hint}")
        }
        mlua::Error::UserDataTypeMismatch => "wrong kind of object: call methods with `:`".to_owned(),
        mlua::Error::ExternalError(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn traceback(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { traceback, .. } => clip(traceback.clone()),
        _ => String::new(),
    }
}

/// Cuts a text at [`MAX_TEXT`] bytes, on a character's edge.
pub(crate) fn clip(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let mut end = MAX_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(" [cut]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_in_front_and_texts_are_cut() {
        let error = Fault::script("plugin.lua:12: boom").into_error("x", "`request`");
        assert_eq!(error.log(), Some("plugin `x`, `request` at plugin.lua:12: boom"));
        assert_eq!(error.message(), "plugin `x` failed");
        assert_eq!(
            Fault::script("no position here").into_error("x", "`request`").log(),
            Some("plugin `x`, `request`: no position here")
        );
        let long = clip("\u{e9}".repeat(MAX_TEXT));
        assert!(long.len() < MAX_TEXT + 16 && long.ends_with("[cut]"));
    }
}
