//! Style as a test: which crate may know which, what stands beside what, how long files may be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Vendors, and names of theirs, that the core must not know. `anthropic-` headers and formats are theirs too.
const VENDORS: [&str; 5] = ["claude_api", "api.anthropic.com", "api.openai.com", "chatgpt.com", "mlua"];

/// Files of a folder with this ending, at any depth.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                walk(&path, ending, found);
            } else if name.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(ROOT).join(folder), ending, &mut found);
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Code without its tests: what follows `#[cfg(test)]`, and whole test files, may name anything.
fn code(path: &Path) -> String {
    let test = path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs" || name == "testing.rs");
    let text = if test { String::new() } else { read(path) };
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

/// Lines of code; comments may explain with any word.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn dependencies_point_one_way() {
    for (folder, forbidden) in [
        ("core", ["ccproxy-providers", "ccproxy-lua", "mlua"]),
        ("providers", ["ccproxy-lua", "mlua", "ccproxy-bench"]),
        ("lua-api", ["ccproxy-providers", "ccproxy-bench", "clap"]),
    ] {
        let manifest = read(&Path::new(ROOT).join(folder).join("Cargo.toml"));
        for name in forbidden {
            let named = manifest.lines().any(|line| line.starts_with(name));
            assert!(!named, "{folder} must not depend on {name}");
        }
    }
}

#[test]
fn the_core_names_no_vendor_and_no_lua() {
    for path in files("core/src", ".rs") {
        let code = code(&path);
        for (number, line) in lines(&code) {
            for vendor in VENDORS {
                assert!(!line.contains(vendor), "{}:{number} names `{vendor}`", path.display());
            }
        }
    }
}

