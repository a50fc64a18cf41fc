//! The file of keys: read as a whole, written as a whole, by one writer at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Key;
use crate::secret::Secret;

/// Largest file that is read.
const MOST: u64 = 1 << 20;

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
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(told(&error)),
        };
        let mut text = String::new();
        let read = file.take(MOST + 1).read_to_string(&mut text);
        if read.map_err(|error| told(&error))? as u64 > MOST {
            return Err(told(&format!("larger than {MOST} bytes")));
        }
        let content: Content = serde_json::from_str(&text).map_err(|error| told(&error))?;
        Ok(content.keys)
    }

    /// The key of this machine's own command line, made when there is none yet. It stands in the data folder, for
    /// its owner only: whoever can read it could write the keys themselves.
    pub fn local(&self) -> Result<Secret, Problem> {
        let path = self.0.with_file_name("local.key");
        let told = |error: io::Error| format!("{}: {error}", path.display());
        let read = || fs::read_to_string(&path).map(|text| text.trim().to_owned());
        if let Ok(text) = read()
            && !text.is_empty()
        {
            return Ok(Secret::new(text));
        }
        let new =
            Key::make("local", None, Vec::new(), Vec::new()).map_err(|error| error.message().to_owned())?;
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(told)?;
        match private(&path, true) {
            Ok(mut file) => {
                file.write_all(new.secret.expose().as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(told)?;
                Ok(new.secret)
            }
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                read().map(Secret::new).map_err(told)
            }
            Err(error) => Err(told(error)),
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
        let told = |error: io::Error| format!("{}: {error}", self.0.display());
        let folder = self.0.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(told)?;
        let lock = private(&folder.join("keys.lock"), false).map_err(told)?;
        lock.lock().map_err(told)?;
        let mut keys = self.read()?;
        edit(&mut keys)?;
        let text = serde_json::to_string_pretty(&Content { keys }).map_err(|error| error.to_string())?;
        self.write(folder, text.as_bytes()).map_err(told)
    }

    /// A new file takes the old one's place, so that no reader ever sees half of one.
    fn write(&self, folder: &Path, text: &[u8]) -> io::Result<()> {
        let fresh = folder.join(format!("keys.json.{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let mut file = private(&fresh, true)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.0)?;
        File::open(folder)?.sync_all()
    }
}

/// A file for its owner only; `new`: it must not be there yet.
fn private(path: &Path, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(!new).create_new(new);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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
