//! `ccproxy config schema`: the JSON Schema of the configuration, for editors and other tools.

use ccproxy_core::config::{Field, FieldKind, Schema, markdown};
use clap::Args;

use crate::cli::output::Output;
use crate::cli::{Global, Outcome};
use crate::config::{Loaded, schema};
use crate::wiring::Search;

/// Print the configuration's JSON Schema, plugins' settings included
#[derive(Debug, Args)]
pub(crate) struct SchemaCommand {
    /// Print a table in Markdown instead
    #[arg(long)]
    markdown: bool,
}

impl SchemaCommand {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let schema = whole(&global.load()?);
        match self.markdown {
            true => output.text(&markdown(&schema, "")),
            false => output.json(&schema.json_schema("ccproxy")),
        }
        Ok(())
    }
}

/// The schema with the plugins that there are. A plugin that is not there may still have a table.
fn whole(loaded: &Loaded) -> Schema {
    let mut whole = schema();
    let discovered = Search::of(loaded).discover();
    let own = &loaded.settings.core.plugins.own;
    for field in &mut whole.fields {
        let FieldKind::Table(plugins) = &mut field.kind else { continue };
        let is_own = match &*field.name {
            "plugins" => false,
            "providers" => true,
            _ => continue,
        };
        let manifests = discovered.factories.iter().map(|factory| factory.manifest());
        for manifest in manifests.filter(|manifest| own.contains(&manifest.name) == is_own) {
            if plugins.field(&manifest.name).is_none() {
                let mut table = Schema::of([Field::boolean("enabled", "Whether the plugin runs.").or(true)]);
                table.fields.extend(manifest.config.fields.iter().cloned());
                table.open = manifest.config.open;
                plugins.fields.push(Field::table(&manifest.name, table, &manifest.description));
            }
        }
    }
    whole
}
