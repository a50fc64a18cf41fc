//! `ccproxy auth login`: in the browser, by a pasted code, or on another device.

use std::sync::Arc;
use std::time::Instant;

use ccproxy_core::oauth::{Failure as Refusal, OAuthProvider, Tokens};
use ccproxy_providers::keeper::{self, Keeper, UnderWay};
use ccproxy_providers::oauth::{Callback, Logins, Pending};
use clap::Args;

use super::settled::block_on;
use super::{Which, browser, prompt, span, who};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};

/// Log in to a provider
#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    which: Which,
    /// Print the address and open no browser
    #[arg(long)]
    no_browser: bool,
    /// Paste the code by hand, for machines that the browser cannot come back to
    #[arg(long)]
    manual: bool,
    /// Use the device flow, where there are several
    #[arg(long, conflicts_with = "manual")]
    device: bool,
    /// Agree to everything that would be asked
    #[arg(long, short)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Login {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let logins = super::logins(global, output)?;
        let login = self.which.login(&logins)?;
        let provider = logins.provider(&self.which.provider);
        let provider = provider.ok_or_else(|| Failure::new("there is no such provider"))?;
        block_on(logins.keeper(), self.log_in(&logins, &login, &provider, output))
    }

    async fn log_in(
        &self,
        logins: &Logins,
        login: &Arc<keeper::Login>,
        provider: &Arc<dyn OAuthProvider>,
        output: &mut Output,
    ) -> Outcome {
        // A store that cannot be used is told before anybody goes to a browser.
        logins.keeper().vault().ready().await?;
        let before = login.record().await?;
        let first = logins.keeper().vault().accounts(provider.provider_name())?.is_empty();
        if let Some(notice) = provider.notice().filter(|_| first) {
            output.note(notice);
            prompt::agree_meanwhile(self.yes, "Go on?", output).await?;
        }
        let began = Instant::now();
        let mut spending = Spending { keeper: logins.keeper(), under_way: None };
        let tokens = self.tokens(provider, &mut spending, output).await;
        login.announce(began.elapsed(), tokens.as_ref().map_err(|refused| &refused.0));
        let tokens = tokens.map_err(|refused| refused.into_failure())?;
        if let Some(before) = before.filter(|before| is_another(&before.tokens, &tokens)) {
            let question =
                format!("Replace the login of {} with that of {}?", who(&before.tokens), who(&tokens));
            spending.pause_for(self.yes);
            prompt::agree_meanwhile(self.yes, &question, output).await?;
        }
        spending.begin();
        let summary = provider.credential_summary(&tokens).await;
        let expires = tokens.left().map(|left| span(left.as_secs()));
        let account = tokens.account.email.clone().or_else(|| tokens.account.id.clone());
        login.store(tokens).await?;
        drop(spending);
        let sealed = logins.keeper().vault().is_sealed(login.id()).await?.unwrap_or(false);
        if self.json {
            output.json(&serde_json::json!({ "provider": login.id().provider(), "account": login.id().account(), "sealed": sealed, "summary": summary }));
            return Ok(());
        }
        let who = account.map_or_else(String::new, |account| format!(" as {account}"));
        output.line(format!(
            "logged in to {}{who}, stored as `{}`",
            provider.provider_display_name(),
            login.id()
        ));
        if let Some(expires) = expires {
            output.line(format!("the token is good for {expires} and is renewed by itself"));
        }
        super::status::say_seal(logins, sealed, output).await;
        Ok(())
    }

    async fn tokens(
        &self,
        provider: &Arc<dyn OAuthProvider>,
        spending: &mut Spending<'_>,
        output: &mut Output,
    ) -> Result<Tokens, Stopped> {
        let flows = provider.flows();
        let device = self.device || (flows.device && flows.loopback.is_none() && flows.paste.is_none());
        if device && !self.manual {
            return self.on_device(provider, output).await;
        }
        match (flows.loopback, flows.paste) {
            (Some(loopback), paste) if !self.manual => {
                let callback = Callback::bind(loopback).await.map_err(|failure| {
                    let hint =
                        paste.is_some().then(|| "`--manual` does without: the code is pasted".to_owned());
                    Stopped(failure, hint)
                })?;
                self.in_browser(provider, callback, spending, output).await
            }
            (_, Some(redirect_uri)) => self.by_hand(provider, redirect_uri, spending, output).await,
            _ if flows.proxy.is_some() && !self.manual => {
                let (name, title) = (provider.provider_name(), provider.provider_display_name());
                let told = format!("{title} sends the browser back to the running proxy");
                let hint = format!("begin there: open `/oauth/{name}/login` of the proxy, or POST to it");
                Err(Stopped(Refusal::new(ccproxy_core::oauth::Reason::Unsupported, told), Some(hint)))
            }
            _ => {
                let told = format!("{} shows no code to paste", provider.provider_display_name());
                Err(Refusal::new(ccproxy_core::oauth::Reason::Unsupported, told).into())
            }
        }
    }

    async fn in_browser(
        &self,
        provider: &Arc<dyn OAuthProvider>,
        callback: Callback,
        spending: &mut Spending<'_>,
        output: &mut Output,
    ) -> Result<Tokens, Stopped> {
        let pending = Arc::new(Pending::begin(provider, callback.redirect_uri()).await?);
        self.show(pending.url(), output);
        output.note("waiting for the browser, for 5 minutes at most");
        let code = callback.wait(pending.clone()).await?;
        spending.begin();
        Ok(pending.finish(&code).await?)
    }

    /// Whoever pastes a code may have been led to somebody else's page: what came back is shown before it is kept.
    async fn by_hand(
        &self,
        provider: &Arc<dyn OAuthProvider>,
        redirect_uri: String,
        spending: &mut Spending<'_>,
        output: &mut Output,
    ) -> Result<Tokens, Stopped> {
        let pending = Pending::begin(provider, redirect_uri).await?;
        self.show(pending.url(), output);
        output.note("paste the code that the page shows, and press Enter:");
        let typed = prompt::line_meanwhile().await.map_err(Stopped::of)?;
        let code = pending.pasted(&typed)?;
        spending.begin();
        let tokens = pending.finish(&code).await?;
        let scopes = if tokens.scopes.is_empty() { "no scopes".to_owned() } else { tokens.scopes.join(", ") };
        output.note(format!("the login is that of {}, for {scopes}", who(&tokens)));
        spending.pause_for(self.yes);
        prompt::agree_meanwhile(self.yes, "Keep it?", output).await.map_err(Stopped::of)?;
        Ok(tokens)
    }

    async fn on_device(
        &self,
        provider: &Arc<dyn OAuthProvider>,
        output: &mut Output,
    ) -> Result<Tokens, Stopped> {
        let device = provider.begin_device_login().await?;
        self.show(device.verification_uri_complete.as_deref().unwrap_or(&device.verification_uri), output);
        output.note(format!("and type the code {}", device.user_code));
        output.note(format!("waiting, for {} at most", span(device.expires_in.as_secs())));
        Ok(provider.finish_device_login(&device).await?)
    }

    fn show(&self, url: &str, output: &mut Output) {
        let opened = !self.no_browser && browser::open(url);
        output.note(if opened { "the browser opens this page:" } else { "open this page:" });
        output.note(format!("  {url}"));
        browser::qr(url, output);
    }
}

