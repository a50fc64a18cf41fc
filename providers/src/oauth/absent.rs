//! An identity provider that is not there: the plugin that brings it does not run. Everything asked of it says so.

use std::sync::Arc;

use ccproxy_core::oauth::{Attempt, Failure, Flows, OAuthProvider, Reason, Storage, Tokens};
use ccproxy_core::secret::Secret;
use ccproxy_core::step::BoxFuture;

use crate::vault::{Shelf, Vault};

/// Nobody, under a name.
pub(super) struct Absent {
    name: String,
    vault: Arc<Vault>,
}

impl Absent {
    pub(super) fn new(name: &str, vault: Arc<Vault>) -> Self {
        Absent { name: name.to_owned(), vault }
    }

    fn failure(&self) -> Failure {
        let name = &self.name;
        let told = format!(
            "there is no OAuth provider `{name}`: no plugin that runs brings it, and `[oauth.{name}]` is not set"
        );
        Failure::new(Reason::Unsupported, told)
    }

    fn fail<T: Send + 'static>(&self) -> BoxFuture<'static, Result<T, Failure>> {
        Box::pin(std::future::ready(Err(self.failure())))
    }
}

impl OAuthProvider for Absent {
    fn provider_name(&self) -> &str {
        &self.name
    }

    fn provider_display_name(&self) -> &str {
        &self.name
    }

    fn supports_pkce(&self) -> bool {
        false
    }

    /// Asked for, it says what is missing; a login that could not be refreshed would only say that it is over.
    fn supports_refresh(&self) -> bool {
        true
    }

    fn flows(&self) -> Flows {
        Flows::default()
    }

    fn authorization_url<'a>(&'a self, _: &'a Attempt) -> BoxFuture<'a, Result<String, Failure>> {
        self.fail()
    }

    fn handle_callback<'a>(
        &'a self,
        _: &'a Secret,
        _: &'a Attempt,
    ) -> BoxFuture<'a, Result<Tokens, Failure>> {
        self.fail()
    }

    fn refresh<'a>(&'a self, _: &'a Tokens) -> BoxFuture<'a, Result<Tokens, Failure>> {
        self.fail()
    }

    fn storage(&self) -> Arc<dyn Storage> {
        Shelf::new(self.vault.clone(), &self.name)
    }
}
