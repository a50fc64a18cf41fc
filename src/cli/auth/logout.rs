//! `ccproxy auth logout`: takes the tokens back where that is possible, and forgets them.

use clap::Args;
use serde_json::json;

use super::settled::block_on;
use super::{Which, prompt};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};

/// Take the tokens back where that is possible, and forget them
#[derive(Debug, Args)]
pub(crate) struct Logout {
    #[command(flatten)]
    which: Which,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Logout {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let logins = super::logins(global, output)?;
        let login = self.which.login(&logins)?;
        if !login.is_stored() {
            return Err(Failure::new(format!("nobody is logged in as `{}`", login.id())));
        }
        prompt::agree(self.yes, &format!("Forget the login `{}`?", login.id()), output)?;
        let revoked = block_on(logins.keeper(), async { Ok(login.logout().await?) })?;
        let Some(revoked) = revoked else {
            return Err(Failure::new(format!("nobody is logged in as `{}`", login.id())));
        };
        if self.json {
            let why = revoked.as_ref().err().map(|failure| failure.told().to_owned());
            output.json(&json!({ "provider": login.id().provider(), "account": login.id().account(), "revoked": revoked.is_ok(), "why_not": why }));
            return Ok(());
        }
        output.line(format!("forgot the login `{}`", login.id()));
        match revoked {
            Ok(()) => output.line("the provider took its tokens back"),
            Err(failure) => output.line(format!("its tokens were not taken back: {failure}")),
        }
        Ok(())
    }
}
