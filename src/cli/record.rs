//! `ccproxy record`: runs the proxy and keeps what goes by, for `ccproxy plugins replay`.

use std::path::PathBuf;

use ccproxy_core::config::units::{parse_size, size_text};
use ccproxy_core::config::{Node, Origin};
use ccproxy_core::generation::Generation;
use clap::Args;
use serde_json::json;

use super::output::Output;
use super::serve::Serve;
use super::{Failure, Global, Outcome};

/// The plugin that writes.
const RECORDER: &str = "recorder";
/// The least of its `max_size`.
const LEAST: u64 = 1 << 10;

/// Run the proxy and record exchanges, bodies included, for `ccproxy plugins replay`
///
/// PROMPTS AND ANSWERS ARE IN THE FILE, whole, since that is what it is for: treat it as you treat them. Credentials of
/// headers and URLs read `[redacted]`. The file is for its owner only (0600). The plugin `recorder` does it; a proxy that
/// runs anyway records when its configuration has `[plugins.recorder]`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ccproxy record --out today.jsonl
  ccproxy record --out today.jsonl --only '/v1/*' --port 8001
  ccproxy plugins replay today.jsonl --plugin ./quota")]
pub(crate) struct Record {
    /// The file; it must not be there yet
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Most that is written, such as 10MiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Record these paths only; `*` is any run of characters (may be repeated)
    #[arg(long, value_name = "PATH")]
    only: Vec<String>,
    #[command(flatten)]
    serve: Serve,
}

impl Record {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let out = global.inputs()?.cwd.join(&self.out);
        if out.symlink_metadata().is_ok() {
            return Err(Failure::new(format!("`{}` exists", out.display()))
                .with_hint("a recording is a file of its own: name another, or remove it"));
        }
        let mut recorder = json!({ "enabled": true, "file": out, "paths": self.only });
        if let Some(size) = self.max_size {
            recorder["max_size"] = size.into();
        }
        let flags = json!({ "plugins": { RECORDER: recorder } });
        let serve = self.serve.with_plugin(RECORDER);
        let loaded = serve.load_over(Node::of(&flags, &Origin::Flag("record".into())), global, output)?;
        loaded.settings.core.plugins.runs(RECORDER, false).map_err(|reason| unrecorded(&reason))?;
        // Said at once when it cannot be written, not with the first exchange.
        let mut options = std::fs::File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(&out)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", out.display())))?;
        output.warning(&format!("prompts and answers are written to {}", out.display()));
        let served = serve.run_with(&loaded, output, None, &|_, live| records(live));
        // What never came to serve would be in the way of the next try.
        if served.is_err() && out.metadata().is_ok_and(|file| file.len() == 0) {
            let _ = std::fs::remove_file(&out);
        }
        served
    }
}

/// Whether the plugin runs, once all have been started.
fn records(live: &Generation) -> Outcome {
    match live.entry(RECORDER) {
        Some(entry) if entry.state.runs() => Ok(()),
        Some(entry) => Err(unrecorded(entry.state.reason().unwrap_or("no reason is known"))),
        None => Err(unrecorded("it is not there")),
    }
}

fn unrecorded(reason: &str) -> Failure {
    let failure =
        Failure::new(format!("nothing would be recorded: plugin `{RECORDER}` does not run: {reason}"));
    failure.with_hint("`ccproxy record` records by this plugin; `ccproxy serve` serves without it")
}

/// A size as the settings have it.
fn size(text: &str) -> Result<u64, String> {
    match parse_size(text) {
        Some(bytes) if bytes >= LEAST => Ok(bytes),
        Some(_) => Err(format!("a recording takes at least {}", size_text(LEAST))),
        None => Err("expected a size such as `10MiB`".to_owned()),
    }
}
