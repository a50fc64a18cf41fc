use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ccproxy_core::document::Document;
use ccproxy_core::error::Kind;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};

use super::models::{Shape, convert};
use super::request::shape;
use super::*;

fn shaped(body: &str) -> Result<(String, Vec<String>)> {
    let mut document = Document::new(Bytes::copy_from_slice(body.as_bytes()));
    document.check().expect("JSON");
    let losses = shape(&mut document)?;
    let text = String::from_utf8_lossy(document.bytes()).into_owned();
    Ok((text, losses.into_iter().map(|loss| loss.field).collect()))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// What the CLI sends is taken as it is, to the byte.
#[test]
fn the_cli_s_own_request_stays_as_it_is() {
    let text = r#"{ "model":"gpt-6.1-sol","stream":true ,"input":[ {"type":"additional_tools","role":"developer","tools":[]},
        {"type":"message","role":"developer","content":[]}, {"type":"reasoning","encrypted_content":"x","content":null}],
        "store":false,"include":["reasoning.encrypted_content"],"reasoning":{"context":"all_turns"},"service_tier":"flex","stream_options":{"reasoning_summary_delivery":"sequential_cutoff"},"n":1.0}"#;
    assert_eq!(shaped(text).expect("taken"), (text.to_owned(), Vec::new()));
}

#[test]
fn what_the_backend_refuses_is_left_out_and_reported() {
    let text = r#"{"model":"m","input":[],"stream":false,"store":true,"max_output_tokens":5,"temperature":1,"top_p":null,
        "metadata":{},"user":"u","service_tier":"auto","background":false,"include":["a"],"previous_response_id":null}"#;
    let (body, losses) = shaped(text).expect("taken");
    let expected = json!({
        "model": "m", "input": [], "stream": true, "store": false, "previous_response_id": null,
        "include": ["a", "reasoning.encrypted_content"],
    });
    assert_eq!(value(&body), expected);
    assert_eq!(losses, ["max_output_tokens", "temperature", "user", "metadata", "store"]);
    let (body, losses) = shaped(r#"{"model":"m","input":[],"service_tier":"auto"}"#).expect("taken");
    assert_eq!(value(&body)["include"], json!(["reasoning.encrypted_content"]));
    assert!(losses.is_empty() && value(&body).get("service_tier").is_none(), "{losses:?}");
}

#[test]
fn input_becomes_items_that_are_taken() {
    let (body, _) = shaped(r#"{"model":"m","input":"say \"hi\""}"#).expect("taken");
    let part = json!({ "type": "input_text", "text": "say \"hi\"" });
    assert_eq!(value(&body)["input"], json!([{ "type": "message", "role": "user", "content": [part] }]));
    let text = r#"{"model":"m","stream":true,"store":false,"input":[{"role":"system","content":"s"},{"role":"user","content":[ ]},
        {"type":"item_reference","id":"rs_1"},{"type":"reasoning","id":"rs_2","summary":[]},
        {"type":"reasoning","encrypted_content":"x"},{"type":"message","role":"system","content":"t"},7]}"#;
    let (body, losses) = shaped(text).expect("taken");
    let expected = json!([
        { "role": "developer", "content": "s", "type": "message" },
        { "role": "user", "content": [], "type": "message" },
        { "type": "reasoning", "encrypted_content": "x" },
        { "type": "message", "role": "developer", "content": "t" },
        7,
    ]);
    assert_eq!(value(&body)["input"], expected);
    assert_eq!(losses, ["input.item_reference", "input.reasoning"]);
}

