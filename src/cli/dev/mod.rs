//! `ccproxy dev`: the proxy as a workbench for plugins.

mod changes;
pub(crate) mod door;

use std::io::Write;
use std::path::PathBuf;

use ccproxy_core::config::{Node, Origin};
use ccproxy_core::generation::Generation;
use ccproxy_lua::{BreakerSettings, Engine};
use clap::Args;
use serde_json::json;

use super::context::sound;
use super::output::Output;
use super::plugins::of_plugins;
use super::serve::{Serve, Workbench};
use super::{Global, Outcome};
use crate::config::{Inputs, load};
use crate::excerpt::Excerpts;
use door::Door;

/// Run the proxy as a workbench for plugins
///
/// As `serve`, and: each save of a plugin says what changed, mistakes are shown with the lines of the script,
/// plugins' own `debug` lines are logged, and `ccproxy lua` opens a session inside a plugin. FOLDER is a folder of
/// plugins, as for `--scripts`; it needs no trust, since you name it.
///
/// Not for serving others: whoever can read the data folder can run code inside plugins while it runs.
#[derive(Debug, Args)]
#[command(after_help = "Example: ccproxy dev my-plugins, in another terminal: ccproxy lua my_plugin")]
pub(crate) struct Dev {
    /// A folder of plugins; without it those that count anyway
    folder: Option<PathBuf>,
    #[command(flatten)]
    serve: Serve,
}

impl Dev {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let mut global = global.clone();
        if let Some(folder) = &self.folder {
            of_plugins(folder)?;
            global.scripts = self.folder.clone();
        }
        let mut flags = self.serve.flags();
        let mut set = |key: &[&str], value| {
            let path: Vec<String> = key.iter().map(|part| (*part).to_owned()).collect();
            flags.set(&path, Node::of(&value, &Origin::Flag("dev".into())));
        };
        set(&["lua", "watch"], json!(true));
        if self.serve.log_level.is_none() {
            set(&["logging", "level"], json!("debug"));
        }
        let loaded = sound(load(&Inputs { flags, ..global.inputs()? }), output)?;
        let excerpts = Excerpts::new(loaded.plugin_folders.clone());
        let door = Door::open(&loaded.settings.core.data_dir)?;
        let told = excerpts.clone();
        let engine = Engine::new(loaded.settings.lua.limits.clone(), BreakerSettings::default());
        let workbench = Workbench {
            excerpts,
            secret: door.secret(),
            told: Box::new(move |before, now| {
                let text = changes::told(before, now, &engine, &told);
                // A reader that has gone away is no failure.
                let _ = std::io::stdout().write_all(text.as_bytes());
            }),
        };
        let ready = |url: &str, _: &Generation| door.name(url);
        self.serve.run_with(&loaded, output, Some(workbench), &ready)
        // The door closes here: its file is removed.
    }
}
