//! What can be said about a plugin from its text and its declaration, without running it: each finding with its place.

mod rules;
mod token;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ccproxy_core::plugin::{PluginFactory, Source};
use mlua::Lua;
use mlua::chunk::ChunkMode;

use crate::engine::Engine;
use crate::factory::LuaFactory;
use crate::fault;
use crate::sources;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the plugin would not run, or not do what it says.
    pub error: bool,
    /// The file, by its path in the plugin's folder.
    pub file: String,
    /// Where, counted from 1; `None`: the file as a whole.
    pub place: Option<Place>,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// How many characters it is about; 0: the line.
    pub length: usize,
    /// The line as it is.
    pub text: String,
}

/// What there is to say about a plugin.
pub struct Checked {
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
    /// The plugin, when it can be declared.
    pub factory: Option<Arc<dyn PluginFactory>>,
}

/// Looks at the plugin in a folder.
pub fn check(engine: &Arc<Engine>, folder: &Path) -> Checked {
    let all = match sources::read_with_tests(folder) {
        Ok(all) => all,
        Err(message) => {
            return Checked { findings: vec![Finding::whole("plugin.lua", message)], factory: None };
        }
    };
    let mut findings = Vec::new();
    for (file, text) in &all.files {
        findings.extend(syntax(file, text));
    }
    let broken = !findings.is_empty();
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut own = all.clone();
    own.files.retain(|file, _| !sources::is_of_tests(file));
    let main = own.files.get(crate::script::MAIN).cloned().unwrap_or_default();
    let mut factory: Option<Arc<dyn PluginFactory>> = None;
    match LuaFactory::new(engine, &name, own.clone(), Source::Folder(folder.to_owned())) {
        Ok(declared) => factory = Some(Arc::new(declared)),
        // What the compiler said is not said again.
        Err(_) if broken => {}
        Err(problems) => {
            findings.extend(problems.iter().map(|problem| of_declaration(&all.files, &main, problem)))
        }
    }
    let capabilities = factory.as_ref().map(|factory| factory.manifest().capabilities.clone());
    findings.extend(rules::check(&own.files, capabilities.as_deref()));
    findings.extend(factory.as_ref().and_then(|factory| rules::bodies(&main, factory.manifest())));
    findings.sort_by_key(|finding| {
        (finding.file.clone(), finding.place.as_ref().map(|place| (place.line, place.column)))
    });
    Checked { findings, factory }
}

impl Finding {
    fn whole(file: &str, message: String) -> Finding {
        Finding { error: true, file: file.to_owned(), place: None, message }
    }

    /// About these bytes.
    fn at(file: &str, source: &str, bytes: &Range<usize>, error: bool, message: String) -> Finding {
        Finding { error, file: file.to_owned(), place: Some(place(source, bytes)), message }
    }
}

fn place(source: &str, bytes: &Range<usize>) -> Place {
    let before = source.get(..bytes.start).unwrap_or_default();
    let from = before.rfind('\n').map_or(0, |end| end + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[from..].chars().count() + 1,
        length: source.get(bytes.clone()).map_or(0, |text| text.chars().count()),
        text: source[from..].lines().next().unwrap_or_default().to_owned(),
    }
}

/// A line as a place.
fn line(source: &str, line: usize) -> Option<Place> {
    let text = source.lines().nth(line.checked_sub(1)?)?;
    let column = text.chars().take_while(|letter| letter.is_whitespace()).count() + 1;
    Some(Place { line, column, length: 0, text: text.to_owned() })
}

/// What the compiler says.
fn syntax(file: &str, text: &str) -> Option<Finding> {
    let chunk = Lua::new().load(text).set_name(format!("@{file}")).set_mode(ChunkMode::Text).into_function();
    let said = fault::cause_text(&chunk.err()?);
    let rest = said.strip_prefix(&format!("{file}:"));
    let (number, message) = match rest.and_then(|rest| rest.split_once(':')) {
        Some((number, message)) => (number.parse().unwrap_or_default(), message.trim().to_owned()),
        None => (0, said),
    };
    Some(Finding { error: true, file: file.to_owned(), place: line(text, number), message })
}

/// A problem of the declaration: with a place of its own (`plugin.lua:3: ...`), or with a key (`` `tasks[1].every`: ... ``),
/// which is looked for in the text.
fn of_declaration(files: &std::collections::BTreeMap<String, String>, main: &str, problem: &str) -> Finding {
    if let Some((file, rest)) = problem.split_once(".lua:").map(|(stem, rest)| (format!("{stem}.lua"), rest))
        && let Some(text) = files.get(&file)
    {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let place = rest[..digits].parse().ok().and_then(|number| line(text, number));
        let message = rest[digits..].trim_start_matches(':').trim().to_owned();
        return Finding { error: true, file, place, message };
    }
    let key = problem.strip_prefix('`').and_then(|rest| rest.split('`').next());
    let place = key.and_then(|key| rules::key(main, key)).map(|bytes| place(main, &bytes));
    Finding { error: true, file: crate::script::MAIN.to_owned(), place, message: problem.to_owned() }
}
