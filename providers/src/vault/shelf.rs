//! The part of the vault that belongs to one provider, as an OAuth provider sees it.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::oauth::{Failure, Storage, Tokens};
use ccproxy_core::step::BoxFuture;

use super::{Id, Record, Vault};

/// How long a login waits for a refresh that is under way.
const PATIENCE: Duration = Duration::from_secs(40);

/// The accounts of one provider.
pub struct Shelf {
    vault: Arc<Vault>,
    provider: String,
}

impl Shelf {
    /// Of this provider.
    pub fn new(vault: Arc<Vault>, provider: &str) -> Arc<Self> {
        Arc::new(Shelf { vault, provider: provider.to_owned() })
    }
}

impl Storage for Shelf {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        let ids = self.vault.accounts(&self.provider);
        let names = ids.map(|ids| ids.iter().map(|id| id.account().to_owned()).collect());
        Box::pin(std::future::ready(names))
    }

    fn load<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<Tokens>, Failure>> {
        Box::pin(async move {
            let record = self.vault.read(&Id::new(&self.provider, account)?).await?;
            Ok(record.map(|record| record.tokens))
        })
    }

    fn save<'a>(&'a self, account: &'a str, tokens: Tokens) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let locked = self.vault.lock(&Id::new(&self.provider, account)?, PATIENCE).await?;
            locked.write(Record::new(tokens)).await
        })
    }

    fn delete<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let locked = self.vault.lock(&Id::new(&self.provider, account)?, PATIENCE).await?;
            locked.remove().await
        })
    }
}
