//! Orders in a prompt: `[mock status=529 retry-after=1]`. Unknown ones are told, not ignored.

use std::time::Duration;

use ccproxy_core::document::Json;
use http::StatusCode;
use serde_json::Value;

use super::config::MAX_DELAY;

/// Most pieces a text is sent in.
const MAX_CHUNKS: usize = 10_000;
/// Most tool calls of one answer.
const MAX_CALLS: usize = 16;

/// What the prompt orders.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Directives {
    /// `status=529`: answer with this error status.
    pub(super) status: Option<StatusCode>,
    /// `retry-after=1`: seconds, as a header of that error.
    pub(super) retry_after: Option<u64>,
    /// `wait=2s`: before the head of the answer.
    pub(super) wait: Duration,
    /// `delay=50ms`: before each event.
    pub(super) delay: Option<Duration>,
    /// `chunks=100`: the text comes in this many pieces, repeated or cut as needed.
    pub(super) chunks: Option<usize>,
    /// `cut` or `cut=7`: the stream breaks in the middle, or after so many events.
    pub(super) cut: Option<Option<usize>>,
    /// `error`: an error event in the middle of the stream.
    pub(super) error: bool,
    /// `tool=name`, repeatable, with `args={...}` after it: these calls.
    pub(super) tools: Vec<(String, Option<Value>)>,
    /// `text="..."`: the answer, word for word.
    pub(super) text: Option<String>,
    /// `thinking`: thinks first, even when not asked to.
    pub(super) thinking: bool,
}

impl Directives {
    /// Reads every `[mock ...]` in a prompt.
    pub(super) fn read(prompt: &str) -> Result<Self, String> {
        let mut directives = Directives::default();
        let mut rest = prompt;
        while let Some(start) = rest.find("[mock ") {
            rest = rest[start + 6..].trim_start();
            while !rest.is_empty() && !rest.starts_with(']') {
                rest = directives.word(rest)?.trim_start();
            }
        }
        Ok(directives)
    }

    /// Takes one order from the front of the text and gives back what follows it.
    fn word<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let end = text.find(|letter: char| letter == '=' || letter == ']' || letter.is_whitespace());
        let (key, after) = text.split_at(end.unwrap_or(text.len()));
        let Some(after) = after.strip_prefix('=') else {
            self.flag(key)?;
            return Ok(after);
        };
        if let Some(json) = after.starts_with(['{', '"']).then(|| Json::prefix(after.as_bytes())).flatten() {
            let value = serde_json::from_slice(json.raw()).map_err(|error| format!("`{key}`: {error}"))?;
            self.json(key, value)?;
            return Ok(&after[json.range().end..]);
        }
        let end = after.find(|letter: char| letter == ']' || letter.is_whitespace()).unwrap_or(after.len());
        self.plain(key, &after[..end])?;
        Ok(&after[end..])
    }

    fn flag(&mut self, key: &str) -> Result<(), String> {
        match key {
            "cut" => self.cut = Some(None),
            "error" => self.error = true,
            "thinking" => self.thinking = true,
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn json(&mut self, key: &str, value: Value) -> Result<(), String> {
        match (key, value) {
            ("text", Value::String(text)) => self.text = Some(text),
            ("args", args @ Value::Object(_)) => match self.tools.last_mut() {
                Some(tool) => tool.1 = Some(args),
                None => return Err("`args` goes after `tool=name`".into()),
            },
            ("tool", Value::String(name)) => return self.plain("tool", &name),
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn plain(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = |most: u64| match value.parse::<u64>() {
            Ok(number) if number <= most => Ok(number),
            _ => Err(format!("`{key}={value}` is not a number up to {most}")),
        };
        match key {
            "status" => {
                let status = StatusCode::from_u16(number(599)? as u16).ok();
                let error = status.filter(|status| status.is_client_error() || status.is_server_error());
                self.status = Some(error.ok_or_else(|| format!("`status={value}` is not an error status"))?);
            }
            "retry-after" => self.retry_after = Some(number(86_400)?),
            "wait" => self.wait = duration(key, value)?,
            "delay" => self.delay = Some(duration(key, value)?),
            "chunks" => self.chunks = Some((number(MAX_CHUNKS as u64)? as usize).max(1)),
            "cut" => self.cut = Some(Some(number(u64::from(u32::MAX))? as usize)),
            "text" => self.text = Some(value.to_owned()),
            "tool" if self.tools.len() < MAX_CALLS => self.tools.push((value.to_owned(), None)),
            "tool" => return Err(format!("more than {MAX_CALLS} tool calls")),
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

fn unknown(key: &str) -> String {
    format!(
        "the mock provider has no `{key}`; it knows status, retry-after, wait, delay, chunks, cut, error, tool, args, text, thinking"
    )
}

/// `50ms`, `2s` or seconds.
fn duration(key: &str, value: &str) -> Result<Duration, String> {
    let (digits, scale) = match (value.strip_suffix("ms"), value.strip_suffix('s')) {
        (Some(digits), _) => (digits, 0.001),
        (None, Some(digits)) => (digits, 1.0),
        (None, None) => (value, 1.0),
    };
    let seconds = digits.parse::<f64>().ok().map(|number| number * scale);
    let bounded = seconds.filter(|seconds| (0.0..=MAX_DELAY).contains(seconds));
    bounded
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("`{key}={value}` is not a time up to {MAX_DELAY} s, such as `50ms`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_from_anywhere_in_the_prompt() {
        let read = Directives::read(
            "hi [mock status=529 retry-after=1] and [mock delay=50ms wait=2s cut=3 chunks=9 tool=a args={\"x\":\"]\"} tool=b text=\"a b\" thinking error] bye",
        );
        let expected = Directives {
            status: StatusCode::from_u16(529).ok(),
            retry_after: Some(1),
            wait: Duration::from_secs(2),
            delay: Some(Duration::from_millis(50)),
            chunks: Some(9),
            cut: Some(Some(3)),
            error: true,
            tools: vec![("a".into(), Some(serde_json::json!({"x": "]"}))), ("b".into(), None)],
            text: Some("a b".into()),
            thinking: true,
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(Directives::read("nothing [mocked] here"), Ok(Directives::default()));
        assert_eq!(Directives::read("[mock cut").map(|read| read.cut), Ok(Some(None)));
    }

    #[test]
    fn wrong_orders_are_told() {
        for (prompt, why) in [
            ("[mock stauts=500]", "it knows status"),
            ("[mock status=200]", "not an error status"),
            ("[mock status=x]", "not a number"),
            ("[mock delay=5h]", "such as `50ms`"),
            ("[mock delay=-1]", "not a time"),
            ("[mock chunks=99999999]", "up to 10000"),
            ("[mock args={}]", "after `tool=name`"),
        ] {
            let told = Directives::read(prompt).expect_err(prompt);
            assert!(told.contains(why), "{told}");
        }
    }
}
