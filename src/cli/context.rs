//! From the command line to a loaded configuration, in the same way for every command.

use std::path::PathBuf;
use std::sync::Arc;

use ccproxy_core::config::{Environment, Node};

use super::output::Output;
use super::{Failure, Global};
use crate::config::{Inputs, Loaded, load};

impl Global {
    /// What there is to read from.
    pub(crate) fn inputs(&self) -> Result<Inputs, Failure> {
        let cwd = std::env::current_dir()
            .map_err(|error| Failure::new(format!("the working folder is gone: {error}")))?;
        Ok(Inputs {
            environment: Arc::new(Environment::of_process()),
            cwd,
            config: self.config.clone(),
            trust: self.trust,
            scripts: self.scripts.clone(),
            flags: Node::empty(),
        })
    }

    /// The configuration, with whatever is wrong with it.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        Ok(load(&self.inputs()?))
    }

    /// The configuration; a broken one ends the command, warnings are said.
    pub(crate) fn load_sound(&self, output: &mut Output) -> Result<Loaded, Failure> {
        sound(self.load()?, output)
    }
}

/// A broken configuration ends the command, warnings are said.
pub(crate) fn sound(loaded: Loaded, output: &mut Output) -> Result<Loaded, Failure> {
    if loaded.is_broken() {
        return Err(Failure::Config(loaded.problems));
    }
    output.problems(&loaded.problems);
    Ok(loaded)
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?.block_on(future)
}

/// A path as people write it: `~` for the home folder.
pub(crate) fn shown(path: &std::path::Path) -> String {
    let home = Environment::of_process().home().filter(|home| home.components().count() > 1);
    match home.and_then(|home| path.strip_prefix(home).ok().map(PathBuf::from)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
