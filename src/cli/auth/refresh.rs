//! `ccproxy auth refresh`: asks for fresh tokens now.

use clap::Args;
use serde_json::json;

use super::settled::block_on;
use super::{Which, span};
use crate::cli::output::Output;
use crate::cli::{Global, Outcome};

/// Ask for fresh tokens now
#[derive(Debug, Args)]
pub(crate) struct Refresh {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Refresh {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let logins = super::logins(global, output)?;
        let login = self.which.login(&logins)?;
        let held = block_on(logins.keeper(), async { Ok(login.refresh().await?) })?;
        let (left, lasting) = (held.tokens().left(), held.tokens().is_lasting());
        if self.json {
            let (provider, account) = (login.id().provider(), login.id().account());
            output.json(&json!({ "provider": provider, "account": account, "expires_in": left.map(|left| left.as_secs()), "refreshed": !lasting }));
        } else if lasting {
            output.line(format!("`{}` needs no refresh: its token has no end", login.id()));
        } else {
            let left = left.map_or_else(String::new, |left| format!(", good for {}", span(left.as_secs())));
            output.line(format!("`{}` has fresh tokens{left}", login.id()));
        }
        Ok(())
    }
}
