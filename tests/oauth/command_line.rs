//! `ccproxy auth`, as a person uses it: the address it prints is visited by a browser of the test's own.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::idp::{Device, Idp, pairs};
use crate::support::proxy::{cli_in, home, start_in};
use crate::support::wait::within;
use crate::support::{self, Config};

/// A home whose `acme` is the identity provider.
fn config(idp: &Idp, name: &str) -> Config {
    let base = Config::new().toml("credentials.seal = \"off\"");
    idp.toml(name).iter().fold(base, |config, line| config.toml(line))
}

/// A command that waits for a person.
pub(super) struct Asking {
    child: tokio::process::Child,
    stderr: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
}

impl Asking {
    pub(super) fn start(home: &Path, config: &Config, arguments: &[&str]) -> Asking {
        let mut child = start_in(home, config, arguments);
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Asking { child, stderr }
    }

    /// The number of its process.
    pub(super) fn id(&self) -> i32 {
        self.child.id().unwrap().try_into().unwrap()
    }

    /// The next line that contains a text.
    pub(super) async fn says(&mut self, text: &str) -> String {
        within(text, async {
            loop {
                let line = self
                    .stderr
                    .next_line()
                    .await
                    .unwrap()
                    .unwrap_or_else(|| panic!("it never said `{text}`"));
                if line.contains(text) {
                    return line.trim().to_owned();
                }
            }
        })
        .await
    }

    async fn types(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Exit code and standard output.
    pub(super) async fn ends(self) -> (i32, String) {
        let Asking { mut child, mut stderr } = self;
        // Waiting for it would close what it reads from, as if nobody were there any more.
        let _stdin = child.stdin.take();
        tokio::spawn(async move { while let Ok(Some(_)) = stderr.next_line().await {} });
        let output = within("the end of the command", child.wait_with_output()).await.unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// One request over a socket of its own: the status and everything else of the answer.
pub(super) async fn visit(method: &str, url: &str, headers: &[&str]) -> (u16, String) {
    let url = reqwest::Url::parse(url).unwrap();
    let host = url.host_str().unwrap();
    let mut socket = TcpStream::connect((host.trim_matches(['[', ']']), url.port().unwrap())).await.unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.starts_with("host:")) {
        head += &format!("host: {host}:{}\r\n", url.port().unwrap());
    }
    headers.iter().for_each(|header| head += &format!("{header}\r\n"));
    socket.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        let length = within("an answer", socket.read_buf(&mut answer)).await.unwrap();
        assert!(length > 0, "the answer was cut");
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

/// Whether head and body are there.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0_usize)
}

/// Where the identity provider sends the browser of a person who agrees.
pub(super) async fn agree(url: &str) -> String {
    let (status, answer) = visit("GET", url, &[]).await;
    assert_eq!(status, 302, "{answer}");
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    location.expect("a place to go to").to_owned()
}

#[test]
fn a_login_in_the_browser_from_its_beginning_to_its_end() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp, "acme");
        let home = home(&config);
        let home = home.path();
        let (code, _, told) = cli_in(home, &config, &["auth", "status", "acme"]).await;
        assert_eq!(code, 1);
        assert!(told.contains("ccproxy auth login acme"), "{told}");
        let mut asking = Asking::start(home, &config, &["auth", "login", "acme", "--no-browser", "--json"]);
        let url = asking.says("/authorize?").await;
        let asked = pairs(url.split_once('?').unwrap().1);
        assert_eq!((asked["scope"].as_str(), asked["code_challenge_method"].as_str()), ("one two", "S256"));
        let back = agree(&url).await;
        // What other pages may try: none of it ends the login, and nothing of it is repeated.
        let state = &asked["state"];
        let forged = back.replace(state.as_str(), "forged");
        let twice = format!("{back}&state=forged");
        for (method, url, headers, status) in [
            ("GET", &forged, &[][..], 400),
            ("GET", &twice, &[][..], 400),
            ("GET", &back.replace("/callback", "/callback/x"), &[][..], 404),
            ("POST", &back, &[][..], 404),
            ("GET", &back, &["host: evil.example"][..], 404),
            ("GET", &back, &["sec-fetch-mode: no-cors"][..], 400),
            ("GET", &back, &["sec-fetch-mode: navigate", "sec-fetch-dest: iframe"][..], 400),
            ("GET", &back, &["sec-fetch-dest: image"][..], 400),
            ("GET", &back, &["origin: https://evil.example"][..], 400),
            (
                "GET",
                &back.replace("code=", "error=%3Cscript%3E&x=").replace(state.as_str(), "forged"),
                &[][..],
                400,
            ),
        ] {
            let (code, answer) = visit(method, url, headers).await;
            assert_eq!(code, status, "{method} {url} {headers:?}");
            assert!(!answer.contains("code-0") && !answer.contains("script"), "{answer}");
        }
        let (status, page) =
            visit("GET", &back, &["sec-fetch-mode: navigate", "sec-fetch-dest: document"]).await;
        assert_eq!(status, 200);
        for header in ["cache-control: no-store", "referrer-policy: no-referrer", "default-src 'none'"] {
            assert!(page.contains(header), "{page}");
        }
        let (code, out) = asking.ends().await;
        let out: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &out["provider"], &out["sealed"]), (0, &json!("acme"), &json!(false)));
        assert_eq!(out["summary"]["account"]["email"], "a@example.com");

        let (code, out, _) = cli_in(home, &config, &["auth", "status", "acme", "--json"]).await;
        let status: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &status["accounts"][0]["state"]), (0, &json!("good")));
        let (code, out, _) = cli_in(home, &config, &["auth", "refresh", "acme"]).await;
        assert!(code == 0 && out.contains("fresh tokens") && idp.refreshes() == 1, "{out}");
        idp.end();
        let (code, _, told) = cli_in(home, &config, &["auth", "refresh", "acme"]).await;
        assert!(code == 1 && told.contains("`ccproxy auth login acme`"), "{told}");
        let (code, out, told) = cli_in(home, &config, &["auth", "status"]).await;
        assert!(code == 1 && out.contains("needs login") && told.contains("not sealed"), "{out}{told}");
        let (code, out, _) = cli_in(home, &config, &["auth", "accounts"]).await;
        assert!(code == 0 && out.contains("a@example.com"), "{out}");
        let (code, _, told) = cli_in(home, &config, &["auth", "logout", "acme"]).await;
        assert!(code == 1 && told.contains("--yes"), "{told}");
        let (code, out, _) = cli_in(home, &config, &["auth", "logout", "acme", "--yes"]).await;
        assert!(code == 0 && out.contains("forgot the login"), "{out}");
        assert_eq!(cli_in(home, &config, &["auth", "logout", "acme", "--yes"]).await.0, 1);
    });
}

