//! What the user writes behind `plugins add`: a folder, an archive, the URL of one, or a git repository.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ccproxy_core::redact;

use super::tree::check_path;
use crate::cli::Failure;

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The place itself.
    pub(crate) place: Place,
    /// A branch, a tag or a commit, where the place is a git repository.
    pub(crate) reference: Option<String>,
    /// The folder in it that is meant.
    pub(crate) subfolder: Option<String>,
}

/// The kinds of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder on this machine.
    Folder(PathBuf),
    /// An archive on this machine.
    Archive(PathBuf),
    /// An archive elsewhere.
    Url(String),
    /// A git repository, by `https`, `ssh` or `file`.
    Git(String),
}

/// Ends of the names of archives.
const ARCHIVES: [&str; 3] = [".tar.gz", ".tgz", ".zip"];

impl Source {
    /// Reads `place[@reference][#subfolder]`. Relative paths are those of `cwd`.
    pub(crate) fn parse(text: &str, cwd: &Path) -> Result<Self, Failure> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Failure::new("a source is a path or a URL"));
        }
        // A path may hold every character of the notation.
        if let Some(place) = local(&cwd.join(text)) {
            return Ok(Source { place, reference: None, subfolder: None });
        }
        let (whole, subfolder) = match text.rsplit_once('#') {
            Some((whole, subfolder)) => (whole, Some(subfolder.trim_matches('/').to_owned())),
            None => (text, None),
        };
        if let Some(subfolder) = &subfolder {
            check_path(subfolder).map_err(|why| Failure::new(format!("the folder behind `#`: {why}")))?;
        }
        let (place, reference) = place(whole, cwd)?;
        Ok(Source { place, reference, subfolder })
    }

    /// The same as it stands in the lock file, in the words of the user's notation.
    pub(crate) fn text(&self) -> String {
        let place = match &self.place {
            Place::Folder(path) | Place::Archive(path) => path.display().to_string(),
            Place::Url(url) | Place::Git(url) => url.clone(),
        };
        let reference = self.reference.iter().map(|reference| format!("@{reference}"));
        let subfolder = self.subfolder.iter().map(|subfolder| format!("#{subfolder}"));
        place + &reference.chain(subfolder).collect::<String>()
    }
}

fn is_archive(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ARCHIVES.iter().any(|end| path.ends_with(end))
}

fn local(path: &Path) -> Option<Place> {
    // What is remembered must mean the same elsewhere.
    let path = path.canonicalize().ok()?;
    if path.is_dir() {
        return Some(Place::Folder(path));
    }
    (path.is_file() && is_archive(&path.to_string_lossy())).then_some(Place::Archive(path))
}

/// The place, and the reference behind its last `@`.
fn place(text: &str, cwd: &Path) -> Result<(Place, Option<String>), Failure> {
    let Some(start) = path_start(text) else {
        return match (local(&cwd.join(text)), text.rsplit_once('@')) {
            (Some(place), _) => Ok((place, None)),
            (None, Some((path, _))) if local(&cwd.join(path)).is_some() => {
                let failure = Failure::new(format!("`{path}` is read as it is, without `@`"));
                Err(failure.with_hint("a revision of a repository on this machine: `file:///path@revision`"))
            }
            _ => Err(missing(text, cwd)),
        };
    };
    let (url, reference) = match text[start..].rfind('@') {
        Some(at) => (&text[..start + at], Some(text[start + at + 1..].to_owned())),
        None => (text, None),
    };
    if let Some(reference) = &reference {
        check_reference(reference)?;
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("ssh", url));
    check_secrets(url, scheme, rest)?;
    let bare = url.split('?').next().unwrap_or(url);
    let place = match scheme {
        "http" if !is_loopback(rest) => {
            return Err(Failure::new(
                "plugins are not taken over `http`: who is on the way could change them",
            )
            .with_hint("write `https://`"));
        }
        "https" | "http" if is_archive(bare) => Place::Url(url.to_owned()),
        "file" if is_archive(bare) => Place::Archive(PathBuf::from(rest)),
        "https" | "ssh" | "file" => Place::Git(url.to_owned()),
        "http" => return Err(Failure::new("git is asked over `https`, `ssh` or `file`, not over `http`")),
        other => {
            return Err(Failure::new(format!("plugins are not taken over `{other}`"))
                .with_hint("`https`, `ssh` and `file` are known"));
        }
    };
    if reference.is_some() && !matches!(place, Place::Git(_)) {
        return Err(Failure::new("an archive has no revisions; `@` is for git repositories"));
    }
    Ok((place, reference))
}

fn missing(text: &str, cwd: &Path) -> Failure {
    match cwd.join(text).is_file() {
        true => Failure::new(format!("`{text}` is no archive"))
            .with_hint(format!("archives are called {}", ARCHIVES.join(", "))),
        false => Failure::new(format!("there is nothing at `{text}`"))
            .with_hint("a source is a folder, an archive, the URL of one, or the URL of a git repository"),
    }
}

