//! `ccproxy config show`: every setting as it counts. Secrets are shown as `"..."`.

use std::collections::BTreeMap;

use ccproxy_core::config::{FieldKind, Node, Origin, Schema, value_text};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::cli::output::Output;
use crate::cli::{Global, Outcome};
use crate::config::{Loaded, schema};
use crate::wiring::Search;

/// Print every setting, and where its value comes from
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Say where each value comes from
    #[arg(long)]
    origin: bool,
    /// Only settings that were set
    #[arg(long)]
    set: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One setting.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    /// Its key.
    pub(crate) key: String,
    /// Its value in TOML; `None` when it is not set.
    pub(crate) value: Option<String>,
    /// Where it comes from.
    pub(crate) origin: String,
}

impl Show {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load()?;
        let mut settings = settings(&loaded);
        if self.set {
            settings.retain(|setting| setting.origin != Origin::Default.to_string());
        }
        if self.json {
            output.json(&settings);
        } else {
            self.print(&settings, output);
        }
        output.left_out(&loaded.left_out);
        crate::cli::context::sound(loaded, output).map(|_| ())
    }

    fn print(&self, settings: &[Setting], output: &mut Output) {
        for setting in settings {
            let line = match &setting.value {
                Some(value) => format!("{} = {value}", setting.key),
                None => format!("# {} is not set", setting.key),
            };
            match self.origin {
                true => output.line(format!("{line}  # {}", setting.origin)),
                false => output.line(line),
            }
        }
    }
}

/// Every setting, in the order of the schema; then the plugins'.
fn settings(loaded: &Loaded) -> Vec<Setting> {
    let schema = schema();
    let core = leaves(&schema, "", &loaded.value, Some(&loaded.tree));
    let mut settings: Vec<Setting> = core
        .into_iter()
        .filter(|setting| !["plugins", "providers", "oauth"].contains(&&*setting.key))
        .collect();
    let discovered = Search::of(loaded).discover();
    let known: BTreeMap<&str, &Schema> = discovered
        .factories
        .iter()
        .map(|factory| factory.manifest())
        .map(|manifest| (manifest.name.as_str(), &manifest.config))
        .collect();
    settings.extend(plugins(loaded, &known));
    for (name, value) in loaded.value["oauth"].as_object().into_iter().flatten() {
        let written = loaded.tree.get(&["oauth", name]);
        settings.extend(leaves(
            &ccproxy_providers::oauth::schema(),
            &format!("oauth.{name}"),
            value,
            written,
        ));
    }
    settings
}

fn plugins(loaded: &Loaded, known: &BTreeMap<&str, &Schema>) -> Vec<Setting> {
    let plugins = &loaded.settings.core.plugins;
    let names: std::collections::BTreeSet<&str> =
        known.keys().copied().chain(plugins.tables.keys().map(String::as_str)).collect();
    let mut settings = Vec::new();
    for name in names {
        let prefix = plugins.table(name);
        let table = plugins.tables.get(name);
        match known.get(name) {
            Some(schema) => {
                settings.extend(leaves(schema, &prefix, &plugins.configure(name, schema).0, table))
            }
            None => settings.extend(table.map(|table| raw(&prefix, table))),
        }
    }
    settings
}

/// A table that nothing describes may hold secrets: its keys are named, its values are not.
fn raw(key: &str, node: &Node) -> Setting {
    let names: Vec<&str> = node.table().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let value = format!("{{ ... }}  # of no plugin that there is: {}", names.join(", "));
    Setting { key: key.to_owned(), value: Some(value), origin: node.origin.to_string() }
}

/// The settings of one schema.
pub(crate) fn leaves(schema: &Schema, prefix: &str, value: &Value, tree: Option<&Node>) -> Vec<Setting> {
    let described = schema.leaves();
    let setting = |(key, field): &(String, &ccproxy_core::config::Field)| {
        let path: Vec<&str> = key.split('.').collect();
        let found = path.iter().try_fold(value, |value, key| value.get(key));
        let text = found.map(|found| shown(&field.kind, found));
        let written = tree.and_then(|tree| tree.get(&path));
        let origin = written.map_or(Origin::Default, |node| node.origin.clone());
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        Setting { key, value: text, origin: origin.to_string() }
    };
    described.iter().map(setting).collect()
}

/// A resolved secret may look like anything, also like `env:...`: it is never shown.
fn shown(kind: &FieldKind, value: &Value) -> String {
    match kind {
        FieldKind::Secret => "\"...\"".to_owned(),
        kind => value_text(kind, value),
    }
}
