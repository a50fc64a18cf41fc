//! What `ccproxy auth` says and does about the store: keys, sealing, logins that are replaced, renewed or taken back.

use std::path::{Path, PathBuf};

use ccproxy_core::oauth::Tokens;
use ccproxy_core::secret::Secret;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::command_line::Asking;
use super::signals::{WAITS, asked, config, log_in, send};
use super::{logins, tokens};
use crate::support::idp::{Idp, pairs};
use crate::support::proxy::{cli, cli_in, home, typed_in};
use crate::support::{self, Config, Proxy};

fn file(home: &Path, name: &str) -> PathBuf {
    home.join(".local/share/ccproxy/credentials").join(name)
}

/// The identity provider and a line about the store.
fn with(idp: &Idp, line: &str) -> Config {
    idp.toml("acme").iter().fold(Config::new().toml(line), |config, line| config.toml(line))
}

#[test]
fn a_login_that_was_stored_plain_is_sealed_once_there_is_a_key_and_nothing_stays_beside_it() {
    support::run(async {
        let idp = Idp::start().await;
        let folder = tempfile::tempdir().unwrap();
        let data = format!("data_dir = {:?}", folder.path().display().to_string());
        let plain = with(&idp, &data).toml("credentials.seal = \"off\"");
        let stored = logins("acme", &idp.settings(), folder.path());
        stored.login("acme", "default").unwrap().store(tokens(idp.log_in())).await.unwrap();
        assert_eq!(cli(plain, &["auth", "refresh", "acme"]).await.0, 0);
        let key = folder.path().join("key");
        std::fs::write(&key, "k".repeat(40)).unwrap();
        let sealed =
            || with(&idp, &data).toml(&format!("credentials.key_file = {:?}", key.display().to_string()));
        let secret = || {
            let names = ["acme/default.json", "acme/default.json.previous"];
            names.map(|name| {
                std::fs::read_to_string(folder.path().join("credentials").join(name))
                    .unwrap()
                    .contains("rt-0")
            })
        };
        assert_eq!(secret(), [true, true]);
        // A login that is never renewed is never saved: whoever looks has it sealed.
        let (code, out, told) = cli(sealed(), &["auth", "status"]).await;
        assert!(code == 0 && out.contains("sealed") && !told.contains("not sealed"), "{out}{told}");
        assert_eq!(secret(), [false, false]);
        assert_eq!(cli(sealed(), &["auth", "refresh", "acme"]).await.0, 0);
        assert_eq!(secret(), [false, false]);
    });
}

#[test]
fn a_store_that_takes_no_login_is_told_before_anybody_goes_to_a_browser() {
    support::run(async {
        let idp = Idp::start().await;
        let config = with(&idp, "credentials.key_file = \"/nonexistent/key\"");
        let home = home(&config);
        for arguments in
            [&["auth", "login", "acme", "--no-browser"][..], &["auth", "login", "acme", "--manual"]]
        {
            let (code, _, told) = cli_in(home.path(), &config, arguments).await;
            assert!(code == 1 && told.contains("nothing is stored unsealed"), "{told}");
            assert!(told.contains("`credentials.key_command`") && !told.contains("/authorize?"), "{told}");
        }
        let proxy = Proxy::start(config).await;
        let told = proxy.anonymous().post("/oauth/acme/login", &json!({})).await.expect(500).text();
        assert!(told.contains("credentials.key_command"), "{told}");
        assert!(idp.requests().is_empty());
    });
}

