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
    put(home.path(), "pipe", "1.0.0");
    let made = std::process::Command::new("mkfifo").arg(at("pipe").join("x.lua")).status();
    assert!(made.is_ok_and(|status| status.success()));
    put(home.path(), "many", "1.0.0");
    for number in 0..256 {
        fs::write(at("many").join(format!("x{number}.lua")), "").expect("written");
    }
    put(home.path(), "sum", "1.0.0");
    for number in 0..5 {
        fs::write(at("sum").join(format!("x{number}.lua")), "-".repeat(1 << 20)).expect("written");
    }
    put(home.path(), "writable", "1.0.0");
    let file = at("writable").join("plugin.lua");
    fs::set_permissions(file, fs::Permissions::from_mode(0o666)).expect("permissions");
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
        ("many", "is too much"),
        ("open", "written by everybody"),
        ("pipe", "is no plain file"),
        ("sum", "is too much"),
        ("writable", "written by everybody"),
    ];
    assert_eq!(refusals.len(), wanted.len(), "{refusals:?}");
    for ((name, words), told) in wanted.iter().zip(&refusals) {
        assert!(told.contains(name) && told.contains(words), "{told}");
    }
}

/// Row 40: a name that is a path, or another plugin's, or stands twice, is refused where it is declared.
#[test]
fn a_plugin_bears_the_name_of_its_folder_and_no_other() {
    let home = tempfile::tempdir().expect("a folder");
    for (folder, name) in [
        ("a", "../evil"),
        ("b", "a/../b"),
        ("c", "a"),
        ("d", "D"),
        ("e", ""),
        ("f", "/etc/passwd"),
        ("g", "g\\0"),
    ] {
        put(home.path(), folder, "1.0.0");
        let text = format!("return {{ name = '{name}', version = '1.0.0' }}");
        fs::write(home.path().join(folder).join("plugin.lua"), text).expect("written");
    }
    let found = discover(&engine(), &[home.path().to_owned()], &[]);
    assert_eq!(found.len(), 7);
    for plugin in found {
        let told = plugin.map(|_| ()).expect_err("refused").to_string();
        assert!(told.contains("must be the name of its folder"), "{told}");
    }
    // Two routes of one plugin at one place are a mistake; of two plugins the router leaves the second out.
    let twice = "return { name = 'h', version = '1.0.0', routes = {
        { path = '/x', handler = function() end }, { path = '/x', handler = function() end } } }";
    put(home.path(), "h", "1.0.0");
    fs::write(home.path().join("h/plugin.lua"), twice).expect("written");
    let found = discover(&engine(), &[home.path().to_owned()], &[]);
    let told: Vec<String> =
        found.into_iter().filter_map(|plugin| plugin.err()).map(|error| error.to_string()).collect();
    assert!(told.iter().any(|told| told.contains("there is another route `GET /h/x`")), "{told:?}");
}

/// Links inside a plugin lead nowhere: what they point at is not part of it.
#[cfg(unix)]
#[test]
fn a_linked_folder_inside_a_plugin_is_not_read() {
    let home = tempfile::tempdir().expect("a folder");
    put(home.path(), "other", "1.0.0");
    put(home.path(), "mine", "1.0.0");
    std::os::unix::fs::symlink(home.path().join("other"), home.path().join("mine/lib")).expect("a link");
    let text = "require('lib.plugin') return { name = 'mine', version = '1.0.0' }";
    fs::write(home.path().join("mine/plugin.lua"), text).expect("written");
    let found = discover(&engine(), &[home.path().to_owned()], &[]);
    let told = found.into_iter().find_map(Result::err).expect("refused").to_string();
    assert!(told.contains("plugin `mine`") && told.contains("in the plugin's folder"), "{told}");
}

/// Row 12: what was compiled elsewhere is no plugin, whatever the compiler.
#[test]
fn bytecode_is_no_plugin() {
    let compiled =
        mlua::chunk::Compiler::new().compile("return { name = 'x', version = '1.0.0' }").expect("bytecode");
    let hidden = [b"return ".as_slice(), &compiled].concat();
    for bytes in [compiled.as_slice(), &hidden, b"\x1bLua\x54\x00", b"\x1bLJ\x02", b"return {} -- \xff"] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("x")).expect("a folder");
        fs::write(folder.path().join("x/plugin.lua"), bytes).expect("written");
        let found = discover(&engine(), &[folder.path().to_owned()], &[]);
        assert!(matches!(found.as_slice(), [Err(_)]), "{:?}", bytes.get(..8));
    }
    // A file beside it that has another ending is not read at all.
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "y", "1.0.0");
    fs::write(folder.path().join("y/fast.luauc"), &compiled).expect("written");
    assert!(discover(&engine(), &[folder.path().to_owned()], &[])[0].is_ok());
}
