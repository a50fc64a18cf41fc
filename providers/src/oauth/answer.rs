//! What an identity provider answered, as tokens.

use std::fmt;

use ccproxy_core::oauth::{Failure, Reason, Tokens};
use ccproxy_core::secret::Secret;
use oauth2::basic::{BasicErrorResponse, BasicTokenType};
use oauth2::{RequestTokenError, StandardTokenResponse, TokenResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::network::Failed;
use super::server::Whose;
use super::whose;

/// Tokens, and whatever else came with them.
pub(super) type Answer = StandardTokenResponse<More, BasicTokenType>;

/// Fields that RFC 6749 does not have.
#[derive(Deserialize, Serialize)]
pub(super) struct More(Map<String, Value>);

impl fmt::Debug for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl oauth2::ExtraTokenFields for More {}

/// As tokens that came now.
pub(super) fn tokens(answer: &Answer, server: Whose) -> Tokens {
    let mut more = answer.extra_fields().0.clone();
    let mut tokens = Tokens::new(Secret::new(answer.access_token().secret()));
    tokens.refresh = answer.refresh_token().map(|token| Secret::new(token.secret()));
    if let Some(Value::String(id)) = more.remove("id_token") {
        tokens.id = Some(Secret::new(id));
    }
    if let Some(scopes) = answer.scopes() {
        // GitHub puts commas between them.
        let all = scopes.iter().flat_map(|scope| scope.split([',', ' '])).filter(|scope| !scope.is_empty());
        tokens.scopes = all.map(str::to_owned).collect();
    }
    tokens.account = whose::of_answer(server, &more, &tokens);
    // What stands in the account already, and names that the store has for what it knows better.
    for known in ["account", "organization", "scopes", "obtained_at", "expires_at"] {
        more.remove(known);
    }
    tokens.more = more;
    // Without a word about it, a token that is readable says how long it lives.
    let lifetime = answer.expires_in().or_else(|| whose::lifetime(&tokens.access));
    match lifetime {
        Some(lifetime) => tokens.living(lifetime),
        None => tokens,
    }
}

/// Why there are none, in the server's words as far as it has any. Answers that make no sense may hold tokens, and
/// are not repeated.
pub(super) fn failure(title: &str, error: RequestTokenError<Failed, BasicErrorResponse>) -> Failure {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            refusal(title, answer.error().as_ref(), answer.error_description().map(String::as_str))
        }
        RequestTokenError::Request(failed) => {
            let failure = failed.into_failure();
            Failure::new(failure.reason(), format!("{title}: {failure}"))
                .with_retry_after(failure.retry_after())
        }
        RequestTokenError::Parse(..) => {
            Failure::new(Reason::Unreachable, format!("{title} gave an answer of no sense"))
        }
        RequestTokenError::Other(why) => Failure::new(Reason::Unreachable, format!("{title}: {why}")),
    }
}

/// A refusal with its word: `invalid_grant`, `access_denied`, ...
pub(super) fn refusal(title: &str, word: &str, description: Option<&str>) -> Failure {
    let reason = match word {
        // OpenAI has names of its own: `refresh_token_reused`, `refresh_token_expired`, `refresh_token_invalidated`.
        word if word == "invalid_grant" || word.starts_with("refresh_token_") => Reason::InvalidGrant,
        "access_denied" => Reason::Denied,
        "expired_token" => Reason::TooLate,
        "temporarily_unavailable" | "server_error" => Reason::Busy,
        _ => Reason::Refused,
    };
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    let said = description.map_or_else(|| plain(word), |text| format!("{}: {}", plain(word), plain(text)));
    Failure::new(reason, format!("{title} refused: {said}"))
}
