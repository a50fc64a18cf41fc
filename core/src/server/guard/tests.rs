//! Keys, origins, and what is left on a request.

use bytes::Bytes;
use http::Request;

use super::*;
use crate::secret::Secret;

fn guard(settings: ServerSettings) -> Guard {
    Guard::new(&settings, &["127.0.0.1:8000".parse().expect("an address")])
}

fn keyed() -> Guard {
    guard(ServerSettings { auth_token: Some(Secret::new("ours")), ..ServerSettings::default() })
}

fn parts(fields: &[(&'static str, &'static str)]) -> Parts {
    let mut request = Request::post("/v1/messages").header("host", "127.0.0.1:8000");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

#[test]
fn our_key_is_taken_out_and_the_clients_own_stays() {
    type Fields = &'static [(&'static str, &'static str)];
    let cases: &[(Fields, Option<&[&str]>)] = &[
        (&[("authorization", "Bearer ours")], Some(&[])),
        (&[("authorization", "bearer  ours ")], Some(&[])),
        (&[("x-api-key", "ours")], Some(&[])),
        (&[("x-api-key", "ours"), ("authorization", "Bearer ours")], Some(&[])),
        (&[("x-api-key", "sk-ant"), ("authorization", "Bearer ours")], Some(&["x-api-key"])),
        (&[("x-api-key", "ours"), ("authorization", "Bearer sk")], Some(&["authorization"])),
        (&[], None),
        (&[("x-api-key", "")], None),
        (&[("x-api-key", "our")], None),
        (&[("x-api-key", "ours2")], None),
        (&[("authorization", "ours")], None),
        (&[("authorization", "Basic ours")], None),
        (&[("authorization", "Bearer")], None),
        (&[("x-api-key", "ours"), ("x-api-key", "theirs")], None),
    ];
    for (fields, expected) in cases {
        let mut parts = parts(fields);
        let found = keyed().authenticate(&mut parts);
        let left: Vec<&str> =
            parts.headers.keys().map(HeaderName::as_str).filter(|name| *name != "host").collect();
        match (expected, found) {
            (Some(expected), Ok(client)) => {
                assert_eq!((&left[..], &*client.id), (*expected, "auth_token"), "{fields:?}");
            }
            (None, Err(error)) => {
                assert_eq!(error.status(), 401, "{fields:?}");
                assert_eq!(error.headers()[0].0, WWW_AUTHENTICATE);
            }
            (_, found) => panic!("{fields:?}: {found:?}"),
        }
    }
}

#[test]
fn without_a_key_everyone_is_anonymous_and_nothing_is_taken_out() {
    let mut parts = parts(&[("x-api-key", "sk-ant"), ("authorization", "Bearer sk")]);
    let client = guard(ServerSettings::default()).authenticate(&mut parts).expect("anonymous");
    assert_eq!((&*client.id, parts.headers.len()), ("anonymous", 3));
}

#[test]
fn an_allowed_origin_may_ask_and_read() {
    let settings = ServerSettings {
        allowed_origins: vec!["https://app.example.com/".into()],
        ..ServerSettings::default()
    };
    let guard = guard(settings);
    let body = RequestBody::full(Bytes::new());
    let asked = [
        ("origin", "https://app.example.com"),
        ("sec-fetch-site", "cross-site"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-api-key"),
    ];
    let mut parts = parts(&asked);
    parts.method = Method::OPTIONS;
    guard.check(&parts, &body).expect("the origin is allowed");
    let mut answer = guard.preflight(&parts).expect("a preflight");
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "x-api-key");
    guard.share(HeaderValue::from_static("https://app.example.com"), answer.headers_mut());
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.com");
    for origin in
        ["https://app.example.com.evil.com", "http://app.example.com", "null", "HTTPS://APP.EXAMPLE.COM"]
    {
        let mut foreign = parts.clone();
        foreign.headers.insert(ORIGIN, HeaderValue::from_static(origin));
        assert_eq!(guard.check(&foreign, &body).expect_err(origin).status(), 403);
    }
}

#[test]
fn a_browser_is_sent_by_others_only_where_it_may_land_and_only_as_to_a_page() {
    let guard = guard(ServerSettings::default());
    let body = RequestBody::full(Bytes::new());
    let sent = || {
        let fetch = [("site", "cross-site"), ("mode", "navigate"), ("dest", "document")];
        let mut parts = parts(&[]);
        parts.method = Method::GET;
        for (name, value) in fetch {
            let name = HeaderName::from_bytes(format!("sec-fetch-{name}").as_bytes()).expect("a name");
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
        parts
    };
    let refused = |parts: &Parts, lands: bool| {
        guard.check_landing(parts, &body, || lands).err().map(|error| error.status().as_u16())
    };
    assert_eq!(refused(&sent(), true), None);
    assert_eq!(refused(&sent(), false), Some(403));
    for (name, value) in [
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-dest", "image"),
        ("origin", "null"),
        ("origin", "https://evil.example"),
    ] {
        let mut parts = sent();
        parts.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        assert_eq!(refused(&parts, true), Some(403), "{name}: {value}");
    }
    for method in [Method::POST, Method::HEAD] {
        let mut parts = sent();
        parts.method = method;
        assert_eq!(refused(&parts, true), Some(403));
    }
    let mut parts = sent();
    parts.headers.insert(HOST, HeaderValue::from_static("evil.example:80"));
    assert_eq!(refused(&parts, true), Some(421));
}
