//! Which plugins run, and their own tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::section::Section;
use crate::config::{Content, Environment, Field, FieldKind, Node, Problem, Schema};

/// Which plugins, and their own settings.
#[derive(Clone, Debug)]
pub struct PluginSettings {
    /// False: no plugins at all.
    pub enable: bool,
    /// When not empty, only these.
    pub enabled: Vec<String>,
    /// Never these. A plugin in both lists is off, with a warning.
    pub disabled: Vec<String>,
    /// `[plugins.<name>]` tables as written, `enabled` included, with the place of each key.
    pub tables: BTreeMap<String, Node>,
    /// What the tables may refer to (`env:NAME`).
    pub environment: Arc<Environment>,
}

impl Default for PluginSettings {
    fn default() -> Self {
        PluginSettings {
            enable: true,
            enabled: Vec::new(),
            disabled: Vec::new(),
            tables: BTreeMap::new(),
            environment: Arc::default(),
        }
    }
}

impl PluginSettings {
    /// The top-level keys about plugins.
    pub(super) fn fields() -> Vec<Field> {
        vec![
            Field::boolean("enable_plugins", "Whether there are plugins at all.").or(true),
            Field::list("enabled_plugins", FieldKind::string(), "When it names any, only these plugins run.")
                .or(json!([])),
            Field::list("disabled_plugins", FieldKind::string(), "Plugins that do not run.").or(json!([])),
            Field::table(
                "plugins",
                Schema::default().open(),
                "A table for each plugin, `[plugins.<name>]`: `enabled`, and the plugin's own settings.",
            ),
        ]
    }

    /// The settings in a validated configuration; `node` is the configuration as written.
    pub(super) fn read(table: &Value, node: &Node, environment: Arc<Environment>) -> (Self, Vec<Problem>) {
        let section = Section(table);
        let mut problems = Vec::new();
        let mut tables = BTreeMap::new();
        for (name, plugin) in node.get(&["plugins"]).and_then(Node::table).into_iter().flatten() {
            match &plugin.content {
                Content::Table(_) => {
                    tables.insert(name.clone(), plugin.clone());
                }
                _ => problems.push(Problem::error(
                    &plugin.origin,
                    format!("plugins.{name}"),
                    "expected a table with the settings of this plugin",
                )),
            }
        }
        let settings = PluginSettings {
            enable: section.flag("enable_plugins"),
            enabled: section.texts("enabled_plugins"),
            disabled: section.texts("disabled_plugins"),
            tables,
            environment,
        };
        (settings, problems)
    }

    /// Whether `[plugins.<name>]` says `enabled = false`.
    pub fn switched_off(&self, name: &str) -> bool {
        let table = self.tables.get(name);
        table.is_some_and(|table| {
            common().validate(table, &self.environment).0["enabled"] == Value::Bool(false)
        })
    }

    /// The settings of a plugin: validated against its schema, complete. An error names every problem.
    pub fn of(&self, name: &str, schema: &Schema) -> Result<Value, String> {
        let (value, problems) = self.configure(name, schema);
        let errors: Vec<String> =
            problems.iter().filter(|problem| problem.is_error()).map(Problem::to_string).collect();
        if errors.is_empty() { Ok(value) } else { Err(errors.join("; ")) }
    }

    /// The settings of one plugin against its schema: complete values, without `enabled`, and all problems.
    pub fn configure(&self, name: &str, schema: &Schema) -> (Value, Vec<Problem>) {
        let empty = Node::empty();
        let table = self.tables.get(name).unwrap_or(&empty);
        let mut whole = schema.clone();
        if whole.field("enabled").is_none() {
            whole.fields.extend(common().fields);
        }
        let (mut value, problems) = whole.validate_at(&format!("plugins.{name}"), table, &self.environment);
        if let (Value::Object(map), None) = (&mut value, schema.field("enabled")) {
            map.shift_remove("enabled");
        }
        (value, problems)
    }
}

/// What every plugin's table may hold.
fn common() -> Schema {
    Schema::of([Field::boolean("enabled", "Whether the plugin runs.")]).open()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::read_toml;
    use crate::settings::Settings;

    fn settings(text: &str) -> PluginSettings {
        let (node, problems) = read_toml(text, Path::new("/c.toml"));
        assert_eq!(problems, []);
        Settings::read(&node, Arc::default()).0.plugins
    }

    #[test]
    fn its_own_table_switches_a_plugin_off() {
        let plugins = settings("[plugins.a]\nenabled = false\n[plugins.b]\nenabled = true\n[plugins.c]\n");
        let off = ["a", "b", "c", "d"].map(|name| plugins.switched_off(name));
        assert_eq!(off, [true, false, false, false]);
    }

    #[test]
    fn a_table_is_checked_against_the_schema_of_its_plugin() {
        let schema = Schema::of([Field::duration("every", "Pause").or("1m")]);
        let (value, problems) = settings("[plugins.x]\nenabled = true\nevry = 2\n").configure("x", &schema);
        assert_eq!(value, json!({ "every": 60.0 }));
        assert_eq!(
            problems[0].to_string().split(" (").next().unwrap(),
            "/c.toml:3:1: `plugins.x.evry`: unknown key"
        );
        assert!(
            settings("[plugins.x]\nevery = 'soon'\nenabled = 1\n")
                .of("x", &schema)
                .is_err_and(|text| text.contains("; "))
        );
        assert_eq!(settings("").configure("x", &schema), (json!({ "every": 60.0 }), vec![]));
    }
}
