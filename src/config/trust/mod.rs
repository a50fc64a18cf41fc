//! Which working folders the user trusts: a cloned repository must not run code or send credentials
//! elsewhere just because the proxy was started in it.
//!
//! Trust is given to a folder by its real path. The project file is also remembered by its content, and
//! asks again when that changes: it can point providers at other hosts. `./scripts` is not, because it is
//! there to be edited while the proxy runs, and a script sees no credentials and leaves no sandbox.

mod store;

use std::path::{Path, PathBuf};

use ccproxy_core::config::{Origin, Problem};

use store::{Entry, Store};

/// The trusted folders.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    store: Store,
}

/// Whether something counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does.
    Trusted,
    /// It does not, because.
    Not(String),
}

impl Trust {
    /// Reads the list in the data folder. One that cannot be read trusts nothing, and is a problem.
    pub(crate) fn read(data_dir: &Path) -> (Self, Option<Problem>) {
        let (store, error) = Store::read(&data_dir.join("trust.json"));
        let problem = error.map(|error| {
            let problem = Problem::warning(&Origin::Default, "", format!("{error}: no folder is trusted"));
            problem.with_hint("mend or remove the file, then run `ccproxy trust` in each folder again")
        });
        (Trust { store }, problem)
    }

    /// Whether a project file, or a folder of scripts, counts. Its folder is the one it stands in.
    pub(crate) fn verdict(&self, path: &Path) -> Verdict {
        match self.refusal(path) {
            Some(reason) => Verdict::Not(reason),
            None => Verdict::Trusted,
        }
    }

    fn refusal(&self, path: &Path) -> Option<String> {
        let folder = path.parent().unwrap_or(path);
        let (Ok(real), Ok(real_folder)) = (path.canonicalize(), folder.canonicalize()) else {
            return Some("it cannot be read".to_owned());
        };
        let Some(entry) = self.store.find(&real_folder) else {
            return Some("its folder is not trusted".to_owned());
        };
        if real.parent() != Some(&real_folder) {
            return Some("it is a link to another folder".to_owned());
        }
        if others_write(&real) || others_write(&real_folder) {
            return Some("other users may write to it".to_owned());
        }
        let same =
            !real.is_file() || Entry::hash_of(&real).is_some_and(|hash| entry.file.as_ref() == Some(&hash));
        (!same).then(|| "it has changed since its folder was trusted".to_owned())
    }

    /// Trusts a folder as it is now. Returns its real path.
    pub(crate) fn add(&mut self, folder: &Path) -> Result<PathBuf, String> {
        let folder = real(folder)?;
        let file = super::files::project_file_in(&folder).and_then(|file| Entry::hash_of(&file));
        self.store.add(Entry { folder: folder.clone(), file })?;
        Ok(folder)
    }

    /// Ends the trust in a folder, which need not exist any more. Returns whether there was any.
    pub(crate) fn revoke(&mut self, folder: &Path) -> Result<bool, String> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        self.store.remove(&folder)
    }

    /// The trusted folders, sorted, each with what is wrong with it now.
    pub(crate) fn list(&self) -> Vec<(&Path, Option<String>)> {
        let standing = |folder: &Path| match super::files::project_file_in(folder) {
            Some(file) => self.refusal(&file).map(|reason| format!("`{}`: {reason}", file.display())),
            None => (!folder.is_dir()).then(|| "the folder does not exist".to_owned()),
        };
        self.store.entries().iter().map(|entry| (entry.folder.as_path(), standing(&entry.folder))).collect()
    }
}

fn real(folder: &Path) -> Result<PathBuf, String> {
    let real =
        folder.canonicalize().map_err(|error| format!("cannot trust `{}`: {error}", folder.display()))?;
    if real.is_dir() {
        Ok(real)
    } else {
        Err(format!("cannot trust `{}`: it is not a folder", folder.display()))
    }
}

#[cfg(unix)]
fn others_write(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.permissions().mode() & 0o002 != 0)
}

#[cfg(not(unix))]
fn others_write(_: &Path) -> bool {
    false
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn reason(verdict: Verdict) -> String {
        match verdict {
            Verdict::Trusted => "trusted".to_owned(),
            Verdict::Not(reason) => reason,
        }
    }

    #[test]
    fn a_folder_is_trusted_until_its_project_file_changes() {
        let (data, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = project.path().join("ccproxy.toml");
        std::fs::write(&file, "a = 1").unwrap();
        std::fs::create_dir(project.path().join("scripts")).unwrap();
        let scripts = project.path().join("scripts");
        let (mut trust, problem) = Trust::read(data.path());
        assert_eq!(problem, None);
        assert_eq!(reason(trust.verdict(&file)), "its folder is not trusted");

        trust.add(project.path()).unwrap();
        let (mut trust, _) = Trust::read(data.path());
        assert_eq!(trust.verdict(&file), Verdict::Trusted);
        assert_eq!(trust.verdict(&scripts), Verdict::Trusted);

        std::fs::write(&file, "a = 2").unwrap();
        assert_eq!(reason(trust.verdict(&file)), "it has changed since its folder was trusted");
        assert_eq!(trust.verdict(&scripts), Verdict::Trusted, "scripts are there to be edited");
        assert!(trust.list()[0].1.is_some());

        assert_eq!(trust.revoke(project.path()), Ok(true));
        assert_eq!(trust.revoke(project.path()), Ok(false));
        assert_eq!(reason(trust.verdict(&scripts)), "its folder is not trusted");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_files_of_others_do_not_count() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (data, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), project.path().join("scripts")).unwrap();
        let (mut trust, _) = Trust::read(data.path());
        trust.add(project.path()).unwrap();
        assert_eq!(reason(trust.verdict(&project.path().join("scripts"))), "it is a link to another folder");

        let file = project.path().join("ccproxy.toml");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        trust.add(project.path()).unwrap();
        assert_eq!(reason(trust.verdict(&file)), "other users may write to it");

        let list = data.path().join("trust.json");
        assert_eq!(list.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_broken_list_trusts_nothing_and_says_so() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("trust.json"), "{").unwrap();
        let (trust, problem) = Trust::read(data.path());
        assert!(problem.unwrap().message.ends_with("no folder is trusted"));
        assert!(trust.list().is_empty());
    }
}
