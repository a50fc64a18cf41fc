//! Files in memory, by relative path: what came from elsewhere, before it is anywhere on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ccproxy_core::hex;
use ring::digest::{Context, SHA256, digest};

use crate::cli::plain;

/// Most files of a source, and most bytes of them all.
pub(super) const MOST_FILES: usize = 8192;
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// Most of one plugin. Its Lua has narrower limits of its own.
const PLUGIN_FILES: usize = 512;
const PLUGIN_BYTES: u64 = 16 << 20;

/// Longest path, and the most folders in one.
const LONGEST: usize = 512;
const DEEPEST: usize = 16;

/// The file that makes a folder a plugin.
pub(super) const MAIN: &str = "plugin.lua";

/// What stands at a path.
#[derive(Clone, PartialEq, Eq)]
enum Leaf {
    File(Vec<u8>),
    /// Nothing that is ever copied: a symbolic link, a submodule.
    Odd(&'static str),
}

/// Files by path. Paths are relative, with `/`, and plain: see [`check_path`].
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    leaves: BTreeMap<String, Leaf>,
    /// Every path and folder in lower case, so that no two differ by case alone.
    taken: BTreeMap<String, String>,
    folders: BTreeSet<String>,
    bytes: u64,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.leaves.keys()).finish()
    }
}

impl Tree {
    /// Puts a file there. `Err` says why the whole source is refused.
    pub(super) fn add(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), String> {
        self.place(path)?;
        self.bytes += bytes.len() as u64;
        if self.bytes > MOST_BYTES {
            return Err(format!("it holds more than {MOST_BYTES} bytes"));
        }
        self.leaves.insert(path.to_owned(), Leaf::File(bytes));
        Ok(())
    }

    /// Notes that something stands there that is no file. It is refused when it is part of a plugin.
    pub(super) fn add_odd(&mut self, path: &str, what: &'static str) -> Result<(), String> {
        self.place(path)?;
        self.leaves.insert(path.to_owned(), Leaf::Odd(what));
        Ok(())
    }

    /// How many bytes may still come.
    pub(super) fn room(&self) -> u64 {
        MOST_BYTES - self.bytes
    }

    fn place(&mut self, path: &str) -> Result<(), String> {
        check_path(path)?;
        if self.leaves.len() >= MOST_FILES {
            return Err(format!("it holds more than {MOST_FILES} files"));
        }
        let mut end = 0;
        while let Some(next) = path[end..].find('/') {
            let folder = &path[..end + next];
            self.name(folder)?;
            if self.leaves.contains_key(folder) {
                return Err(format!("`{folder}` is a file and a folder"));
            }
            self.folders.insert(folder.to_owned());
            end += next + 1;
        }
        if self.leaves.contains_key(path) {
            return Err(format!("`{path}` is there twice"));
        }
        if self.folders.contains(path) {
            return Err(format!("`{path}` is a file and a folder"));
        }
        self.name(path)
    }

    /// On some file systems, names that differ by case alone are one file.
    fn name(&mut self, path: &str) -> Result<(), String> {
        match self.taken.insert(path.to_lowercase(), path.to_owned()) {
            Some(other) if other != path => Err(format!("`{other}` and `{path}` differ by case alone")),
            _ => Ok(()),
        }
    }

    /// The folders that are plugins, without those inside of others. `""` is the root.
    pub(super) fn plugins(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for path in self.leaves.keys() {
            let Some(folder) = path.strip_suffix(MAIN) else { continue };
            if folder.is_empty() || folder.ends_with('/') {
                found.push(folder.trim_end_matches('/').to_owned());
            }
        }
        let inside = |folder: &str, other: &str| {
            other.is_empty() || folder.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
        };
        let outermost =
            |folder: &&String| !found.iter().any(|other| other != *folder && inside(folder, other));
        found.iter().filter(outermost).cloned().collect()
    }

    /// The one folder that holds everything, as archives of repositories have it.
    pub(super) fn only_folder(&self) -> Option<&str> {
        let (first, _) = self.leaves.keys().next()?.split_once('/')?;
        let below = |path: &String| path.strip_prefix(first).is_some_and(|rest| rest.starts_with('/'));
        self.leaves.keys().all(below).then_some(first)
    }

    /// What stands below a folder, as a tree of its own. Names that begin with a dot are left out: they never count.
    pub(super) fn below(&self, folder: &str) -> Result<Tree, String> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut tree = Tree::default();
        for (path, leaf) in self.leaves.range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            if rest.split('/').any(|part| part.starts_with('.')) {
                continue;
            }
            match leaf {
                Leaf::File(bytes) => tree.add(rest, bytes.clone())?,
                Leaf::Odd(what) => return Err(format!("`{path}` is {what}; a plugin has plain files only")),
            }
        }
        if tree.leaves.len() > PLUGIN_FILES || tree.bytes > PLUGIN_BYTES {
            return Err(format!("a plugin has at most {PLUGIN_FILES} files and {PLUGIN_BYTES} bytes"));
        }
        Ok(tree)
    }

    /// Its files, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.leaves.iter().filter_map(|(path, leaf)| match leaf {
            Leaf::File(bytes) => Some((path.as_str(), bytes.as_slice())),
            Leaf::Odd(_) => None,
        })
    }

    /// One file.
    pub(crate) fn file(&self, path: &str) -> Option<&[u8]> {
        match self.leaves.get(path)? {
            Leaf::File(bytes) => Some(bytes),
            Leaf::Odd(_) => None,
        }
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash of each file.
    pub(crate) fn hashes(&self) -> BTreeMap<String, String> {
        self.files().map(|(path, bytes)| (path.to_owned(), hash(bytes))).collect()
    }
}

