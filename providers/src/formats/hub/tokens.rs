//! Token counts in one meaning.

/// Tokens of one answer. `input` is what was neither read from nor written to a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::formats) struct Tokens {
    pub(in crate::formats) input: Option<u64>,
    pub(in crate::formats) cache_read: Option<u64>,
    pub(in crate::formats) cache_write: Option<u64>,
    pub(in crate::formats) output: Option<u64>,
    pub(in crate::formats) reasoning: Option<u64>,
}

impl Tokens {
    /// From counts whose input includes the cached tokens, as OpenAI counts.
    pub(in crate::formats) fn of_total(mut self) -> Self {
        let cached = self.cache_read.unwrap_or(0).saturating_add(self.cache_write.unwrap_or(0));
        self.input = self.input.map(|input| input.saturating_sub(cached));
        self
    }

    /// All input tokens, as OpenAI counts.
    pub(in crate::formats) fn total_input(&self) -> u64 {
        let parts = [self.input, self.cache_read, self.cache_write];
        parts.into_iter().flatten().fold(0, u64::saturating_add)
    }

    /// Later counts over earlier ones.
    pub(in crate::formats) fn update(&mut self, later: Tokens) {
        self.input = later.input.or(self.input);
        self.cache_read = later.cache_read.or(self.cache_read);
        self.cache_write = later.cache_write.or(self.cache_write);
        self.output = later.output.or(self.output);
        self.reasoning = later.reasoning.or(self.reasoning);
    }
}
