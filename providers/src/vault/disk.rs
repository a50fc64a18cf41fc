//! The files of accounts, and what changes when one does. How a file is read and saved is [`private_file`]'s.

use std::path::Path;
use std::time::SystemTime;

use ccproxy_core::oauth::Failure;
use ccproxy_core::private_file::{self, Saving, Trouble};
use zeroize::Zeroizing;

pub(super) use private_file::{Held, beside};

/// Changes whenever a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

/// What stands there now; `None` when nothing does.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let data = std::fs::symlink_metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&data);
    #[cfg(not(unix))]
    let inode = 0;
    Some(Stamp { inode, length: data.len(), modified: data.modified().ok() })
}

/// The names in a folder; none when it is not there.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::storage(format!("cannot read `{}`: {error}", folder.display()))),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.')).collect())
}

/// Makes a folder and those above it, for its owner only.
pub(super) fn create_folder(folder: &Path) -> Result<(), Failure> {
    private_file::create_folder(folder).map_err(failure)
}

/// What is in a file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    private_file::read(path).map_err(failure)
}

/// Replaces a file; the one before it stays as `.previous`. Needs the account's lock.
pub(super) fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    Saving { previous: true, step, ..Saving::of(path) }.save(bytes).map_err(failure)
}

/// Replaces a file; the one before it goes. Needs the account's lock.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Saving { step, ..Saving::of(path) }.save(bytes).map_err(failure)
}

/// Removes a file and what stands beside it, but for its lock; says whether it was there.
pub(super) fn remove(path: &Path) -> Result<bool, Failure> {
    private_file::remove(path).map_err(failure)
}

/// Tries to get the lock that this file stands for.
pub(super) fn hold(path: &Path) -> Result<Option<Held>, Failure> {
    private_file::hold(path).map_err(failure)
}

fn failure(trouble: Trouble) -> Failure {
    let remedy = if trouble.is_refusal() { "; remove it and log in again" } else { "" };
    Failure::storage(format!("{trouble}{remedy}"))
}

/// A place at which a test may let the process die.
fn step(name: &'static str) {
    #[cfg(test)]
    super::tests::die_at(name);
    let _ = name;
}