/// One number for files with these hashes.
pub(crate) fn sum(hashes: &BTreeMap<String, String>) -> String {
    let mut context = Context::new(&SHA256);
    for part in hashes.iter().flat_map(|(path, hash)| [path, hash]) {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    spelled(context.finish().as_ref())
}

/// SHA-256 in hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    spelled(digest(&SHA256, bytes).as_ref())
}

fn spelled(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(bytes))
}

/// A relative path of names that every file system takes for the same file, and that lead nowhere else.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    let shown = path.escape_debug().take(80).collect::<String>();
    let wrong = |why: &str| Err(format!("`{shown}` {why}"));
    if path.starts_with('/') {
        return wrong("is an absolute path");
    }
    if path.len() > LONGEST || path.split('/').count() > DEEPEST {
        return wrong("is too long or too deep");
    }
    for part in path.split('/') {
        if part == ".." {
            return wrong("leads out of its folder");
        }
        if part.is_empty() || part == "." {
            return wrong("is no plain path");
        }
        // `\` and `:` are separators elsewhere; such ends are dropped elsewhere; and what cannot be seen misleads.
        let unseen = plain::line(part) != part;
        if unseen || part.contains(['\\', ':']) || part.ends_with(['.', ' ']) || part.starts_with(' ') {
            return wrong("is a name that not every system takes");
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for path in paths {
            tree.add(path, path.as_bytes().to_vec()).unwrap();
        }
        tree
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for (path, why) in [
            ("/etc/passwd", "absolute"),
            ("a/../../b", "leads out"),
            ("..", "leads out"),
            ("a//b", "no plain path"),
            ("./a", "no plain path"),
            ("", "no plain path"),
            ("a\\..\\b", "not every system"),
            ("C:x", "not every system"),
            ("a/b\u{0}c", "not every system"),
            ("a/\u{202e}aul.nigulp", "not every system"),
            ("a./b", "not every system"),
            (&"a/".repeat(20), "too deep"),
        ] {
            let told = Tree::default().add(path, Vec::new()).unwrap_err();
            assert!(told.contains(why), "{path}: {told}");
        }
    }

    #[test]
    fn names_that_could_be_one_file_are_refused() {
        for (first, second, why) in [
            ("a/plugin.lua", "a/Plugin.lua", "case alone"),
            ("a/x.lua", "A/y.lua", "case alone"),
            ("a", "a", "twice"),
            ("a", "a/b", "file and a folder"),
            ("a/b", "a", "file and a folder"),
        ] {
            let told = tree(&[first]).add(second, Vec::new()).unwrap_err();
            assert!(told.contains(why), "{first}, {second}: {told}");
        }
    }

    #[test]
    fn plugins_are_the_outermost_folders_with_the_main_file() {
        let found = |paths: &[&str]| tree(paths).plugins();
        assert_eq!(found(&["plugin.lua", "tests/x/plugin.lua"]), [""]);
        assert_eq!(
            found(&["r/a/plugin.lua", "r/b/plugin.lua", "r/b/c/plugin.lua", "r/no-plugin.lua"]),
            ["r/a", "r/b"]
        );
        assert_eq!(tree(&["r/a/plugin.lua", "r/README"]).only_folder(), Some("r"));
        assert_eq!(tree(&["r/a/plugin.lua", "README"]).only_folder(), None);
        assert_eq!(tree(&["r/a", "ra/b"]).only_folder(), None);
    }

    #[test]
    fn what_is_no_file_counts_only_inside_of_a_plugin() {
        let mut tree = tree(&["a/plugin.lua", "a/.git/x", "b/plugin.lua"]);
        tree.add_odd("b/link", "a symbolic link").unwrap();
        let a = tree.below("a").unwrap();
        assert_eq!(a.files().map(|(path, _)| path).collect::<Vec<_>>(), ["plugin.lua"]);
        assert!(tree.below("b").unwrap_err().contains("symbolic link"));
    }

    #[test]
    fn too_much_is_refused() {
        let mut tree = Tree::default();
        tree.add("a", vec![0; MOST_BYTES as usize]).unwrap();
        assert!(tree.add("b", vec![0]).unwrap_err().contains("bytes"));
        let mut tree = Tree::default();
        for number in 0..MOST_FILES {
            tree.add(&number.to_string(), Vec::new()).unwrap();
        }
        assert!(tree.add("b", Vec::new()).unwrap_err().contains("files"));
        assert!(tree.below("").unwrap_err().contains("at most"));
    }
}
