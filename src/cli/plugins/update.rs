//! `ccproxy plugins update`: newer states of what `add` put there. What wants more than before is asked about.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::remove::{changed, not_added};
use super::share::changes::{Change, between};
use super::share::install::{self, Standing};
use super::share::lock::{Lock, Locked};
use super::share::offer::Offer;
use super::share::source::Source;
use super::share::{fetch, live};
use crate::cli::auth::prompt::agree;
use crate::cli::context::{block_on, shown};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::config::Loaded;

/// Update plugins that were added
///
/// Each is read again from where it came from and compared: version, files, and what it may do. Where it wants more than
/// before (a capability, bodies, a route), `--yes` is no answer. Files that were changed by hand stay.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ccproxy plugins update --check          what is new, without a change
  ccproxy plugins update                  all of them, one question each
  ccproxy plugins update quota --yes --allow-capabilities")]
pub(crate) struct Update {
    /// The plugins; by default every one that was added
    names: Vec<String>,
    /// Only say what is new
    #[arg(long)]
    check: bool,
    /// Where they are; by default the user's plugin folder
    #[arg(long = "in", value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Ask nothing; what wants more than before is still refused
    #[arg(long)]
    yes: bool,
    /// Let them have what they want more than before
    #[arg(long)]
    allow_capabilities: bool,
    /// Also where files were changed since; a copy of the folder is kept
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What there is to say about one plugin.
struct Report {
    name: String,
    /// `up_to_date`, `available`, `updated` or `refused`.
    state: &'static str,
    from: String,
    to: Option<String>,
    revision: Option<String>,
    changes: Vec<Change>,
    wants: Vec<String>,
    reason: Option<String>,
    kept: Option<PathBuf>,
}

impl Update {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let folder = self.folder.clone().unwrap_or_else(|| loaded.folders.plugins());
        let lock = Lock::read(&folder)?;
        let entries: Vec<&Locked> = match self.names.as_slice() {
            [] => lock.plugins().iter().collect(),
            names => names
                .iter()
                .map(|name| lock.find(name).ok_or_else(|| not_added(name, &lock)))
                .collect::<Result<_, _>>()?,
        };
        let reports: Vec<Report> =
            entries.into_iter().map(|entry| self.one(entry, &folder, &loaded, output)).collect();
        let refused = reports.iter().filter(|report| report.state == "refused").count();
        if self.json {
            let plugins: Vec<Value> = reports.iter().map(Report::json).collect();
            output.json(&json!({ "ok": refused == 0, "folder": folder, "plugins": plugins }));
        } else if reports.is_empty() {
            output.line(format!("no plugin was added to {}", shown(&folder)));
        } else if reports.iter().any(|report| report.state == "updated") {
            output.line(live::when(&folder, &loaded));
        }
        match refused {
            0 => Ok(()),
            _ if self.json => Err(Failure::Silent),
            count => Err(Failure::new(format!("{count} of {} plugins were not updated", reports.len()))),
        }
    }

    fn one(&self, entry: &Locked, folder: &Path, loaded: &Loaded, output: &mut Output) -> Report {
        let mut report = Report {
            name: entry.name.clone(),
            state: "refused",
            from: entry.version.clone(),
            to: None,
            revision: None,
            changes: Vec::new(),
            wants: Vec::new(),
            reason: None,
            kept: None,
        };
        let outcome = self.attempt(entry, folder, loaded, &mut report, output);
        if let Err(failure) = outcome {
            let (message, hint) = match &failure {
                Failure::Failed { message, hint } => (message.clone(), hint.clone()),
                _ => ("it failed".to_owned(), None),
            };
            self.tell(output, &format!("{}: {message}", entry.name));
            hint.iter().for_each(|hint| self.tell(output, &format!("  hint: {hint}")));
            report.reason = Some(message);
        }
        report
    }

    fn attempt(
        &self,
        entry: &Locked,
        folder: &Path,
        loaded: &Loaded,
        report: &mut Report,
        output: &mut Output,
    ) -> Outcome {
        let offer = newest(entry, loaded)?;
        let next = Locked::of(&offer);
        let standing = install::standing(folder, &entry.name, Some(entry));
        report.to = Some(next.version.clone());
        report.revision = next.revision.clone();
        if next.hash == entry.hash && standing != Standing::Nothing {
            report.state = "up_to_date";
            let by_hand = if standing == Standing::AsAdded { "" } else { ", and changed by hand" };
            self.tell(output, &format!("{} {}: up to date{by_hand}", entry.name, entry.version));
            return Ok(());
        }
        report.changes = between(&install::installed(folder, &entry.name), &offer.tree);
        report.wants = next.rights.difference(&entry.rights).cloned().collect();
        self.tell(output, &format!("{} {} -> {}", entry.name, entry.version, next.version));
        if let Some(revision) = &next.revision {
            self.tell(output, &format!("  revision {revision}"));
        }
        report.changes.iter().for_each(|change| self.tell(output, &format!("  {}", change.line())));
        for right in &report.wants {
            self.tell(output, &format!("  WANTS MORE: {right}"));
        }
        if self.check {
            report.state = "available";
            return Ok(());
        }
        let by_hand = matches!(standing, Standing::Changed(_));
        if let (Standing::Changed(files), false) = (&standing, self.force) {
            return Err(changed(&entry.name, files).with_hint("`--force` replaces it, and keeps a copy"));
        }
        self.ask(entry, &report.wants, output)?;
        let mut lock = Lock::hold(folder)?;
        if lock.find(&entry.name) != Some(entry) {
            return Err(Failure::new("another command changed it meanwhile"));
        }
        report.kept = install::put(&mut lock, &offer, by_hand)?;
        report.state = "updated";
        self.tell(output, &format!("  updated {}", entry.name));
        if let Some(kept) = &report.kept {
            self.tell(output, &format!("  what stood there is in {}", shown(kept)));
        }
        Ok(())
    }

    /// A yes for the update, and one that means what is new.
    fn ask(&self, entry: &Locked, wants: &[String], output: &mut Output) -> Outcome {
        let name = &entry.name;
        if wants.is_empty() || self.allow_capabilities {
            return agree(self.yes, &format!("Update `{name}`?"), output);
        }
        if !std::io::stdin().is_terminal() {
            let failure = Failure::new(format!("it wants more than before: {}", wants.join("; ")));
            return Err(failure.with_hint("`--allow-capabilities` lets it"));
        }
        agree(false, &format!("Update `{name}`, and let it have what it wants more than before?"), output)
    }

    fn tell(&self, output: &mut Output, line: &str) {
        if self.json { output.note(line) } else { output.line(line) }
    }
}

/// The plugin as it is at its source now.
fn newest(entry: &Locked, loaded: &Loaded) -> Result<Offer, Failure> {
    let source = Source::parse(&entry.source, Path::new("/"))?;
    let fetched = block_on(fetch(&source, loaded))?;
    let mut offers = Offer::all(&source, &fetched, &[], loaded)?;
    match offers.pop() {
        Some(offer) if offer.name() == entry.name => Ok(offer),
        Some(offer) => Err(Failure::new(format!("what is there now is called `{}`", offer.name()))),
        None => Err(Failure::new("it is not there any more")),
    }
}

impl Report {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state,
            "from": self.from,
            "to": self.to,
            "revision": self.revision,
            "changes": self.changes.iter().map(Change::json).collect::<Vec<_>>(),
            "wants": self.wants,
            "reason": self.reason,
            "kept": self.kept,
        })
    }
}
