//! `[credential_balancer.<provider>]`: which credentials a provider has, and how one of them is chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::config::{Field, FieldKind, Node, Origin, Problem, Schema, nearest};
use ccproxy_core::secret::Secret;
use ccproxy_core::settings::Section;
use serde::Deserialize;
use serde_json::Value;

use super::strategy::Strategy;
use crate::vault::Id;

/// Most credentials of one provider.
const MOST: usize = 64;
/// Shortest and longest time of the settings.
const TIMES: (f64, f64) = (0.1, 7.0 * 86_400.0);

/// The pools of all providers, by provider.
#[derive(Clone, Debug, Default)]
pub struct Pools(pub(super) BTreeMap<String, PoolSettings>);

/// The credentials of one provider.
#[derive(Clone, Debug)]
pub(super) struct PoolSettings {
    pub(super) strategy: Strategy,
    /// The first rest of a credential, when nobody says how long.
    pub(super) cooldown: Duration,
    /// Whatever anybody says.
    pub(super) longest: Duration,
    /// How long it is known which credential a conversation had.
    pub(super) remember: Duration,
    pub(super) members: Vec<MemberSettings>,
    origin: Origin,
}

/// One credential.
#[derive(Clone, Debug)]
pub(crate) struct MemberSettings {
    /// How it is called in status, logs and plugins.
    pub(crate) name: Arc<str>,
    /// What it is.
    pub(crate) source: Source,
    /// Codex: the ChatGPT account of a token.
    pub(crate) account_id: Option<String>,
}

/// What a credential is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The stored login of this account.
    Login(String),
    /// A key or a token.
    Key(Secret),
}

/// As it is written.
#[derive(Deserialize)]
struct Written {
    name: Option<String>,
    account: Option<String>,
    api_key: Option<Secret>,
    account_id: Option<String>,
}

/// What may be written under `[credential_balancer.<provider>]`.
pub fn schema() -> Schema {
    let member = Schema::of([
        Field::string("name", "How it is called; a login without one is called as its account."),
        Field::string("account", "The stored login of this account."),
        Field::secret("api_key", "A key, or a token that goes as one."),
        Field::string("account_id", "Codex: the ChatGPT account of a token."),
    ]);
    let time = |name: &str, doc: &str, default: &str| {
        Field::duration(name, doc).between(TIMES.0, TIMES.1).or(default)
    };
    Schema::of([
        Field::choice("strategy", &Strategy::WORDS, "How one of them is chosen.").or("failover"),
        Field::list("credentials", FieldKind::Table(member), "The credentials, each `account` or `api_key`.")
            .required(),
        time("cooldown", "The first rest of one that failed, when the provider says no time.", "30s"),
        time("longest_cooldown", "The longest rest, whatever the provider says.", "6h"),
        time("remember", "How long it is known which one a conversation had.", "24h"),
    ])
}

/// The pools of a validated `[credential_balancer]` table, and what is wrong with them. `written` is the table as
/// written. A pool that is wrong is left out.
pub fn read(balancer: &Value, written: Option<&Node>) -> (Pools, Vec<Problem>) {
    let mut pools = Pools::default();
    let mut problems = Vec::new();
    for (provider, table) in balancer.as_object().into_iter().flatten() {
        let node = written.and_then(|written| written.get(&[provider]));
        let key = format!("credential_balancer.{provider}.credentials");
        let mut wrong = |origin: &Origin, key: &str, why: String| {
            problems.push(Problem::error(origin, key, why));
        };
        let origin = Node::origin_of(node);
        let rows = table["credentials"].as_array().map(Vec::as_slice).unwrap_or_default();
        if rows.is_empty() || rows.len() > MOST {
            wrong(&origin, &key, format!("expected 1 to {MOST} credentials"));
            continue;
        }
        let (mut members, mut names) = (Vec::new(), BTreeSet::new());
        for (index, row) in rows.iter().enumerate() {
            let origin =
                Node::origin_of(node.and_then(|node| node.get(&["credentials"])?.item(index)).or(node));
            match member(row, index) {
                Ok(member) if names.insert(member.name.clone()) => members.push(member),
                Ok(member) => wrong(
                    &origin,
                    &format!("{key}[{index}]"),
                    format!("there are two of the name `{}`", member.name),
                ),
                Err(why) => wrong(&origin, &format!("{key}[{index}]"), why),
            }
        }
        if members.len() == rows.len() {
            pools.0.insert(provider.clone(), PoolSettings::of(table, members, origin));
        }
    }
    (pools, problems)
}

