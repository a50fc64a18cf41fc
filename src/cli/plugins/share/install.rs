//! Puts a plugin's folder in its place, and takes it away: by renaming, so that there is always a whole one.

use ccproxy_core::unix_time;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{Hidden, read};
use super::lock::{Lock, Locked};
use super::offer::Offer;
use super::tree::Tree;
use crate::cli::Failure;

/// Where folders stay that somebody had changed. Discovery passes over names that begin with a dot.
const KEPT: &str = ".kept";

/// What stands where a plugin should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Nothing,
    /// The files of its entry.
    AsAdded,
    /// Other files; these differ.
    Changed(Vec<String>),
}

/// What stands in a plugin's place, against its entry. Without an entry, whatever is there was made by hand.
pub(crate) fn standing(folder: &Path, name: &str, entry: Option<&Locked>) -> Standing {
    let place = folder.join(name);
    match place.symlink_metadata() {
        Err(_) => return Standing::Nothing,
        Ok(metadata) if !metadata.is_dir() => return Standing::Changed(Vec::new()),
        Ok(_) => {}
    }
    let Some(entry) = entry else { return Standing::Changed(Vec::new()) };
    let Ok(tree) = read(&place, None, Hidden::Read) else { return Standing::Changed(Vec::new()) };
    let now = tree.hashes();
    let mut changed: Vec<String> = now
        .iter()
        .filter(|(path, hash)| entry.files.get(*path) != Some(hash))
        .map(|(path, _)| path.clone())
        .chain(entry.files.keys().filter(|path| !now.contains_key(*path)).cloned())
        .collect();
    // A link holds nothing that would be lost, and yet somebody put it there.
    if changed.is_empty() && tree.below("").is_err() {
        changed.push(name.to_owned());
    }
    match changed.is_empty() {
        true => Standing::AsAdded,
        false => Standing::Changed(changed),
    }
}

/// The files of a plugin as they stand in its folder.
pub(crate) fn installed(folder: &Path, name: &str) -> Tree {
    read(&folder.join(name), None, Hidden::LeftOut).unwrap_or_default()
}

/// Puts a plugin in its place. What stands there goes, or is kept where the answer says. A failure leaves everything as it was.
pub(crate) fn put(lock: &mut Lock, offer: &Offer, keep: bool) -> Result<Option<PathBuf>, Failure> {
    let folder = lock.folder().to_owned();
    let failed = |error: io::Error| {
        Failure::new(format!(
            "cannot write `{}`: {error}; nothing was changed",
            folder.join(offer.name()).display()
        ))
    };
    let staged = tempfile::Builder::new().prefix(".adding-").tempdir_in(&folder).map_err(failed)?;
    let fresh = staged.path().join("new");
    write(&offer.tree, &fresh).map_err(failed)?;
    let place = folder.join(offer.name());
    let aside = aside(&folder, offer.name(), keep, staged.path()).map_err(failed)?;
    let was_there = place.symlink_metadata().is_ok();
    if was_there {
        std::fs::rename(&place, &aside).map_err(failed)?;
    }
    let moved = std::fs::rename(&fresh, &place).and_then(|()| {
        let written = lock.insert(Locked::of(offer));
        // A folder without its entry would never be updated.
        written.inspect_err(|_| {
            let _ = std::fs::rename(&place, &fresh);
        })
    });
    if let Err(error) = moved {
        if was_there {
            let _ = std::fs::rename(&aside, &place);
        }
        return Err(failed(error));
    }
    Ok((keep && was_there).then_some(aside))
}

/// Takes a plugin away, with its entry; or keeps its folder where the answer says.
pub(crate) fn take(lock: &mut Lock, name: &str, keep: bool) -> Result<Option<PathBuf>, Failure> {
    let folder = lock.folder().to_owned();
    let failed = |error: io::Error| {
        Failure::new(format!("cannot remove `{}`: {error}; nothing was changed", folder.join(name).display()))
    };
    let place = folder.join(name);
    let staged = tempfile::Builder::new().prefix(".removing-").tempdir_in(&folder).map_err(failed)?;
    let aside = aside(&folder, name, keep, staged.path()).map_err(failed)?;
    let was_there = place.symlink_metadata().is_ok();
    if was_there {
        std::fs::rename(&place, &aside).map_err(failed)?;
    }
    if let Err(error) = lock.remove(name) {
        if was_there {
            let _ = std::fs::rename(&aside, &place);
        }
        return Err(failed(error));
    }
    Ok((keep && was_there).then_some(aside))
}

/// Where the old folder goes: to stay, or to vanish with what was staged.
fn aside(folder: &Path, name: &str, keep: bool, staged: &Path) -> io::Result<PathBuf> {
    if !keep {
        return Ok(staged.join("old"));
    }
    let kept = folder.join(KEPT);
    std::fs::create_dir_all(&kept)?;
    let now = unix_time::now();
    let free = (0..1000).map(|number| kept.join(format!("{name}-{now}-{number}")));
    free.into_iter()
        .find(|path| path.symlink_metadata().is_err())
        .ok_or_else(|| io::Error::other("there are too many kept folders"))
}

/// Writes files below a folder that is not there yet: readable by everybody, writable by the user, nothing else.
pub(super) fn write(tree: &Tree, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    mode(folder, 0o755)?;
    for (path, bytes) in tree.files() {
        let mut parent = folder.to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        for part in &parts[..parts.len() - 1] {
            parent.push(part);
            if !parent.is_dir() {
                std::fs::create_dir(&parent)?;
                mode(&parent, 0o755)?;
            }
        }
        let place = folder.join(path);
        let mut file = std::fs::File::create_new(&place)?;
        io::Write::write_all(&mut file, bytes)?;
        mode(&place, 0o644)?;
        file.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
pub(super) fn mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
