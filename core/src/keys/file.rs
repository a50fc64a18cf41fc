//! The file of keys: read as a whole, written as a whole, by one writer at a time.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::Key;
use crate::private_file::{self, Saving, Trouble};
use crate::secret::Secret;

/// How long an edit waits for another process's.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where keys are kept.
#[derive(Clone, Debug)]
pub struct KeyFile(PathBuf);

/// What is wrong with the file, for the operator.
pub type Problem = String;

#[derive(Default, Serialize, Deserialize)]
struct Content {
    keys: Vec<Key>,
}

impl KeyFile {
    /// The one of a data folder.
    pub fn of(data_dir: &Path) -> Self {
        KeyFile(data_dir.join("keys.json"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is there, so that keys are asked for.
    pub fn exists(&self) -> bool {
        // Whatever cannot be looked at counts as there: the safe side.
        let absent = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        !fs::symlink_metadata(&self.0).is_err_and(|error| absent(&error))
    }

    /// Every key; none when there is no file.
    pub fn read(&self) -> Result<Vec<Key>, Problem> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", self.0.display());
        let Some(bytes) = private_file::read(&self.0).map_err(|trouble| trouble.to_string())? else {
            return Ok(Vec::new());
        };
        let content: Content = serde_json::from_slice(&bytes).map_err(|error| told(&error))?;
        Ok(content.keys)
    }

    /// The key of this machine's own command line, made when there is none yet. It stands in the data folder, for
    /// its owner only: whoever can read it could write the keys themselves.
    pub fn local(&self) -> Result<Secret, Problem> {
        let path = self.0.with_file_name("local.key");
        let read = || -> Result<Option<Secret>, Problem> {
            let bytes = private_file::read(&path).map_err(|trouble| trouble.to_string())?;
            let text = bytes.map(|bytes| Secret::new(String::from_utf8_lossy(&bytes).trim()));
            Ok(text.filter(|text| !text.expose().is_empty()))
        };
        if let Some(key) = read()? {
            return Ok(key);
        }
        let new =
            Key::make("local", None, Vec::new(), Vec::new()).map_err(|error| error.message().to_owned())?;
        // Of several processes that find none, one makes it.
        let made = private_file::create(&path, new.secret.expose().as_bytes());
        match made.map_err(|trouble| trouble.to_string())? {
            true => Ok(new.secret),
            false => read()?.ok_or_else(|| format!("{} is empty; remove it", path.display())),
        }
    }

    /// Changes the keys: reads, edits and writes while no other process does.
    pub fn edit(&self, edit: impl FnOnce(&mut Vec<Key>)) -> Result<(), Problem> {
        self.try_edit(|keys| {
            edit(keys);
            Ok(())
        })
    }

    /// The same, unless the edit says no.
    pub fn try_edit(&self, edit: impl FnOnce(&mut Vec<Key>) -> Result<(), Problem>) -> Result<(), Problem> {
        let told = |trouble: Trouble| trouble.to_string();
        let _lock = private_file::wait(&self.0.with_file_name("keys.lock"), PATIENCE).map_err(told)?;
        let mut keys = self.read()?;
        edit(&mut keys)?;
        let text = serde_json::to_string_pretty(&Content { keys }).map_err(|error| error.to_string())?;
        Saving::of(&self.0).save(text.as_bytes()).map_err(told)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn edits_are_whole_private_and_seen_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::of(folder.path());
        assert!(!file.exists() && file.read().unwrap().is_empty());
        std::thread::scope(|scope| {
            for number in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    let key = Key::make(&format!("k{number}"), None, vec![], vec![]).unwrap().key;
                    file.edit(|keys| keys.push(key)).unwrap();
                });
            }
        });
        assert_eq!(file.read().unwrap().len(), 8);
        file.edit(Vec::clear).unwrap();
        assert!(file.exists() && file.read().unwrap().is_empty());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(file.try_edit(|_| Err("no".to_owned())).is_err());
        fs::write(file.path(), "{").unwrap();
        assert!(file.read().unwrap_err().contains("keys.json"));
        assert!(file.edit(Vec::clear).is_err(), "what cannot be read is not written over");
    }
}
