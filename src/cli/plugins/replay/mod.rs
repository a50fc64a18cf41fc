//! `ccproxy plugins replay`: recorded exchanges through one plugin, in the real host, without a network.

mod coding;
mod compare;
mod complaint;
mod house;
mod recording;
mod settings;

use std::path::{Path, PathBuf};

use ccproxy_core::config::nearest;
use ccproxy_lua::testing::{Wanted, Workbench};
use ccproxy_lua::{BreakerSettings, Engine, declare, plugin_folders};
use clap::Args;
use serde_json::{Value, json};

use super::test::bench::Bench;
use crate::cli::context::block_on;
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::config::Loaded;
use crate::wiring::BUNDLED;
use compare::{Change, changes};
use complaint::{Complaint, Complaints, times};
use house::House;
use recording::Exchange;
use settings::Settings;

/// Show what a plugin would change in recorded exchanges
///
/// Each request goes through the real host twice, with the plugin and without, and providers answer as they were recorded. Shown
/// is what differs: request line, headers, bodies from the first byte that is another one, status, events of streams; and what
/// the plugin's handlers cost. No network is touched: what the plugin asks itself is listed and fails. The plugin has the
/// settings of the configuration, whether it is enabled there or not, and those of `--set` over them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ccproxy record --out today.jsonl
  ccproxy plugins replay today.jsonl --plugin ./quota
  ccproxy plugins replay today.jsonl --plugin max_tokens --set limit=1000
  ccproxy plugins replay today.jsonl --plugin ./quota --fail-on-change --json")]
pub(crate) struct Replay {
    /// The recording
    file: PathBuf,
    /// The plugin: the path of its folder, or its name
    #[arg(long, value_name = "PLUGIN")]
    plugin: String,
    /// A setting of the plugin instead of the configured one, such as `per_minute=5` (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Fail when anything is changed
    #[arg(long)]
    fail_on_change: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of one exchange.
struct Replayed<'a> {
    exchange: &'a Exchange,
    outcome: Result<Vec<Change>, String>,
}

impl Replay {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let exchanges = recording::read(&self.file)?;
        let scratch =
            tempfile::tempdir().map_err(|error| Failure::new(format!("no temporary folder: {error}")))?;
        let folder = find(&self.plugin, &loaded, scratch.path())?;
        let plugin = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let engine = Engine::new(loaded.settings.lua.limits.clone(), BreakerSettings::default());
        let declared = declare(&engine, &folder).map_err(|error| Failure::new(error.to_string()))?;
        let schema = &declared.manifest().config;
        let mut settings = Settings::of(&plugin, schema, &self.set, &loaded)?;
        settings.copy_files(schema, &scratch.path().join("files"))?;
        let bench = Bench::new(engine, loaded.plugin_folders.clone());
        let wanted = |name: &str| Wanted {
            plugin: plugin.clone(),
            folder: folder.clone(),
            config: settings.config.clone(),
            plugins: Vec::new(),
            settings: json!({}),
            data_dir: scratch.path().join(name),
        };
        let with = bench.furnish(&wanted("with")).map_err(Failure::new)?;
        let mut without = bench.furnish(&wanted("without")).map_err(Failure::new)?;
        without.discovered.factories.retain(|factory| factory.manifest().name != plugin);
        let (complaints, _guard) = Complaints::hear(&plugin);
        let (exchanges, cost) = block_on(async {
            let (with, without) = (House::start(with).await?, House::start(without).await?);
            if let Some(reason) = with.fault(&plugin) {
                return Err(Failure::new(format!("plugin `{plugin}` does not run: {reason}")));
            }
            let mut replayed = Vec::new();
            for exchange in &exchanges {
                let outcome = replay(exchange, &with, &without).await;
                replayed.push(Replayed { exchange, outcome });
            }
            Ok((replayed, with.cost(&plugin)))
        })?;
        let complaints = complaints.list();
        self.tell(&Told { plugin: &plugin, settings: &settings, exchanges, cost, complaints }, output)
    }

    fn tell(&self, told: &Told<'_>, output: &mut Output) -> Outcome {
        match self.json {
            true => output.json(&told.json()),
            false => told.lines().iter().for_each(|line| output.line(line)),
        }
        let (plugin, failures, changed) = (told.plugin, told.failures(), told.changed());
        let failure = match () {
            () if told.exchanges.len() == told.left_out() => Failure::new(format!(
                "nothing was replayed: {}",
                match told.left_out() {
                    0 => "there is no exchange in the recording".to_owned(),
                    1 => "its exchange was left out".to_owned(),
                    many => format!("all {many} exchanges were left out"),
                }
            )),
            () if failures > 0 => Failure::new(format!("`{plugin}` failed {}", times(failures))),
            () if self.fail_on_change && changed > 0 => Failure::new(format!(
                "`{plugin}` changes {}",
                match changed {
                    1 => "an exchange".to_owned(),
                    many => format!("{many} exchanges"),
                }
            )),
            () => return Ok(()),
        };
        Err(if self.json { Failure::Silent } else { failure })
    }
}

/// Everything that is told.
struct Told<'a> {
    plugin: &'a str,
    settings: &'a Settings,
    exchanges: Vec<Replayed<'a>>,
    /// What the plugin's handlers cost.
    cost: Value,
    complaints: Vec<Complaint>,
}

