//! [`Call`] -> Messages request.

use super::messages::Conversation;
use super::plan::Plan;
use super::schema::fit;
use super::tools::write_tools;
use crate::formats::hub::{Call, Dialect, Losses, OutputFormat, Text, Thinking};
use crate::formats::json::{self, Object};

/// Writes a request.
pub(in crate::formats) fn write(call: &Call<'_>, losses: &mut Losses) -> Vec<u8> {
    let plan = Plan::of(call, losses);
    let conversation = Conversation::of(call, plan.model, losses);
    json::object(|body| {
        body.text("model", &call.model);
        body.number("max_tokens", plan.max_tokens);
        conversation.write_system(body);
        conversation.write_messages(body, losses);
        write_tools(body, call, plan.model, losses);
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

fn write_thinking(body: &mut Object<'_>, call: &Call<'_>, plan: &Plan) {
    let Some(thinking) = plan.thinking else { return };
    body.object("thinking", |object| {
        match thinking {
            Thinking::Disabled => object.text("type", "disabled"),
            Thinking::BetweenTools => object.text("type", "between_tools"),
            Thinking::Adaptive => object.text("type", "adaptive"),
            Thinking::Budget(tokens) => {
                object.text("type", "enabled");
                object.number("budget_tokens", tokens);
            }
        }
        if call.from == Dialect::Messages {
            object.maybe_text("display", call.reasoning.summary.as_deref());
        } else if let (Thinking::Adaptive, Some(summary)) = (thinking, call.reasoning.summary.as_deref()) {
            object.text("display", if summary == "omitted" { summary } else { "summarized" });
        }
    });
}

fn write_output(body: &mut Object<'_>, call: &Call<'_>, plan: &Plan, losses: &mut Losses) {
    let schema = match &call.output {
        OutputFormat::Schema { schema, .. } if call.from == Dialect::Messages => Some(schema.as_str().into()),
        OutputFormat::Schema { name, description, schema, .. } => {
            for (field, told) in [("name", name), ("description", description)] {
                if told.is_some() {
                    losses.no_home(format!("response_format.json_schema.{field}"));
                }
            }
            Some(fit(schema, losses))
        }
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
    let mut top_k = limits.top_k.as_deref();
    if !own && plan.thinks() && top_k.take().is_some() {
        losses.add("top_k", "Claude takes none while it thinks");
    }
    for (key, number) in [("temperature", temperature), ("top_p", top_p), ("top_k", top_k)] {
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
    let mut parts = call.messages.iter().flat_map(|message| &message.parts);
    let marked = parts.any(|part| part.cache.is_some()) || call.tools.iter().any(|tool| tool.cache.is_some());
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
        return call.write_extra(Dialect::Messages, body, losses);
    }
    let told = [
        ("metadata", call.metadata.is_some()),
        ("logprobs", call.limits.logprobs == Some(true)),
        ("top_logprobs", call.limits.top_logprobs.is_some()),
        ("prompt_cache_retention", call.cache_retention.is_some() && call.cache_key.is_none()),
        ("store", call.store == Some(true)),
        ("stream_options.include_obfuscation", call.obfuscation == Some(true)),
        ("safety_identifier", call.safety_identifier.is_some() && call.user.is_some()),
    ];
    told.iter().filter(|(_, told)| *told).for_each(|(field, _)| losses.no_home(*field));
    for (key, _) in &call.reasoning.extra {
        losses.no_home(format!("reasoning.{key}"));
    }
    call.write_extra(Dialect::Messages, body, losses);
}
