//! Reads a plugin's folder, once and whole: only text, only inside, only so much.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::Path;

use crate::host::Sources;
use crate::script::MAIN;

/// Largest file in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Largest plugin in bytes.
const MAX_TOTAL: u64 = 4 << 20;

/// Most Lua files.
const MAX_FILES: usize = 256;

/// Deepest folder below the plugin's own.
const MAX_DEPTH: usize = 4;

/// Most entries of one folder that are looked at.
pub(crate) const MAX_ENTRIES: usize = 4096;

/// Reads the Lua files of a folder, without those of its tests. `Err` says why the plugin is refused.
pub(crate) fn read(folder: &Path) -> Result<Sources, String> {
    read_if(folder, |file| !is_of_tests(file))
}

/// Reads all its Lua files.
pub(crate) fn read_with_tests(folder: &Path) -> Result<Sources, String> {
    read_if(folder, |_| true)
}

/// Whether a file, by its path in the plugin's folder, is there for tests: `*_test.lua`, or below `tests/`.
pub fn is_of_tests(file: &str) -> bool {
    file.ends_with("_test.lua") || file.starts_with("tests/")
}

fn read_if(folder: &Path, wanted: fn(&str) -> bool) -> Result<Sources, String> {
    let metadata = fs::symlink_metadata(folder).map_err(|error| format!("cannot be read: {error}"))?;
    if metadata.is_symlink() {
        return Err("is a symbolic link; put the folder itself here".to_owned());
    }
    private(&metadata, "the folder")?;
    let mut sources = Sources { folder: Some(folder.to_owned()), files: BTreeMap::new() };
    let mut total = 0;
    collect(folder, "", 0, wanted, &mut total, &mut sources.files)?;
    if !sources.files.contains_key(MAIN) {
        return Err(format!("has no `{MAIN}`"));
    }
    Ok(sources)
}

/// A number that changes when any file does, or the folder is another one.
pub(crate) fn fingerprint(sources: &Sources) -> u64 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let folder = sources.folder.as_deref().map(Path::as_os_str).unwrap_or_default();
    context.update(folder.as_encoded_bytes());
    context.update(b"\0");
    for (name, text) in &sources.files {
        for part in [name.as_bytes(), text.as_bytes()] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
    }
    let digest = context.finish();
    digest.as_ref().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    wanted: fn(&str) -> bool,
    total: &mut u64,
    files: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("cannot be listed: {error}"))?;
    for entry in entries.take(MAX_ENTRIES) {
        let entry = entry.map_err(|error| format!("cannot be listed: {error}"))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let relative = format!("{prefix}{name}");
        let metadata =
            fs::symlink_metadata(entry.path()).map_err(|error| format!("`{relative}`: {error}"))?;
        if metadata.is_dir() && depth < MAX_DEPTH {
            collect(&entry.path(), &format!("{relative}/"), depth + 1, wanted, total, files)?;
            continue;
        }
        if !name.ends_with(".lua") || !wanted(&relative) {
            continue;
        }
        if metadata.is_symlink() {
            return Err(format!("`{relative}` is a symbolic link"));
        }
        if !metadata.is_file() {
            // To read a pipe would wait for its writer.
            return Err(format!("`{relative}` is no plain file"));
        }
        private(&metadata, &format!("`{relative}`"))?;
        *total += metadata.len();
        if metadata.len() > MAX_FILE || *total > MAX_TOTAL || files.len() >= MAX_FILES {
            return Err(format!(
                "`{relative}` is too much: a plugin has at most {MAX_FILES} files of {MAX_FILE} bytes, \
                 {MAX_TOTAL} bytes in all"
            ));
        }
        let bytes = fs::read(entry.path()).map_err(|error| format!("`{relative}`: {error}"))?;
        files.insert(relative.clone(), text(bytes).map_err(|reason| format!("`{relative}` {reason}"))?);
    }
    Ok(())
}

/// Source text. Compiled chunks begin with a control byte and are never loaded.
fn text(bytes: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    let odd = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c);
    match text.bytes().any(odd) {
        true => Err("is not source text (compiled chunks are not loaded)".to_owned()),
        false => Ok(text),
    }
}

#[cfg(unix)]
fn private(metadata: &Metadata, what: &str) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    match metadata.permissions().mode() & 0o002 {
        0 => Ok(()),
        _ => Err(format!("{what} can be written by everybody; `chmod o-w` mends it")),
    }
}

#[cfg(not(unix))]
fn private(_: &Metadata, _: &str) -> Result<(), String> {
    Ok(())
}
