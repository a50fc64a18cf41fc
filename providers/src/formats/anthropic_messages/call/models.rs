//! What differs between Claude models in a request, told from their names. Source:
//! <https://platform.claude.com/docs/en/build-with-claude/thinking> and the migration guide.

/// A model's line and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    line: Line,
    /// Whole and first decimal: (4, 5). `None` when the name tells nothing: then the newest is assumed.
    version: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Sonnet,
    /// Thinks always.
    Fable,
    Other,
}

/// How a model is told not to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// By leaving `thinking` out.
    Silent,
    Disabled,
    BetweenTools,
    /// Not at all: the lowest effort is the nearest.
    Never,
}

impl Model {
    /// From names such as `claude-opus-4-5-20251101`, `claude-3-7-sonnet-latest`, `anthropic/claude-sonnet-4.5`.
    pub(super) fn of(name: &str) -> Self {
        let line = match name {
            name if name.contains("fable") || name.contains("mythos") => Line::Fable,
            name if name.contains("sonnet") => Line::Sonnet,
            _ => Line::Other,
        };
        let Some(at) = name.find("claude") else { return Model { line, version: None } };
        let words = name[at..].split(|letter: char| !letter.is_ascii_alphanumeric()).skip(1);
        // Dates and version tags are no parts of the number.
        let mut numbers = words.skip_while(|word| number(word).is_none()).map_while(number).take(2);
        let version = numbers.next().map(|whole| (whole, numbers.next().unwrap_or(0)));
        Model { line, version }
    }

    fn from(self, version: (u32, u32)) -> bool {
        self.version.is_none_or(|own| own >= version)
    }

    /// Thinks at all.
    pub(super) fn thinks(self) -> bool {
        self.from((3, 7))
    }

    /// Takes `thinking.type = "adaptive"` and an effort; older ones want a budget.
    pub(super) fn adapts(self) -> bool {
        self.from((4, 6))
    }

    /// How it is told not to think.
    pub(super) fn off(self) -> Off {
        match self.line {
            _ if !self.from((4, 7)) => Off::Silent,
            Line::Fable => Off::Never,
            _ if !self.from((5, 5)) => Off::Disabled,
            Line::Sonnet => Off::BetweenTools,
            Line::Other => Off::Never,
        }
    }

    /// Takes a choice that forces a tool: from 5.5 on it is refused.
    pub(super) fn takes_forced_tools(self) -> bool {
        self.version.is_none_or(|version| version < (5, 5))
    }

    /// Takes `temperature`, `top_p` and `top_k` at all: from 4.7 on they are refused.
    pub(super) fn samples(self) -> bool {
        self.version.is_none_or(|version| version < (4, 7))
    }

    /// Takes instructions in the middle of a conversation.
    pub(super) fn takes_instructions_anywhere(self) -> bool {
        self.version.is_some_and(|version| version >= (4, 8))
    }

    /// Takes the effort `xhigh`.
    pub(super) fn takes_xhigh(self) -> bool {
        self.from((4, 7))
    }

    /// Takes either `temperature` or `top_p`, not both.
    pub(super) fn one_sampling(self) -> bool {
        self.from((4, 1))
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

    #[test]
    fn thinking_is_turned_off_in_each_model_s_own_way() {
        for (name, off, forced) in [
            ("claude-sonnet-4-5", Off::Silent, true),
            ("claude-opus-4-6", Off::Silent, true),
            ("claude-opus-4-8", Off::Disabled, true),
            ("claude-opus-5", Off::Disabled, true),
            ("claude-opus-5-5", Off::Never, false),
            ("claude-sonnet-5", Off::Disabled, true),
            ("claude-sonnet-5-5", Off::BetweenTools, false),
            ("claude-fable-5", Off::Never, true),
            ("claude-mythos-5-1", Off::Never, true),
            ("some-alias", Off::Never, true),
        ] {
            let model = Model::of(name);
            assert_eq!((model.off(), model.takes_forced_tools()), (off, forced), "{name}");
        }
    }
}
