//! Identity providers whose answers to a refresh have odd fields. The refresh token that they answer is spent, so what
//! came counts.

use std::time::Duration;

use ccproxy_core::secret::Secret;
use serde_json::{Value, json};

use super::{logins, tokens};
use crate::support::upstream::Recorded;
use crate::support::{self, Reply, Upstream};

/// One refresh that is answered so: what is stored then, or why there is nothing new.
async fn refreshed(answer: Value) -> (Value, Option<String>) {
    let server = Upstream::with(move |_: &Recorded| Reply::json(200, &answer)).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| format!("{}{path}", server.url());
    let settings = json!({ "client_id": "c", "authorize_url": at("/authorize"), "token_url": at("/token") });
    let login = logins("acme", &settings, folder.path()).login("acme", "default").unwrap();
    login.store(tokens(("old".to_owned(), "rt-old".to_owned()))).await.unwrap();
    let failure = login.refresh().await.err().map(|failure| failure.to_string());
    let record = login.record().await.expect("what is stored can be read").unwrap();
    let stored = &record.tokens;
    let told = json!({
        "access": stored.access.expose(),
        "refresh": stored.refresh.as_ref().map(Secret::expose),
        "lives": stored.lifetime().as_ref().map(Duration::as_secs),
        "scopes": stored.scopes,
        "type": stored.token_type,
    });
    (told, failure)
}

#[test]
fn tokens_that_came_in_an_odd_answer_are_kept() {
    support::run(async {
        for (odd, changed) in [
            (json!({}), json!({})),
            (json!({ "expires_in": "3600" }), json!({ "lives": 3600 })),
            (json!({ "expires_in": 3600.0 }), json!({ "lives": 3600 })),
            (json!({ "expires_in": -1 }), json!({})),
            (json!({ "expires_in": u64::MAX }), json!({ "lives": 3_153_600_000_u64 })),
            (json!({ "scope": ["one", "two"] }), json!({ "scopes": ["one", "two"] })),
            (json!({ "scope": "one,two" }), json!({ "scopes": ["one", "two"] })),
            (json!({ "token_type": null }), json!({})),
            (json!({ "refresh_token": "" }), json!({ "refresh": "rt-old" })),
            (json!({ "refresh_token": null }), json!({ "refresh": "rt-old" })),
            (json!({ "error": null }), json!({})),
            (
                json!({ "expires_in": 60, "expires_at": "2026-01-01", "scopes": 1, "obtained_at": {} }),
                json!({ "lives": 60 }),
            ),
        ] {
            let mut answer =
                json!({ "access_token": "new", "refresh_token": "rt-new", "token_type": "bearer" });
            let mut wanted = json!({ "access": "new", "refresh": "rt-new", "lives": null, "scopes": [], "type": "Bearer" });
            for (whole, more) in [(&mut answer, &odd), (&mut wanted, &changed)] {
                let more = more.as_object().unwrap().clone();
                whole.as_object_mut().unwrap().extend(more);
            }
            assert_eq!(refreshed(answer).await, (wanted, None), "{odd}");
        }
    });
}

#[test]
fn an_answer_without_a_token_changes_nothing() {
    support::run(async {
        for access in [json!(""), json!(null), json!(1)] {
            let answer = json!({ "access_token": access, "refresh_token": "rt-new", "token_type": "bearer" });
            let (stored, failure) = refreshed(answer).await;
            assert!(failure.is_some_and(|failure| failure.contains("no sense")), "{access}");
            assert_eq!(
                (&stored["access"], &stored["refresh"]),
                (&json!("old"), &json!("rt-old")),
                "{access}"
            );
        }
    });
}
