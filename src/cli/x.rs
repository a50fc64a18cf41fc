//! `ccproxy x`: a command of a plugin, run by the running proxy.

use clap::Args;
use serde_json::{Value, json};

use super::context::block_on;
use super::output::Output;
use super::running::{Running, Target};
use super::{Global, Outcome};

/// Run a command of a plugin in the running proxy
#[derive(Debug, Args)]
pub(crate) struct X {
    #[command(flatten)]
    target: Target,
    /// The plugin
    plugin: String,
    /// The command, as `ccproxy plugins show` lists it
    command: String,
    /// Words for the command; options of `ccproxy x` itself stand before the plugin
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl X {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let proxy = self.target.proxy(&global.load_sound(output)?)?;
        block_on(run_command(&proxy, &self.plugin, &self.command, self.args, output))
    }
}

/// Has the running proxy run a command of a plugin, and prints what it returns.
pub(crate) async fn run_command(
    proxy: &Running,
    plugin: &str,
    command: &str,
    args: Vec<String>,
    output: &mut Output,
) -> Outcome {
    let path = format!("/plugins/{}/commands/{}", segment(plugin), segment(command));
    let answer = proxy.post(&path, &json!({ "args": args })).await?;
    match &answer["result"] {
        Value::String(text) => output.line(text),
        Value::Null => {}
        result => output.json(result),
    }
    Ok(())
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
