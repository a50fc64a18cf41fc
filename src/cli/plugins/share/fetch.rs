//! From a source to files in memory.

use super::folder::Hidden;
use super::source::{Place, Source};
use super::tree::{Tree, hash};
use super::{archive, download, folder, git};
use crate::cli::Failure;
use crate::config::Loaded;

/// Largest archive on this machine that is read.
const LARGEST: u64 = 32 << 20;

/// What came of it.
pub(crate) struct Fetched {
    /// The files, of everything or of the source's folder alone.
    pub(crate) tree: Tree,
    /// Which state it is: a commit, the hash of an archive, nothing for a folder.
    pub(crate) revision: Option<String>,
}

/// Reads a source. Nothing of it is written where it could ever run.
pub(crate) async fn fetch(source: &Source, loaded: &Loaded) -> Result<Fetched, Failure> {
    let part = source.subfolder.as_deref();
    let refused = |why: String| Failure::new(format!("`{}` is refused: {why}", source.text()));
    match &source.place {
        Place::Folder(path) => {
            let tree = folder::read(path, part, Hidden::LeftOut).map_err(refused)?;
            Ok(Fetched { tree, revision: None })
        }
        Place::Archive(path) => {
            let unread = |error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
            if std::fs::metadata(path).map_err(unread)?.len() > LARGEST {
                return Err(refused(format!("it is larger than {LARGEST} bytes")));
            }
            unpacked(&std::fs::read(path).map_err(unread)?).map_err(refused)
        }
        Place::Url(url) => unpacked(&download::read(url, loaded).await?).map_err(refused),
        Place::Git(url) => {
            let (tree, commit) = git::read(url, source.reference.as_deref(), part).await?;
            Ok(Fetched { tree, revision: Some(commit) })
        }
    }
}

fn unpacked(bytes: &[u8]) -> Result<Fetched, String> {
    Ok(Fetched { tree: archive::read(bytes)?, revision: Some(hash(bytes)) })
}