/// Where the path of a URL begins, or of `user@host:path`. `None`: it is a path of this machine.
fn path_start(text: &str) -> Option<usize> {
    if let Some(scheme) = text.find("://") {
        let host = scheme + 3;
        return Some(text[host..].find('/').map_or(text.len(), |slash| host + slash));
    }
    let (host, path) = text.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_".contains(&byte);
    // `name::` is git's way to run a program; a single letter is a disk.
    let is_host =
        host.len() > 1 && host.bytes().all(plain) && !host.starts_with('-') && !path.starts_with(':');
    is_host.then_some(host.len() + 1)
}

fn is_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is written into the lock file must hold no secret.
fn check_secrets(url: &str, scheme: &str, rest: &str) -> Result<(), Failure> {
    let authority = rest.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let secret = user.is_some_and(|user| scheme != "ssh" || user.contains(':'));
    if secret || redact::url(url) != url {
        let failure = Failure::new("the URL holds a credential, which `plugins.lock` would keep");
        return Err(failure.with_hint("git's credential helpers and ssh keys are used as they are set up"));
    }
    Ok(())
}

/// A name that git takes for a revision, and for nothing else.
fn check_reference(reference: &str) -> Result<(), Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/+-".contains(&byte);
    let fine = !reference.is_empty()
        && reference.len() <= 200
        && reference.bytes().all(plain)
        && !reference.starts_with(['-', '/', '.'])
        && !reference.contains("..");
    match fine {
        true => Ok(()),
        false => Err(Failure::new("behind `@` stands a branch, a tag or a whole commit id")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Place, Option<String>, Option<String>), String> {
        let source = Source::parse(text, Path::new("/nowhere"));
        let read = source.map(|source| (source.place, source.reference, source.subfolder));
        read.map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn repositories_have_revisions_and_folders() {
        let git = |url: &str, reference: Option<&str>, subfolder: Option<&str>| {
            Ok((Place::Git(url.to_owned()), reference.map(str::to_owned), subfolder.map(str::to_owned)))
        };
        let one = "https://example.com/o/r";
        assert_eq!(read(one), git(one, None, None));
        assert_eq!(read(&format!("{one}@v1.2")), git(one, Some("v1.2"), None));
        assert_eq!(
            read(&format!("{one}@feature/x#plugins/a")),
            git(one, Some("feature/x"), Some("plugins/a"))
        );
        assert_eq!(read("git@example.com:o/r.git"), git("git@example.com:o/r.git", None, None));
        assert_eq!(read("git@example.com:o/r.git@v1"), git("git@example.com:o/r.git", Some("v1"), None));
        assert_eq!(read("ssh://git@example.com/o/r@v1"), git("ssh://git@example.com/o/r", Some("v1"), None));
        assert_eq!(read("file:///o/r#a"), git("file:///o/r", None, Some("a")));
    }

    #[test]
    fn archives_are_told_by_their_names() {
        let url = |url: &str| Ok((Place::Url(url.to_owned()), None, None));
        assert_eq!(read("https://example.com/a.tar.gz"), url("https://example.com/a.tar.gz"));
        assert_eq!(read("https://example.com/a.ZIP?x=1"), url("https://example.com/a.ZIP?x=1"));
        assert_eq!(read("http://127.0.0.1:80/a.tgz"), url("http://127.0.0.1:80/a.tgz"));
        assert_eq!(read("http://[::1]/a.tgz"), url("http://[::1]/a.tgz"));
    }

    #[test]
    fn what_is_unsafe_or_unclear_is_refused() {
        for (text, why) in [
            ("http://example.com/a.tgz", "over `http`"),
            ("http://127.0.0.1.example.com/a.tgz", "over `http`"),
            ("http://localhost/r", "not over `http`"),
            ("git://example.com/r", "over `git`"),
            ("ext::sh -c id", "nothing at"),
            ("ext://x/y", "over `ext`"),
            ("https://me:pw@example.com/r", "credential"),
            ("https://token@example.com/r", "credential"),
            ("https://example.com/a.zip?token=x", "credential"),
            ("https://example.com/a.zip@v1", "no revisions"),
            ("https://example.com/r@--upload-pack=x", "behind `@`"),
            ("https://example.com/r@a..b", "behind `@`"),
            ("https://example.com/r@", "behind `@`"),
            ("https://example.com/r#../x", "behind `#`"),
            ("./nothing", "nothing at"),
            ("", "a path or a URL"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_there_is_taken_as_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a@1#b");
        std::fs::create_dir(&odd).unwrap();
        let source = Source::parse("a@1#b", folder.path()).unwrap();
        assert_eq!(source.place, Place::Folder(odd.canonicalize().unwrap()));
        assert!(Source::parse("a@1#b@v2", folder.path()).is_err());
        let back = Source::parse(&source.text(), Path::new("/")).unwrap();
        assert_eq!(back, source);
    }
}
