//! `ccproxy config init`: writes an annotated file; never over one that is there, unless told to.

use std::io::Write;
use std::path::PathBuf;

use ccproxy_core::config::toml_text;
use clap::Args;

use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::config::{Folders, schema};

const HEAD: &str = "\
# The configuration of ccproxy. Every setting is here, commented out, with its default.
#
# Read from ~/.config/ccproxy/config.toml, then from .ccproxy.toml or ccproxy.toml of the working folder
# (or of its git repository) once `ccproxy trust` was run there, then from the environment (SERVER__PORT
# is `port` of `[server]`), then from the command line: the later wins. `--config FILE` or CONFIG_FILE names
# one file instead. `ccproxy config show --origin` says what counts, and why.
#
# Durations are written as \"5m\", \"1.5s\" or a number of seconds, sizes as \"16MiB\" or a number of bytes,
# secrets as \"env:NAME\" or \"file:/path\" (or as they are). Paths start from the folder of this file.

";

/// The annotated file, as `docs/ccproxy.toml` has it.
pub(crate) fn annotated_file() -> String {
    let mut schema = schema();
    schema.fields.retain(|field| !["plugins", "providers", "oauth"].contains(&&*field.name));
    let plugins = "# The settings of a plugin stand under its name: `ccproxy plugins settings` lists them.\n\
                   #[plugins.access_log]\n#enabled = true\n\n\
                   # A server of your own stands under its name, which begins its paths: /lan/v1/...\n\
                   #[providers.lan]\n#api = \"openai\"  # or \"anthropic\"\n#base_url = \"http://10.0.0.7:8000/v1\"\n\
                   #api_key = \"env:LAN_KEY\"\n\
                   #credential = \"oauth\"  # the token of a login, instead of a key\n#oauth = \"acme\"\n\n\
                   # An identity provider: another client, other endpoints of a known one (claude-api, codex, copilot), or one\n\
                   # of your own. `ccproxy auth providers` lists them.\n\
                   #[oauth.acme]\n\n";
    format!("{HEAD}{}{plugins}{}", toml_text(&schema), toml_text(&ccproxy_providers::oauth::schema()))
}

/// Write an annotated configuration file
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to; by default the user's file
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long)]
    force: bool,
    /// Write to standard output
    #[arg(long, conflicts_with_all = ["path", "force"])]
    stdout: bool,
}

impl Init {
    /// `--config` names the file too: it is the one that later runs will read.
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        if self.stdout {
            output.text(&annotated_file());
            return Ok(());
        }
        let inputs = global.inputs()?;
        let named = self.path.clone().or_else(|| inputs.config.clone());
        let path = inputs.cwd.join(named.unwrap_or_else(|| Folders::of(&inputs.environment).user_file()));
        self.write(&path)?;
        output.line(format!("wrote {}", path.display()));
        Ok(())
    }

    fn write(&self, path: &std::path::Path) -> Outcome {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                let failure = Failure::new(format!("`{}` exists, and is left as it is", path.display()));
                failure.with_hint("`--force` overwrites it, `--stdout` prints the text")
            }
            _ => Failure::new(format!("cannot write `{}`: {error}", path.display())),
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true);
        match self.force {
            true => options.create(true).truncate(true),
            false => options.create_new(true),
        };
        // It may come to hold keys.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(annotated_file().as_bytes()).map_err(failed)
    }
}
