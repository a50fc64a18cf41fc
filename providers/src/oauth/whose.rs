//! Whose tokens are, and how long one lives that says so itself. Signatures are not checked: the token came from the
//! server itself, over TLS, and nothing here grants anything.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ccproxy_core::oauth::{Account, Tokens};
use ccproxy_core::secret::Secret;
use serde_json::{Map, Value};

use super::server::Whose;

/// Where OpenAI keeps claims of its own.
const OPENAI: &str = "https://api.openai.com/auth";

/// As far as the answer tells.
pub(super) fn of_answer(server: Whose, more: &Map<String, Value>, tokens: &Tokens) -> Account {
    match server {
        Whose::Claude => {
            let field = |object: &str, key: &str| text(more.get(object)?.get(key));
            Account {
                id: field("account", "uuid"),
                email: field("account", "email_address"),
                organization: field("organization", "name"),
                plan: None,
            }
        }
        Whose::OpenAi => {
            let claims = tokens.id.as_ref().and_then(claims).unwrap_or_default();
            let own = claims
                .get(OPENAI)
                .cloned()
                .or_else(|| Some(self::claims(&tokens.access)?.get(OPENAI)?.clone()));
            let own = own.unwrap_or_default();
            let organization =
                own["organizations"][0].get("title").or_else(|| own["organizations"][0].get("id"));
            Account {
                id: text(own.get("chatgpt_account_id")),
                email: text(claims.get("email")),
                plan: text(own.get("chatgpt_plan_type")),
                organization: text(organization),
            }
        }
        Whose::Standard => {
            let claims = tokens.id.as_ref().and_then(claims).unwrap_or_default();
            Account { id: text(claims.get("sub")), email: text(claims.get("email")), ..Account::default() }
        }
        Whose::GitHub => Account::default(),
    }
}

/// As far as a profile tells.
pub(super) fn of_profile(server: Whose, profile: &Value) -> Account {
    match server {
        Whose::Claude => {
            let account = &profile["account"];
            let has = |key: &str| account[key].as_bool().unwrap_or_default();
            let plan = if has("has_claude_max") {
                "max"
            } else if has("has_claude_pro") {
                "pro"
            } else {
                "free"
            };
            Account {
                id: text(account.get("uuid")),
                email: text(account.get("email")).or_else(|| text(account.get("email_address"))),
                plan: account.is_object().then(|| plan.to_owned()),
                organization: text(profile["organization"].get("name")),
            }
        }
        Whose::GitHub => Account {
            id: text(profile.get("login")),
            email: text(profile.get("email")),
            ..Account::default()
        },
        Whose::OpenAi | Whose::Standard => {
            Account { id: text(profile.get("sub")), email: text(profile.get("email")), ..Account::default() }
        }
    }
}

/// How long a token lives from its issue, by its own claims: both are of the server's clock.
pub(super) fn lifetime(token: &Secret) -> Option<Duration> {
    let claims = claims(token)?;
    let (issued, end) = (claims.get("iat")?.as_u64()?, claims.get("exp")?.as_u64()?);
    end.checked_sub(issued).filter(|life| *life > 0).map(Duration::from_secs)
}

/// The claims of a JSON web token.
pub(super) fn claims(token: &Secret) -> Option<Map<String, Value>> {
    let middle = token.expose().split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(middle.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
