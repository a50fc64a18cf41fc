//! What differs between Claude models in a request, told from their names.

/// A model's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// Whole and first decimal: (4, 5). `None` when the name tells nothing: then the newest is assumed.
    version: Option<(u32, u32)>,
}

impl Model {
    /// From names such as `claude-opus-4-5-20251101`, `claude-3-7-sonnet-latest`, `anthropic/claude-sonnet-4.5`.
    pub(super) fn of(name: &str) -> Self {
        let Some(at) = name.find("claude") else { return Model { version: None } };
        let words = name[at..].split(|letter: char| !letter.is_ascii_alphanumeric()).skip(1);
        // Dates and version tags are no parts of the number.
        let mut numbers = words.skip_while(|word| number(word).is_none()).map_while(number).take(2);
        let version = numbers.next().map(|whole| (whole, numbers.next().unwrap_or(0)));
        Model { version }
    }

    /// Thinks at all.
    pub(super) fn thinks(self) -> bool {
        self.version.is_none_or(|version| version >= (3, 7))
    }

    /// Takes `thinking.type = "adaptive"` and an effort; older ones want a budget.
    pub(super) fn adapts(self) -> bool {
        self.version.is_none_or(|version| version >= (4, 6))
    }

    /// Takes `temperature`, `top_p` and `top_k` at all: from 4.7 on they are refused.
    pub(super) fn samples(self) -> bool {
        self.version.is_none_or(|version| version < (4, 7))
    }

    /// Takes instructions in the middle of a conversation.
    pub(super) fn takes_instructions_anywhere(self) -> bool {
        self.version.is_some_and(|version| version >= (4, 8))
    }

    /// Takes the effort `xhigh`, and no thinking that is told to be off.
    pub(super) fn newest(self) -> bool {
        self.version.is_none_or(|version| version >= (4, 7))
    }

    /// Takes either `temperature` or `top_p`, not both.
    pub(super) fn one_sampling(self) -> bool {
        self.version.is_none_or(|version| version >= (4, 1))
    }

    /// `max_tokens`, which must be told, where the client does not limit the answer.
    pub(super) fn max_tokens(self) -> u64 {
        match self.version {
            Some(version) if version < (3, 5) => 4096,
            Some(version) if version < (4, 0) => 8192,
            _ => 32_000,
        }
    }
}

fn number(word: &str) -> Option<u32> {
    word.parse().ok().filter(|number| *number < 100 && word.len() <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_versions() {
        for (name, version) in [
            ("claude-opus-4-5-20251101", Some((4, 5))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-3-7-sonnet-latest", Some((3, 7))),
            ("claude-3-opus-20240229", Some((3, 0))),
            ("claude-opus-5-5", Some((5, 5))),
            ("anthropic/claude-sonnet-4.5", Some((4, 5))),
            ("claude-next", None),
            ("gpt-5", None),
        ] {
            assert_eq!(Model::of(name).version, version, "{name}");
        }
        assert!(Model::of("claude-opus-5-5").adapts() && !Model::of("claude-haiku-4-5").adapts());
        assert!(!Model::of("claude-3-5-sonnet-latest").thinks());
    }
}
