//! `oauth.*` events: who asked for what and how it went. Nothing in them is secret.

use std::time::Duration;

use ccproxy_core::hooks::{Event, Kind};
use ccproxy_core::oauth::{Failure, Reason, Tokens};
use serde_json::{Value, json};

use super::House;
use crate::vault::Id;

impl House {
    /// A login or a refresh is about to ask for tokens, and why.
    pub(super) fn asks(&self, kind: Kind, id: &Id, why: &str) {
        self.emit(kind, || json!({ "provider": id.provider(), "account": id.account(), "why": why }));
    }

    /// Tokens came.
    pub(super) fn got(&self, kind: Kind, id: &Id, took: Duration, tokens: &Tokens) {
        let (provider, account) = (id.provider(), id.account());
        let took_ms = took.as_secs_f64() * 1000.0;
        tracing::info!(provider, account, took_ms = took_ms as u64, "tokens were {}", verb(kind));
        self.emit(kind, || {
            let expires_in = tokens.lifetime().map(|life| life.as_secs());
            json!({ "provider": provider, "account": account, "took_ms": took_ms, "expires_in": expires_in, "rotated": tokens.refresh.is_some() })
        });
    }

    /// No tokens came.
    pub(super) fn failed(&self, id: &Id, during: &str, failure: &Failure) {
        let (provider, account) = (id.provider(), id.account());
        tracing::warn!(provider, account, during, reason = failure.reason().word(), "{failure}");
        self.emit(Kind::OauthError, || {
            let needs_login = matches!(failure.reason(), Reason::NoLogin | Reason::NeedsLogin);
            json!({ "provider": provider, "account": account, "during": during, "error": failure.reason().word(), "message": failure.told(), "needs_login": needs_login })
        });
    }

    fn emit(&self, kind: Kind, data: impl FnOnce() -> Value) {
        if let Some(bus) = self.bus.get()
            && bus.wants(kind)
            && let Value::Object(data) = data()
        {
            bus.emit(Event::new(kind, data));
        }
    }
}

fn verb(kind: Kind) -> &'static str {
    if kind == Kind::OauthTokenResponse { "obtained" } else { "refreshed" }
}