impl Told<'_> {
    fn changed(&self) -> usize {
        let changed = |one: &&Replayed<'_>| one.outcome.as_ref().is_ok_and(|list| !list.is_empty());
        self.exchanges.iter().filter(changed).count()
    }

    fn left_out(&self) -> usize {
        self.exchanges.iter().filter(|one| one.outcome.is_err()).count()
    }

    fn failures(&self) -> u64 {
        self.cost["errors"].as_u64().unwrap_or_default()
    }

    fn handlers(&self) -> &[Value] {
        self.cost["handlers"].as_array().map_or(&[], Vec::as_slice)
    }

    fn json(&self) -> Value {
        json!({
            "plugin": self.plugin,
            "settings": self.settings.shown,
            "exchanges": self.exchanges.iter().map(Replayed::json).collect::<Vec<_>>(),
            "replayed": self.exchanges.len() - self.left_out(),
            "changed": self.changed(),
            "left_out": self.left_out(),
            "failures": self.failures(),
            "failed": self.complaints.iter().map(Complaint::json).collect::<Vec<_>>(),
            "handlers": self.handlers(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = self.settings.lines();
        lines.extend(self.exchanges.iter().flat_map(Replayed::lines));
        let (changed, left_out) = (self.changed(), self.left_out());
        let same = self.exchanges.len() - changed - left_out;
        lines.push(format!("{changed} changed, {same} as before, {left_out} left out"));
        lines.extend(self.handlers().iter().map(|handler| {
            let figure = |key: &str| handler[key].as_f64().unwrap_or_default();
            let calls = figure("calls");
            format!(
                "{}: {calls} calls, {:.1} µs each, {:.1} at most, {} failed",
                handler["handler"].as_str().unwrap_or("handler"),
                figure("total_ms") * 1000.0 / calls.max(1.0),
                figure("max_us"),
                figure("errors"),
            )
        }));
        lines.extend(self.complaints.iter().map(Complaint::line));
        lines
    }
}

async fn replay(exchange: &Exchange, with: &House, without: &House) -> Result<Vec<Change>, String> {
    if let Some(reason) = exchange.unusable() {
        return Err(reason);
    }
    let before = without.replay(exchange).await?;
    let twice = without.replay(exchange).await?;
    let after = with.replay(exchange).await?;
    let refused = before.sent.is_empty() && after.sent.is_empty() && before.status.is_client_error();
    if refused && !exchange.answers.is_empty() {
        return Err(format!(
            "the replay refuses it with {}: its provider is not furnished",
            before.status.as_u16()
        ));
    }
    Ok(changes(&before, &twice, &after))
}

impl Replayed<'_> {
    fn title(&self) -> String {
        match &self.exchange.asked {
            Some(asked) => format!("{} {} {}", self.exchange.id, asked.method, asked.target),
            None => self.exchange.id.clone(),
        }
    }

    fn lines(&self) -> Vec<String> {
        match &self.outcome {
            Err(reason) => vec![format!("{}: left out: {reason}", self.title())],
            Ok(changes) if changes.is_empty() => Vec::new(),
            Ok(changes) => {
                std::iter::once(self.title()).chain(changes.iter().flat_map(Change::lines)).collect()
            }
        }
    }

    fn json(&self) -> Value {
        json!({
            "id": self.exchange.id,
            "method": self.exchange.asked.as_ref().map(|asked| asked.method.as_str()),
            "target": self.exchange.asked.as_ref().map(|asked| asked.target.as_str()),
            "left_out": self.outcome.as_ref().err(),
            "changes": self.outcome.iter().flatten().map(Change::json).collect::<Vec<_>>(),
        })
    }
}

/// The plugin's folder: a path, a plugin of the plugin folders, or a bundled one, which is copied out.
fn find(word: &str, loaded: &Loaded, scratch: &Path) -> Result<PathBuf, Failure> {
    if let Ok(path) = Path::new(word).canonicalize()
        && path.join("plugin.lua").is_file()
    {
        return Ok(path);
    }
    let folders = &loaded.plugin_folders;
    if let Some(path) = folders.iter().find_map(|folder| plugin_folders(folder).remove(word)) {
        return path.canonicalize().map_err(|error| Failure::new(format!("`{}`: {error}", path.display())));
    }
    if let Some((name, files)) = BUNDLED.iter().find(|(name, _)| *name == word) {
        let folder = scratch.join("bundled").join(name);
        for (file, text) in *files {
            let path = folder.join(file);
            let written = std::fs::create_dir_all(path.parent().unwrap_or(&folder))
                .and_then(|()| std::fs::write(&path, text));
            written.map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
        }
        return Ok(folder);
    }
    let failure = Failure::new(format!("there is no plugin `{word}`, and no folder with a `plugin.lua`"));
    let known: Vec<String> = folders.iter().flat_map(|folder| plugin_folders(folder).into_keys()).collect();
    let names = known.iter().map(String::as_str).chain(BUNDLED.iter().map(|(name, _)| *name));
    Err(match nearest(word, names) {
        Some(meant) => failure.with_hint(format!("did you mean `{meant}`")),
        None => failure.with_hint("give the path of its folder"),
    })
}
