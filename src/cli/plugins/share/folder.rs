//! A folder of this machine, read whole.

use std::fs;
use std::path::Path;

use super::tree::Tree;

/// Whether names that begin with a dot are read, too. In a source they never count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Read,
    LeftOut,
}

/// What a desktop leaves in folders that it shows.
const LITTER: [&str; 2] = [".DS_Store", "Thumbs.db"];

/// Reads what stands below `root`, or below its folder `part` alone. `Err` says why it is refused.
pub(super) fn read(root: &Path, part: Option<&str>, hidden: Hidden) -> Result<Tree, String> {
    let mut tree = Tree::default();
    let (folder, prefix) = match part {
        Some(part) => (root.join(part), format!("{part}/")),
        None => (root.to_owned(), String::new()),
    };
    collect(&folder, &prefix, hidden, &mut tree)?;
    Ok(tree)
}

fn collect(folder: &Path, prefix: &str, hidden: Hidden, tree: &mut Tree) -> Result<(), String> {
    let unread = |error: std::io::Error| format!("`{}` cannot be read: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(format!("the name `{}` is not UTF-8", name.to_string_lossy().escape_debug()));
        };
        if LITTER.contains(&name) || (hidden == Hidden::LeftOut && name.starts_with('.')) {
            continue;
        }
        let path = format!("{prefix}{name}");
        let unread = |error: std::io::Error| format!("`{path}` cannot be read: {error}");
        let kind = entry.file_type().map_err(unread)?;
        if kind.is_symlink() {
            tree.add_odd(&path, "a symbolic link")?;
        } else if kind.is_dir() {
            super::tree::check_path(&path)?;
            collect(&entry.path(), &format!("{path}/"), hidden, tree)?;
        } else if kind.is_file() {
            if entry.metadata().map_err(unread)?.len() > tree.room() {
                return Err(format!("`{path}` is too large, or there is too much beside it"));
            }
            tree.add(&path, fs::read(entry.path()).map_err(unread)?)?;
        } else {
            tree.add_odd(&path, "no plain file")?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn links_are_seen_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/plugin.lua"), "return {}").unwrap();
        fs::write(folder.path().join(".hidden"), "x").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a/link.lua")).unwrap();
        let tree = read(folder.path(), None, Hidden::LeftOut).unwrap();
        assert_eq!(tree.files().map(|(path, _)| path).collect::<Vec<_>>(), ["a/plugin.lua"]);
        #[cfg(unix)]
        assert!(tree.below("a").unwrap_err().contains("symbolic link"));
        let all = read(folder.path(), None, Hidden::Read).unwrap();
        assert!(all.file(".hidden").is_some());
        let part = read(folder.path(), Some("a"), Hidden::LeftOut).unwrap();
        assert!(part.file("a/plugin.lua").is_some());
    }
}
