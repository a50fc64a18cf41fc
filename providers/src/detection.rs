//! Finds an installed command line client and its version. Looks only when someone asks, never installs anything.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::lookup::Lookup;
use crate::subprocess::Subprocess;

/// How long `--version` may take. Nobody waits that long.
const LIMIT: Duration = Duration::from_secs(20);
/// How long an answer is good for: a CLI may be installed or updated while the proxy runs.
const FRESH: Duration = Duration::from_secs(300);
/// Most bytes read of what it prints.
const OUTPUT: u64 = 4096;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cli {
    pub(crate) path: PathBuf,
    /// As it says; `None` when it did not answer in time.
    pub(crate) version: Option<String>,
}

/// Looks for one program, and remembers what was found.
pub(crate) struct Detection {
    program: &'static str,
    last: Lookup<Option<Cli>>,
}

impl Detection {
    /// Of the program of this name.
    pub(crate) fn of(program: &'static str) -> Self {
        Detection { program, last: Lookup::new(FRESH) }
    }

    /// What is installed, from memory when that is fresh; `None` too while a slow one is being asked.
    pub(crate) async fn look(&self) -> Option<Cli> {
        self.look_in(std::env::var_os("PATH").unwrap_or_default().as_os_str()).await
    }

    async fn look_in(&self, search: &OsStr) -> Option<Cli> {
        let (program, search) = (self.program, search.to_owned());
        let ask = || async move {
            let path = find(program, &search)?;
            let version = tokio::time::timeout(LIMIT, version(&path)).await.ok().flatten();
            Some(Cli { path, version })
        };
        self.last.get(ask).await.flatten()
    }
}

/// The first executable of this name in the folders of `search`; a name with a folder in it is a path. Relative
/// folders are left out: what runs must not depend on where the proxy was started.
pub(crate) fn find(name: &str, search: &OsStr) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return (path.is_absolute() && is_executable(path)).then(|| path.to_owned());
    }
    let endings: &[&str] = if cfg!(windows) { &[".exe", ".cmd"] } else { &[""] };
    std::env::split_paths(search)
        .filter(|folder| folder.is_absolute())
        .flat_map(|folder| endings.iter().map(move |ending| folder.join(format!("{name}{ending}"))))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    let Ok(metadata) = std::fs::metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    {
        metadata.is_file()
    }
}

/// The number that `--version` prints: `2.1.330 (Claude Code)`, `codex-cli 0.171.0`.
async fn version(path: &Path) -> Option<String> {
    let mut command = tokio::process::Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let (printed, status) = Subprocess::spawn(&mut command, false).ok()?.printed(OUTPUT).await?;
    let words = std::str::from_utf8(&printed).ok()?.split_whitespace().take(2);
    let mut numbers = words.filter(|word| word.starts_with(|start: char| start.is_ascii_digit()));
    let number = numbers.next().filter(|number| status.success() && number.len() <= 64)?;
    Some(number.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder_with(script: &str, mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("claude");
        std::fs::write(&path, script).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        folder
    }

    /// One test, not three: a script that is still open for writing while another thread forks cannot run.
    #[tokio::test]
    async fn finds_what_is_installed_and_nothing_else() {
        let folder = folder_with("#!/bin/sh\necho '2.1.330 (Claude Code)'\n", 0o755);
        let detection = Detection::of("claude");
        let found = detection.look_in(folder.path().as_os_str()).await.expect("found");
        assert_eq!(found.version.as_deref(), Some("2.1.330"));
        assert_eq!(found.path, folder.path().join("claude"));
        // From memory: the folder is no longer asked.
        assert_eq!(detection.look_in(OsStr::new("/nowhere")).await, Some(found));

        for script in ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho oops\n", "not a program"] {
            let folder = folder_with(script, 0o755);
            let found = Detection::of("claude").look_in(folder.path().as_os_str()).await.expect("found");
            assert_eq!(found.version, None, "{script}");
        }

        let folder = folder_with("#!/bin/sh\n", 0o644);
        assert_eq!(Detection::of("claude").look_in(folder.path().as_os_str()).await, None);
        assert_eq!(Detection::of("claude").look_in(OsStr::new("bin:.")).await, None);

        let folder = folder_with("#!/bin/sh\necho 'codex-cli 0.171.0'\n", 0o755);
        let found = Detection::of("claude").look_in(folder.path().as_os_str()).await.expect("found");
        assert_eq!(found.version.as_deref(), Some("0.171.0"));
        assert_eq!(Detection::of("codex").look_in(folder.path().as_os_str()).await, None);
    }
    /// What a shell waits for ends with it.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn one_that_hangs_is_ended_with_its_children() {
        let folder = folder_with("#!/bin/sh\nsleep 600 &\necho $! >\"$0.child\"\nwait\n", 0o755);
        let detection = Detection::of("claude");
        assert_eq!(detection.look_in(folder.path().as_os_str()).await, None);
        let child = std::fs::read_to_string(folder.path().join("claude.child")).expect("its child");
        assert!(lives(child.trim()));
        drop(detection);
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while lives(child.trim()) {
            assert!(std::time::Instant::now() < until, "it lives on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it runs. Nobody may have waited for one that does not.
    #[cfg(target_os = "linux")]
    fn lives(id: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
    }
}