#[test]
fn a_damaged_file_is_mended_by_what_is_said_of_it_and_no_other_login_is_lost() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp, "acme");
        let home = home(&config);
        let data = home.path().join(".local/share/ccproxy");
        let logins = super::logins("acme", &idp.settings(), &data);
        for account in ["default", "work"] {
            let login = logins.login("acme", account).unwrap();
            login.store(super::tokens(idp.log_in())).await.unwrap();
        }
        let (code, _, told) =
            cli_in(home.path(), &config, &["auth", "refresh", "acme", "--account", "work"]).await;
        assert_eq!(code, 0, "{told}");
        let file = data.join("credentials/acme/work.json");
        std::fs::write(&file, "{").unwrap();
        let (code, out, _) = cli_in(home.path(), &config, &["auth", "status"]).await;
        assert!(code == 1 && out.contains("copy `work.json.previous` back"), "{out}");
        let command = "ccproxy auth logout acme --account work";
        assert!(out.contains(&format!("`{command}`")), "{out}");
        std::fs::copy(data.join("credentials/acme/work.json.previous"), &file).unwrap();
        assert_eq!(cli_in(home.path(), &config, &["auth", "status"]).await.0, 0);
        std::fs::write(&file, "{").unwrap();
        let arguments = [&command.split(' ').skip(1).collect::<Vec<_>>()[..], &["--yes"]].concat();
        let (code, out, _) = cli_in(home.path(), &config, &arguments).await;
        assert!(code == 0 && !out.contains("copy"), "{out}");
        let (code, out, _) = cli_in(home.path(), &config, &["auth", "status"]).await;
        assert!(code == 0 && out.contains("default") && !out.contains("work"), "{out}");
    });
}

