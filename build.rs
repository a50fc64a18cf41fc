//! Embeds `scripts/` in the binary: one entry a plugin, with its Lua files by relative path. Its tests stand apart:
//! they are no part of the plugin, and only copied out with it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=scripts");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("scripts");
    let target = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(target.join("bundled.rs"), list(&root, |file| !is_of_tests(file) && file.ends_with(".lua"))?)?;
    fs::write(target.join("bundled_tests.rs"), list(&root, is_of_tests)?)
}

/// As `ccproxy_lua::is_of_tests` has it, and the snapshots.
fn is_of_tests(file: &str) -> bool {
    file.ends_with("_test.lua") || file.starts_with("tests/") || file.ends_with(".snap")
}

/// The plugins as an expression, with those of their files that are wanted.
fn list(root: &Path, wanted: fn(&str) -> bool) -> io::Result<String> {
    let mut text = "&[\n".to_owned();
    for folder in sorted(root)?.iter().filter(|path| path.join("plugin.lua").is_file()) {
        let mut files = Vec::new();
        collect(folder, &mut files)?;
        let _ = writeln!(text, "    ({:?}, &[", name(root, folder));
        for file in files.iter().filter(|file| wanted(&name(folder, file))) {
            let _ = writeln!(
                text,
                "        ({:?}, include_str!({:?})),",
                name(folder, file),
                file.display().to_string()
            );
        }
        text.push_str("    ]),\n");
    }
    text.push_str("]\n");
    Ok(text)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for path in sorted(folder)? {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "lua" || extension == "snap") {
            files.push(path);
        }
    }
    Ok(())
}

/// The entries of a folder in the order of their names; a folder that is not there has none.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// A path below `root`, with `/`.
fn name(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
