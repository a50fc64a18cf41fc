//! Files that are whole or not there, and that nobody else can read: tokens, keys of clients, trusted folders.
//!
//! A save writes a new file beside the old one, makes sure that the disk has it, and renames it over the old one. Reading
//! refuses links, files of others and what is too large, and closes what is open to others.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

#[cfg(not(unix))]
use other as system;
#[cfg(unix)]
use unix as system;

pub use system::{Held, create_folder, hold, read_within};

/// Largest file that is read where nothing else is said.
pub const LARGEST: u64 = 1 << 20;
/// How long to wait between two looks at a lock.
const PAUSE: Duration = Duration::from_millis(10);

/// Why a file is not read or written, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    told: String,
    refused: bool,
}

impl Trouble {
    fn failed(what: &str, path: &Path, error: &io::Error) -> Self {
        Trouble { told: format!("cannot {what} `{}`: {error}", path.display()), refused: false }
    }

    fn refused(path: &Path, why: &str) -> Self {
        Trouble { told: format!("`{}` is not read: {why}", path.display()), refused: true }
    }

    /// Whether what is there must not be read, rather than could not: somebody has to take it away.
    pub fn is_refusal(&self) -> bool {
        self.refused
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

impl std::error::Error for Trouble {}

/// A file that is saved.
#[derive(Clone, Copy, Debug)]
pub struct Saving<'a> {
    /// Where it stands.
    pub path: &'a Path,
    /// Whether the file before it stays as `.previous`.
    pub previous: bool,
    /// Told what was done; a test lets the process die there.
    pub step: fn(&'static str),
}

impl<'a> Saving<'a> {
    /// A file whose predecessor goes.
    pub fn of(path: &'a Path) -> Self {
        Saving { path, previous: false, step: |_| {} }
    }

    /// Replaces it. Whoever calls holds a lock for it: temporary files that are there are of somebody who died.
    pub fn save(self, bytes: &[u8]) -> Result<(), Trouble> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        system::make_folder(folder)?;
        sweep(self.path);
        let temporary = beside(self.path, "tmp");
        let saved = self.replace(&temporary, folder, bytes);
        if saved.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        saved.map_err(|error| Trouble::failed("write", self.path, &error))
    }

    fn replace(self, temporary: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
        let step = self.step;
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
        if self.previous {
            keep_previous(self.path)?;
        }
        step("previous kept");
        std::fs::rename(temporary, self.path)?;
        step("renamed");
        system::sync_folder(folder)
    }
}

/// Reads a file of our own; `None` when there is none. Refuses links, files of others, and what is too large.
pub fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
    read_within(path, LARGEST)
}

/// Removes a file and what stands beside it, but for its lock; says whether it was there.
pub fn remove(path: &Path) -> Result<bool, Trouble> {
    let failed = |error: io::Error| Trouble::failed("remove", path, &error);
    let folder = path.parent().unwrap_or(Path::new("."));
    sweep(path);
    let _ = std::fs::remove_file(beside(path, "previous"));
    match std::fs::remove_file(path) {
        Ok(()) => system::sync_folder(folder).map(|()| true).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// A new file for its owner only; `Ok(false)` when another process was quicker.
pub fn create(path: &Path, bytes: &[u8]) -> Result<bool, Trouble> {
    let failed = |error: io::Error| Trouble::failed("write", path, &error);
    let folder = path.parent().unwrap_or(Path::new("."));
    system::make_folder(folder)?;
    // Beside it first: whoever reads it must not find half of it.
    let temporary = beside(path, &format!("{}.tmp", std::process::id()));
    let _ = std::fs::remove_file(&temporary);
    let mut file = system::create_new(&temporary).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| std::fs::hard_link(&temporary, path));
    let _ = std::fs::remove_file(&temporary);
    match linked {
        Ok(()) => system::sync_folder(folder).map(|()| true).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Waits for the lock that a file stands for, `patience` at most. It blocks: commands wait so, workers must not.
#[expect(clippy::disallowed_methods, reason = "no worker of the proxy comes here")]
pub fn wait(path: &Path, patience: Duration) -> Result<Held, Trouble> {
    let end = Instant::now() + patience;
    if let Some(folder) = path.parent() {
        system::make_folder(folder)?;
    }
    loop {
        if let Some(held) = hold(path)? {
            return Ok(held);
        }
        if Instant::now() >= end {
            let why = format!("another process has held it for {} s", patience.as_secs());
            return Err(Trouble::failed("lock", path, &io::Error::other(why)));
        }
        std::thread::sleep(PAUSE);
    }
}

/// `<path>.<ending>`
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// The file as it is gets a second name, so that it is never away.
fn keep_previous(path: &Path) -> io::Result<()> {
    let link = beside(path, "previous.tmp");
    let kept =
        std::fs::hard_link(path, &link).and_then(|()| std::fs::rename(&link, beside(path, "previous")));
    match kept {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Some file systems have no second names.
        Err(_) => std::fs::copy(path, &link).and_then(|_| std::fs::rename(&link, beside(path, "previous"))),
        Ok(()) => Ok(()),
    }
}

fn sweep(path: &Path) {
    for ending in ["tmp", "previous.tmp"] {
        let _ = std::fs::remove_file(beside(path, ending));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_saved_whole_for_its_owner_and_what_the_dead_left_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/x.json");
        Saving::of(&path).save(b"one").unwrap();
        std::fs::write(beside(&path, "tmp"), "half").unwrap();
        Saving { previous: true, ..Saving::of(&path) }.save(b"two").unwrap();
        assert_eq!(&**read(&path).unwrap().unwrap(), b"two");
        assert_eq!(std::fs::read(beside(&path, "previous")).unwrap(), b"one");
        assert!(!beside(&path, "tmp").exists());
        assert_eq!((remove(&path), remove(&path)), (Ok(true), Ok(false)));
        assert!(read(&path).unwrap().is_none() && !beside(&path, "previous").exists());
    }

    #[test]
    fn the_first_of_several_makes_a_file_and_the_others_find_it_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.key");
        assert_eq!((create(&path, b"first"), create(&path, b"second")), (Ok(true), Ok(false)));
        assert_eq!(&**read(&path).unwrap().unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_pipes_and_what_is_too_large_are_refused_and_open_ones_closed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        Saving::of(&path).save(b"x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        read(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let link = folder.path().join("link.json");
        symlink(&path, &link).unwrap();
        let refused = |path: &Path| read(path).unwrap_err();
        assert!(refused(&link).is_refusal() && refused(&link).to_string().contains("symbolic link"));
        // A save goes beside a link, never through it.
        Saving::of(&link).save(b"y").unwrap();
        assert_eq!(
            (std::fs::read(&path).unwrap(), std::fs::read(&link).unwrap()),
            (b"x".to_vec(), b"y".to_vec())
        );
        assert!(refused(folder.path()).is_refusal());
        std::fs::write(&path, vec![b'x'; LARGEST as usize + 1]).unwrap();
        assert!(refused(&path).to_string().contains("larger than"));
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_is_waited_for_no_longer_than_patience_lasts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = wait(&path, Duration::ZERO).unwrap();
        assert!(
            wait(&path, Duration::from_millis(30)).err().unwrap().to_string().contains("another process")
        );
        drop(held);
        wait(&path, Duration::ZERO).unwrap();
    }
}
