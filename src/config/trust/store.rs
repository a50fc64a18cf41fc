//! The list of trusted folders: `trust.json` in the data folder, for its owner only.

use std::io::Write;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// Longest list that is read.
const MOST: u64 = 1 << 20;

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
        Some(digest(&SHA256, &content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
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
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let document = Document { version: 1, folders: self.entries.clone() };
        let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
        private_folder(folder)
            .and_then(|()| replace(&self.path, text.as_bytes()))
            .map_err(|error| format!("cannot write `{shown}`: {error}; is the data folder writable?"))
    }
}

fn parse(path: &Path) -> Result<Vec<Entry>, String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
        Ok(data) if data.len() > MOST => return Err(format!("it is larger than {MOST} bytes")),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let document: Document = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    match document.version {
        1 => Ok(document.folders),
        version => Err(format!("it is of version {version}, and this program knows 1")),
    }
}

/// Makes the folder, for its owner only, when it is not there.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes beside the file and renames over it, so that a crash leaves the old list or the new one.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("json.{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
