//! Which plugins run, and their own tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::section::Section;
use crate::config::{Content, Environment, Field, FieldKind, Node, Origin, Problem, Schema, nearest};

/// Which plugins, and their own settings.
#[derive(Clone, Debug)]
pub struct PluginSettings {
    /// False: no plugins at all.
    pub enable: bool,
    /// When not empty, only these.
    pub enabled: Vec<String>,
    /// Never these. A plugin in both lists is off, with a warning.
    pub disabled: Vec<String>,
    /// `[plugins.<name>]` and `[providers.<name>]` tables as written, `enabled` included, with the place of
    /// each key.
    pub tables: BTreeMap<String, Node>,
    /// The names under `[providers.<name>]`: each makes a provider plugin of that name.
    pub own: BTreeSet<String>,
    /// What the tables may refer to (`env:NAME`).
    pub environment: Arc<Environment>,
    /// Where `enabled` and `disabled` came from.
    pub origins: [Origin; 2],
}

impl Default for PluginSettings {
    fn default() -> Self {
        PluginSettings {
            enable: true,
            enabled: Vec::new(),
            disabled: Vec::new(),
            tables: BTreeMap::new(),
            own: BTreeSet::new(),
            environment: Arc::default(),
            origins: Default::default(),
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
            Field::table(
                "providers",
                Schema::default().open(),
                "A table for each server of one's own, `[providers.<name>]`: where it answers, and what it speaks.",
            ),
        ]
    }

    /// The settings in a validated configuration; `node` is the configuration as written.
    pub(super) fn read(table: &Value, node: &Node, environment: Arc<Environment>) -> (Self, Vec<Problem>) {
        let section = Section(table);
        let mut problems = Vec::new();
        let mut tables = BTreeMap::new();
        let mut own = BTreeSet::new();
        for (section, name, table) in ["plugins", "providers"].iter().flat_map(|section| {
            let tables = node.get(&[section]).and_then(Node::table).into_iter().flatten();
            tables.map(move |(name, table)| (*section, name, table))
        }) {
            let mut refuse = |why: &str| {
                problems.push(Problem::error(&table.origin, format!("{section}.{name}"), why));
            };
            if !matches!(table.content, Content::Table(_)) {
                refuse("expected a table with the settings of this plugin");
            } else if section == "plugins" {
                tables.insert(name.clone(), table.clone());
            } else if let Err(why) = may_be_called(name) {
                refuse(&why);
            } else if tables.contains_key(name) {
                refuse("the same name has a table under `plugins`; keep one of them");
            } else {
                tables.insert(name.clone(), table.clone());
                own.insert(name.clone());
            }
        }
        let settings = PluginSettings {
            enable: section.flag("enable_plugins"),
            enabled: section.texts("enabled_plugins"),
            disabled: section.texts("disabled_plugins"),
            tables,
            own,
            environment,
            origins: ["enabled_plugins", "disabled_plugins"]
                .map(|key| node.get(&[key]).map_or(Origin::Default, |list| list.origin.clone())),
        };
        (settings, problems)
    }

    /// Whether a plugin runs; the error says which setting keeps it from doing so. A `dormant` one runs only
    /// when something here mentions it.
    pub fn runs(&self, name: &str, dormant: bool) -> Result<(), String> {
        let named = |list: &[String]| list.iter().any(|item| item == name);
        if !self.enable {
            return Err("`enable_plugins` is false".to_owned());
        }
        if named(&self.disabled) {
            return Err("named in `disabled_plugins`".to_owned());
        }
        if self.switch(name) == Some(false) {
            return Err(format!("`{}.enabled` is false", self.table(name)));
        }
        if !self.enabled.is_empty() && !named(&self.enabled) {
            return Err("not named in `enabled_plugins`".to_owned());
        }
        if dormant && !self.tables.contains_key(name) && !named(&self.enabled) {
            return Err(format!("off by default; `plugins.{name}.enabled = true` turns it on"));
        }
        Ok(())
    }

    /// How the table of a plugin is called: `plugins.<name>`, or `providers.<name>`.
    pub fn table(&self, name: &str) -> String {
        format!("{}.{name}", if self.own.contains(name) { "providers" } else { "plugins" })
    }

    fn switch(&self, name: &str) -> Option<bool> {
        let table = self.tables.get(name)?;
        let (value, _) = common().validate(table, &self.environment);
        value["enabled"].as_bool()
    }

    /// The settings of one plugin against its schema: complete values, without `enabled`, and all problems.
    pub fn configure(&self, name: &str, schema: &Schema) -> (Value, Vec<Problem>) {
        let empty = Node::empty();
        let table = self.tables.get(name).unwrap_or(&empty);
        let mut whole = schema.clone();
        if whole.field("enabled").is_none() {
            whole.fields.extend(common().fields);
        }
        let (mut value, problems) = whole.validate_at(&self.table(name), table, &self.environment);
        if let (Value::Object(map), None) = (&mut value, schema.field("enabled")) {
            map.shift_remove("enabled");
        }
        (value, problems)
    }

