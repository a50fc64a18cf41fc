//! `require` inside a plugin's own folder: from the sources read once, each module run once a VM.

use std::collections::HashMap;
use std::sync::Arc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, Value};
use parking_lot::Mutex;

use crate::host::Sources;

#[derive(Default)]
struct Modules {
    loaded: HashMap<String, Value>,
    /// The modules that are being run, outermost first.
    running: Vec<String>,
}

/// The `require` of one VM.
pub(crate) fn function(lua: &Lua, plugin: &Arc<str>, sources: &Arc<Sources>) -> mlua::Result<Function> {
    let modules = Mutex::new(Modules::default());
    let (plugin, sources) = (plugin.clone(), sources.clone());
    lua.create_function(move |lua, name: String| {
        let file = resolve(&name, &plugin, &sources).map_err(mlua::Error::RuntimeError)?;
        {
            let mut modules = modules.lock();
            if let Some(value) = modules.loaded.get(&file) {
                return Ok(value.clone());
            }
            if let Some(start) = modules.running.iter().position(|running| *running == file) {
                let mut chain = modules.running[start..].join(" -> ");
                chain.push_str(" -> ");
                chain.push_str(&file);
                return Err(mlua::Error::RuntimeError(format!("modules require each other: {chain}")));
            }
            modules.running.push(file.clone());
        }
        let value = load(lua, &sources, &file).and_then(|chunk| chunk.call::<Value>(()));
        let mut modules = modules.lock();
        modules.running.pop();
        let value = match value? {
            Value::Nil => Value::Boolean(true),
            value => value,
        };
        modules.loaded.insert(file, value.clone());
        Ok(value)
    })
}

/// Compiles a file of the plugin; its name in errors is its path in the folder.
pub(crate) fn load(lua: &Lua, sources: &Sources, file: &str) -> mlua::Result<Function> {
    let text = sources
        .files
        .get(file)
        .ok_or_else(|| mlua::Error::RuntimeError(format!("`{file}` is not in the plugin's folder")))?;
    lua.load(text.as_str()).set_name(format!("@{file}")).set_mode(ChunkMode::Text).into_function()
}

/// The file a module name means: `redact`, `lib.redact`, `./lib/redact`, or with the plugin's name in front.
fn resolve(name: &str, plugin: &str, sources: &Sources) -> Result<String, String> {
    let outside =
        || format!("cannot require `{}`: only files in the plugin's own folder", name.escape_debug());
    if name.len() > 200 || name.starts_with('/') || name.contains(['\\', '\0', ':']) || name.contains("..") {
        return Err(outside());
    }
    let path = name.strip_prefix("./").unwrap_or(name);
    let path = path.strip_suffix(".lua").unwrap_or(path);
    let path = if path.contains('/') { path.to_owned() } else { path.replace('.', "/") };
    let own = path.strip_prefix(plugin).and_then(|rest| rest.strip_prefix('/'));
    for stem in [Some(path.as_str()), own].into_iter().flatten() {
        for file in [format!("{stem}.lua"), format!("{stem}/init.lua")] {
            if sources.files.contains_key(&file) {
                return Ok(file);
            }
        }
    }
    Err(format!("cannot require `{}`: no `{path}.lua` in the plugin's folder", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder() {
        let mut sources = Sources::default();
        for file in ["plugin.lua", "lib/a.lua", "b/init.lua"] {
            sources.files.insert(file.to_owned(), String::new());
        }
        let found = |name: &str| resolve(name, "me", &sources).ok();
        assert_eq!(found("lib.a").as_deref(), Some("lib/a.lua"));
        assert_eq!(found("./lib/a").as_deref(), Some("lib/a.lua"));
        assert_eq!(found("lib/a.lua").as_deref(), Some("lib/a.lua"));
        assert_eq!(found("b").as_deref(), Some("b/init.lua"));
        assert_eq!(found("me.lib.a").as_deref(), Some("lib/a.lua"));
        for bad in ["../x", "..", "/etc/passwd", "lib/../../x", "C:\\x", "nope", "", "lib\0a"] {
            assert_eq!(found(bad), None, "{bad}");
        }
    }
}
