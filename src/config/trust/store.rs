//! The list of trusted folders: `trust.json` in the data folder, for its owner only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ccproxy_core::hex;
use ccproxy_core::private_file::{self, Saving};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// How long a change waits for another process's.
const PATIENCE: Duration = Duration::from_secs(10);

/// The list, and where it is kept.
#[derive(Clone, Debug)]
pub(super) struct Store {
    path: PathBuf,
    entries: Vec<Entry>,
    broken: bool,
}

/// A trusted folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its real path.
    pub(super) folder: PathBuf,
    /// SHA-256 of the project file that stood in it, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    folders: Vec<Entry>,
}

impl Entry {
    /// The content of a file as a number in hex.
    pub(super) fn hash_of(file: &Path) -> Option<String> {
        let content = std::fs::read(file).ok()?;
        Some(hex::encode(digest(&SHA256, &content).as_ref()))
    }
}

impl Store {
    /// Reads the list; one that is not there is empty.
    pub(super) fn read(path: &Path) -> (Self, Option<String>) {
        let empty = |broken| Store { path: path.to_owned(), entries: Vec::new(), broken };
        match parse(path) {
            Ok(entries) => (Store { entries, ..empty(false) }, None),
            Err(error) => (
                empty(true),
                Some(format!("cannot read the list of trusted folders `{}`: {error}", path.display())),
            ),
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn find(&self, folder: &Path) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.folder == folder)
    }

    pub(super) fn add(&mut self, entry: Entry) -> Result<(), String> {
        self.entries.retain(|known| known.folder != entry.folder);
        self.entries.push(entry);
        self.entries.sort_by(|a, b| a.folder.cmp(&b.folder));
        self.write()
    }

    pub(super) fn remove(&mut self, folder: &Path) -> Result<bool, String> {
        let before = self.entries.len();
        self.entries.retain(|known| known.folder != folder);
        if self.entries.len() == before {
            return Ok(false);
        }
        self.write().map(|()| true)
    }

    fn write(&self) -> Result<(), String> {
        let shown = self.path.display();
        if self.broken {
            return Err(format!("`{shown}` cannot be read, and is not overwritten: mend or remove it"));
        }
        let document = Document { version: 1, folders: self.entries.clone() };
        let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
        private_file::wait(&private_file::beside(&self.path, "lock"), PATIENCE)
            .and_then(|_lock| Saving::of(&self.path).save(text.as_bytes()))
            .map_err(|trouble| format!("{trouble}; is the data folder writable?"))
    }
}

fn parse(path: &Path) -> Result<Vec<Entry>, String> {
    let Some(bytes) = private_file::read(path).map_err(|trouble| trouble.to_string())? else {
        return Ok(Vec::new());
    };
    let document: Document = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    match document.version {
        1 => Ok(document.folders),
        version => Err(format!("it is of version {version}, and this program knows 1")),
    }
}
