//! Archives, read in memory and never unpacked: what stands in one is only a path and bytes.

use std::io::{BufReader, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use rawzip::{CompressionMethod, ZipArchive};

use super::tree::{MOST_BYTES, MOST_FILES, Tree};

/// Entries of an archive that are looked at, folders included.
const MOST_ENTRIES: usize = 4 * MOST_FILES;

/// Heads and padding of a tar file beside its contents.
const FRAMING: u64 = 16 << 20;

const LINK: &str = "a symbolic link";

/// Reads a zip file, or a tar file in gzip. `Err` says why it is refused.
pub(super) fn read(bytes: &[u8]) -> Result<Tree, String> {
    match bytes {
        [0x1f, 0x8b, ..] => tar(bytes),
        [b'P', b'K', ..] => zip(bytes),
        _ => Err("it is neither a zip file nor a tar file in gzip".to_owned()),
    }
}

fn tar(bytes: &[u8]) -> Result<Tree, String> {
    let mut tree = Tree::default();
    let mut inner = MultiGzDecoder::new(bytes).take(MOST_BYTES + FRAMING);
    let read = entries_of(&mut inner, &mut tree);
    if inner.limit() == 0 {
        return Err(format!("it unpacks to more than {MOST_BYTES} bytes"));
    }
    read.map(|()| tree)
}

fn entries_of(inner: &mut impl Read, tree: &mut Tree) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("it cannot be read: {error}");
    let mut archive = tar::Archive::new(BufReader::new(inner));
    for (number, entry) in archive.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if number >= MOST_ENTRIES {
            return Err(format!("it has more than {MOST_ENTRIES} entries"));
        }
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        let Some(path) = plain(&entry.path_bytes())? else { continue };
        if kind.is_dir() {
            super::tree::check_path(&path)?;
        } else if kind.is_file() || kind.is_contiguous() {
            let bytes = limited(&mut entry, tree.room())?;
            tree.add(&path, bytes)?;
        } else if kind.is_symlink() {
            tree.add_odd(&path, LINK)?;
        } else {
            return Err(format!("`{}` is a hard link, a device or a pipe", path.escape_debug()));
        }
    }
    Ok(())
}

fn zip(bytes: &[u8]) -> Result<Tree, String> {
    let broken = |error: rawzip::Error| format!("it cannot be read: {error}");
    let archive = ZipArchive::from_slice(bytes).map_err(broken)?;
    let mut tree = Tree::default();
    let mut entries = archive.entries();
    let mut number = 0;
    while let Some(entry) = entries.next_entry().map_err(broken)? {
        number += 1;
        if number > MOST_ENTRIES {
            return Err(format!("it has more than {MOST_ENTRIES} entries"));
        }
        let Some(path) = plain(entry.file_path().as_bytes())? else { continue };
        if entry.is_dir() {
            super::tree::check_path(&path)?;
            continue;
        }
        match entry.mode().value() & 0o170_000 {
            0 | 0o100_000 => {}
            0o120_000 => {
                tree.add_odd(&path, LINK)?;
                continue;
            }
            _ => return Err(format!("`{}` is a device or a pipe", path.escape_debug())),
        }
        if entry.flags().is_encrypted() {
            return Err(format!("`{}` is encrypted", path.escape_debug()));
        }
        let file = archive.get_entry(entry.wayfinder()).map_err(broken)?;
        let bytes = match entry.compression_method() {
            CompressionMethod::STORE => limited(&mut file.verifying_reader(file.data()), tree.room())?,
            CompressionMethod::DEFLATE => {
                limited(&mut file.verifying_reader(DeflateDecoder::new(file.data())), tree.room())?
            }
            _ => return Err(format!("`{}` is packed in a way that is not known here", path.escape_debug())),
        };
        tree.add(&path, bytes)?;
    }
    Ok(tree)
}

/// A path as text, without `./` before it and `/` behind it. `None` is the root.
fn plain(bytes: &[u8]) -> Result<Option<String>, String> {
    let path = std::str::from_utf8(bytes)
        .map_err(|_| format!("the name `{}` is not UTF-8", String::from_utf8_lossy(bytes).escape_debug()))?;
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    Ok((!path.is_empty() && path != ".").then(|| path.to_owned()))
}

fn limited(reader: &mut impl Read, room: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = reader.take(room + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    match bytes.len() as u64 > room {
        true => Err(format!("it unpacks to more than {MOST_BYTES} bytes")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