    /// What is odd about the lists and tables, once it is known which plugins there are.
    pub fn oddities(&self, known: &[&str]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let unknown = |origin: &Origin, key: String, name: &str| {
            let problem = Problem::warning(origin, key, format!("there is no plugin `{name}`"));
            match nearest(name, known.iter().copied()) {
                Some(meant) => problem.with_hint(format!("did you mean `{meant}`")),
                None => problem.with_hint("`ccproxy plugins list` shows every plugin"),
            }
        };
        let [enabled, disabled] = &self.origins;
        for (key, list, origin) in
            [("enabled_plugins", &self.enabled, enabled), ("disabled_plugins", &self.disabled, disabled)]
        {
            let strangers = list.iter().filter(|name| !known.contains(&name.as_str()));
            problems.extend(strangers.map(|name| unknown(origin, key.to_owned(), name)));
        }
        let strangers = self.tables.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        problems.extend(strangers.map(|(name, node)| unknown(&node.origin, self.table(name), name)));
        for name in &self.enabled {
            if let Err(reason) = self.runs(name, false)
                && self.enable
            {
                let message = format!("plugin `{name}` is off although it is named here: {reason}");
                problems.push(Problem::warning(enabled, "enabled_plugins", message));
            }
        }
        problems
    }
}

/// Whether a server of the user's own may have this name, which is also the first part of its paths.
fn may_be_called(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(plain) {
        return Err("a name is lower case letters, digits, `_` and `-`, with a letter first".to_owned());
    }
    match TAKEN.contains(&name) {
        true => Err(format!("`/{name}` is a path of the proxy's own; choose another name")),
        false => Ok(()),
    }
}

/// First parts of paths that no provider may have.
const TAKEN: [&str; 8] = ["v1", "health", "plugins", "oauth", "permissions", "mcp", "metrics", "claude"];

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
    fn a_dormant_plugin_wakes_when_it_is_mentioned() {
        let asleep = PluginSettings::default();
        assert!(asleep.runs("access_log", true).unwrap_err().contains("off by default"));
        let named = PluginSettings { enabled: vec!["access_log".into()], ..PluginSettings::default() };
        assert!(named.runs("access_log", true).is_ok());
        let mentioned = settings("[plugins.access_log]\nformat = \"common\"\n");
        assert!(mentioned.runs("access_log", true).is_ok());
        let off = settings("[plugins.access_log]\nenabled = false\n");
        assert!(off.runs("access_log", true).is_err());
    }

    #[test]
    fn servers_of_one_s_own_have_tables_and_names_of_their_own() {
        let plugins = settings("[providers.lan]\nbase_url = 'x'\nenabled = false\n");
        assert!(plugins.own.contains("lan") && plugins.tables.contains_key("lan"));
        assert_eq!(plugins.runs("lan", true), Err("`providers.lan.enabled` is false".to_owned()));
        let (_, problems) = plugins.configure("lan", &Schema::of([Field::url("base_url", "Where")]));
        assert_eq!(problems[0].key, "providers.lan.base_url");
        for (text, told) in [
            ("[providers.v1]", "a path of the proxy's own"),
            ("[providers.\"My Server\"]", "lower case letters"),
            ("[providers]\nlan = 'http://lan'", "expected a table"),
            ("[plugins.lan]\n[providers.lan]", "keep one of them"),
        ] {
            let (node, _) = read_toml(text, Path::new("/c.toml"));
            let (_, problems) = Settings::read(&node, Arc::default());
            assert!(problems.len() == 1 && problems[0].to_string().contains(told), "{text}: {problems:?}");
        }
    }

    #[test]
    fn off_wins_over_on_and_says_why() {
        let text =
            "enabled_plugins = ['a', 'b', 'c']\ndisabled_plugins = ['a']\n[plugins.b]\nenabled = false\n";
        let plugins = settings(text);
        assert_eq!(plugins.runs("a", false), Err("named in `disabled_plugins`".to_owned()));
        assert_eq!(plugins.runs("b", false), Err("`plugins.b.enabled` is false".to_owned()));
        assert_eq!(plugins.runs("c", false), Ok(()));
        assert_eq!(plugins.runs("d", false), Err("not named in `enabled_plugins`".to_owned()));
        let odd = plugins.oddities(&["a", "b", "c"]);
        assert_eq!(odd.len(), 2);
        assert!(
            odd[0].to_string().starts_with("/c.toml:1:1: `enabled_plugins`: plugin `a` is off"),
            "{odd:?}"
        );
        assert_eq!(settings("enabled_plugins = []").runs("a", false), Ok(()), "an empty list names nobody");
        assert!(settings("enable_plugins = false").runs("a", false).is_err());
    }

    #[test]
    fn a_name_that_no_plugin_has_is_a_warning() {
        let plugins = settings("disabled_plugins = ['acces_log']\n[plugins.acess_log]\nx = 1\n");
        let problems = plugins.oddities(&["access_log"]);
        assert!(problems.iter().all(|problem| problem.hint.as_deref() == Some("did you mean `access_log`")));
        assert_eq!(problems.len(), 2);
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
        assert_eq!(settings("").configure("x", &schema), (json!({ "every": 60.0 }), vec![]));
    }
}
