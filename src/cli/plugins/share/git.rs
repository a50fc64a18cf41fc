//! A git repository, read by the user's `git` as objects: nothing is checked out, so no hook, filter, link or submodule
//! of it ever means anything.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::tree::Tree;
use crate::cli::Failure;

/// For everything that is asked of another machine.
const WHOLE: Duration = Duration::from_secs(180);

/// How often the size of what has come is looked at, and the most of it.
const LOOK: Duration = Duration::from_millis(100);
const LARGEST: u64 = 256 << 20;

/// Most bytes of a list, and of what `git` says.
const LIST: u64 = 8 << 20;
const WORDS: u64 = 16 << 10;

/// What `git` needs of the environment to find itself, the network and the user's keys. Everything else could change
/// what it does.
const KEPT: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SystemRoot",
    "USERPROFILE",
    "APPDATA",
    "ProgramData",
];

/// Settings that outrank the user's: nothing runs, nothing asks.
const SETTINGS: [&str; 8] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.interactive=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "fetch.recurseSubmodules=false",
];

/// The files of a revision (the default branch's without one), those of `part` alone where it is given, and the commit.
pub(super) async fn read(
    url: &str,
    reference: Option<&str>,
    part: Option<&str>,
) -> Result<(Tree, String), Failure> {
    let folder =
        tempfile::tempdir().map_err(|error| Failure::new(format!("no temporary folder: {error}")))?;
    let git = Git { repository: folder.path(), files: url.starts_with("file://") };
    let work = async {
        git.run(&["init", "--quiet", "--bare", "--template=", "."]).await?;
        let wanted = reference.unwrap_or("HEAD");
        let fetch =
            ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", url, wanted];
        git.run(&fetch).await.map_err(|failure| match reference {
            Some(reference) if short_commit(reference) => {
                failure.with_hint("a commit is named by its whole id, or by a branch or tag")
            }
            _ => failure.with_hint("is it public, or does `git fetch` reach it without a question?"),
        })?;
        let commit = git.run(&["rev-parse", "--verify", "FETCH_HEAD^{commit}"]).await?;
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        Ok((git.tree(&commit, part).await?, commit))
    };
    tokio::select! {
        done = tokio::time::timeout(WHOLE, work) => {
            done.unwrap_or_else(|_| Err(Failure::new(format!("`{url}` was not read in {} s", WHOLE.as_secs()))))
        }
        () = outgrown(folder.path()) => Err(Failure::new(format!("`{url}` is larger than {LARGEST} bytes"))),
    }
}

fn short_commit(reference: &str) -> bool {
    (4..40).contains(&reference.len()) && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Ends when more has come than is taken.
async fn outgrown(folder: &Path) {
    loop {
        tokio::time::sleep(LOOK).await;
        let packs = std::fs::read_dir(folder.join("objects/pack")).into_iter().flatten().flatten();
        let sizes = packs.filter_map(|entry| Some(entry.metadata().ok()?.len()));
        if sizes.sum::<u64>() > LARGEST {
            return;
        }
    }
}

struct Git<'a> {
    repository: &'a Path,
    /// Whether the user wrote a `file:` URL.
    files: bool,
}

impl Git<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", if self.files { "https:ssh:file" } else { "https:ssh" })
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
            .env("GIT_DIR", self.repository);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(arguments).current_dir(self.repository);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs it to its end, and gives what it printed.
    async fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        let mut child = self.command(arguments).spawn().map_err(not_there)?;
        let (mut out, mut words) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let list = async {
            if let Some(stdout) = stdout {
                let _ = stdout.take(LIST).read_to_end(&mut out).await;
            }
        };
        let said = async {
            if let Some(mut stderr) = stderr {
                let _ = (&mut stderr).take(WORDS).read_to_end(&mut words).await;
                let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
            }
        };
        tokio::join!(list, said);
        let status = child.wait().await.map_err(|error| Failure::new(format!("`git` got lost: {error}")))?;
        if out.len() as u64 >= LIST {
            return Err(Failure::new("the repository holds too many files"));
        }
        match status.success() {
            true => Ok(out),
            false => Err(Failure::new(format!("`git {}`: {}", arguments[0], told(&words)))),
        }
    }

    async fn tree(&self, commit: &str, part: Option<&str>) -> Result<Tree, Failure> {
        let listed = self.run(&["ls-tree", "-r", "-z", "-l", "--full-tree", commit]).await?;
        let refused = |why: String| Failure::new(format!("the repository is refused: {why}"));
        let (mut tree, mut blobs, mut bytes) = (Tree::default(), Vec::new(), 0);
        for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let Ok(line) = std::str::from_utf8(line) else {
                return Err(refused("a name is not UTF-8".to_owned()));
            };
            let Some((head, path)) = line.split_once('\t') else { continue };
            if part.is_some_and(|part| path.strip_prefix(part).is_none_or(|rest| !rest.starts_with('/'))) {
                continue;
            }
            let mut words = head.split_ascii_whitespace();
            let (mode, _, id, size) = (words.next(), words.next(), words.next(), words.next());
            match mode {
                Some("120000") => tree.add_odd(path, "a symbolic link").map_err(refused)?,
                Some("160000") => tree.add_odd(path, "a submodule").map_err(refused)?,
                _ => {
                    bytes += size.and_then(|size| size.parse::<u64>().ok()).unwrap_or(u64::MAX / 2);
                    if bytes > tree.room() {
                        return Err(refused("it holds too much".to_owned())
                            .with_hint("`#folder` behind the URL takes one folder of it"));
                    }
                    blobs.push((path.to_owned(), id.unwrap_or_default().to_owned()));
                }
            }
        }
        self.read_blobs(&mut tree, blobs).await?;
        Ok(tree)
    }

    /// Reads objects as they are, without any conversion.
    async fn read_blobs(&self, tree: &mut Tree, blobs: Vec<(String, String)>) -> Result<(), Failure> {
        let odd = |_| Failure::new("`git cat-file` answered nonsense");
        let mut command = self.command(&["cat-file", "--batch"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(not_there)?;
        let (Some(mut asked), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(odd(()));
        };
        let mut answers = tokio::io::BufReader::new(answers);
        for (path, id) in blobs {
            // One question at a time: neither pipe can fill up.
            asked.write_all(format!("{id}\n").as_bytes()).await.map_err(|_| odd(()))?;
            let mut head = Vec::new();
            while head.last() != Some(&b'\n') && head.len() < 200 {
                head.push(answers.read_u8().await.map_err(|_| odd(()))?);
            }
            let head = String::from_utf8_lossy(&head);
            let size = head.trim_end().rsplit_once(' ').and_then(|(_, size)| size.parse::<u64>().ok());
            let size =
                size.filter(|size| head.contains(" blob ") && *size <= tree.room()).ok_or(()).map_err(odd)?;
            let mut bytes = vec![0; size as usize];
            answers.read_exact(&mut bytes).await.map_err(|_| odd(()))?;
            answers.read_u8().await.map_err(|_| odd(()))?;
            tree.add(&path, bytes)
                .map_err(|why| Failure::new(format!("the repository is refused: {why}")))?;
        }
        Ok(())
    }
}

fn not_there(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new("`git` is not there, and this source is a git repository")
                .with_hint("install git, or name an archive (`.tar.gz`, `.tgz`, `.zip`)")
        }
        _ => Failure::new(format!("`git` does not start: {error}")),
    }
}

/// The lines that matter of what it said.
fn told(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fatal = lines.iter().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let told = fatal.or(lines.last()).copied().unwrap_or("it failed without a word");
    told.chars().take(300).collect()
}
