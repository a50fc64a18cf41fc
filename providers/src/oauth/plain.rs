//! Answers of identity providers as RFC 6749 and RFC 8628 have them. Tokens that came in an odd answer came all the same:
//! the refresh token that bought them is spent, so nothing is dropped for want of form.

use std::collections::BTreeMap;

use http::{HeaderValue, StatusCode, header};
use oauth2::HttpResponse;
use serde_json::{Map, Value};

/// Longest life of a token that is believed: a hundred years.
const LONGEST: u64 = 100 * 365 * 86_400;

/// An answer as the RFCs have it: some tell errors with a status of success, leave the type of a token out, or write numbers
/// as texts. `places` say where a server keeps fields that are not at the top.
pub(super) fn standard(mut answer: HttpResponse, places: &BTreeMap<String, String>) -> HttpResponse {
    let Ok(value) = serde_json::from_slice::<Value>(answer.body()) else { return answer };
    let found: Vec<(String, Value)> = places
        .iter()
        .filter_map(|(name, place)| Some((name.clone(), value.pointer(place)?.clone())))
        .collect();
    let Value::Object(mut object) = value else { return answer };
    object.extend(found);
    object.retain(|_, value| !value.is_null());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if text(&object, "access_token").is_some() && text(&object, "error").is_none() {
        // Not worth losing the tokens for: `"error": ""`, `false`, `0`.
        object.retain(|name, value| name != "error" || value.is_object());
    }
    if let Some(error) = object.get("error").cloned() {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        // Some put an object there: `{"error":{"type":..,"message":..}}`.
        if let Value::Object(error) = error {
            let word = error
                .get("code")
                .filter(|code| code.is_string())
                .or_else(|| error.get("type"))
                .and_then(Value::as_str);
            object.insert("error_description".to_owned(), error.get("message").cloned().unwrap_or_default());
            object.insert("error".to_owned(), word.unwrap_or("refused").into());
        }
        object.retain(|_, value| !value.is_null());
    } else if object.contains_key("access_token") {
        tokens(&mut object);
        if answer.status().is_success() {
            *answer.status_mut() = StatusCode::OK;
        }
    } else if object.contains_key("device_code") {
        number(&mut object, "expires_in");
        number(&mut object, "interval");
    }
    *answer.body_mut() = Value::Object(object).to_string().into_bytes();
    answer
}

/// Tokens whose fields are of the right types. An empty access token is none.
fn tokens(object: &mut Map<String, Value>) {
    for name in ["access_token", "refresh_token", "id_token", "token_type"] {
        if text(object, name).is_none() {
            object.remove(name);
        }
    }
    object.entry("token_type").or_insert("Bearer".into());
    number(object, "expires_in");
    let scope = match object.remove("scope") {
        Some(Value::String(scope)) => scope,
        Some(Value::Array(scopes)) => scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => return,
    };
    object.insert("scope".to_owned(), scope.into());
}

/// A text that is not empty.
fn text<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Seconds as a whole number, however they are written; nonsense is as good as nothing.
fn number(object: &mut Map<String, Value>, name: &str) {
    let seconds = match object.remove(name) {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    if let Some(seconds) = seconds.filter(|seconds: &f64| *seconds >= 0.0) {
        object.insert(name.to_owned(), (seconds as u64).min(LONGEST).into());
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, answer: &Value) -> (u16, Value) {
        let mut response = http::Response::new(answer.to_string().into_bytes());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let answer = standard(response, &BTreeMap::new());
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    #[test]
    fn odd_fields_become_plain_ones_and_nonsense_goes() {
        let whole = |more: Value| {
            let mut object = json!({ "access_token": "a", "token_type": "Bearer" });
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            object
        };
        for (odd, plain) in [
            (json!({ "expires_in": "3600" }), json!({ "expires_in": 3600 })),
            (json!({ "expires_in": " 3600.9 " }), json!({ "expires_in": 3600 })),
            (json!({ "expires_in": 3600.0 }), json!({ "expires_in": 3600 })),
            (json!({ "expires_in": 0 }), json!({ "expires_in": 0 })),
            (json!({ "expires_in": u64::MAX }), json!({ "expires_in": LONGEST })),
            (json!({ "expires_in": "inf" }), json!({ "expires_in": LONGEST })),
            (json!({ "expires_in": -1 }), json!({})),
            (json!({ "expires_in": "soon" }), json!({})),
            (json!({ "expires_in": "NaN" }), json!({})),
            (json!({ "expires_in": [1] }), json!({})),
            (json!({ "scope": ["one", 2, "two"] }), json!({ "scope": "one two" })),
            (json!({ "scope": { "one": true } }), json!({})),
            (json!({ "scope": null }), json!({})),
            (json!({ "token_type": null }), json!({})),
            (json!({ "token_type": "" }), json!({})),
            (json!({ "refresh_token": "" }), json!({})),
            (json!({ "refresh_token": 1 }), json!({})),
            (json!({ "id_token": "" }), json!({})),
            (json!({ "error": "" }), json!({})),
            (json!({ "error": false }), json!({})),
            (json!({ "odd": [1] }), json!({ "odd": [1] })),
        ] {
            assert_eq!(of(200, &whole(odd.clone())), (200, whole(plain)), "{odd}");
        }
        assert_eq!(of(201, &whole(json!({}))).0, 200);
        assert_eq!(of(200, &json!({ "access_token": "" })).1, json!({ "token_type": "Bearer" }));
        let device = json!({ "device_code": "d", "expires_in": "60", "interval": 5.0 });
        assert_eq!(of(200, &device).1, json!({ "device_code": "d", "expires_in": 60, "interval": 5 }));
    }

    #[test]
    fn a_refusal_stays_one() {
        for (error, plain) in [
            (json!({ "error": "invalid_grant" }), json!({ "error": "invalid_grant" })),
            (
                json!({ "error": { "type": "x", "message": "no" }, "access_token": "a" }),
                json!({ "error": "x", "error_description": "no", "access_token": "a" }),
            ),
        ] {
            assert_eq!(of(200, &error), (400, plain), "{error}");
        }
    }
}
