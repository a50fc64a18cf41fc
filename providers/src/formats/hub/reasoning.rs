//! How hard the model is to think, in either vendor's measure.

use super::{Raw, Text};

/// How the model thinks before it answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::formats) struct Reasoning<'a> {
    pub(in crate::formats) thinking: Option<Thinking>,
    pub(in crate::formats) effort: Option<Effort>,
    /// Whether and how thoughts are shown: `auto`, `concise`, `detailed`, `omitted`, `summarized`.
    pub(in crate::formats) summary: Option<Text<'a>>,
    /// Fields of Responses' `reasoning` that only it knows.
    pub(in crate::formats) extra: Vec<(Text<'a>, Raw<'a>)>,
}

/// Anthropic's ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Thinking {
    Disabled,
    Adaptive,
    /// Up to so many tokens.
    Budget(u64),
    /// Not before the answer, but between calls of tools.
    BetweenTools,
}

/// From none to all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::formats) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

impl Effort {
    /// Every vendor spells them alike.
    pub(in crate::formats) fn read(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Effort::None,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" => Effort::XHigh,
            "max" => Effort::Max,
            _ => return None,
        })
    }

    pub(in crate::formats) fn word(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
            Effort::Max => "max",
        }
    }

    /// Anthropic's lowest is `low`.
    pub(in crate::formats) fn anthropic_word(self) -> &'static str {
        if self < Effort::Low { "low" } else { self.word() }
    }

    /// A thinking budget of that weight. Never under Anthropic's minimum of 1024.
    pub(in crate::formats) fn budget(self) -> u64 {
        match self {
            Effort::None | Effort::Minimal => 1024,
            Effort::Low => 4096,
            Effort::Medium => 10_240,
            Effort::High => 24_576,
            Effort::XHigh | Effort::Max => 32_768,
        }
    }

    /// The effort whose budget is nearest.
    pub(in crate::formats) fn of_budget(tokens: u64) -> Self {
        match tokens {
            0..=4096 => Effort::Low,
            4097..=16_384 => Effort::Medium,
            _ => Effort::High,
        }
    }
}

impl Reasoning<'_> {
    /// The effort, whichever way it was asked for.
    pub(in crate::formats) fn effort(&self) -> Option<Effort> {
        match (self.effort, self.thinking) {
            (Some(effort), _) => Some(effort),
            (None, Some(Thinking::Budget(tokens))) => Some(Effort::of_budget(tokens)),
            (None, _) => None,
        }
    }

    /// Whether the model is told not to think.
    pub(in crate::formats) fn off(&self) -> bool {
        match self.effort {
            Some(effort) => effort == Effort::None,
            None => matches!(self.thinking, Some(Thinking::Disabled | Thinking::BetweenTools)),
        }
    }

    /// Whether thoughts are to be shown.
    pub(in crate::formats) fn shown(&self) -> bool {
        let asked = matches!(self.thinking, Some(Thinking::Adaptive | Thinking::Budget(_)));
        match self.summary.as_deref() {
            Some("omitted") => false,
            Some(_) => true,
            None => asked,
        }
    }
}
