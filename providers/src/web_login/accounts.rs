//! `/oauth/{provider}/refresh` and `/revoke`: of stored logins. No token is taken from a request, and none is told.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::oauth::Failure;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::Desk;
use super::begin::login_of;
use super::told::{self, refused};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Which {
    account: Option<String>,
}

/// `POST /oauth/{provider}/refresh`
pub(super) async fn refresh(desk: Arc<Desk>, exchange: Arc<Exchange>) -> Result<Answer> {
    let which: Which = told::fields(&exchange)?;
    let login = login_of(&desk, &told::param(&exchange, "provider"), which.account.as_deref())?;
    let held = login.refresh().await.map_err(refused)?;
    let summary = login.summary(held.tokens()).await;
    let id = login.id();
    let told = json!({ "provider": id.provider(), "account": id.account(), "expires_in": held.tokens().left().map(|left| left.as_secs()), "summary": summary });
    Ok(told::json(StatusCode::OK, &told))
}

/// `POST /oauth/{provider}/revoke`
pub(super) async fn revoke(desk: Arc<Desk>, exchange: Arc<Exchange>) -> Result<Answer> {
    let which: Which = told::fields(&exchange)?;
    let login = login_of(&desk, &told::param(&exchange, "provider"), which.account.as_deref())?;
    let id = login.id();
    let Some(revoked) = login.logout().await.map_err(refused)? else {
        return Err(refused(Failure::no_login(id.provider(), id.account())));
    };
    let why = revoked.as_ref().err().map(|failure| failure.told().to_owned());
    let told = json!({ "provider": id.provider(), "account": id.account(), "revoked": revoked.is_ok(), "why_not": why });
    Ok(told::json(StatusCode::OK, &told))
}
