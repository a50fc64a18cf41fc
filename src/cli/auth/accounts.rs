//! `ccproxy auth accounts`: every stored login, every key that takes turns with others, and why each is or is not in use: as a
//! running proxy says, else as one would begin.

use ccproxy_core::routes::credentials_json;
use clap::Args;
use serde_json::{Value, json};

use super::status::{Account, accounts, store};
use crate::cli::context::{block_on, shown};
use crate::cli::output::Output;
use crate::cli::running::Target;
use crate::cli::unstarted;
use crate::cli::{Global, Outcome};
use crate::config::Loaded;
use crate::wiring;

/// List every stored login and key that takes turns, and why each is or is not in use
#[derive(Debug, Args)]
pub(crate) struct Accounts {
    #[command(flatten)]
    target: Target,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a provider says of one credential.
struct Use {
    provider: String,
    /// Its name among several.
    member: Option<String>,
    state: String,
    why: String,
}

impl Accounts {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let logins = wiring::logins(&loaded);
        let proxy = self.target.proxy(&loaded)?;
        block_on(async {
            let (running, providers) = match proxy.get("/credentials").await {
                Ok(told) => (true, told["providers"].as_array().cloned().unwrap_or_default()),
                Err(_) => (false, would_be(&loaded)),
            };
            let accounts = accounts(&logins, None).await?;
            if self.json {
                let all = accounts.iter().map(|account| with_uses(account, &providers)).collect();
                let mut whole = store(&logins, all).await;
                whole["running"] = running.into();
                whole["providers"] = providers.into();
                output.json(&whole);
                return Ok(());
            }
            let rows = rows(&accounts, &providers);
            if rows.is_empty() {
                output.note("nobody is logged in; run `ccproxy auth login <provider>`");
                return Ok(());
            }
            output.table(&["PROVIDER", "ACCOUNT", "WHO", "STATE", "USE"], &rows);
            output.line(format!("store: {}", shown(logins.keeper().vault().folder())));
            if !running {
                output.line("no proxy answers: what is said of use is what one would begin with");
            }
            Ok(())
        })
    }
}

/// What the providers would say if the proxy started now.
fn would_be(loaded: &Loaded) -> Vec<Value> {
    credentials_json(&unstarted::generation(loaded))
}

/// The stored logins, then whatever else takes turns.
fn rows(accounts: &[Account], providers: &[Value]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for account in accounts {
        let [provider, name, who, _, state, ..] = &account.row()[..] else { continue };
        let uses = uses(account, providers);
        let told: Vec<String> = uses.iter().map(Use::told).collect();
        let told = if told.is_empty() { NOBODY.to_owned() } else { told.join("; ") };
        rows.push(vec![provider.clone(), name.clone(), who.clone(), state.clone(), told]);
    }
    let stored = |login: &Value| accounts.iter().any(|account| account.id.to_string() == text(login));
    for provider in providers {
        // Logins of a pool that are not stored have no row yet.
        rows.extend(members(provider).filter(|member| !stored(&member["login"])).map(|member| {
            let used = Use::of(provider, member);
            let name = used.member.clone().unwrap_or_default();
            let who = if member["kind"] == "login" { "" } else { "API key" };
            vec![used.provider.clone(), name, who.to_owned(), String::new(), used.told()]
        }));
    }
    rows
}

const NOBODY: &str = "not in use: no provider that runs takes this login";

/// Who uses a login, or could and does not.
fn uses(account: &Account, providers: &[Value]) -> Vec<Use> {
    let (login, identity) = (&account.id.to_string(), account.id.provider());
    let mut uses = Vec::new();
    for provider in providers {
        let could = provider["oauth_provider"] == identity;
        let name = text(&provider["provider"]);
        let unused =
            |why: String| Use { provider: name.clone(), member: None, state: "unused".to_owned(), why };
        if provider["pool"].is_object() {
            let own: Vec<Use> = members(provider)
                .filter(|member| member["login"] == **login)
                .map(|member| Use::of(provider, member))
                .collect();
            if own.is_empty() && could {
                uses.push(unused(format!("not among the credentials of `credential_balancer.{name}`")));
            }
            uses.extend(own);
        } else if provider["credential"]["login"] == **login {
            // The store says whether it needs a login; a provider, whether it gets on with what is stored.
            let (state, why) = match (account.lacks(), provider["credential"]["present"] == true) {
                (Some(lacks), _) => ("needs_login", lacks),
                (None, true) => ("in_use", text(&provider["credential"]["hint"])),
                (None, false) => ("cooling", text(&provider["credential"]["hint"])),
            };
            uses.push(Use { provider: name, member: None, state: state.to_owned(), why });
        } else if could {
            uses.push(unused(format!("it uses another: {}", text(&provider["credential"]["hint"]))));
        }
    }
    uses
}

fn with_uses(account: &Account, providers: &[Value]) -> Value {
    let mut whole = account.json();
    let uses = uses(account, providers);
    let described = uses.iter().map(|used| {
        json!({ "provider": used.provider, "credential": used.member, "state": used.state, "why": used.why })
    });
    whole["uses"] = described.collect();
    whole
}

fn members(provider: &Value) -> impl Iterator<Item = &Value> {
    provider["pool"]["members"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Use {
    fn of(provider: &Value, member: &Value) -> Self {
        Use {
            provider: text(&provider["provider"]),
            member: Some(text(&member["name"])),
            state: text(&member["state"]),
            why: text(&member["why"]),
        }
    }

    fn told(&self) -> String {
        let state = match self.state.as_str() {
            "in_use" if self.member.is_none() => return format!("in use by `{}`", self.provider),
            "unused" => "not in use by",
            "needs_login" => "needs a login for",
            "cooling" => "cools down for",
            "standby" => "stands by for",
            _ => "in use by",
        };
        format!("{state} `{}`: {}", self.provider, self.why)
    }
}
