//! `ccproxy keys`: keys of clients, kept as hashes in the data folder.

use std::io::{IsTerminal, Write};

use ccproxy_core::config::units::parse_duration;
use ccproxy_core::config::{Problem, nearest};
use ccproxy_core::keys::{Key, KeyFile};
use ccproxy_core::unix_time::now;
use clap::{Args, Subcommand};
use serde_json::json;

use super::output::Output;
use super::plugins::{Declared, declared};
use super::{Failure, Global, Outcome};
use crate::config::Loaded;

/// Make, list and revoke keys of clients
///
/// Once there is a key file every client must send a key, also after the last one was revoked. A running proxy sees a change
/// within a second.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key and print it, once
    Create(Create),
    /// List the keys
    List(List),
    /// Make a key useless
    Revoke(Revoke),
}

/// Make a key and print it, once
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What logs, rules and plugins call its holder
    name: String,
    /// How long it is good, such as `30d` or `12h`; for ever without it
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// A provider it is good for; all of them without it
    #[arg(long = "provider", value_name = "NAME")]
    providers: Vec<String>,
    /// A pattern of the models it is good for, such as `claude-*`; all of them without it
    #[arg(long = "model", value_name = "PATTERN")]
    models: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the keys
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Make a key useless
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Its name
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Keys {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load()?;
        // Only the data folder counts here: other mistakes are no reason to keep a key alive.
        output.problems(
            &loaded.problems.iter().filter(|problem| !problem.is_error()).cloned().collect::<Vec<Problem>>(),
        );
        let file = KeyFile::of(&loaded.settings.core.data_dir);
        match self {
            Keys::Create(command) => {
                check_providers(&command.providers, &loaded)?;
                command.run(&file, output)
            }
            Keys::List(command) => command.run(&file, output),
            Keys::Revoke(command) => command.run(&file, output),
        }
    }
}

/// A key for a provider that is nowhere would be good for nothing, and mostly means another one.
fn check_providers(wanted: &[String], loaded: &Loaded) -> Outcome {
    if wanted.is_empty() {
        return Ok(());
    }
    let (plugins, _) = declared(loaded);
    let provider = |plugin: &&Declared| plugin.kind() == "provider";
    let known: Vec<&str> = plugins.iter().filter(provider).map(|plugin| plugin.name.as_str()).collect();
    match wanted.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`"),
                None => format!("there are: {}", known.join(", ")),
            };
            Err(Failure::new(format!("there is no provider `{name}`")).with_hint(hint))
        }
    }
}

impl Create {
    fn run(self, file: &KeyFile, output: &mut Output) -> Outcome {
        let expires = self.expires.as_deref().map(end).transpose()?;
        let made = Key::make(&self.name, expires, self.providers, self.models);
        let made = made.map_err(|error| Failure::new(error.message().to_owned()))?;
        let first = !file.exists();
        let key = made.key.clone();
        let added = file.try_edit(|keys| {
            if keys.iter().any(|known| known.name == key.name) {
                return Err(format!(
                    "there is a key `{}` already: revoke it first, or choose another name",
                    key.name
                ));
            }
            keys.push(key);
            Ok(())
        });
        added.map_err(Failure::new)?;
        if self.json {
            output.json(
                &json!({ "name": made.key.name, "key": made.secret.expose(), "expires": made.key.expires,
                "providers": made.key.providers, "models": made.key.models, "file": file.path() }),
            );
            return Ok(());
        }
        output.line(made.secret.expose());
        note(
            "this is the only time it is shown; clients send it as `authorization: Bearer ...` or `x-api-key`",
        );
        if first {
            note("from now on every client must send a key");
        }
        Ok(())
    }
}

impl List {
    fn run(self, file: &KeyFile, output: &mut Output) -> Outcome {
        let keys = file.read().map_err(Failure::new)?;
        if self.json {
            let list = keys.iter().map(|key| {
                json!({ "name": key.name, "created": key.created, "expires": key.expires, "expired": key.is_expired(now()),
                    "providers": key.providers, "models": key.models })
            });
            output.json(&json!({ "required": file.exists(), "keys": list.collect::<Vec<_>>() }));
            return Ok(());
        }
        let all = |names: &[String]| if names.is_empty() { "all".to_owned() } else { names.join(", ") };
        let rows: Vec<Vec<String>> = keys
            .iter()
            .map(|key| vec![key.name.clone(), state(key), all(&key.providers), all(&key.models)])
            .collect();
        match (rows.is_empty(), file.exists()) {
            (false, _) => output.table(&["name", "state", "providers", "models"], &rows),
            (true, true) => output.line("no keys: no client comes in; `ccproxy keys create` makes one"),
            (true, false) => output.line("no keys, and none is asked for; `ccproxy keys create` makes one"),
        }
        Ok(())
    }
}

impl Revoke {
    fn run(self, file: &KeyFile, output: &mut Output) -> Outcome {
        if !file.read().map_err(Failure::new)?.iter().any(|key| key.name == self.name) {
            let failure = Failure::new(format!("there is no key `{}`", self.name));
            return Err(failure.with_hint("`ccproxy keys list` shows them"));
        }
        if !self.yes && !asked(&self.name)? {
            return Err(Failure::new("nothing was revoked"));
        }
        let name = self.name.clone();
        file.edit(|keys| keys.retain(|key| key.name != name)).map_err(Failure::new)?;
        output.line(format!("revoked {}", self.name));
        Ok(())
    }
}

/// Asks the person at the terminal; without one `--yes` must be said.
fn asked(name: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new("not asked, since this is no terminal")
            .with_hint("`--yes` revokes it without a question"));
    }
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "Revoke the key `{name}`? Its holder is refused from then on. [y/N] ");
    let _ = terminal.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("no answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// For people only: what a script reads is on standard output.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn end(text: &str) -> Result<u64, Failure> {
    let seconds = parse_duration(text).filter(|seconds| *seconds >= 1.0);
    let seconds =
        seconds.ok_or_else(|| Failure::new(format!("`{text}` is no time such as `30d` or `12h`")))?;
    Ok(now().saturating_add(seconds as u64))
}

fn state(key: &Key) -> String {
    match key.expires {
        None => "good".to_owned(),
        Some(end) if key.is_expired(now()) => format!("expired {} ago", span(now() - end)),
        Some(end) => format!("good for {}", span(end - now())),
    }
}

/// A time in its largest unit.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
