//! [`Call`] -> Messages request.

use super::messages::Conversation;
use super::models::Model;
use super::schema::fit;
use super::tools::write_tools;
use crate::formats::hub::{
    Call, Content, Dialect, Effort, Losses, OutputFormat, Role, Seal, Text, Thinking, ToolChoice,
};
use crate::formats::json::{self, Object};

/// Anthropic's smallest thinking budget.
const LEAST_BUDGET: u64 = 1024;

/// Writes a request.
pub(in crate::formats) fn write(call: &Call<'_>, losses: &mut Losses) -> Vec<u8> {
    let plan = Plan::of(call, losses);
    let conversation = Conversation::of(call, plan.model, losses);
    json::object(|body| {
        body.text("model", &call.model);
        body.number("max_tokens", plan.max_tokens);
        conversation.write_system(body);
        conversation.write_messages(body, losses);
        write_tools(body, call, losses);
        write_thinking(body, call, &plan);
        write_output(body, call, &plan, losses);
        write_sampling(body, call, &plan, losses);
        if let Some(user) = call.user.as_deref().or(call.safety_identifier.as_deref()) {
            body.object("metadata", |metadata| metadata.text("user_id", user));
        }
        if let Some(tier) = tier(call.service_tier.as_deref(), losses) {
            body.text("service_tier", tier);
        }
        write_cache(body, call);
        if call.stream {
            body.boolean("stream", true);
        }
        extra(body, call, losses);
    })
}

/// What depends on the model and on several fields at once.
struct Plan {
    max_tokens: u64,
    thinking: Option<Thinking>,
    effort: Option<Effort>,
    model: Model,
}

