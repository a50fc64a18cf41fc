//! `ccproxy plugins settings`: the settings of plugins, with their values and where these come from.

use ccproxy_core::config::markdown;
use clap::Args;
use serde_json::json;

use super::declared;
use super::declared::chosen;
use crate::cli::config::leaves;
use crate::cli::output::Output;
use crate::cli::{Global, Outcome};
use crate::config::Loaded;

/// List the settings of plugins, with their values
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The plugin; by default every one
    name: Option<String>,
    /// Print a table in Markdown, without values
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Settings {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let (plugins, _) = declared(&loaded);
        let wanted = chosen(&plugins, self.name.as_deref(), &loaded, output)?;
        let manifests =
            wanted.iter().filter_map(|plugin| plugin.factory.as_ref().map(|factory| factory.manifest()));
        if self.markdown {
            for manifest in manifests {
                output.line(format!(
                    "## {}\n\n{}",
                    manifest.name,
                    markdown(&manifest.config, &format!("plugins.{}", manifest.name))
                ));
            }
            return Ok(());
        }
        let (mut rows, mut list) = (Vec::new(), Vec::new());
        for manifest in manifests {
            for row in values(&loaded, &manifest.name, &manifest.config) {
                list.push(json!({ "key": row[0], "kind": row[1], "value": row[2], "origin": row[3], "doc": row[4] }));
                rows.push(row);
            }
        }
        match self.json {
            true => output.json(&list),
            false => output.table(&["KEY", "KIND", "VALUE", "ORIGIN", "MEANING"], &rows),
        }
        Ok(())
    }
}

fn values(loaded: &Loaded, name: &str, schema: &ccproxy_core::config::Schema) -> Vec<Vec<String>> {
    let plugins = &loaded.settings.core.plugins;
    let (value, _) = plugins.configure(name, schema);
    let settings = leaves(schema, &format!("plugins.{name}"), &value, plugins.tables.get(name));
    let described = schema.leaves();
    settings
        .into_iter()
        .zip(described)
        .map(|(setting, (_, field))| {
            let value = setting.value.unwrap_or_else(|| "-".to_owned());
            vec![setting.key, field.kind.name(), value, setting.origin, field.doc.clone()]
        })
        .collect()
}
