//! Whatever may come: any JSON, with the keys and words that the formats know in every place.

use proptest::prelude::*;
use serde_json::Value;

/// Words of requests and answers.
const WORDS: &str = "type role content text messages input model tools tool_calls function custom name arguments id \
    call_id tool_use_id tool_call_id user assistant system developer tool tool_use tool_result thinking signature \
    redacted_thinking reasoning reasoning_content reasoning_details summary encrypted_content image image_url source \
    base64 data url delta choices index finish_reason usage output output_index content_index summary_index item \
    response message error stop_reason logprobs token top_logprobs bytes annotations url_citation citations refusal \
    function_call custom_tool_call function_call_output phase status incomplete_details reason max_output_tokens stop \
    length content_block partial_json text_delta input_json_delta thinking_delta signature_delta citations_delta \
    citation web_search_result_location output_text summary_text part instructions system document file input_file \
    input_image input_audio search_result tool_reference cache_control prompt_cache_breakpoint include stream_options";

/// Types of events.
const TYPES: &str = "message_start content_block_start content_block_delta content_block_stop message_delta \
    message_stop ping error response.created response.in_progress response.output_item.added \
    response.output_item.done response.content_part.added response.content_part.done response.output_text.delta \
    response.output_text.done response.refusal.delta response.function_call_arguments.delta \
    response.function_call_arguments.done response.custom_tool_call_input.delta response.reasoning_summary_text.delta \
    response.reasoning_text.delta response.output_text.annotation.added response.completed response.incomplete \
    response.failed";

fn one_of(words: &'static str) -> impl Strategy<Value = String> {
    let words: Vec<&str> = words.split_whitespace().collect();
    prop::sample::select(words).prop_map(str::to_owned)
}

/// Any JSON.
pub(super) fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        one_of(WORDS).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((one_of(WORDS), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Events of any type that hold anything.
pub(super) fn events() -> impl Strategy<Value = Vec<Value>> {
    let fields = prop::collection::vec((one_of(WORDS), anything()), 0..6);
    let event = (one_of(TYPES), fields).prop_map(|(kind, fields)| {
        let mut event: serde_json::Map<String, Value> = fields.into_iter().collect();
        event.insert("type".into(), kind.into());
        Value::Object(event)
    });
    prop::collection::vec(event, 0..10)
}