impl Plan {
    fn of(call: &Call<'_>, losses: &mut Losses) -> Self {
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

    /// From an effort to what the model understands.
    fn choose(&mut self, call: &Call<'_>, losses: &mut Losses) {
        let Some(effort) = call.reasoning.effort() else { return };
        if effort == Effort::None {
            // Without `thinking` older models do not think; some newer ones cannot be told not to.
            self.effort = self.model.newest().then_some(Effort::Low);
            return;
        }
        if !self.model.thinks() {
            losses.add("reasoning_effort", "the model does not think");
            return;
        }
        let forced = matches!(call.tool_choice, Some(ToolChoice::Any | ToolChoice::Named { .. }));
        if self.model.adapts() {
            self.effort = Some(effort);
            if effort == Effort::XHigh && !self.model.newest() {
                losses.add("reasoning_effort", "the model's highest is high");
                self.effort = Some(Effort::High);
            }
            if forced {
                losses.add("reasoning_effort", "Claude does not think when a tool is forced");
            } else {
                self.thinking = Some(Thinking::Adaptive);
            }
            return;
        }
        // Thoughts count as output, so the answer keeps at least a fifth.
        let budget = effort.budget().min(self.max_tokens / 5 * 4);
        let why = match () {
            () if forced => "Claude does not think when a tool is forced",
            () if budget < LEAST_BUDGET => "the output limit leaves no room for thinking",
            () if interrupted(call) => "the tool loop began without signed thinking",
            () => {
                self.thinking = Some(Thinking::Budget(budget));
                return;
            }
        };
        losses.add("reasoning_effort", why);
    }

    fn thinks(&self) -> bool {
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

fn write_thinking(body: &mut Object<'_>, call: &Call<'_>, plan: &Plan) {
    let Some(thinking) = plan.thinking else { return };
    body.object("thinking", |object| {
        match thinking {
            Thinking::Disabled => object.text("type", "disabled"),
            Thinking::Adaptive => object.text("type", "adaptive"),
            Thinking::Budget(tokens) => {
                object.text("type", "enabled");
                object.number("budget_tokens", tokens);
            }
        }
        if call.from == Dialect::Messages {
            object.maybe_text("display", call.reasoning.summary.as_deref());
        } else if thinking == Thinking::Adaptive && call.reasoning.summary.is_some() {
            object.text("display", "summarized");
        }
    });
}

fn write_output(body: &mut Object<'_>, call: &Call<'_>, plan: &Plan, losses: &mut Losses) {
    let schema = match &call.output {
        OutputFormat::Schema { schema, .. } if call.from == Dialect::Messages => Some(schema.as_str().into()),
        OutputFormat::Schema { schema, .. } => Some(fit(schema, losses)),
        OutputFormat::JsonObject => {
            losses.no_home("response_format.json_object");
            None
        }
        OutputFormat::Text => None,
    };
    if call.verbosity.is_some() {
        losses.no_home("verbosity");
    }
    if schema.is_none() && plan.effort.is_none() {
        return;
    }
    body.object("output_config", |config| {
        if let Some(effort) = plan.effort {
            config.text("effort", effort.anthropic_word());
        }
        if let Some(schema) = schema {
            config.object("format", |format| {
                format.text("type", "json_schema");
                format.raw("schema", &schema);
            });
        }
    });
}

fn write_sampling(body: &mut Object<'_>, call: &Call<'_>, plan: &Plan, losses: &mut Losses) {
    let limits = &call.limits;
    let own = call.from == Dialect::Messages;
    if !own && !plan.model.samples() {
        let told = [("temperature", &limits.temperature), ("top_p", &limits.top_p), ("top_k", &limits.top_k)];
        for (field, _) in told.iter().filter(|(_, value)| value.is_some()) {
            losses.add(*field, "the model refuses it");
        }
        return write_stops(body, call, losses);
    }
    let mut temperature = limits.temperature.as_deref();
    if let Some(text) = temperature.filter(|_| !own) {
        if plan.thinks() && text.parse() != Ok(1.0_f64) {
            losses.add("temperature", "Claude takes none while it thinks");
            temperature = None;
        } else if text.parse::<f64>().is_ok_and(|number| number > 1.0) {
            losses.add("temperature", "Claude's highest is 1");
            temperature = Some("1");
        }
    }
    let mut top_p = limits.top_p.as_deref();
    if let Some(text) = top_p.filter(|_| !own) {
        if temperature.is_some() && plan.model.one_sampling() {
            losses.add("top_p", "Claude takes either `temperature` or `top_p`");
            top_p = None;
        } else if plan.thinks() && text.parse::<f64>().is_ok_and(|number| number < 0.95) {
            losses.add("top_p", "Claude takes none under 0.95 while it thinks");
            top_p = None;
        }
    }
    for (key, number) in [("temperature", temperature), ("top_p", top_p), ("top_k", limits.top_k.as_deref())]
    {
        if let Some(number) = number {
            body.raw(key, number);
        }
    }
    write_stops(body, call, losses);
}

fn write_stops(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    let (limits, own) = (&call.limits, call.from == Dialect::Messages);
    let stops: Vec<&Text<'_>> = limits.stop.iter().filter(|stop| own || !stop.trim().is_empty()).collect();
    if stops.len() < limits.stop.len() {
        losses.add("stop", "Claude takes no stop sequence of white space");
    }
    if !stops.is_empty() {
        body.array("stop_sequences", |array| stops.iter().for_each(|stop| array.text(stop)));
    }
}

/// A client that names its conversation expects the prefix to be cached, as OpenAI does by itself; marks of its
/// own say it better.
fn write_cache(body: &mut Object<'_>, call: &Call<'_>) {
    if let Some(cache) = &call.cache_all {
        return body.raw("cache_control", cache.as_str());
    }
    let parts = call.messages.iter().flat_map(|message| &message.parts);
    let marked =
        parts.map(|part| &part.cache).chain(call.tools.iter().map(|tool| &tool.cache)).any(Option::is_some);
    if call.from == Dialect::Messages || call.cache_key.is_none() || marked {
        return;
    }
    body.object("cache_control", |cache| {
        cache.text("type", "ephemeral");
        if call.cache_retention.as_deref() == Some("24h") {
            cache.text("ttl", "1h");
        }
    });
}

fn tier(tier: Option<&str>, losses: &mut Losses) -> Option<&'static str> {
    match tier? {
        "auto" => Some("auto"),
        "default" => Some("standard_only"),
        _ => {
            losses.no_home("service_tier");
            None
        }
    }
}

/// Fields of the own format are kept, those of others are reported.
fn extra(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    if call.from == Dialect::Messages {
        call.extra.iter().for_each(|(key, raw)| body.raw(key, raw.as_str()));
        return;
    }
    let told = [
        ("metadata", call.metadata.is_some()),
        ("logprobs", call.limits.logprobs == Some(true)),
        ("top_logprobs", call.limits.top_logprobs.is_some()),
        ("prompt_cache_retention", call.cache_retention.is_some() && call.cache_key.is_none()),
        ("store", call.store == Some(true)),
    ];
    told.iter().filter(|(_, told)| *told).for_each(|(field, _)| losses.no_home(*field));
    call.report_extra(losses);
}
