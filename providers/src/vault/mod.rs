//! Tokens on disk: `<data folder>/credentials/<provider>/<account>.json`, one file an account.
//!
//! A file is whole or not there, whatever dies when; only its owner can read it; and it is sealed when there is a
//! key to seal it with. Nothing is written without the lock of the account.

mod disk;
mod id;
mod key;
mod keyring;
mod lock;
mod record;
mod seal;
mod settings;
mod shelf;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::oauth::Failure;

pub use disk::Stamp;
pub use id::Id;
pub use key::KeyState;
pub use lock::Locked;
pub use record::{NeedsLogin, Record};
pub use settings::{Sealing, schema};
pub use shelf::Shelf;

use key::Keys;

/// The files of all accounts.
pub struct Vault {
    root: PathBuf,
    keys: Keys,
}

impl Vault {
    /// In this data folder. Touches nothing yet.
    pub fn new(data_dir: &Path, sealing: Sealing) -> Arc<Self> {
        let root = data_dir.join("credentials");
        let keys = Keys::new(sealing, &root);
        Arc::new(Vault { root, keys })
    }

    #[cfg(test)]
    fn with_keyring(data_dir: &Path, sealing: Sealing, keyring: Arc<dyn keyring::Keyring>) -> Arc<Self> {
        let root = data_dir.join("credentials");
        let keys = Keys::asking(sealing, &root, keyring);
        Arc::new(Vault { root, keys })
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// Whether there is a key to seal with. Waits for it, for 3 s at most.
    pub async fn key(&self) -> KeyState {
        self.keys.get().await
    }

    /// Whether a login could be stored: for those who are about to send somebody to a browser. Waits for the key.
    pub async fn ready(&self) -> Result<(), Failure> {
        match self.key().await {
            KeyState::Missing(why) => Err(unsealed(&why)),
            KeyState::Ready(_) | KeyState::Plain(_) => Ok(()),
        }
    }

    /// Seals what is kept in the clear, of all accounts that nobody writes to at the moment. Changes nothing where there is no
    /// key; what cannot be sealed stays as it is.
    pub async fn seal(self: &Arc<Self>) -> Result<(), Failure> {
        for provider in self.providers()? {
            for id in self.accounts(&provider)? {
                let open = self.is_sealed(&id).await.ok().flatten() == Some(false);
                // The key last: where everything is sealed, nobody waits for it.
                if !open || !matches!(self.key().await, KeyState::Ready(_)) {
                    continue;
                }
                let sealed = match self.try_lock(&id).await {
                    Ok(Some(locked)) => locked.seal().await.map(drop),
                    Ok(None) => Ok(()),
                    Err(failure) => Err(failure),
                };
                if let Err(failure) = sealed {
                    tracing::warn!("the login {id} is not sealed: {failure}");
                }
            }
        }
        Ok(())
    }

    /// The accounts of a provider, in order. Their files may still turn out to be unreadable.
    pub fn accounts(&self, provider: &str) -> Result<Vec<Id>, Failure> {
        let names = disk::names(&self.root.join(provider))?;
        let mut ids: Vec<Id> =
            names.iter().filter_map(|name| Id::new(provider, name.strip_suffix(".json")?).ok()).collect();
        ids.sort();
        Ok(ids)
    }

    /// The providers that have accounts, in order.
    pub fn providers(&self) -> Result<Vec<String>, Failure> {
        let mut names = disk::names(&self.root)?;
        names.retain(|name| self.accounts(name).is_ok_and(|accounts| !accounts.is_empty()));
        names.sort();
        Ok(names)
    }

    /// What is kept of an account; `None` when nothing is. Needs no lock: a file is replaced at once.
    pub async fn read(self: &Arc<Self>, id: &Id) -> Result<Option<Record>, Failure> {
        let (vault, at) = (self.clone(), id.clone());
        let bytes = blocking(move || disk::read(&vault.path(&at))).await?;
        let Some(bytes) = bytes else { return Ok(None) };
        let opened = match seal::is_sealed(&bytes) {
            true => seal::open(&bytes, id, &self.key().await)?,
            false => bytes,
        };
        Record::read(&opened, id).map(Some)
    }

    /// The same for those who cannot wait: `None` too when it is sealed and nobody asked for the key yet. Reads a small file.
    pub fn peek(&self, id: &Id) -> Result<Option<Record>, Failure> {
        let Some(bytes) = disk::read(&self.path(id))? else { return Ok(None) };
        let opened = match (seal::is_sealed(&bytes), self.keys.known()) {
            (false, _) => bytes,
            (true, Some(key)) => seal::open(&bytes, id, &key)?,
            (true, None) => return Ok(None),
        };
        Record::read(&opened, id).map(Some)
    }

    /// Whether the file of an account, and the one before it, are sealed; `None` when there is no file.
    pub async fn is_sealed(self: &Arc<Self>, id: &Id) -> Result<Option<bool>, Failure> {
        let path = self.path(id);
        blocking(move || {
            let sealed = |path: &Path| Ok(disk::read(path)?.map(|bytes| seal::is_sealed(&bytes)));
            let Some(now) = sealed(&path)? else { return Ok(None) };
            Ok(Some(now && sealed(&disk::beside(&path, "previous"))?.unwrap_or(true)))
        })
        .await
    }

    /// A file of the house's own beside the accounts; nothing in it is secret. Blocks.
    pub(crate) fn read_state(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(disk::read(&self.root.join(name))?.map(|bytes| bytes.to_vec()))
    }

    /// Replaces such a file. Whoever does so is the only one. Blocks.
    pub(crate) fn save_state(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        disk::save(&self.root.join(name), bytes)
    }

    /// Changes whenever the file of an account does. Costs one call of the system.
    pub fn stamp(&self, id: &Id) -> Option<Stamp> {
        disk::stamp(&self.path(id))
    }

    /// Waits for the turn of an account, among all processes.
    pub async fn lock(self: &Arc<Self>, id: &Id, patience: Duration) -> Result<Locked, Failure> {
        lock::wait(self, id, patience).await
    }

    /// The turn of an account if nobody has it.
    pub async fn try_lock(self: &Arc<Self>, id: &Id) -> Result<Option<Locked>, Failure> {
        lock::attempt(self, id).await
    }

    fn path(&self, id: &Id) -> PathBuf {
        self.root.join(id.provider()).join(format!("{}.json", id.account()))
    }
}

/// Why nothing is stored, and what would mend it.
fn unsealed(why: &str) -> Failure {
    Failure::storage(format!(
        "nothing is stored unsealed: {why}; set `credentials.key_command` or `credentials.key_file` to a source of the key that works, \
         or `credentials.seal` to \"auto\" or \"off\""
    ))
}

/// Runs what waits for a disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(Failure::storage("the work on the credential's file was broken off")),
    }
}
