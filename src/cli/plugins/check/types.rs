//! What `emmylua_check` says about types, where it is installed: <https://github.com/EmmyLuaLs/emmylua-analyzer-rust>.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ccproxy_lua::lint::{Finding, Place};
use ccproxy_lua::reference::{EXTRAS, STUBS, settings_stub};
use ccproxy_lua::{Engine, declare};
use serde_json::{Value, json};

/// The checker.
const CHECKER: &str = "emmylua_check";

/// Most findings of a plugin.
const MOST: usize = 100;

/// Adds to the findings of each plugin. Says why nothing was checked, where nothing was.
pub(super) fn check<'a>(
    plugins: impl Iterator<Item = (PathBuf, String, &'a mut Vec<Finding>)>,
    engine: &Arc<Engine>,
) -> Option<String> {
    let version = Command::new(CHECKER).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        return Some(format!("`{CHECKER}` is not installed (`cargo install {CHECKER}`)"));
    }
    for (folder, name, findings) in plugins {
        match one(engine, &folder, &name) {
            Ok(more) => findings.extend(more),
            Err(why) => return Some(why),
        }
    }
    None
}

fn one(engine: &Arc<Engine>, folder: &Path, name: &str) -> Result<Vec<Finding>, String> {
    let failed = |error: std::io::Error| format!("`{CHECKER}` cannot be run: {error}");
    let place = tempfile::tempdir().map_err(failed)?;
    let stubs = place.path().join("types");
    std::fs::create_dir(&stubs).map_err(failed)?;
    for (name, text) in STUBS.iter().chain(EXTRAS) {
        std::fs::write(stubs.join(format!("{name}.lua")), text).map_err(failed)?;
    }
    if let Ok(factory) = declare(engine, folder) {
        let text = settings_stub(name, &factory.manifest().config);
        std::fs::write(stubs.join(format!("{name}_settings.lua")), text).map_err(failed)?;
    }
    let config = place.path().join("emmyrc.json");
    let text =
        json!({ "runtime": { "version": "LuaLatest" }, "workspace": { "library": [stubs] } }).to_string();
    std::fs::write(&config, text).map_err(failed)?;
    let said = Command::new(CHECKER)
        .args(["--severity", "warn", "--output-format", "json", "--config"])
        .arg(&config)
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    let text = String::from_utf8_lossy(&said.stdout);
    let list = text.rfind(']').map_or("", |end| &text[..=end]);
    let files: Vec<Value> = serde_json::from_str(list)
        .map_err(|_| format!("`{CHECKER}` said something that is not understood"))?;
    Ok(files.iter().flat_map(|file| of_file(folder, file)).take(MOST).collect())
}

fn of_file(folder: &Path, file: &Value) -> Vec<Finding> {
    let path = PathBuf::from(file["file"].as_str().unwrap_or_default());
    let Ok(inner) = path.strip_prefix(folder) else { return Vec::new() };
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let name = inner.display().to_string();
    let one = |said: &Value| {
        let at = |end: &str, what: &str| said["range"][end][what].as_u64().unwrap_or_default() as usize;
        let (line, column) = (at("start", "line"), at("start", "character"));
        let length =
            if at("end", "line") == line { at("end", "character").saturating_sub(column) } else { 0 };
        let source = text.lines().nth(line).unwrap_or_default().to_owned();
        Finding {
            // Its types know less than the code: only what does not parse is a mistake, and that is told already.
            error: false,
            file: name.clone(),
            place: Some(Place { line: line + 1, column: column + 1, length, text: source }),
            message: format!(
                "{} [{}]",
                said["message"].as_str().unwrap_or_default().trim(),
                said["code"].as_str().unwrap_or("types")
            ),
        }
    };
    file["diagnostics"].as_array().into_iter().flatten().map(one).collect()
}
