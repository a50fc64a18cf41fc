//! Finds and reads the token counts that answers tell.

use ccproxy_core::document::Json;
use ccproxy_core::format::Usage;

/// The keys a format counts under; a dot leads into a detail object.
pub(super) struct Keys {
    pub(super) input: &'static str,
    pub(super) output: &'static str,
    pub(super) cache_read: &'static str,
    /// The first that is there.
    pub(super) cache_write: &'static [&'static str],
    pub(super) reasoning: &'static str,
}

impl Keys {
    /// Reads a usage object; `None` when it counts nothing.
    pub(super) fn read(&self, usage: &Json<'_>) -> Option<Usage> {
        let count = |key: &str| {
            let mut steps = key.split('.');
            steps.try_fold(usage.clone(), |value, step| value.key(step))?.as_u64()
        };
        let read = Usage {
            input_tokens: count(self.input),
            output_tokens: count(self.output),
            cache_read_tokens: count(self.cache_read),
            cache_write_tokens: self.cache_write.iter().find_map(|key| count(key)),
            reasoning_tokens: count(self.reasoning),
        };
        (read != Usage::default()).then_some(read)
    }

    /// The first usage object in a piece of a stream.
    pub(super) fn first(&self, bytes: &[u8]) -> Option<Usage> {
        memchr::memmem::find_iter(bytes, KEY).find_map(|at| self.after_key(bytes, at))
    }

    /// The last usage object in a piece of a stream.
    pub(super) fn last(&self, bytes: &[u8]) -> Option<Usage> {
        let mut end = bytes.len();
        while let Some(at) = memchr::memmem::rfind(&bytes[..end], KEY) {
            if let Some(usage) = self.after_key(bytes, at) {
                return Some(usage);
            }
            end = at;
        }
        None
    }

    fn after_key(&self, bytes: &[u8], at: usize) -> Option<Usage> {
        let value = bytes[at + KEY.len()..].trim_ascii_start().strip_prefix(b":")?;
        if !value.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        self.read(&Json::prefix(value)?)
    }
}

/// Inside a JSON string the quotes would be escaped, so a match is a key.
const KEY: &[u8] = b"\"usage\"";

/// Later counts over earlier ones.
pub(super) fn merge(earlier: Option<Usage>, later: Option<Usage>) -> Option<Usage> {
    let (Some(earlier), Some(later)) = (earlier, later) else { return earlier.or(later) };
    Some(Usage {
        input_tokens: later.input_tokens.or(earlier.input_tokens),
        output_tokens: later.output_tokens.or(earlier.output_tokens),
        cache_read_tokens: later.cache_read_tokens.or(earlier.cache_read_tokens),
        cache_write_tokens: later.cache_write_tokens.or(earlier.cache_write_tokens),
        reasoning_tokens: later.reasoning_tokens.or(earlier.reasoning_tokens),
    })
}
