//! The turn of an account: who has it may write, and nobody else in any process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::oauth::Failure;
use tokio::time::Instant;

use super::key::Key;
use super::{Id, KeyState, Record, Vault, blocking, disk, seal, unsealed};

/// How long to wait between two looks, at least; up to twice that.
const PAUSE: Duration = Duration::from_millis(5);

/// The turn of an account, until it is dropped.
pub struct Locked {
    vault: Arc<Vault>,
    id: Id,
    _held: disk::Held,
}

/// Waits for the turn, and no longer than `patience`.
pub(super) async fn wait(vault: &Arc<Vault>, id: &Id, patience: Duration) -> Result<Locked, Failure> {
    let end = Instant::now() + patience;
    loop {
        if let Some(locked) = attempt(vault, id).await? {
            return Ok(locked);
        }
        if Instant::now() >= end {
            let told = format!(
                "another process has held the lock of {id} for {} s; end it, or try again",
                patience.as_secs()
            );
            return Err(Failure::storage(told));
        }
        tokio::time::sleep(PAUSE.mul_f64(1.0 + chance())).await;
    }
}

/// The turn if nobody has it.
pub(super) async fn attempt(vault: &Arc<Vault>, id: &Id) -> Result<Option<Locked>, Failure> {
    let path = vault.path(id);
    let held = blocking(move || {
        // Not the data file: a rename would take the lock away with it.
        let lock = disk::beside(&path, "lock");
        match lock.parent() {
            Some(folder) => disk::create_folder(folder)?,
            None => return Err(Failure::storage("the store has no folder")),
        }
        disk::hold(&lock)
    })
    .await?;
    Ok(held.map(|held| Locked { vault: vault.clone(), id: id.clone(), _held: held }))
}

impl Locked {
    /// Whose turn it is.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// What is kept now.
    pub async fn read(&self) -> Result<Option<Record>, Failure> {
        self.vault.read(&self.id).await
    }

    /// Keeps this in place of what was there, once the disk has it. A sealed file is only replaced by one that is
    /// sealed, and only if it can be opened.
    pub async fn write(&self, mut record: Record) -> Result<(), Failure> {
        let key = self.vault.key().await;
        let before = self.raw(self.vault.path(&self.id)).await?;
        if let Some(before) = before.as_ref().filter(|before| seal::is_sealed(before)) {
            seal::open(before, &self.id, &key)?;
        }
        record.generation += 1;
        let plain = record.write(&self.id)?;
        if Record::read(&plain, &self.id).is_err() {
            return Err(Failure::storage(format!(
                "tokens of {} that could not be read again are not stored",
                self.id
            )));
        }
        let bytes = match key {
            KeyState::Ready(key) => {
                // What was there before stays beside the new one, and not in the clear.
                if let Some(before) = before.filter(|before| !seal::is_sealed(before)) {
                    self.seal_one(self.vault.path(&self.id), &before, &key).await?;
                }
                seal::close(&plain, &self.id, &key)?
            }
            KeyState::Plain(_) => plain,
            KeyState::Missing(why) => {
                return Err(unsealed(&why));
            }
        };
        let path = self.vault.path(&self.id);
        blocking(move || disk::save(&path, &bytes)).await
    }

    /// Seals what is kept in the clear, the file and the one before it; says whether there was any. Changes nothing where
    /// there is no key.
    pub async fn seal(&self) -> Result<bool, Failure> {
        let KeyState::Ready(key) = self.vault.key().await else { return Ok(false) };
        let path = self.vault.path(&self.id);
        let mut sealed = false;
        for path in [disk::beside(&path, "previous"), path] {
            let plain = self.raw(path.clone()).await?.filter(|bytes| !seal::is_sealed(bytes));
            if let Some(plain) = plain {
                self.seal_one(path, &plain, &key).await?;
                sealed = true;
            }
        }
        Ok(sealed)
    }

    async fn seal_one(&self, path: PathBuf, plain: &[u8], key: &Key) -> Result<(), Failure> {
        let sealed = seal::close(plain, &self.id, key)?;
        blocking(move || disk::replace(&path, &sealed)).await
    }

    /// Forgets the account, whatever its file holds; says whether there was one.
    pub async fn remove(&self) -> Result<bool, Failure> {
        let path = self.vault.path(&self.id);
        blocking(move || disk::remove(&path)).await
    }

    async fn raw(&self, path: PathBuf) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, Failure> {
        blocking(move || disk::read(&path)).await
    }
}

/// A number from 0 to 1, so that those who wait do not all come at once.
fn chance() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
