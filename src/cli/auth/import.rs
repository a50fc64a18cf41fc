//! `ccproxy auth import`: copies the login of an installed CLI, once, and writes nothing there.

use std::path::PathBuf;

use ccproxy_core::config::Environment;
use ccproxy_providers::oauth::{Source, import};
use clap::Args;
use serde_json::json;

use super::settled::block_on;
use super::{Which, prompt, who};
use crate::cli::context::{self, shown};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};

/// Copy the login of an installed CLI, once
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    which: Which,
    /// The file to read, instead of the CLI's usual one
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let logins = super::logins(global, output)?;
        let login = self.which.login(&logins)?;
        let environment = Environment::of_process();
        let home = environment.home().unwrap_or_default();
        let named = |name: &str| environment.get(name).map(PathBuf::from);
        let source = Source::of(&self.which.provider, &home, named).ok_or_else(|| {
            let failure =
                Failure::new(format!("no CLI is known that keeps a login of `{}`", self.which.provider));
            failure.with_hint("`ccproxy auth import claude-api` and `codex` are")
        })?;
        let source = Source { path: self.from.clone().unwrap_or(source.path), ..source };
        let tokens = import(&self.which.provider, &source)?;
        if tokens.refresh.is_some() {
            output.note(format!(
                "{0} and ccproxy would hold the same refresh token from now on. It can be used once: whichever of them \
                 renews its token first may log the other one out. That is fine when you stop using {0}'s login, or want \
                 the token only until it ends; else log in separately with `{1}`.",
                source.program,
                login.id().login_command()
            ));
        }
        // A store that cannot be used is told before anybody is asked.
        let before = context::block_on(async {
            logins.keeper().vault().ready().await?;
            Ok(login.record().await?)
        })?;
        let from = shown(&source.path);
        let question = match &before {
            Some(before) => {
                let (id, before, now) = (login.id(), who(&before.tokens), who(&tokens));
                format!(
                    "Replace the login `{id}` of {before} with that of {now} from {from}? Nothing is written there."
                )
            }
            None => format!("Copy the login from {from}? Nothing is written there."),
        };
        if before.is_some() && self.yes {
            output.note(format!("the login `{}` that was stored is replaced", login.id()));
        }
        prompt::agree(self.yes, &question, output)?;
        let sealed = block_on(logins.keeper(), async {
            login.store(tokens).await?;
            Ok(logins.keeper().vault().is_sealed(login.id()).await?.unwrap_or(false))
        })?;
        if self.json {
            output.json(&json!({ "provider": login.id().provider(), "account": login.id().account(), "from": source.path, "sealed": sealed }));
            return Ok(());
        }
        output.line(format!("copied the login of {}, stored as `{}`", source.program, login.id()));
        context::block_on(async {
            super::status::say_seal(&logins, sealed, output).await;
            Ok(())
        })
    }
}
