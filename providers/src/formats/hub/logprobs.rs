//! How likely the words of an answer were. Chat and Responses tell it alike, token by token; what the one may
//! leave out the other requires, so every entry is written with all its fields.

use ccproxy_core::document::{Json, Kind};

use crate::formats::json::{Object, items, object_text, text_at};

/// The entries of a list of tokens, each as JSON text that both formats take.
pub(in crate::formats) fn logprobs(list: &Json<'_>) -> Vec<String> {
    let entries = items(list).filter(|entry| entry.kind() == Kind::Object);
    let write = |entry: Json<'_>| {
        object_text(|object| {
            write_token(object, &entry);
            object.array("top_logprobs", |array| {
                let others = entry.key("top_logprobs");
                others
                    .iter()
                    .flat_map(items)
                    .for_each(|other| array.object(|object| write_token(object, &other)));
            });
        })
    };
    entries.map(write).collect()
}

fn write_token(object: &mut Object<'_>, entry: &Json<'_>) {
    let token = text_at(entry, "token").unwrap_or_default();
    object.text("token", &token);
    object.raw("logprob", entry.key("logprob").and_then(|value| value.as_number()).unwrap_or("0"));
    let told = entry.key("bytes").filter(|bytes| bytes.kind() == Kind::Array);
    object.array("bytes", |array| match told {
        Some(bytes) => {
            items(&bytes).filter_map(|byte| byte.as_u64()).for_each(|byte| array.raw(&byte.to_string()))
        }
        None => token.bytes().for_each(|byte| array.raw(&byte.to_string())),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in() {
        let json = Json::whole(br#"[{"token":"a","logprob":-0.5},3,{"token":"b","logprob":-1e-3,"bytes":[98],"top_logprobs":[{"token":"c","logprob":-9,"bytes":null}]}]"#)
            .expect("JSON");
        assert_eq!(
            logprobs(&json),
            [
                r#"{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}"#,
                r#"{"token":"b","logprob":-1e-3,"bytes":[98],"top_logprobs":[{"token":"c","logprob":-9,"bytes":[99]}]}"#,
            ]
        );
    }
}
