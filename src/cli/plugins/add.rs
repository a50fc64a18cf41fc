//! `ccproxy plugins add`: puts a plugin of somebody in a folder, once its user has seen what it wants.

use std::path::{Path, PathBuf};

use ccproxy_core::plugin::Source as Origin;
use clap::Args;
use serde_json::{Value, json};

use super::share::install::{self, Standing};
use super::share::lock::Lock;
use super::share::offer::Offer;
use super::share::source::Source;
use super::share::{fetch, live, shown};
use crate::cli::auth::prompt::agree;
use crate::cli::context::{block_on, shown as shown_path};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::config::Loaded;
use crate::wiring::{BUNDLED, Search};

/// Add a plugin of somebody: a folder, an archive, a git repository
///
/// Nothing of it runs while it is added. It is read and checked, then shown: what it may touch, whether it reads or changes
/// bodies, where it takes part. It is written only after a yes. `plugins.lock` beside the plugins remembers where it came
/// from, for `ccproxy plugins update`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ccproxy plugins add https://github.com/someone/quota            the default branch, by `git`
  ccproxy plugins add https://github.com/someone/quota@v1.2       a tag, a branch or a whole commit id
  ccproxy plugins add git@github.com:team/plugins.git --only quota
  ccproxy plugins add https://example.com/plugins.tar.gz#plugins/quota
  ccproxy plugins add ./quota --yes                               a folder, without a question")]
pub(crate) struct Add {
    /// A folder, an archive (.tar.gz, .tgz, .zip), its URL, or a git repository; `@revision` and `#folder` behind it
    source: String,
    /// The plugin that is meant, where a source holds several; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Where to; by default the user's plugin folder
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Ask nothing
    #[arg(long)]
    yes: bool,
    /// Replace a plugin that is there (a copy of it is kept), or a bundled one
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Add {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let cwd = global.inputs()?.cwd;
        let source = Source::parse(&self.source, &cwd)?;
        let fetched = block_on(fetch(&source, &loaded))?;
        let offers = Offer::all(&source, &fetched, &self.only, &loaded)?;
        let folder = self.to.as_ref().map_or_else(|| loaded.folders.plugins(), |to| cwd.join(to));
        let mut tell = |line: &str| if self.json { output.note(line) } else { output.line(line) };
        for offer in &offers {
            shown::lines(offer).iter().for_each(|line| tell(line));
        }
        for offer in &offers {
            self.check_place(&folder, offer, &loaded, output)?;
        }
        let names: Vec<String> = offers.iter().map(|offer| format!("`{}`", offer.name())).collect();
        let question = format!("Add {} to {}?", names.join(", "), shown_path(&folder));
        if let Err(failure) = agree(self.yes, &question, output) {
            self.json(&offers, &folder, Vec::new(), false, &loaded, output);
            return Err(failure);
        }
        let mut lock = Lock::hold(&folder)?;
        let mut kept = Vec::new();
        for offer in &offers {
            let entry = lock.find(offer.name());
            let changed = matches!(install::standing(&folder, offer.name(), entry), Standing::Changed(_));
            kept.extend(install::put(&mut lock, offer, changed)?);
        }
        if self.json {
            self.json(&offers, &folder, kept, true, &loaded, output);
            return Ok(());
        }
        for offer in &offers {
            output.line(format!("added {} to {}", offer.name(), shown_path(&folder.join(offer.name()))));
            for reason in live::missing(offer, &loaded) {
                output.line(format!("  it does not run yet: {reason}"));
            }
        }
        kept.iter().for_each(|path| output.line(format!("what stood there is in {}", shown_path(path))));
        output.line(live::when(&folder, &loaded));
        Ok(())
    }

    /// Whether it may stand there: nothing is replaced that the user did not say.
    fn check_place(&self, folder: &Path, offer: &Offer, loaded: &Loaded, output: &mut Output) -> Outcome {
        let name = offer.name();
        let natives = Search::of(loaded).discover().factories;
        let native = |manifest: &ccproxy_core::plugin::Manifest| {
            manifest.name == name && matches!(manifest.source, Origin::Native)
        };
        if natives.iter().any(|factory| native(factory.manifest())) {
            return Err(Failure::new(format!("`{name}` is the name of a built-in provider")));
        }
        if BUNDLED.iter().any(|(bundled, _)| *bundled == name) {
            let told = format!("it takes the place of the bundled plugin `{name}`");
            if !self.force {
                return Err(Failure::new(told).with_hint("`--force` lets it"));
            }
            output.warning(&told);
        }
        let lock = Lock::read(folder)?;
        let entry = lock.find(name);
        match (install::standing(folder, name, entry), entry) {
            (Standing::Nothing, _) => Ok(()),
            (_, _) if self.force => Ok(()),
            (Standing::AsAdded, Some(entry)) => {
                let failure = Failure::new(format!("`{name}` is there already, from {}", entry.source));
                Err(failure.with_hint(format!(
                    "`ccproxy plugins update {name}` looks for a newer one; `--force` replaces it"
                )))
            }
            _ => {
                let place = folder.join(name);
                let failure =
                    Failure::new(format!("`{}` exists, with work of somebody in it", place.display()));
                Err(failure.with_hint("`--force` replaces it, and keeps a copy"))
            }
        }
    }

    fn json(
        &self,
        offers: &[Offer],
        folder: &Path,
        kept: Vec<PathBuf>,
        added: bool,
        loaded: &Loaded,
        output: &mut Output,
    ) {
        if !self.json {
            return;
        }
        let plugins = offers.iter().map(|offer| {
            let mut plugin = shown::json(offer);
            plugin["missing"] = json!(live::missing(offer, loaded));
            plugin
        });
        let plugins: Vec<Value> = plugins.collect();
        output.json(&json!({
            "added": added,
            "folder": folder,
            "counts": live::counts(folder, loaded),
            "watched": loaded.settings.lua.watch,
            "kept": kept,
            "plugins": plugins,
        }));
    }
}
