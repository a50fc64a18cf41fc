//! `ccproxy lua`: a session inside a plugin of the workbench that runs.

use std::io::{IsTerminal, Read};
use std::path::Path;

use clap::Args;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use serde_json::{Value, json};

use super::context::block_on;
use super::dev::door::{Door, Plate};
use super::output::Output;
use super::running::{Running, Target};
use super::x::segment;
use super::{Failure, Global, Outcome};

/// Open a session inside a plugin of `ccproxy dev`
///
/// What is typed runs in the plugin's VM, with the plugin's rights and budgets. It sees `plugin`, `manifest` (the
/// table that plugin.lua returned), every global, `require` of the plugin's own files, `it` (the last value), and the
/// names that were given before. `:help` lists what begins with a colon. Without a terminal the whole input is run.
#[derive(Debug, Args)]
#[command(after_help = "Example: ccproxy lua limits -e 'ccproxy.kv.keys()'")]
pub(crate) struct Lua {
    /// The plugin; may be left out when there is only one script
    plugin: Option<String>,
    /// Run this and leave
    #[arg(long, short, value_name = "CODE")]
    eval: Option<String>,
    /// Print the result as JSON: `values` as Lua spells them, `data` as JSON (null where a value is no plain data)
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
:plugins      the scripts that run
:use NAME     go on in another plugin
:quit         leave, as Ctrl-D does
Names are kept until the plugin is reloaded. `return` is not needed: 1 + 1, plugin.config, manifest.tasks[1].run(plugin)";

/// Lines of history that are kept.
const HISTORY: usize = 1000;

impl Lua {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let data_dir = loaded.settings.core.data_dir.clone();
        let plate = Door::read(&data_dir)?;
        let proxy = Target::at(&plate.url).proxy(&loaded)?;
        let plugin = match &self.plugin {
            Some(name) => name.clone(),
            None => only(&scripts(&proxy)?)?,
        };
        let mut session = Session { proxy, plate, plugin };
        let once = match &self.eval {
            Some(code) => Some(code.clone()),
            None if std::io::stdin().is_terminal() => None,
            None => Some(input()?),
        };
        let Some(code) = once else { return session.talk(&data_dir, output) };
        let told = session.eval(&code)?;
        if self.json {
            output.json(&told);
        }
        if told["unfinished"] == true {
            return Err(Failure::new("the code ends in the middle"));
        }
        match told["error"].as_str() {
            Some(_) if self.json => Err(Failure::Silent),
            Some(error) => Err(Failure::new(error.to_owned())),
            None if self.json => Ok(()),
            None => {
                show(&told, output);
                Ok(())
            }
        }
    }
}

fn input() -> Result<String, Failure> {
    let mut code = String::new();
    let read = std::io::stdin().lock().take(1 << 20).read_to_string(&mut code);
    read.map_err(|error| Failure::new(format!("cannot read the code: {error}")))?;
    Ok(code)
}

/// The scripts that run.
fn scripts(proxy: &Running) -> Result<Vec<String>, Failure> {
    let status = block_on(proxy.get("/plugins/status"))?;
    let plugins = status["plugins"].as_array().into_iter().flatten();
    let script = |plugin: &&Value| plugin["manifest"]["source"] != "native" && plugin["initialized"] == true;
    Ok(plugins.filter(script).filter_map(|plugin| plugin["name"].as_str().map(str::to_owned)).collect())
}

fn only(scripts: &[String]) -> Result<String, Failure> {
    match scripts {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new("no script runs there").with_hint("`ccproxy plugins new` writes one")),
        many => Err(Failure::new(format!("name one of them: {}", many.join(", ")))),
    }
}

struct Session {
    proxy: Running,
    plate: Plate,
    plugin: String,
}

impl Session {
    fn eval(&self, source: &str) -> Result<Value, Failure> {
        let path = format!("/plugins/{}/eval", segment(&self.plugin));
        block_on(self.proxy.post(&path, &json!({ "secret": self.plate.secret, "source": source })))
    }

    /// Lines until the person leaves.
    fn talk(&mut self, data_dir: &Path, output: &mut Output) -> Outcome {
        let broken = |error: ReadlineError| Failure::new(format!("the terminal failed: {error}"));
        let config =
            Config::builder().max_history_size(HISTORY).map_err(broken)?.auto_add_history(true).build();
        let mut editor: Editor<(), FileHistory> = Editor::with_config(config).map_err(broken)?;
        let history = data_dir.join("lua_history");
        // None yet, or not readable: the session begins without.
        let _ = editor.load_history(&history);
        output.line(format!("inside `{}` at {}; :help", self.plugin, self.proxy.url()));
        let mut code = String::new();
        loop {
            let prompt = if code.is_empty() { format!("{}> ", self.plugin) } else { "... ".to_owned() };
            match editor.readline(&prompt) {
                Ok(line) if code.is_empty() && line.trim().is_empty() => {}
                Ok(line) if code.is_empty() && line.starts_with(':') => match self.order(&line, output) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(failure) => output.failure(&failure),
                },
                Ok(line) => {
                    code.push_str(&line);
                    code.push('\n');
                    match self.eval(&code) {
                        Ok(told) if told["unfinished"] == true => {}
                        Ok(told) => {
                            show(&told, output);
                            code.clear();
                        }
                        Err(failure) => {
                            output.failure(&failure);
                            code.clear();
                        }
                    }
                }
                // What was typed so far is given up.
                Err(ReadlineError::Interrupted) => code.clear(),
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(broken(error)),
            }
        }
        let _ = editor.save_history(&history);
        Ok(())
    }

    /// A line that begins with a colon; true when it says to leave.
    fn order(&mut self, line: &str, output: &mut Output) -> Result<bool, Failure> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            ":quit" | ":q" => return Ok(true),
            ":plugins" => scripts(&self.proxy)?.iter().for_each(|name| output.line(name)),
            ":use" => {
                let name = rest.trim();
                if !scripts(&self.proxy)?.iter().any(|known| known == name) {
                    return Err(
                        Failure::new(format!("no script `{name}` runs")).with_hint(":plugins lists them")
                    );
                }
                self.plugin = name.to_owned();
            }
            ":help" => output.line(HELP),
            other => {
                return Err(
                    Failure::new(format!("there is no `{other}`")).with_hint(":help lists what there is")
                );
            }
        }
        Ok(false)
    }
}

/// What was printed, then the values, or what went wrong.
fn show(told: &Value, output: &mut Output) {
    if let Some(printed) = told["printed"].as_str() {
        output.line(printed.trim_end_matches('\n'));
    }
    for value in told["values"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output.line(value);
    }
    if let Some(error) = told["error"].as_str() {
        output.line(format!("error: {error}"));
    }
}
