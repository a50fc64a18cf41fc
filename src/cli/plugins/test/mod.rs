//! `ccproxy plugins test`: runs the tests of plugins in the real host, without a network.

pub(super) mod bench;
mod find;
mod report;
mod run;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::config::units::parse_duration;
use ccproxy_lua::testing::{Rules, Snapshots, Workbench};
use ccproxy_lua::{BreakerSettings, Engine};
use clap::Args;

use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use bench::Bench;
use find::Found;
use report::Report;
use run::Runner;

/// Run the tests of plugins
///
/// Tests are files `*_test.lua` in a plugin's folder, also below `tests/`. They run in the real host and the real
/// pipeline; the network is imagined, and time stands still until everybody waits.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ccproxy plugins test                            every plugin of the plugin folders, or the one you stand in
  ccproxy plugins test scripts/rate_limit         one plugin, by its folder
  ccproxy plugins test rate_limit --watch         by its name, again at each save
  ccproxy plugins test scripts --filter mail      tests whose name holds `mail`
  ccproxy plugins test scripts --ci --json        for machines: nothing is written, one JSON object is printed

Exit codes: 0 all passed, 1 a test failed or there is none, 2 wrong usage")]
pub(crate) struct Test {
    /// Folders of plugins, test files, or names of plugins
    #[arg(value_name = "PATH|NAME")]
    what: Vec<String>,
    /// Run only tests whose plugin, file or name holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run again, after each save, what it touches
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Stop at the first failure
    #[arg(long)]
    fail_fast: bool,
    /// Write snapshots anew, where they differ
    #[arg(long)]
    update_snapshots: bool,
    /// A missing snapshot is a failure (also when the variable CI is set)
    #[arg(long, conflicts_with = "update_snapshots")]
    ci: bool,
    /// The most time a test may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    timeout: Duration,
    /// Print a dot for each test instead of a line
    #[arg(long, conflicts_with = "json")]
    dots: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let seconds = parse_duration(text).ok_or("write a time such as `10s` or `500ms`")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && time <= Duration::from_secs(3600) => Ok(time),
        _ => Err("from a moment to an hour".to_owned()),
    }
}

impl Test {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let folders = loaded.plugin_folders.clone();
        let found = find::find(&self.what, &folders)?;
        if found.is_empty() {
            output.left_out(&loaded.left_out);
            return Err(Failure::new("there are no tests")
                .with_hint("name a folder, as in `ccproxy plugins test scripts/hello`; tests are files `*_test.lua` beside a `plugin.lua`"));
        }
        let engine = Engine::new(loaded.settings.lua.limits.clone(), BreakerSettings::default());
        let runner = Runner {
            bench: Arc::new(Bench::new(engine.clone(), folders)) as Arc<dyn Workbench>,
            engine,
            rules: Rules { snapshots: self.snapshots(), limit: self.timeout },
            filter: self.filter.clone(),
            fail_fast: self.fail_fast,
        };
        if self.watch {
            return watch::watch(&found, &runner, self.dots, output);
        }
        let report = self.once(&runner, &found, output);
        match report.is_good() {
            true => Ok(()),
            false if report.is_empty() && !self.json => Err(Failure::new("no test was run")
                .with_hint("`--filter` lets none through, or the files register none")),
            false => Err(Failure::Silent),
        }
    }

    fn once(&self, runner: &Runner, found: &[Found], output: &mut Output) -> Report {
        if self.json {
            let report = runner.run(found, &mut |_| {});
            output.json(&report.json());
            return report;
        }
        let mut printer = report::Printer::new(output, self.dots);
        let report = runner.run(found, &mut |done| printer.test(done));
        printer.summary(&report);
        report
    }

    fn snapshots(&self) -> Snapshots {
        let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        match (self.update_snapshots, self.ci || in_ci) {
            (true, _) => Snapshots::Update,
            (false, true) => Snapshots::Keep,
            (false, false) => Snapshots::Write,
        }
    }
}

/// A path as it is shown: from the working folder on, when it is in there.
fn shown(path: &std::path::Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).map_or_else(|_| path.to_owned(), PathBuf::from)
}
