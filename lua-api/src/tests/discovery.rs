//! Plugins on disk: which are found, which win, which are refused.

use std::fs;
use std::path::Path;

use ccproxy_core::plugin::Source;

use super::engine;
use crate::discovery::discover;

fn put(home: &Path, name: &str, version: &str) {
    let folder = home.join(name);
    fs::create_dir_all(&folder).expect("a folder");
    let text = format!("return {{ name = '{name}', version = '{version}' }}");
    fs::write(folder.join("plugin.lua"), text).expect("written");
}

#[test]
fn the_nearer_folder_wins_and_a_broken_one_hides_the_others() {
    let (near, far) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    put(near.path(), "both", "2.0.0");
    put(far.path(), "both", "1.0.0");
    put(far.path(), "broken", "1.0.0");
    put(near.path(), "broken", "new");
    fs::write(near.path().join("single.lua"), "return {}").expect("written");
    fs::create_dir(near.path().join("empty")).expect("a folder");
    let bundled = [("bundled", &[("plugin.lua", "return { name = 'bundled', version = '3.0.0' }")][..])];
    let folders = [near.path().to_owned(), far.path().to_owned(), near.path().join("missing")];
    let found = discover(&engine(), &folders, &bundled);
    let told: Vec<String> = found
        .iter()
        .map(|plugin| match plugin {
            Ok(factory) => format!("{} {}", factory.manifest().name, factory.manifest().version),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "both 2.0.0");
    assert!(told[1].starts_with("plugin `broken`: `version`: `new` is no version"), "{}", told[1]);
    assert_eq!(told[2], "bundled 3.0.0");
    let sources: Vec<_> =
        found.into_iter().flatten().map(|factory| factory.manifest().source.clone()).collect();
    assert_eq!(sources, [Source::Folder(near.path().join("both")), Source::Bundled]);
}

#[cfg(unix)]
#[test]
fn links_open_folders_large_files_and_no_text_are_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| home.path().join(name);
    put(home.path(), "real", "1.0.0");
    symlink(at("real"), at("linked")).expect("a link");
    put(home.path(), "inner", "1.0.0");
    symlink("/etc/passwd", at("inner").join("x.lua")).expect("a link");
    put(home.path(), "open", "1.0.0");
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).expect("permissions");
    put(home.path(), "large", "1.0.0");
    fs::write(at("large").join("x.lua"), "-".repeat((1 << 20) + 1)).expect("written");
    put(home.path(), "binary", "1.0.0");
    fs::write(at("binary").join("x.lua"), b"\x06\x03code").expect("written");
    put(home.path(), "latin", "1.0.0");
    fs::write(at("latin").join("x.lua"), b"-- caf\xe9").expect("written");
    put(home.path(), "Bad-Name", "1.0.0");
    let refusals: Vec<String> = discover(&engine(), &[home.path().to_owned()], &[])
        .into_iter()
        .filter_map(|plugin| plugin.err().map(|error| error.to_string()))
        .collect();
    let wanted = [
        ("Bad-Name", "must be of lower case letters"),
        ("binary", "is not source text"),
        ("inner", "is a symbolic link"),
        ("large", "is too much"),
        ("latin", "is not UTF-8"),
        ("linked", "is a symbolic link"),
        ("open", "written by everybody"),
    ];
    assert_eq!(refusals.len(), wanted.len(), "{refusals:?}");
    for ((name, words), told) in wanted.iter().zip(&refusals) {
        assert!(told.contains(name) && told.contains(words), "{told}");
    }
}
