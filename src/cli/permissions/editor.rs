//! The person's own editor, for the arguments of a call.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// Gives a text to the editor of `VISUAL` or `EDITOR` (`vi` without one) and takes it back.
pub(super) fn edit(text: &str) -> Result<String, String> {
    let editor = named(|name| std::env::var(name).ok());
    let file = Scratch::new(text).map_err(|error| format!("no file for the editor: {error}"))?;
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program).args(words).arg(&file.0).status();
    match status {
        Ok(status) if status.success() => fs::read_to_string(&file.0).map_err(|error| error.to_string()),
        Ok(status) => Err(format!("`{editor}` ended with {status}")),
        Err(error) => Err(format!("`{editor}` does not start: {error}; `EDITOR` names another")),
    }
}

/// The editor that the environment names; an empty name is none.
fn named(variable: impl Fn(&str) -> Option<String>) -> String {
    let names = ["VISUAL", "EDITOR"].into_iter().filter_map(variable);
    names.into_iter().find(|name| !name.trim().is_empty()).unwrap_or_else(|| "vi".to_owned())
}

/// A file that only its owner can read, gone with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &str) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.as_nanos());
        let path = std::env::temp_dir().join(format!("ccproxy-{}-{nanos}.json", std::process::id()));
        let mut file = options.open(&path)?;
        let scratch = Scratch(path);
        file.write_all(text.as_bytes())?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn an_empty_name_hides_no_other() {
        for (visual, editor, wanted) in [
            (Some("code -w"), Some("nano"), "code -w"),
            (Some(""), Some("nano"), "nano"),
            (Some(" "), None, "vi"),
            (None, Some(""), "vi"),
            (None, None, "vi"),
        ] {
            let variable = |name: &str| if name == "VISUAL" { visual } else { editor }.map(str::to_owned);
            assert_eq!(named(variable), wanted, "{visual:?} {editor:?}");
        }
    }
}
