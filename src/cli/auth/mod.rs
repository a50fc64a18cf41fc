//! `ccproxy auth`: log in to providers, look at logins, log out. Works on the store; a running proxy sees it at once.

mod accounts;
mod browser;
mod import;
mod login;
mod logout;
mod plugin;
pub(super) mod prompt;
mod providers;
mod refresh;
mod settled;
mod status;

use std::sync::Arc;

use ccproxy_core::oauth::Tokens;
use ccproxy_core::plugin::Source;
use ccproxy_providers::keeper;
use ccproxy_providers::oauth::Logins;
use ccproxy_providers::vault::Id;
use clap::{Args, Subcommand};

use super::output::Output;
use super::plugins::declared;
use super::{Failure, Global, Outcome};
use crate::wiring;

/// Log in to providers, look at logins, log out
#[derive(Debug, Subcommand)]
#[command(after_help = "Plugins may bring more commands: `ccproxy auth commands` lists them")]
pub(crate) enum Auth {
    /// List where one can log in
    Providers(providers::Providers),
    /// Log in to a provider
    Login(login::Login),
    /// Say how stored logins are; fails when one of them is not good now
    Status(status::Status),
    /// Ask for fresh tokens now
    Refresh(refresh::Refresh),
    /// Take the tokens back where that is possible, and forget them
    Logout(logout::Logout),
    /// Copy the login of an installed CLI, once
    Import(import::Import),
    /// List every stored login and key that takes turns, and why each is or is not in use
    Accounts(accounts::Accounts),
    /// List the commands that plugins bring
    Commands(plugin::Commands),
    /// Run a command that a plugin brings
    #[command(external_subcommand)]
    Plugin(Vec<String>),
}

impl Auth {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        match self {
            Auth::Providers(command) => command.run(global, output),
            Auth::Login(command) => command.run(global, output),
            Auth::Status(command) => command.run(global, output),
            Auth::Refresh(command) => command.run(global, output),
            Auth::Logout(command) => command.run(global, output),
            Auth::Import(command) => command.run(global, output),
            Auth::Accounts(command) => command.run(global, output),
            Auth::Commands(command) => command.run(global, output),
            Auth::Plugin(words) => plugin::run(words, global, output),
        }
    }
}

/// Which login
#[derive(Clone, Debug, Args)]
struct Which {
    /// The identity provider, as `ccproxy auth providers` lists it
    provider: String,
    /// One of several accounts
    #[arg(long, value_name = "NAME", default_value = Id::DEFAULT)]
    account: String,
}

impl Which {
    fn login(&self, logins: &Logins) -> Result<Arc<keeper::Login>, Failure> {
        logins.login(&self.provider, &self.account).map_err(|failure| {
            Failure::from(failure).with_hint("`ccproxy auth providers` lists where one can log in")
        })
    }
}

/// The identity providers and logins of the configuration, and those that enabled plugins bring.
fn logins(global: &Global, output: &mut Output) -> Result<Arc<Logins>, Failure> {
    let loaded = global.load_sound(output)?;
    let logins = wiring::logins(&loaded);
    let (plugins, _) = declared(&loaded);
    for plugin in plugins.iter().filter(|plugin| plugin.state == "enabled") {
        let Some(factory) = &plugin.factory else { continue };
        let manifest = factory.manifest();
        // The native ones bring those of the settings.
        if manifest.oauth_provider.is_none() || manifest.source == Source::Native {
            continue;
        }
        match wiring::oauth_provider(&loaded, &**factory, &logins) {
            Ok(provider) => {
                logins.registry().register(provider);
            }
            Err(why) => {
                output.note(format!("the OAuth provider of plugin `{}` is left out: {why}", plugin.name))
            }
        }
    }
    Ok(logins)
}

/// Whose tokens they are, for people.
fn who(tokens: &Tokens) -> &str {
    let account = &tokens.account;
    account.email.as_deref().or(account.id.as_deref()).unwrap_or("an unnamed account")
}

/// How long, for people.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}
