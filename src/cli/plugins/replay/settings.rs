//! The settings that a plugin is replayed with: the configuration's, `--set` over them.

use std::path::Path;
use std::sync::Arc;

use ccproxy_core::config::{FieldKind, Node, Origin, Problem, Schema};
use ccproxy_core::settings::PluginSettings;
use serde_json::{Map, Value};

use crate::cli::Failure;
use crate::cli::config::{Setting, leaves};
use crate::config::Loaded;

/// Most bytes of a file that a setting names.
const MOST: u64 = 64 << 20;

/// The settings of one plugin.
pub(super) struct Settings {
    /// Every one of them: secrets are what they stand for.
    pub(super) config: Value,
    /// The same to be shown: secrets read `"..."`.
    pub(super) shown: Vec<Setting>,
}

impl Settings {
    /// What the configuration says of a plugin, and what `--set` says instead. Whether it runs is not asked.
    pub(super) fn of(
        plugin: &str,
        schema: &Schema,
        set: &[String],
        loaded: &Loaded,
    ) -> Result<Self, Failure> {
        let given = table(set)?;
        let core = &loaded.settings.core.plugins;
        let mut node = core.tables.get(plugin).cloned().unwrap_or_default();
        if schema.field("enabled").is_none() {
            node.remove(&["enabled"]);
        }
        node.merge(Node::of(&given, &Origin::Flag("--set".into())));
        let plugins = PluginSettings {
            tables: [(plugin.to_owned(), node.clone())].into(),
            environment: Arc::clone(&core.environment),
            ..PluginSettings::default()
        };
        let (mut config, problems) = plugins.configure(plugin, schema);
        let errors: Vec<String> =
            problems.iter().filter(|problem| problem.is_error()).map(Problem::to_string).collect();
        if !errors.is_empty() {
            return Err(Failure::new(format!("plugin `{plugin}` cannot be set so: {}", errors.join("; "))));
        }
        let shown = leaves(schema, &plugins.table(plugin), &config, Some(&node));
        if let Some(enabled) = given.get("enabled") {
            config["enabled"] = enabled.clone();
        }
        Ok(Settings { config, shown })
    }

    /// Puts copies in the place of files that the configuration names: a replay is read from them, and writes nothing that
    /// lasts. What `--set` names is meant.
    pub(super) fn copy_files(&mut self, schema: &Schema, folder: &Path) -> Result<(), Failure> {
        let flag = Origin::Flag("--set".into()).to_string();
        for (number, ((key, field), shown)) in schema.leaves().iter().zip(&self.shown).enumerate() {
            let pointer = format!("/{}", key.replace('.', "/"));
            let Some(value) = self.config.pointer_mut(&pointer) else { continue };
            let Some(path) = value.as_str().map(Path::new).filter(|path| path.is_absolute()) else {
                continue;
            };
            if field.kind != FieldKind::Path || shown.origin == flag {
                continue;
            }
            let copy = folder.join(number.to_string()).join(path.file_name().unwrap_or_default());
            let copied = std::fs::create_dir_all(copy.parent().unwrap_or(folder)).and_then(|()| {
                match path.metadata() {
                    Ok(file) if file.is_file() && file.len() <= MOST => std::fs::copy(path, &copy).map(drop),
                    _ => Ok(()),
                }
            });
            copied.map_err(|error| Failure::new(format!("cannot copy `{}`: {error}", path.display())))?;
            *value = copy.display().to_string().into();
        }
        Ok(())
    }

    /// For people: what somebody has set.
    pub(super) fn lines(&self) -> Vec<String> {
        let default = Origin::Default.to_string();
        let line = |setting: &Setting| {
            let value = setting.value.as_deref().unwrap_or("not set");
            format!("with {} = {value}  # {}", setting.key, setting.origin)
        };
        let mut lines: Vec<String> =
            self.shown.iter().filter(|setting| setting.origin != default).map(line).collect();
        if lines.len() < self.shown.len() {
            let rest = if lines.is_empty() {
                "with its default settings"
            } else {
                "with defaults for its other settings"
            };
            lines.push(rest.to_owned());
        }
        lines
    }
}

/// `a.b=1` as a table. A value is JSON where it can be read as such, else text.
fn table(list: &[String]) -> Result<Value, Failure> {
    let mut table = Value::Object(Map::new());
    for item in list {
        let (key, value) = item
            .split_once('=')
            .ok_or_else(|| Failure::new(format!("`{item}` is no setting such as `key=value`")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let mut place = &mut table;
        for part in key.split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[part];
        }
        *place = value;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_read_as_what_they_are() {
        let given = ["a=1", "b.c=true", "b.d=x y", "e=[1,2]", "f=\"1\""].map(str::to_owned);
        let table = table(&given).ok();
        assert_eq!(table, Some(json!({ "a": 1, "b": { "c": true, "d": "x y" }, "e": [1, 2], "f": "1" })));
        assert!(super::table(&["a".to_owned()]).is_err());
    }
}