#[test]
fn a_login_that_an_import_would_replace_is_named() {
    support::run(async {
        let config = Config::new().toml("credentials.seal = \"off\"");
        let home = home(&config);
        let home = home.path();
        let mut before = Tokens::new(Secret::new("sk-ant-oat01-old"));
        before.account.email = Some("a@example.com".to_owned());
        let at = home.join(".local/share/ccproxy");
        let login = logins("claude-api", &json!({}), &at).login("claude-api", "default").unwrap();
        login.store(before).await.unwrap();
        std::fs::create_dir(home.join(".claude")).unwrap();
        let text = r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-new"}}"#;
        std::fs::write(home.join(".claude/.credentials.json"), text).unwrap();
        let (code, _, told) = typed_in(home, &config, &["auth", "import", "claude-api"], "n\n").await;
        assert!(
            code == 1 && told.contains("Replace the login `claude-api/default` of a@example.com"),
            "{told}"
        );
        let stored = || std::fs::read_to_string(file(home, "claude-api/default.json")).unwrap();
        assert!(stored().contains("oat01-old"));
        let (code, _, told) = cli_in(home, &config, &["auth", "import", "claude-api", "--yes"]).await;
        assert!(code == 0 && told.contains("`claude-api/default` that was stored is replaced"), "{told}");
        assert!(stored().contains("oat01-new"));
    });
}

#[test]
fn a_token_that_has_no_end_needs_no_refresh() {
    support::run(async {
        let config = Config::new().toml("credentials.seal = \"off\"");
        let home = home(&config);
        let at = home.path().join(".local/share/ccproxy");
        let login = logins("copilot", &json!({}), &at).login("copilot", "default").unwrap();
        login.store(Tokens::new(Secret::new("gho_x"))).await.unwrap();
        let (code, out, told) = cli_in(home.path(), &config, &["auth", "refresh", "copilot"]).await;
        assert!(code == 0 && out.contains("needs no refresh: its token has no end"), "{out}{told}");
        let (code, out, _) = cli_in(home.path(), &config, &["auth", "refresh", "copilot", "--json"]).await;
        let out: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &out["refreshed"], &out["expires_in"]), (0, &json!(false), &json!(null)));
        // One that has an end and buys no other is another matter.
        let ending = Tokens::new(Secret::new("gho_x")).living(std::time::Duration::from_secs(3600));
        login.store(ending).await.unwrap();
        let (code, _, told) = cli_in(home.path(), &config, &["auth", "refresh", "copilot"]).await;
        assert!(code == 1 && told.contains("cannot be renewed") && !told.contains("has ended"), "{told}");
    });
}

#[test]
fn tokens_are_taken_back_at_a_server_on_this_machine_even_when_the_logout_is_ended() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp);
        let home = home(&config);
        log_in(&idp, home.path()).await;
        let (code, out, told) = cli_in(home.path(), &config, &["auth", "logout", "acme", "--yes"]).await;
        assert!(code == 0 && out.contains("took its tokens back"), "{out}{told}");
        let request = idp.requests().pop().unwrap();
        let sent = pairs(&String::from_utf8_lossy(&request.body));
        assert_eq!(request.target(), "/revoke");
        assert_eq!((sent["token"].as_str(), sent["token_type_hint"].as_str()), ("rt-0-0", "refresh_token"));
        assert!(!idp.is_whole());

        log_in(&idp, home.path()).await;
        let gate = idp.hold();
        let mut asking = Asking::start(home.path(), &config, &["auth", "logout", "acme", "--yes"]);
        asked(&idp, "/revoke", 2).await;
        send(&asking, Signal::TERM);
        asking.says(WAITS).await;
        gate.open();
        assert_eq!(asking.ends().await.0, 143);
        assert!(!file(home.path(), "acme/default.json").exists(), "what was taken back is not left");

        // A refusal is told, and the login is forgotten all the same.
        let nowhere = format!("oauth.acme.revoke_url = \"{}/nowhere\"", idp.url());
        let config = with(&idp, "credentials.seal = \"off\"").toml(&nowhere);
        let home = crate::support::proxy::home(&config);
        log_in(&idp, home.path()).await;
        let (code, out, _) = cli_in(home.path(), &config, &["auth", "logout", "acme", "--yes"]).await;
        assert!(code == 0 && out.contains("did not take the tokens back"), "{out}");
    });
}