fn member(row: &Value, index: usize) -> Result<MemberSettings, String> {
    let Written { name, account, api_key, account_id } =
        Written::deserialize(row).map_err(|_| "expected a table with `account` or `api_key`".to_owned())?;
    let source = match (account, api_key) {
        (Some(account), None) => Source::Login(account),
        (None, Some(key)) => Source::Key(key),
        _ => return Err("a credential is either an `account` or an `api_key`".to_owned()),
    };
    if account_id.is_some() && matches!(source, Source::Login(_)) {
        return Err("a login has its `account_id` by itself".to_owned());
    }
    let name = match (name, &source) {
        (Some(name), _) => name,
        (None, Source::Login(account)) => account.clone(),
        (None, Source::Key(_)) => format!("key-{}", index + 1),
    };
    // Both stand in names of files, commands and logs.
    let plain = |name: &str| Id::new(Id::DEFAULT, name).map(drop).map_err(|failure| failure.to_string());
    plain(&name)?;
    if let Source::Login(account) = &source {
        plain(account)?;
    }
    Ok(MemberSettings { name: name.into(), source, account_id })
}

impl PoolSettings {
    fn of(table: &Value, members: Vec<MemberSettings>, origin: Origin) -> Self {
        let section = Section(table);
        let longest = section.duration("longest_cooldown");
        PoolSettings {
            strategy: Strategy::of(table["strategy"].as_str().unwrap_or_default()),
            cooldown: section.duration("cooldown").min(longest),
            longest,
            remember: section.duration("remember"),
            members,
            origin,
        }
    }
}

impl Pools {
    /// The names that no provider has which can have several credentials.
    pub fn strangers(&self, known: &[&str]) -> Vec<Problem> {
        let strangers = self.0.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let problem = |(name, pool): (&String, &PoolSettings)| {
            let told = format!("there is no provider `{name}` that could have several credentials");
            let problem = Problem::warning(&pool.origin, format!("credential_balancer.{name}"), told);
            match nearest(name, known.iter().copied()) {
                Some(near) => problem.with_hint(format!("did you mean `{near}`")),
                None => problem.with_hint(format!("there are: {}", known.join(", "))),
            }
        };
        strangers.map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(table: &Value) -> Vec<String> {
        read(&json!({ "p": table }), None).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_credential_is_one_thing_with_one_name() {
        let rows = json!([{ "account": "work" }, { "api_key": "k" }, { "name": "third", "api_key": "k" }]);
        let (pools, problems) = read(&json!({ "p": { "strategy": "sticky", "credentials": rows } }), None);
        assert!(problems.is_empty(), "{problems:?}");
        let names: Vec<&str> = pools.0["p"].members.iter().map(|member| &*member.name).collect();
        assert_eq!(names, ["work", "key-2", "third"]);
        assert_eq!(pools.0["p"].strategy, Strategy::Sticky);
        for (rows, why) in [
            (json!([]), "expected 1 to 64"),
            (json!([{}]), "either an `account` or an `api_key`"),
            (json!([{ "account": "a", "api_key": "secret-key" }]), "either an `account` or an `api_key`"),
            (json!([{ "account": "a" }, { "name": "a", "api_key": "secret-key" }]), "two of the name `a`"),
            (json!([{ "account": "../a" }]), "no name"),
            (json!([{ "account": "a", "account_id": "x" }]), "by itself"),
        ] {
            let told = told(&json!({ "credentials": rows }));
            assert!(told.len() == 1 && told[0].contains(why), "{rows}: {told:?}");
            assert!(!told[0].contains("secret-key"));
        }
    }

    #[test]
    fn a_provider_that_is_not_there_is_a_warning() {
        let rows = json!([{ "api_key": "k" }]);
        let (pools, _) = read(&json!({ "claude-api": { "credentials": rows } }), None);
        let told = pools.strangers(&["claude_api", "openai"]);
        assert!(
            !told[0].is_error() && told[0].hint.as_deref() == Some("did you mean `claude_api`"),
            "{told:?}"
        );
        assert!(pools.strangers(&["claude-api"]).is_empty());
    }
}
