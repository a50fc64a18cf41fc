//! How the CLI is started: which program, with which arguments, in which environment and folder. None of it comes
//! from a request, but for the model's name, which cannot be mistaken for an argument.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::config::Config;
use super::guard;
use crate::subprocess::Subprocess;

/// What it may know of the proxy's own environment: where its login is, language, time, and the way out.
const INHERITED: [&str; 27] = [
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "CLAUDE_CONFIG_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "SYSTEMROOT",
    "USERPROFILE",
    "APPDATA",
];
/// What it is told always. Without the first, `@/etc/passwd` in a client's words would read that file.
const ALWAYS: [(&str, &str); 3] = [
    ("CLAUDE_CODE_DISABLE_ATTACHMENTS", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("MCP_TOOL_TIMEOUT", "90000000"),
];

/// A way to start the CLI.
pub(super) struct Command {
    words: Vec<String>,
    tools: String,
    environment: Vec<(OsString, OsString)>,
    directory: PathBuf,
    /// Whether the folder is the plugin's own, to be made when it is missing.
    scratch: bool,
    guard: Option<PathBuf>,
}

/// In what a process differs from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// The model, as the client names it.
    pub(super) model: String,
    /// Whether the CLI writes the conversation down, so that it can be resumed.
    pub(super) keep: bool,
    /// The conversation that it resumes.
    pub(super) resume: Option<String>,
}

impl Command {
    /// `own` is the proxy's binary, where it knows [`guard::WORD`].
    pub(super) fn new(config: &Config, data_dir: &Path, own: Option<&Path>) -> Self {
        let inherited = INHERITED.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?)));
        let always = ALWAYS.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let set = config.environment.iter().map(|(name, value)| (name.into(), value.expose().into()));
        Command {
            words: config.command.clone(),
            tools: config.tools.join(","),
            environment: inherited.chain(always).chain(set).collect(),
            directory: config.directory.clone().unwrap_or_else(|| data_dir.join("empty")),
            scratch: config.directory.is_none(),
            guard: own.filter(|_| cfg!(target_os = "linux")).map(Path::to_owned),
        }
    }

    /// The program's name, as the settings have it.
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Where the program is; `None` when it is not installed.
    pub(super) fn program(&self) -> Option<PathBuf> {
        let path = self.environment.iter().rev().find(|(name, _)| name == "PATH");
        let search = path.map(|(_, value)| value.clone()).unwrap_or_default();
        crate::detection::find(self.name(), &search)
    }

    /// What is wrong with the folder it runs in, with the remedy. Makes the scratch folder when it is missing.
    pub(super) fn folder_trouble(&self) -> Option<String> {
        let shown = self.directory.display();
        if self.scratch {
            let error = std::fs::create_dir_all(&self.directory).err()?;
            return Some(format!(
                "the folder {shown} for the Claude Code CLI cannot be made ({error}): make it, or name another one \
                 with `plugins.claude_sdk.directory`"
            ));
        }
        let why = match std::fs::metadata(&self.directory) {
            Ok(found) if found.is_dir() => return None,
            Ok(_) => "it is no folder".to_owned(),
            Err(error) => error.to_string(),
        };
        Some(format!(
            "the Claude Code CLI cannot run in `plugins.claude_sdk.directory`, {shown} ({why}): make that folder, or \
             name another one"
        ))
    }

    /// Where it runs what, for the log.
    pub(super) fn shown(&self) -> String {
        format!("{} in {}", self.words.join(" "), self.directory.display())
    }

    /// With other arguments than those of a conversation: `auth status`. Everything else is as it is there.
    pub(super) fn plain(&self, program: &Path, arguments: &[&str]) -> std::io::Result<Subprocess> {
        let mut command = self.start(program)?;
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Subprocess::spawn(&mut command, self.is_guarded())
    }

    /// Ready to be spawned. Makes the scratch folder when it is missing.
    pub(super) fn conversation(
        &self,
        program: &Path,
        shape: &Shape,
    ) -> std::io::Result<tokio::process::Command> {
        let mut command = self.start(program)?;
        command.args(self.arguments(shape));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// The program, behind a guard where there is one, in its folder and its environment.
    fn start(&self, program: &Path) -> std::io::Result<tokio::process::Command> {
        if self.scratch {
            std::fs::create_dir_all(&self.directory)?;
        }
        let mut command = match &self.guard {
            Some(own) => {
                let mut command = tokio::process::Command::new(own);
                command.arg(guard::WORD).arg(std::process::id().to_string()).arg(program);
                command
            }
            None => tokio::process::Command::new(program),
        };
        command.args(&self.words[1..]);
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(&self.directory);
        Ok(command)
    }

    /// Whether what is started is a guard, with the CLI below it.
    pub(super) fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    fn arguments(&self, shape: &Shape) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "--output-format",
            "stream-json",
            "--input-format",
            "stream-json",
            "--verbose",
            "--include-partial-messages",
            "--permission-prompt-tool",
            "stdio",
            "--permission-mode",
            "default",
            "--strict-mcp-config",
            "--setting-sources=",
            "--disable-slash-commands",
            "--tools",
            &self.tools,
        ]
        .map(String::from)
        .into();
        arguments.push(format!("--model={}", shape.model));
        if !shape.keep {
            arguments.push("--no-session-persistence".into());
        }
        arguments.extend(shape.resume.iter().map(|id| format!("--resume={id}")));
        arguments
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_and_environment_are_the_operators() {
        let settings = json!({"command": ["box", "run", "claude"], "tools": ["Read", "Bash"], "environment": {"PATH": "/x"}});
        let config = Config::read(&settings).expect("settings");
        let command = Command::new(&config, Path::new("/data"), None);
        let shape = Shape { model: "opus".into(), keep: false, resume: Some("id".into()) };
        let arguments = command.arguments(&shape);
        for expected in
            ["--model=opus", "--no-session-persistence", "--resume=id", "--strict-mcp-config", "Read,Bash"]
        {
            assert!(arguments.iter().any(|argument| argument == expected), "{expected}");
        }
        assert!(command.arguments(&Shape { keep: true, ..shape }).iter().all(|a| !a.contains("persistence")));
        let names: Vec<_> = command.environment.iter().map(|(name, _)| name.to_string_lossy()).collect();
        assert!(names.iter().all(|name| !name.starts_with("CLAUDECODE") && name != "ANTHROPIC_API_KEY"));
        assert!(names.iter().any(|name| name == "CLAUDE_CODE_DISABLE_ATTACHMENTS"));
        assert_eq!(command.program(), None);
    }
}
