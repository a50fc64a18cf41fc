//! A real keyring: GNOME's, on a session bus of the test's own. Where the two programs are missing there is nothing to try.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::command_line::{agree, visit};
use crate::support::idp::Idp;
use crate::support::proxy::{cli_in, home};
use crate::support::wait::within;
use crate::support::{self, Config, Proxy, eventually};

/// A session bus with an unlocked keyring on it, until it is dropped.
struct Session {
    bus: String,
    _child: tokio::process::Child,
    _folder: tempfile::TempDir,
}

impl Session {
    /// `None` where it cannot be had.
    async fn start() -> Option<Session> {
        for program in ["/usr/bin/dbus-run-session", "/usr/bin/gnome-keyring-daemon"] {
            if !Path::new(program).exists() {
                eprintln!("there is no `{program}`: no real keyring is tried");
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let script = "printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; echo $DBUS_SESSION_BUS_ADDRESS; exec cat";
        let mut child = tokio::process::Command::new("dbus-run-session")
            .args(["--", "sh", "-c", script])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let bus = within("the session bus", lines.next_line()).await.unwrap().unwrap_or_default();
        if bus.is_empty() {
            eprintln!("no session bus starts here: no real keyring is tried");
            return None;
        }
        // With its input open the session lasts: `cat` waits for it.
        Some(Session { bus, _child: child, _folder: folder })
    }
}

#[test]
fn a_login_is_sealed_by_a_real_keyring_and_opened_by_another_process() {
    support::run(async {
        let Some(session) = Session::start().await else { return };
        let idp = Idp::start().await;
        let data = tempfile::tempdir().unwrap();
        let config = |bus: &str| {
            let config = Config::new()
                .toml(&format!("data_dir = {:?}", data.path().display().to_string()))
                .env("DBUS_SESSION_BUS_ADDRESS", bus);
            idp.toml("acme").iter().fold(config, |config, line| config.toml(line))
        };
        let proxy = Proxy::start(config(&session.bus).toml("credentials.seal = \"required\"")).await;
        let begun = proxy.anonymous().post("/oauth/acme/login", &json!({})).await.expect(200).json();
        visit("GET", &agree(begun["url"].as_str().unwrap()).await, &[]).await;
        let file = data.path().join("credentials/acme/default.json");
        eventually("the sealed login", async || file.exists().then_some(())).await;
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("sealed") && !text.contains("at-0") && !text.contains("rt-0"), "{text}");
        // Another process, with the same keyring.
        let home = home(&config(&session.bus));
        let (code, told, err) =
            cli_in(home.path(), &config(&session.bus), &["auth", "status", "acme", "--json"]).await;
        assert!(code == 0 && told.contains("\"sealed\": true"), "{told}{err}");
        let (code, _, err) = cli_in(home.path(), &config(&session.bus), &["auth", "refresh", "acme"]).await;
        assert_eq!((code, idp.refreshes()), (0, 1), "{err}");
        assert!(!std::fs::read_to_string(&file).unwrap().contains("rt-0-1"));
        // The proxy sees what it stored, and renews it in its turn.
        proxy.anonymous().post("/oauth/acme/refresh", &json!({})).await.expect(200);
        assert_eq!(idp.refreshes(), 2);
        assert!(idp.is_whole());
        // Without the keyring it stays closed, and says so.
        let nowhere = "unix:path=/nonexistent/bus";
        let (code, told, err) = cli_in(home.path(), &config(nowhere), &["auth", "refresh", "acme"]).await;
        assert!(code == 1 && err.contains("keyring"), "{told}{err}");
        let kept = std::fs::read_to_string(&file).unwrap();
        assert!(kept.contains("sealed"), "{kept}");
        proxy.stop().await;
    });
}