#[test]
fn a_port_that_is_taken_is_told_with_the_way_around_it() {
    support::run(async {
        let idp = Idp::start().await;
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let redirect = format!("http://localhost:{}/callback", taken.local_addr().unwrap().port());
        let config = config(&idp, "acme").toml("[oauth.other]");
        let config = idp.settings().as_object().unwrap().iter().fold(config, |config, (key, value)| {
            let value = if key == "redirect_uri" { json!(redirect) } else { value.clone() };
            config.toml(&format!("{key} = {value}"))
        });
        let home = home(&config);
        let (code, _, told) = cli_in(home.path(), &config, &["auth", "login", "other", "--no-browser"]).await;
        assert_eq!(code, 1);
        assert!(told.contains("is in use by another program") && told.contains("`--manual`"), "{told}");
        let (code, _, told) = cli_in(home.path(), &config, &["auth", "login", "nobody"]).await;
        assert!(code == 1 && told.contains("`acme`") && told.contains("`copilot`"), "{told}");
        let (code, out, _) = cli_in(home.path(), &config, &["auth", "providers"]).await;
        assert!(code == 0 && out.contains("claude-api") && out.contains("device"), "{out}");
    });
}

#[test]
fn a_code_is_pasted_where_no_browser_comes_back() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp, "claude-api");
        let home = home(&config);
        // The first login at Claude asks whether the terms allow it.
        let arguments = ["auth", "login", "claude-api", "--manual", "--account", "work", "--no-browser"];
        let (code, _, told) = cli_in(home.path(), &config, &arguments).await;
        assert!(code == 1 && told.contains("terms") && told.contains("--yes"), "{told}");
        let arguments = [&arguments[..], &["--yes"]].concat();
        for (pasted, good) in [("code-0#forged", false), ("CODE#STATE", true)] {
            let mut asking = Asking::start(home.path(), &config, &arguments);
            let url = asking.says("/authorize?").await;
            let back = pairs(agree(&url).await.split_once('?').unwrap().1);
            let typed = pasted.replace("CODE", &back["code"]).replace("STATE", &back["state"]);
            asking.says("paste the code").await;
            asking.types(&typed).await;
            if good {
                assert!(asking.says("the login is that of").await.contains("one, two"));
            }
            let (code, out) = asking.ends().await;
            assert_eq!(code, i32::from(!good), "{out}");
        }
        let asked = idp.requests().into_iter().find(|request| request.target() == "/token").unwrap();
        let asked = asked.json();
        assert_eq!(asked["grant_type"], "authorization_code", "Claude's requests are JSON");
        assert!(asked["state"].is_string() && asked["code_verifier"].as_str().unwrap().len() >= 43);
        let (code, out, _) = cli_in(home.path(), &config, &["auth", "status", "--account", "work"]).await;
        assert_eq!(code, 0, "{out}");
    });
}

#[test]
fn a_login_on_another_device() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp, "copilot").toml("oauth.copilot.pkce = false");
        let home = home(&config);
        for (device, code) in [(Device::Denied, 1), (Device::Agreed, 0)] {
            idp.device(Device::Waits);
            let arguments = ["auth", "login", "copilot", "--device", "--no-browser"];
            let mut asking = Asking::start(home.path(), &config, &arguments);
            assert!(asking.says("type the code").await.contains("ABCD-EFGH"));
            idp.device(device);
            let (ended, out) = asking.ends().await;
            assert_eq!(ended, code, "{out}");
        }
    });
}

#[test]
fn the_login_of_a_cli_is_copied_and_its_file_is_left_alone() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config(&idp, "claude-api");
        let home = home(&config);
        let arguments = ["auth", "import", "claude-api", "--yes"];
        let (code, _, told) = cli_in(home.path(), &config, &arguments).await;
        assert!(code == 1 && told.contains(".claude/.credentials.json"), "{told}");
        let file = home.path().join(".claude/.credentials.json");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        let text = r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-x","refreshToken":"sk-ant-ort01-x","expiresAt":4102444800000,"scopes":["user:inference"],"subscriptionType":"max"},"mcpOAuth":{}}"#;
        std::fs::write(&file, text).unwrap();
        let (code, out, told) = cli_in(home.path(), &config, &arguments).await;
        assert!(code == 0 && told.contains("log the other one out"), "{out}{told}");
        assert!(!out.contains("sk-ant") && !told.contains("sk-ant"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        let (code, out, _) = cli_in(home.path(), &config, &["auth", "status", "claude-api"]).await;
        assert!(code == 0 && out.contains("max") && out.contains("good"), "{out}");
        let codex = home.path().join("auth.json");
        std::fs::write(&codex, r#"{"OPENAI_API_KEY":"sk-x"}"#).unwrap();
        let from = codex.display().to_string();
        let (code, _, told) =
            cli_in(home.path(), &config, &["auth", "import", "codex", "--yes", "--from", &from]).await;
        assert!(code == 1 && told.contains("holds no login"), "{told}");
    });
}
