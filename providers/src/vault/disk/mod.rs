//! Files that are whole or not there, and that nobody else can read.
//!
//! A save writes a new file beside the old one, makes sure that the disk has it, and renames it over the old one,
//! which stays as `.previous`.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ccproxy_core::oauth::Failure;

#[cfg(not(unix))]
use other as system;
#[cfg(unix)]
use unix as system;

pub(super) use system::{Held, create_folder, hold, read};

/// Largest file that is read.
const LARGEST: u64 = 1 << 20;

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
        Err(error) => return Err(cannot("read", folder, &error)),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.')).collect())
}

/// Replaces a file. Needs the account's lock: temporary files that are there are of somebody who died.
pub(super) fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    sweep(folder, path);
    let temporary = beside(path, "tmp");
    let saved = replace(path, &temporary, folder, bytes);
    if saved.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    saved.map_err(|error| cannot("write", path, &error))
}

fn replace(path: &Path, temporary: &Path, folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = system::create_new(temporary)?;
    step("created");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    step("half written");
    file.write_all(second)?;
    step("written");
    file.sync_all()?;
    drop(file);
    step("on disk");
    keep_previous(path)?;
    step("previous kept");
    std::fs::rename(temporary, path)?;
    step("renamed");
    system::sync_folder(folder)
}

/// The file as it is gets a second name, so that it is never away.
fn keep_previous(path: &Path) -> std::io::Result<()> {
    let link = beside(path, "previous.tmp");
    let kept =
        std::fs::hard_link(path, &link).and_then(|()| std::fs::rename(&link, beside(path, "previous")));
    match kept {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // Some file systems have no second names.
        Err(_) => std::fs::copy(path, &link).and_then(|_| std::fs::rename(&link, beside(path, "previous"))),
        Ok(()) => Ok(()),
    }
}

/// Removes a file and what stands beside it, but for its lock; says whether it was there.
pub(super) fn remove(path: &Path) -> Result<bool, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    sweep(folder, path);
    let _ = std::fs::remove_file(beside(path, "previous"));
    match std::fs::remove_file(path) {
        Ok(()) => system::sync_folder(folder).map(|()| true).map_err(|error| cannot("remove", path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot("remove", path, &error)),
    }
}

/// `<account>.json.<ending>`
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn sweep(_folder: &Path, path: &Path) {
    for ending in ["tmp", "previous.tmp"] {
        let _ = std::fs::remove_file(beside(path, ending));
    }
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::storage(format!("cannot {what} `{}`: {error}", path.display()))
}

/// A place at which a test may let the process die.
#[cfg(test)]
fn step(name: &str) {
    super::tests::die_at(name);
}

#[cfg(not(test))]
#[inline]
fn step(_: &str) {}