#[test]
fn every_namespace_has_its_stub_and_its_test() {
    let names = |folder: &str, ending: &str| -> BTreeSet<String> {
        let inside =
            files(folder, ending).into_iter().filter(|path| path.parent().unwrap().ends_with(folder));
        inside.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let own = |mut names: BTreeSet<String>, others: &[&str]| {
        for other in others {
            names.remove(*other);
        }
        names
    };
    let namespaces = own(names("lua-api/src/api", ".rs"), &["mod", "tests"]);
    assert!(namespaces.len() > 10, "{namespaces:?}");
    let stubs = own(names("lua-api/types", ".lua"), &["ccproxy", "body", "luau", "test"]);
    let tests = own(names("lua-api/tests/lua", ".lua"), &["support", "body", "declaring"]);
    assert_eq!(namespaces, stubs, "one stub in lua-api/types for each namespace");
    assert_eq!(namespaces, tests, "one test in lua-api/tests/lua for each namespace");
}

#[test]
fn files_stay_small() {
    let mut lengths = Vec::new();
    for folder in ["core", "providers", "lua-api", "src", "bench", "tests"] {
        for path in files(folder, ".rs") {
            let length = read(&path).lines().count();
            let test =
                path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
            let most = if test { 700 } else { 400 };
            assert!(length <= most, "{} has {length} lines: more than {most}", path.display());
            lengths.push(length);
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 150, "the median file has {median} lines");
}

#[test]
fn nothing_is_left_undone_or_tied_to_a_machine() {
    let mut all = Vec::new();
    for folder in ["core", "providers", "lua-api", "src", "bench", "tests", "scripts", "docs"] {
        for ending in [".rs", ".lua", ".md", ".toml", ".json"] {
            all.extend(files(folder, ending));
        }
    }
    all.extend(files("", ".md"));
    let undone = ["todo!(", "unimplemented!(", "FIXME", "XXX:"];
    let machine = ["/root/", "/work/wt", "/home/ubuntu"];
    for path in all.iter().filter(|path| !path.ends_with("tests/tidy.rs")) {
        let text = read(path);
        for word in undone.iter().chain(&machine) {
            assert!(!text.contains(word), "{} contains `{word}`", path.display());
        }
    }
}

#[test]
fn folders_have_no_names_that_say_nothing() {
    for folder in ["core", "providers", "lua-api", "src", "bench"] {
        for path in files(folder, ".rs") {
            let relative = path.strip_prefix(ROOT).unwrap();
            for part in relative.components() {
                let name = part.as_os_str().to_string_lossy();
                let stem = name.trim_end_matches(".rs");
                let empty =
                    ["utils", "util", "helpers", "helper", "common", "manager", "misc"].contains(&stem);
                assert!(!empty, "{} is named after nothing", relative.display());
            }
        }
    }
}

#[test]
fn every_module_opens_with_what_it_is() {
    for folder in ["core/src", "providers/src", "lua-api/src", "src", "bench/src", "tests"] {
        for path in files(folder, ".rs").iter().filter(|path| !path.ends_with("tests.rs")) {
            assert!(read(path).starts_with("//!"), "{} has no header", path.display());
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files("docs", ".md");
    documents.extend(files("", ".md").into_iter().filter(|path| path.parent() == Some(Path::new(ROOT))));
    for path in documents {
        let text = read(&path);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if link.is_empty() || link.contains("://") {
                continue;
            }
            let target = path.parent().unwrap().join(link);
            assert!(target.exists(), "{} links to `{link}`, which is not there", path.display());
        }
    }
}

/// The list of attacks that scripts are tried with has 46 rows; a test names its row, as "Row 12" or at the
/// beginning of a case's name.
#[test]
fn every_attack_of_the_list_is_tried() {
    let mut tried = BTreeSet::new();
    for path in files("lua-api/src/tests", ".rs").iter().chain(&files("tests", ".rs")) {
        let text = read(path);
        if path.to_string_lossy().contains("hostile") {
            let cases = text.split('"').filter_map(|part| part.split_once(' ')?.0.parse::<u32>().ok());
            tried.extend(cases);
        }
        let lower = text.to_lowercase();
        for rows in lower.split("row ").skip(1).chain(lower.split("rows ").skip(1)) {
            let list =
                rows.split(|c: char| !c.is_ascii_digit() && !", -and".contains(c)).next().unwrap_or("");
            for part in list.split(", ").flat_map(|part| part.split(" and ")) {
                let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
                if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
                    tried.extend(first..=last);
                }
            }
        }
    }
    let missing: Vec<u32> = (1..=46).filter(|row| !tried.contains(row)).collect();
    assert!(missing.is_empty(), "no test names these attacks: {missing:?}");
}

/// A file of tests that no module names is compiled by nobody, and passes for ever.
#[test]
fn every_file_is_part_of_a_crate() {
    let roots = ["lib.rs", "main.rs", "build.rs"];
    for folder in ["src", "core", "providers", "lua-api", "bench", "tests"] {
        for path in files(folder, ".rs") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let own = path.parent().unwrap();
            let target = own.file_name().is_some_and(|folder| folder == "bin")
                || own.file_name().is_some_and(|folder| folder == "tests")
                    && own.parent().unwrap().join("Cargo.toml").exists();
            if roots.contains(&&*file) || (target && own != Path::new(ROOT).join("tests")) {
                continue;
            }
            let (folder, name) = match name.as_str() {
                "mod" => (own.parent().unwrap(), own.file_name().unwrap().to_string_lossy().into_owned()),
                _ => (own, name),
            };
            let beside = folder.with_extension("rs");
            let parents = ["mod.rs", "lib.rs", "main.rs"].map(|parent| folder.join(parent));
            let declared = files_of(folder).into_iter().chain(parents).chain([beside]).any(|parent| {
                let text = fs::read_to_string(parent).unwrap_or_default();
                text.lines().any(|line| line.trim_end().ends_with(&format!("mod {name};")))
                    || text.contains(&format!("#[path = \"{file}\"]"))
            });
            assert!(declared, "no module has `mod {name};` for {}", path.display());
        }
    }
}

/// The Rust files of a folder itself.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}
