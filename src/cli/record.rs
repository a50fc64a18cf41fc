//! `ccproxy record`: runs the proxy and keeps what goes by, for `ccproxy plugins replay`.

use std::path::PathBuf;

use ccproxy_core::config::{Node, Origin};
use clap::Args;
use serde_json::json;

use super::output::Output;
use super::serve::Serve;
use super::{Failure, Global, Outcome};

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
    #[arg(long, value_name = "SIZE")]
    max_size: Option<String>,
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
        // Said at once when it cannot be written, not with the first exchange.
        let mut options = std::fs::File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(&out)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", out.display())))?;
        output.warning(&format!("prompts and answers are written to {}", out.display()));
        let mut recorder = json!({ "enabled": true, "file": out, "paths": self.only });
        if let Some(size) = self.max_size {
            recorder["max_size"] = size.into();
        }
        let flags = json!({ "plugins": { "recorder": recorder } });
        self.serve.with_plugin("recorder").run_over(
            Node::of(&flags, &Origin::Flag("record".into())),
            global,
            output,
        )
    }
}