/// From the moment that a code is spent until its tokens are stored: the end of the command waits for it.
struct Spending<'k> {
    keeper: &'k Keeper,
    under_way: Option<UnderWay>,
}

impl Spending<'_> {
    fn begin(&mut self) {
        if self.under_way.is_none() {
            self.under_way = Some(self.keeper.begin());
        }
    }

    /// Whoever ends the command instead of answering a question has answered it.
    fn pause_for(&mut self, yes: bool) {
        if !yes {
            self.under_way = None;
        }
    }
}

fn is_another(before: &Tokens, now: &Tokens) -> bool {
    before.account.id.is_some() && now.account.id.is_some() && before.account.id != now.account.id
}

/// A login that did not come to its end, and what would help.
struct Stopped(Refusal, Option<String>);

impl Stopped {
    fn of(failure: Failure) -> Self {
        match failure {
            Failure::Failed { message, hint } => {
                Stopped(Refusal::new(ccproxy_core::oauth::Reason::Denied, message), hint)
            }
            _ => Stopped(Refusal::new(ccproxy_core::oauth::Reason::Denied, "nothing was done"), None),
        }
    }

    fn into_failure(self) -> Failure {
        match self.1 {
            Some(hint) => Failure::from(self.0).with_hint(hint),
            None => Failure::from(self.0),
        }
    }
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Stopped(refusal, None)
    }
}
