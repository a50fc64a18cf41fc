//! What of a request depends on the model and on several fields at once: the output limit, thinking, effort.

use super::models::{Model, Off};
use crate::formats::hub::{Call, Content, Dialect, Effort, Losses, Role, Seal, Thinking, ToolChoice};

/// Anthropic's smallest thinking budget.
const LEAST_BUDGET: u64 = 1024;
/// Tokens for the answer beside a budget of the client's own.
const ROOM: u64 = 8192;

/// What depends on the model and on several fields at once.
pub(super) struct Plan {
    pub(super) max_tokens: u64,
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<Effort>,
    pub(super) model: Model,
}

impl Plan {
    pub(super) fn of(call: &Call<'_>, losses: &mut Losses) -> Self {
        let model = Model::of(&call.model);
        let told = call.limits.max_tokens.as_deref().and_then(|text| text.parse().ok());
        let max_tokens = told.unwrap_or_else(|| model.max_tokens());
        let mut plan = Plan { max_tokens, thinking: call.reasoning.thinking, effort: None, model };
        if call.from == Dialect::Messages {
            plan.effort = call.reasoning.effort;
            return plan;
        }
        plan.choose(call, losses);
        plan
    }

    /// From an effort, a budget or a mere wish to think to what the model understands.
    fn choose(&mut self, call: &Call<'_>, losses: &mut Losses) {
        let reasoning = &call.reasoning;
        if reasoning.off() {
            return self.turn_off(losses);
        }
        self.thinking = None;
        let (effort, budget) = match (reasoning.effort, reasoning.thinking) {
            (effort, Some(Thinking::Budget(tokens))) => (effort.or(reasoning.effort()), Some(tokens)),
            (Some(effort), _) => (Some(effort), None),
            (None, Some(_)) => (None, None),
            (None, None) => return,
        };
        if !self.model.thinks() {
            return losses.add("reasoning_effort", "the model does not think");
        }
        let forced = matches!(call.tool_choice, Some(ToolChoice::Any | ToolChoice::Named { .. }))
            && self.model.takes_forced_tools();
        if self.model.adapts() {
            self.effort = effort;
            if effort == Some(Effort::XHigh) && !self.model.takes_xhigh() {
                losses.add("reasoning_effort", "the model's highest is high");
                self.effort = Some(Effort::High);
            }
            match forced {
                true => losses.add("reasoning_effort", "Claude does not think when a tool is forced"),
                false => self.thinking = Some(Thinking::Adaptive),
            }
            return;
        }
        let budget = self.budget(call, effort, budget);
        let why = match () {
            () if forced => "Claude does not think when a tool is forced",
            () if budget < LEAST_BUDGET => "the output limit leaves no room for thinking",
            () if interrupted(call) => "the tool loop began without signed thinking",
            () => return self.thinking = Some(Thinking::Budget(budget)),
        };
        losses.add("reasoning_effort", why);
    }

    /// Thoughts count as output. A client that counts its budget says how much; for others the answer keeps at
    /// least a fifth.
    fn budget(&mut self, call: &Call<'_>, effort: Option<Effort>, told: Option<u64>) -> u64 {
        let most = self.max_tokens / 5 * 4;
        let Some(told) = told else { return effort.unwrap_or(Effort::Medium).budget().min(most) };
        let told = told.max(LEAST_BUDGET);
        if call.limits.max_tokens.is_none() {
            self.max_tokens = self.max_tokens.max(told.saturating_add(ROOM));
        }
        if told < self.max_tokens { told } else { most }
    }

    fn turn_off(&mut self, losses: &mut Losses) {
        (self.thinking, self.effort) = match self.model.off() {
            Off::Silent => (None, None),
            Off::Disabled => (Some(Thinking::Disabled), None),
            Off::BetweenTools => (Some(Thinking::BetweenTools), Some(Effort::Low)),
            Off::Never => {
                losses.add("reasoning_effort", "the model cannot be told not to think");
                (None, Some(Effort::Low))
            }
        };
    }

    pub(super) fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Adaptive | Thinking::Budget(_)))
    }
}

/// Whether the last turn calls tools without a thought Claude would know again: then it must not think on.
fn interrupted(call: &Call<'_>) -> bool {
    let mut signed = false;
    for message in call.messages.iter().rev() {
        let has_result = message.parts.iter().any(|part| matches!(part.content, Content::Result(_)));
        match message.role {
            Role::User if !has_result => return false,
            Role::Assistant => {
                signed |= message.parts.iter().any(|part| {
                    matches!(&part.content, Content::Thought(thought)
                        if matches!(thought.seal, Some(Seal::Signature(_) | Seal::Redacted(_))))
                });
                if message.parts.iter().any(|part| matches!(part.content, Content::Call(_))) {
                    return !signed;
                }
            }
            _ => {}
        }
    }
    false
}
