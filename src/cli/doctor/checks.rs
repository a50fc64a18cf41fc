//! The checks that need no provider.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use ccproxy_core::config::Problem;
use ccproxy_providers::vault::{Id, Vault};

use super::{Finding, Level};
use crate::cli::Failure;
use crate::cli::config::problems;
use crate::cli::context::block_on;
use crate::cli::plugins::{Declared, declared};
use crate::cli::running::Target;
use crate::config::{FileState, Loaded};
use crate::wiring;

/// Files, their problems, and what was left out.
pub(crate) fn configuration(loaded: &Loaded) -> Vec<Finding> {
    let read: Vec<String> = loaded
        .files
        .iter()
        .filter(|file| file.state == FileState::Read)
        .map(|file| file.path.display().to_string())
        .collect();
    let detail = if read.is_empty() {
        "no file, the defaults hold".to_owned()
    } else {
        format!("read {}", read.join(", "))
    };
    let mut findings = vec![Finding::new(Level::Ok, "configuration", detail)];
    for problem in problems(loaded) {
        let level = if problem.is_error() { Level::Fail } else { Level::Warn };
        let bare = Problem { hint: None, ..problem.clone() };
        let finding = Finding::new(level, "configuration", bare.to_string());
        findings.push(Finding { remedy: problem.hint, ..finding });
    }
    for item in &loaded.left_out {
        let detail = format!("left out `{}`: {}", item.path.display(), item.reason);
        findings.push(Finding::new(Level::Warn, "trust", detail).remedy(&item.remedy));
    }
    findings
}

/// Whether data could be written. A plain proxy serves without.
pub(crate) fn data_folder(folder: &Path) -> Finding {
    let nearest = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    let probe = nearest.join(format!(".ccproxy-doctor-{}", std::process::id()));
    let shown = folder.display();
    match std::fs::OpenOptions::new().write(true).create_new(true).open(&probe) {
        Ok(_) => {
            let _ = std::fs::remove_file(&probe);
            let note = if nearest == folder { "" } else { ", made when something needs it" };
            Finding::new(Level::Ok, "data folder", format!("`{shown}` can be written{note}"))
        }
        Err(error) => {
            Finding::new(Level::Warn, "data folder", format!("`{shown}` cannot be written: {error}")).remedy(
                "plugins that keep data, and `ccproxy trust`, need it: mend its rights, or set `data_dir`",
            )
        }
    }
}

/// Whether the addresses are free, or already ours.
pub(crate) fn listen(loaded: &Loaded, target: &Target) -> Result<Vec<Finding>, Failure> {
    let server = &loaded.settings.core.server;
    let mut findings = Vec::new();
    for address in &server.listen {
        findings.push(match TcpListener::bind(address) {
            Ok(_) => Finding::new(Level::Ok, "address", format!("`{address}` is free")),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                let proxy = target.proxy(loaded)?;
                match block_on(proxy.get("/health/live")) {
                    Ok(_) => {
                        Finding::new(Level::Ok, "address", format!("ccproxy answers at {}", proxy.url()))
                    }
                    Err(_) => Finding::new(
                        Level::Fail,
                        "address",
                        format!("another program listens on `{address}`"),
                    )
                    .remedy("stop it, or set another `server.port`"),
                }
            }
            Err(error) => {
                Finding::new(Level::Fail, "address", format!("cannot listen on `{address}`: {error}"))
                    .remedy("correct `server.host` and `server.port`")
            }
        });
    }
    for path in server.tls.iter().flat_map(|tls| [&tls.certificate, &tls.key]) {
        findings.push(match std::fs::read(path) {
            Ok(_) => Finding::new(Level::Ok, "tls", format!("`{}` can be read", path.display())),
            Err(error) => {
                Finding::new(Level::Fail, "tls", format!("cannot read `{}`: {error}", path.display()))
                    .remedy("correct `server.tls`")
            }
        });
    }
    Ok(findings)
}

/// Which plugins would run, and whether providers have credentials.
pub(crate) fn plugins(loaded: &Loaded) -> Vec<Finding> {
    let (plugins, _) = declared(loaded);
    let mut findings = Vec::new();
    let running: Vec<&str> = plugins
        .iter()
        .filter(|plugin| plugin.state == "enabled")
        .map(|plugin| plugin.name.as_str())
        .collect();
    findings.push(match running.as_slice() {
        [] => {
            Finding::new(Level::Warn, "plugins", "none would run").remedy("`ccproxy plugins list` says why")
        }
        names => Finding::new(Level::Ok, "plugins", names.join(", ")),
    });
    for plugin in plugins.iter().filter(|plugin| matches!(plugin.state, "broken" | "skipped")) {
        let detail =
            format!("`{}` would not run: {}", plugin.name, plugin.reason.as_deref().unwrap_or("no reason"));
        findings
            .push(Finding::new(Level::Fail, "plugins", detail).remedy("`ccproxy plugins check` says more"));
    }
    let providers = plugins.iter().filter(|plugin| plugin.state == "enabled");
    let logins = wiring::logins(loaded);
    let vault = logins.keeper().vault();
    findings.extend(providers.filter_map(|plugin| credential(loaded, plugin, vault)));
    findings
}

/// What a provider says of its credential: one that it lacks may come from the clients.
fn credential(loaded: &Loaded, plugin: &Declared, vault: &Arc<Vault>) -> Option<Finding> {
    let mut credential = wiring::credential(loaded, plugin.factory.as_ref()?.as_ref())?;
    if let Some(lacks) =
        credential.login.as_deref().filter(|_| credential.present).and_then(|login| lacks(vault, login))
    {
        credential.present = false;
        credential.hint = format!("{}: {lacks}", credential.hint);
    }
    let level = if credential.present || credential.kind != "oauth" { Level::Ok } else { Level::Warn };
    Some(Finding::new(level, "credentials", format!("`{}`: {}", plugin.name, credential.hint)))
}

/// Why a stored login is of no use. Unlike a provider, it waits for the key of a sealed file.
fn lacks(vault: &Arc<Vault>, login: &str) -> Option<String> {
    let (provider, account) = login.split_once('/')?;
    let id = Id::new(provider, account).ok()?;
    let read = block_on(async { Ok(vault.read(&id).await) }).ok()?;
    match read {
        Err(failure) => Some(failure.to_string()),
        Ok(record) => {
            let needs = record?.needs_login?;
            Some(format!("needs a login ({}); run `{}`", needs.reason, id.login_command()))
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_fine_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let finding = data_folder(&folder.path().join("a/b"));
        assert_eq!(finding.level, Level::Ok);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        std::fs::write(&file, "").unwrap();
        assert_eq!(data_folder(&file).level, Level::Warn);
    }
}
