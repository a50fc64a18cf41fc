//! Commands that somebody ends while an identity provider is thinking: it has counted the token or the code that it was
//! sent, so its answer is awaited and stored.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::command_line::{Asking, agree, visit};
use super::{logins, tokens};
use crate::support::idp::Idp;
use crate::support::proxy::{cli_in, home};
use crate::support::{self, Config, eventually};

const ENDS: [(Signal, i32); 3] = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)];
pub(super) const WAITS: &str = "waits for the answer that is on its way";

pub(super) fn config(idp: &Idp) -> Config {
    let config = Config::new().toml("credentials.seal = \"off\"");
    let config = config.toml(&format!("oauth.acme.revoke_url = \"{}/revoke\"", idp.url()));
    idp.toml("acme").iter().fold(config, |config, line| config.toml(line))
}

/// A login that is stored in this home.
pub(super) async fn log_in(idp: &Idp, home: &Path) {
    let logins = logins("acme", &idp.settings(), &home.join(".local/share/ccproxy"));
    logins.login("acme", "default").unwrap().store(tokens(idp.log_in())).await.unwrap();
}

fn stored(home: &Path) -> Value {
    let file = home.join(".local/share/ccproxy/credentials/acme/default.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

pub(super) fn send(asking: &Asking, signal: Signal) {
    kill_process(Pid::from_raw(asking.id()).unwrap(), signal).unwrap();
}

/// Waits until it was asked so often for tokens.
pub(super) async fn asked(idp: &Idp, path: &str, often: usize) {
    eventually("the request", async || {
        let requests = idp.requests();
        (requests.iter().filter(|request| request.target() == path).count() == often).then_some(())
    })
    .await;
}

#[test]
fn a_refresh_that_is_ended_stores_what_was_on_its_way() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp);
        let home = home(&config);
        log_in(&idp, home.path()).await;
        for (number, (signal, code)) in ENDS.into_iter().enumerate() {
            let gate = idp.hold();
            let mut asking = Asking::start(home.path(), &config, &["auth", "refresh", "acme"]);
            asked(&idp, "/token", number + 1).await;
            send(&asking, signal);
            asking.says(WAITS).await;
            gate.open();
            assert_eq!(asking.ends().await.0, code);
            let token = format!("at-0-{}", number + 1);
            assert_eq!(stored(home.path())["tokens"]["access_token"], token);
        }
        idp.answer_at_once();
        let (code, _, told) = cli_in(home.path(), &config, &["auth", "refresh", "acme"]).await;
        assert!(code == 0 && idp.is_whole(), "{told}");
    });
}

#[test]
fn a_refresh_ends_when_the_disk_has_its_tokens_and_no_sooner() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp);
        let home = home(&config);
        log_in(&idp, home.path()).await;
        // A folder where the new file would be.
        let obstacle = home.path().join(".local/share/ccproxy/credentials/acme/default.json.tmp");
        std::fs::create_dir(&obstacle).unwrap();
        let mut asking = Asking::start(home.path(), &config, &["auth", "refresh", "acme"]);
        asking.says("waits for the disk").await;
        std::fs::remove_dir(&obstacle).unwrap();
        let (code, out) = asking.ends().await;
        assert!(code == 0 && out.contains("fresh tokens"), "{out}");
        assert_eq!(stored(home.path())["tokens"]["access_token"], "at-0-1");
    });
}

#[test]
fn a_second_signal_ends_at_once() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp);
        let home = home(&config);
        log_in(&idp, home.path()).await;
        let _never_opened = idp.hold();
        let mut asking = Asking::start(home.path(), &config, &["auth", "refresh", "acme"]);
        asked(&idp, "/token", 1).await;
        send(&asking, Signal::INT);
        asking.says(WAITS).await;
        send(&asking, Signal::TERM);
        assert_eq!(asking.ends().await.0, 130, "as the first one says");
        assert_eq!(stored(home.path())["tokens"]["access_token"], "at-0-0");
    });
}

#[test]
fn a_login_that_is_ended_while_its_code_is_spent_is_stored() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp);
        let home = home(&config);
        let arguments = ["auth", "login", "acme", "--no-browser"];
        // Nothing is under way while a person is asked.
        let mut asking = Asking::start(home.path(), &config, &arguments);
        asking.says("/authorize?").await;
        asking.says("waiting for the browser").await;
        send(&asking, Signal::INT);
        assert_eq!(asking.ends().await.0, 130);
        let mut asking = Asking::start(home.path(), &config, &[&arguments[..], &["--manual"]].concat());
        asking.says("paste the code").await;
        send(&asking, Signal::TERM);
        assert_eq!(asking.ends().await.0, 143, "not even while it reads what is typed");
        let gate = idp.hold();
        let mut asking = Asking::start(home.path(), &config, &arguments);
        let url = asking.says("/authorize?").await;
        visit("GET", &agree(&url).await, &[]).await;
        asked(&idp, "/token", 1).await;
        send(&asking, Signal::INT);
        asking.says(WAITS).await;
        gate.open();
        assert_eq!(asking.ends().await.0, 130);
        let stored = stored(home.path());
        assert_eq!(stored["tokens"]["access_token"], "at-0-0");
        assert_eq!(stored["tokens"]["account"]["email"], "a@example.com");
    });
}
