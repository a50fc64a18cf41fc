//! `ccproxy auth status`: how stored logins are, as the store says.

use ccproxy_core::oauth::Failure as Refusal;
use ccproxy_providers::oauth::Logins;
use ccproxy_providers::vault::{Id, KeyState, Record};
use clap::Args;
use serde_json::{Value, json};

use super::span;
use crate::cli::context::{block_on, shown};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};

/// Say how stored logins are; fails when one of them is not good now
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this identity provider
    provider: Option<String>,
    /// Only this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One stored login.
pub(super) struct Account {
    pub(super) id: Id,
    state: State,
    sealed: Option<bool>,
    record: Option<Record>,
}

/// How it is.
enum State {
    Good,
    /// The next use, or `auth refresh`, renews it.
    Expired,
    NeedsLogin(String),
    Unreadable(Refusal),
}

impl Status {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let logins = super::logins(global, output)?;
        if let Some(provider) = &self.provider {
            // Names what there is when it is none of them.
            logins.login(provider, Id::DEFAULT)?;
        }
        block_on(async {
            // Some are never renewed, and so never saved again.
            logins.keeper().vault().seal().await?;
            let mut accounts = accounts(&logins, self.provider.as_deref()).await?;
            accounts
                .retain(|account| self.account.as_deref().is_none_or(|name| name == account.id.account()));
            print(&logins, &accounts, self.json, output).await;
            if accounts.is_empty() && !self.json {
                let provider = self.provider.as_deref().unwrap_or("<provider>");
                output.note(format!("nobody is logged in; run `ccproxy auth login {provider}`"));
            }
            let good =
                !accounts.is_empty() && accounts.iter().all(|account| matches!(account.state, State::Good));
            if good { Ok(()) } else { Err(Failure::Silent) }
        })
    }
}

/// Of one provider, or of all that have any.
pub(super) async fn accounts(logins: &Logins, provider: Option<&str>) -> Result<Vec<Account>, Failure> {
    let vault = logins.keeper().vault();
    let providers = match provider {
        Some(provider) => vec![provider.to_owned()],
        None => vault.providers()?,
    };
    let mut accounts = Vec::new();
    for id in
        providers.iter().map(|provider| vault.accounts(provider)).collect::<Result<Vec<_>, _>>()?.concat()
    {
        let sealed = vault.is_sealed(&id).await.ok().flatten();
        let (state, record) = match vault.read(&id).await {
            Ok(Some(record)) => (state(&record), Some(record)),
            Ok(None) => continue,
            Err(failure) => (State::Unreadable(failure), None),
        };
        accounts.push(Account { id, state, sealed, record });
    }
    Ok(accounts)
}

fn state(record: &Record) -> State {
    let over = record.tokens.left().is_some_and(|left| left.is_zero());
    match (&record.needs_login, over) {
        (Some(needs), _) => State::NeedsLogin(needs.reason.clone()),
        (None, true) if record.tokens.refresh.is_none() => {
            State::NeedsLogin("the token has ended".to_owned())
        }
        (None, true) => State::Expired,
        (None, false) => State::Good,
    }
}

async fn print(logins: &Logins, accounts: &[Account], json: bool, output: &mut Output) {
    let vault = logins.keeper().vault();
    if json {
        let all: Vec<Value> = accounts.iter().map(Account::json).collect();
        output.json(&store(logins, all).await);
        return;
    }
    let rows: Vec<Vec<String>> = accounts.iter().map(Account::row).collect();
    if !rows.is_empty() {
        output.table(&["PROVIDER", "ACCOUNT", "WHO", "PLAN", "STATE", "STORED"], &rows);
        output.line(format!("store: {}", shown(vault.folder())));
    }
    if accounts.iter().any(|account| account.sealed == Some(false)) {
        say_seal(logins, false, output).await;
    }
}

/// The store and what is in it, as JSON.
pub(super) async fn store(logins: &Logins, accounts: Vec<Value>) -> Value {
    let vault = logins.keeper().vault();
    let key = vault.key().await;
    let (seals, why) = seals(&key);
    json!({ "store": vault.folder(), "seals": seals, "why_not": why, "accounts": accounts })
}

/// Says when a stored login is not sealed, and why.
pub(super) async fn say_seal(logins: &Logins, sealed: bool, output: &mut Output) {
    if !sealed {
        let key = logins.keeper().vault().key().await;
        let why = seals(&key).1.map_or_else(|| "the next save seals it".to_owned(), str::to_owned);
        output.warning(&format!("stored logins are not sealed, only kept from other users: {why}"));
    }
}

fn seals(key: &KeyState) -> (bool, Option<&str>) {
    match key {
        KeyState::Ready(_) => (true, None),
        KeyState::Plain(why) | KeyState::Missing(why) => (false, Some(why)),
    }
}

impl Account {
    fn word(&self) -> &'static str {
        match self.state {
            State::Good => "good",
            State::Expired => "expired",
            State::NeedsLogin(_) => "needs_login",
            State::Unreadable(_) => "unreadable",
        }
    }

    /// Why only another login, or another file, helps.
    pub(super) fn lacks(&self) -> Option<String> {
        match &self.state {
            State::NeedsLogin(why) => Some(format!("{why}; run `{}`", self.id.login_command())),
            State::Unreadable(failure) => Some(failure.to_string()),
            State::Good | State::Expired => None,
        }
    }

    pub(super) fn row(&self) -> Vec<String> {
        let tokens = self.record.as_ref().map(|record| &record.tokens);
        let account = tokens.map(|tokens| tokens.account.clone()).unwrap_or_default();
        let left = tokens.and_then(|tokens| tokens.left()).map(|left| span(left.as_secs()));
        let state = match (&self.state, left) {
            (State::Good, Some(left)) => format!("good for {left}"),
            (State::Good, None) => "good".to_owned(),
            (State::Expired, _) => "expired; renewed at its next use".to_owned(),
            (State::NeedsLogin(why), _) => format!("needs login ({why}); run `{}`", self.id.login_command()),
            (State::Unreadable(failure), _) => failure.to_string(),
        };
        let stored = match self.sealed {
            Some(true) => "sealed",
            Some(false) => "plain",
            None => "?",
        };
        let who = account.email.or(account.id).unwrap_or_default();
        let plan = account.plan.unwrap_or_default();
        let (provider, name) = (self.id.provider().to_owned(), self.id.account().to_owned());
        vec![provider, name, who, plan, state, stored.to_owned()]
    }

    pub(super) fn json(&self) -> Value {
        let tokens = self.record.as_ref().map(|record| &record.tokens);
        let reason = match &self.state {
            State::NeedsLogin(why) => Some(why.clone()),
            State::Unreadable(failure) => Some(failure.to_string()),
            _ => None,
        };
        json!({
            "provider": self.id.provider(),
            "account": self.id.account(),
            "state": self.word(),
            "reason": reason,
            "who": tokens.map(|tokens| &tokens.account),
            "scopes": tokens.map(|tokens| &tokens.scopes),
            "expires_at": tokens.and_then(|tokens| tokens.expires_at),
            "has_refresh_token": tokens.map(|tokens| tokens.refresh.is_some()),
            "sealed": self.sealed,
        })
    }
}