#[test]
fn what_is_stored_elsewhere_is_refused() {
    for (wish, name) in [
        (r#""previous_response_id":"resp_1""#, "previous_response_id"),
        (r#""conversation":{"id":"c"}"#, "conversation"),
        (r#""prompt":{"id":"p"}"#, "prompt"),
        (r#""background":true"#, "background"),
    ] {
        let error = shaped(&format!("{{\"model\":\"m\",\"input\":[],{wish}}}")).expect_err("refused");
        assert_eq!(error.kind(), Kind::InvalidRequest);
        assert!(error.message().contains(name), "{error}");
    }
    assert_eq!(shaped("[]").expect_err("refused").kind(), Kind::InvalidRequest);
}

fn token(account: &str) -> String {
    let claims = json!({ "exp": 1, "https://api.openai.com/auth": { "chatgpt_account_id": account } });
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// What goes upstream: bearer and account.
fn taken(
    settings: Value,
    variables: &[(&str, &str)],
    headers: &[(&'static str, String)],
) -> Result<(String, Option<String>)> {
    let config = Config::read(&settings).expect("settings");
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let login = Login::new(&config, variable, None).expect("a login");
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
    }
    let credential = login.take(&mut map, None)?;
    assert!(map.is_empty(), "{map:?} stays");
    let text = |name: &str| credential.get(name).map(|value| value.to_str().expect("text").to_owned());
    Ok((text("authorization").unwrap_or_default(), text("chatgpt-account-id")))
}

#[test]
fn a_token_and_its_account_go_together() {
    let own = || {
        vec![
            ("authorization", format!("Bearer {}", token("acct-own"))),
            ("chatgpt-account-id", "acct-told".into()),
        ]
    };
    let told = |bearer: String, account: &str| (bearer, Some(account.to_owned()));
    // The client's own, as it says or as its token says.
    assert_eq!(taken(json!({}), &[], &own()).expect("taken"), told(own()[0].1.clone(), "acct-told"));
    assert_eq!(taken(json!({}), &[], &own()[..1]).expect("taken"), told(own()[0].1.clone(), "acct-own"));
    let key = [("authorization", "Bearer sk-x.y.z".to_owned())];
    assert_eq!(taken(json!({}), &[], &key).expect("taken"), ("Bearer sk-x.y.z".to_owned(), None));
    // A configured one never travels with the client's account.
    let house = token("acct-house");
    let settings = json!({ "access_token": house });
    let bearer = || format!("Bearer {house}");
    assert_eq!(taken(settings.clone(), &[], &own()).expect("taken"), told(bearer(), "acct-house"));
    let account = json!({ "access_token": house, "account_id": "acct-set" });
    assert_eq!(taken(account, &[], &own()).expect("taken"), told(bearer(), "acct-set"));
    assert_eq!(
        taken(json!({ "api_key": "sk-1" }), &[], &own()).expect("taken"),
        ("Bearer sk-1".to_owned(), None)
    );
    // From the environment; passthrough asks nothing of it.
    let variables =
        [("CODEX_ACCESS_TOKEN", "tok"), ("CODEX_API_KEY", "sk-2"), ("CODEX_ACCOUNT_ID", " acct-env ")];
    assert_eq!(taken(json!({}), &variables, &own()).expect("taken"), told("Bearer tok".into(), "acct-env"));
    assert_eq!(taken(json!({}), &variables[1..2], &[]).expect("taken"), ("Bearer sk-2".to_owned(), None));
    let passing = json!({ "credential": "passthrough" });
    assert_eq!(taken(passing, &variables, &own()).expect("taken"), told(own()[0].1.clone(), "acct-told"));
    // None at all.
    assert_eq!(taken(json!({}), &[], &[]).expect_err("none").kind(), Kind::Unauthorized);
    assert!(taken(json!({ "credential": "api_key" }), &[], &own()).is_err());
}

#[test]
fn the_list_of_models_has_the_client_s_shape() {
    let headers = |name: &'static str, value: &'static str| {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    };
    let of = |uri: &'static str, headers: HeaderMap| Shape::of(&Uri::from_static(uri), &headers);
    assert_eq!(of("/codex/v1/models?client_version=0.171.0", HeaderMap::new()), Shape::Codex);
    assert_eq!(of("/codex/v1/models", headers("user-agent", "codex_exec/0.171.0")), Shape::Codex);
    assert_eq!(of("/codex/v1/models", headers("user-agent", "OpenAI/Python 2.54.0")), Shape::OpenAi);
    let body =
        json!({ "models": [{ "slug": "gpt-6.1-sol", "display_name": "GPT", "x": 1 }, { "id": "b" }, 7] });
    let list = convert(&body.to_string().into()).expect("a list");
    let list = value(std::str::from_utf8(&list).expect("text"));
    assert_eq!(
        (&list["object"], &list["data"][0]["id"], &list["data"][1]["id"]),
        (&json!("list"), &json!("gpt-6.1-sol"), &json!("b"))
    );
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2));
    let own = Bytes::from_static(b"{\"object\":\"list\", \"data\":[]}");
    assert_eq!(convert(&own), Some(own.clone()));
    assert_eq!(convert(&Bytes::from_static(b"<html>")), None);
}
