//! `plugins.lock`: what came from where, which state of it, and which files these were.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::offer::Offer;
use super::tree::sum;
use crate::cli::Failure;

/// The file, beside the plugins that it is about.
const FILE: &str = "plugins.lock";
/// Held while plugins are moved, so that two commands do not forget each other's entries.
const GUARD: &str = ".plugins.lock";

const HEAD: &str =
    "# Written by `ccproxy plugins add`: what came from where. `ccproxy plugins update` needs it.\n\n";

/// Largest file that is read.
const LARGEST: u64 = 4 << 20;

/// The form that is written and read.
const VERSION: u32 = 1;

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Locked {
    /// Its name, and its folder's.
    pub(crate) name: String,
    /// The version that it says it has.
    pub(crate) version: String,
    /// As the user wrote it, with the folder in it.
    pub(crate) source: String,
    /// The commit, or the hash of the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<String>,
    /// One hash over all files.
    pub(crate) hash: String,
    /// What it may touch.
    pub(crate) capabilities: Vec<String>,
    /// Everything that it may do: an update that wants more is asked about.
    pub(crate) rights: BTreeSet<String>,
    /// The hash of each file.
    pub(crate) files: BTreeMap<String, String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default, rename = "plugin")]
    plugins: Vec<Locked>,
}

/// The lock file of a folder.
pub(crate) struct Lock {
    folder: PathBuf,
    plugins: Vec<Locked>,
    /// Only held by those who write.
    _guard: Option<std::fs::File>,
}

impl Locked {
    /// The entry of a plugin that is put there now.
    pub(crate) fn of(offer: &Offer) -> Self {
        let files = offer.tree.hashes();
        Locked {
            name: offer.name().to_owned(),
            version: offer.manifest().version.clone(),
            source: offer.source.text(),
            revision: offer.revision.clone(),
            hash: sum(&files),
            capabilities: offer.manifest().capabilities.clone(),
            rights: offer.rights.clone(),
            files,
        }
    }
}

impl Lock {
    /// Reads it; a folder without one has no entries.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let wrong = |why: String| {
            let failure = Failure::new(format!("`{}`: {why}", path.display()));
            failure.with_hint("without this file the plugins still run; they are only not updated any more")
        };
        let plugins = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(wrong(error.to_string())),
            Ok(metadata) if metadata.len() > LARGEST => return Err(wrong("is too large".to_owned())),
            Ok(_) => {
                let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
                let file: File = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
                if file.version != VERSION {
                    return Err(wrong(format!("has version {}; this ccproxy knows {VERSION}", file.version)));
                }
                file.plugins
            }
        };
        // Its names become paths.
        if let Some(odd) = plugins.iter().find(|plugin| !is_name(&plugin.name)) {
            return Err(wrong(format!("`{}` is no name of a plugin", odd.name.escape_debug())));
        }
        Ok(Lock { folder: folder.to_owned(), plugins, _guard: None })
    }

    /// Reads it to write it: nobody else does until it is dropped. Makes the folder.
    pub(crate) fn hold(folder: &Path) -> Result<Self, Failure> {
        let guard = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::File::options().create(true).append(true).open(folder.join(GUARD)));
        let guard = guard
            .map_err(|error| Failure::new(format!("cannot write to `{}`: {error}", folder.display())))?;
        match guard.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => {
                let failure =
                    Failure::new(format!("another command changes `{}` just now", folder.display()));
                return Err(failure.with_hint("try again when it is done"));
            }
            // Some file systems know no locks; then the user is the only one who can do two things at once.
            Err(std::fs::TryLockError::Error(_)) | Ok(()) => {}
        }
        Ok(Lock { _guard: Some(guard), ..Lock::read(folder)? })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every entry, by name.
    pub(crate) fn plugins(&self) -> &[Locked] {
        &self.plugins
    }

    /// The entry of a plugin.
    pub(crate) fn find(&self, name: &str) -> Option<&Locked> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// Writes it with this entry, in place of one of its name.
    pub(crate) fn insert(&mut self, entry: Locked) -> std::io::Result<()> {
        let others = self.plugins.iter().filter(|plugin| plugin.name != entry.name).cloned();
        self.write(others.chain([entry.clone()]).collect())
    }

    /// Writes it without this entry.
    pub(crate) fn remove(&mut self, name: &str) -> std::io::Result<()> {
        self.write(self.plugins.iter().filter(|plugin| plugin.name != name).cloned().collect())
    }

    fn write(&mut self, mut plugins: Vec<Locked>) -> std::io::Result<()> {
        plugins.sort_by(|a, b| a.name.cmp(&b.name));
        let file = File { version: VERSION, plugins };
        let text = toml::to_string_pretty(&file).map_err(std::io::Error::other)?;
        let mut temporary = tempfile::NamedTempFile::new_in(&self.folder)?;
        std::io::Write::write_all(&mut temporary, format!("{HEAD}{text}").as_bytes())?;
        super::install::mode(temporary.path(), 0o644)?;
        temporary.as_file().sync_all()?;
        temporary.persist(self.folder.join(FILE))?;
        self.plugins = file.plugins;
        Ok(())
    }
}

/// Whether it can be the name of a plugin's folder.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.bytes().all(plain)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn entry(name: &str, version: &str) -> Locked {
        Locked {
            name: name.to_owned(),
            version: version.to_owned(),
            source: "https://example.com/r@v1#a".to_owned(),
            revision: None,
            hash: "sha256:0".to_owned(),
            capabilities: vec!["kv".to_owned()],
            rights: BTreeSet::from(["capability kv".to_owned()]),
            files: BTreeMap::from([("lib/a b.lua".to_owned(), "sha256:1".to_owned())]),
        }
    }

    #[test]
    fn entries_stay_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = Lock::hold(folder.path()).unwrap();
        lock.insert(entry("b", "1.0.0")).unwrap();
        lock.insert(entry("a", "1.0.0")).unwrap();
        lock.insert(entry("b", "2.0.0")).unwrap();
        let read = Lock::read(folder.path()).unwrap();
        assert_eq!(read.plugins(), [entry("a", "1.0.0"), entry("b", "2.0.0")]);
        assert!(Lock::hold(folder.path()).is_err(), "one at a time");
        lock.remove("a").unwrap();
        drop(lock);
        assert!(Lock::hold(folder.path()).unwrap().find("a").is_none());
    }

    #[test]
    fn a_lock_file_that_leads_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (text, why) in [
            ("version = 2", "version 2"),
            ("version = 1\nplugins = []", "unknown field"),
            (
                "version = 1\n[[plugin]]\nname = \"../x\"\nversion = \"1\"\nsource = \"s\"\nhash = \"h\"\ncapabilities = []\nrights = []\nfiles = {}",
                "no name",
            ),
        ] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let told = format!("{:?}", Lock::read(folder.path()).err().unwrap());
            assert!(told.contains(why), "{told}");
        }
    }
}
