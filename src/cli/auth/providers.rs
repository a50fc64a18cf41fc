//! `ccproxy auth providers`: where one can log in.

use ccproxy_core::oauth::OAuthProvider;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::{Global, Outcome};

/// List where one can log in
#[derive(Debug, Args)]
pub(crate) struct Providers {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Providers {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let logins = super::logins(global, output)?;
        if self.json {
            let all: Vec<Value> = logins.providers().iter().map(|provider| described(&**provider)).collect();
            output.json(&json!({ "providers": all }));
            return Ok(());
        }
        let rows: Vec<Vec<String>> = logins
            .providers()
            .iter()
            .map(|provider| {
                let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
                vec![
                    provider.provider_name().to_owned(),
                    provider.provider_display_name().to_owned(),
                    ways(&**provider).join(", "),
                    yes(provider.supports_pkce()),
                    yes(provider.supports_revocation()),
                ]
            })
            .collect();
        output.table(&["PROVIDER", "NAME", "WAYS TO LOG IN", "PKCE", "REVOKES"], &rows);
        Ok(())
    }
}

fn described(provider: &dyn OAuthProvider) -> Value {
    json!({
        "name": provider.provider_name(),
        "display_name": provider.provider_display_name(),
        "flows": ways(provider),
        "supports_pkce": provider.supports_pkce(),
        "supports_refresh": provider.supports_refresh(),
        "supports_revocation": provider.supports_revocation(),
    })
}

fn ways(provider: &dyn OAuthProvider) -> Vec<&'static str> {
    let flows = provider.flows();
    let ways = [
        (flows.loopback.is_some(), "browser"),
        (flows.proxy.is_some(), "proxy"),
        (flows.paste.is_some(), "manual"),
        (flows.device, "device"),
    ];
    ways.into_iter().filter(|(there, _)| *there).map(|(_, word)| word).collect()
}
