//! Logins over HTTP, and what web pages may try with them.

use http::Method;
use serde_json::{Value, json};

use super::command_line::agree;
use super::{logins, tokens};
use crate::support::client::Answer;
use crate::support::idp::{Device, Idp, pairs};
use crate::support::{self, Client, Config, Proxy, eventually};

/// A proxy that asks for a key and knows the identity provider as `acme`, which sends browsers back to the proxy.
struct House {
    idp: Idp,
    proxy: Proxy,
    folder: tempfile::TempDir,
}

impl House {
    async fn new() -> House {
        Self::with(&["oauth.acme.redirect_uri = \"http://localhost:9/oauth/acme/callback\""]).await
    }

    async fn with(lines: &[&str]) -> House {
        let (idp, folder) = (Idp::start().await, tempfile::tempdir().unwrap());
        let config = Config::new()
            .toml(&format!("data_dir = {:?}", folder.path().display().to_string()))
            .toml("credentials.seal = \"off\"")
            .toml("server.auth_token = \"client-key\"");
        let own =
            |line: &String| !lines.iter().any(|other| other.split(' ').next() == line.split(' ').next());
        let settings: Vec<String> = idp.toml("acme").into_iter().filter(own).collect();
        let config =
            settings.iter().map(String::as_str).chain(lines.iter().copied()).fold(config, Config::toml);
        let proxy = Proxy::start(config).await;
        House { idp, proxy, folder }
    }

    /// Whoever has the key.
    fn client(&self) -> Client {
        self.proxy.anonymous().header("authorization", "Bearer client-key")
    }

    async fn begin(&self, body: &Value) -> Value {
        self.client().post("/oauth/acme/login", body).await.expect(200).json()
    }

    /// How a login goes.
    async fn look(&self, begun: &Value) -> Value {
        let id = begun["login"].as_str().unwrap();
        self.client().get(&format!("/oauth/acme/login/{id}")).await.expect(200).json()
    }

    /// What the identity provider sends the browser back with.
    async fn query(&self, begun: &Value) -> String {
        let back = agree(begun["url"].as_str().unwrap()).await;
        back.split_once('?').unwrap().1.to_owned()
    }

    /// A browser that another site sends back, without any key.
    async fn land(&self, query: &str) -> Answer {
        let fetch = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        self.proxy
            .anonymous()
            .request(Method::GET, &format!("/oauth/acme/callback?{query}"), &fetch, "".into())
            .await
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("credentials/acme/default.json")
    }
}

#[test]
fn a_login_comes_back_to_the_proxy_is_refreshed_and_revoked() {
    support::run(async {
        let house = House::new().await;
        let begun = house.begin(&json!({})).await;
        assert_eq!(
            (&begun["flow"], &begun["status"], &begun["account"]),
            (&json!("browser"), &json!("waiting"), &json!("default"))
        );
        assert!(begun["expires_in"].as_u64().is_some_and(|left| (290..=300).contains(&left)), "{begun}");
        let query = house.query(&begun).await;
        let fields = pairs(&query);
        let forged = query.replace(fields["state"].as_str(), "forged-state");
        let page = house.land(&forged).await.expect(400);
        assert!(!page.text().contains("forged") && !page.text().contains("code-"), "{}", page.text());
        assert_eq!(
            house.look(&begun).await["status"],
            "waiting",
            "what does not belong to it changes nothing"
        );
        let page = house.land(&query).await.expect(200);
        assert!(
            page.text().contains("logged in") && !page.text().contains(fields["code"].as_str()),
            "{}",
            page.text()
        );
        assert_eq!(
            (page.header("cache-control"), page.header("referrer-policy")),
            ("no-store", "no-referrer")
        );
        house.land(&query).await.expect(400);
        let told = house.look(&begun).await;
        assert_eq!(
            (&told["status"], &told["summary"]["account"]["email"]),
            (&json!("done"), &json!("a@example.com"))
        );
        let fresh = house.client().post("/oauth/acme/refresh", &json!({})).await.expect(200);
        assert_eq!(
            (&fresh.json()["expires_in"], &fresh.json()["summary"]["has_refresh_token"]),
            (&json!(3600), &json!(true))
        );
        let told = format!("{begun}{told}{}", fresh.text());
        assert!(
            !told.contains("at-0") && !told.contains("rt-0") && !told.contains(fields["code"].as_str()),
            "{told}"
        );
        assert_eq!(house.idp.refreshes(), 1);
        assert!(std::fs::read_to_string(house.file()).unwrap().contains("rt-0-1"));
        let revoked = house.client().post("/oauth/acme/revoke", &json!({})).await.expect(200).json();
        assert_eq!((&revoked["revoked"], revoked["why_not"].is_string()), (&json!(false), true));
        assert!(!house.file().exists());
        let told = house.client().post("/oauth/acme/revoke", &json!({})).await.expect(404);
        assert!(told.text().contains("ccproxy auth login acme"), "{}", told.text());
        house.client().post("/oauth/acme/refresh", &json!({})).await.expect(404);
        let log = house.proxy.stop().await;
        for secret in [&fields["code"], &fields["state"]] {
            assert!(!log.contains(secret.as_str()), "{log}");
        }
    });
}

#[test]
fn a_login_comes_back_to_a_port_of_its_own_where_the_provider_knows_no_other() {
    support::run(async {
        let house = House::with(&[]).await;
        let answer = house.client().get("/oauth/acme/login").await.expect(302);
        let url = answer.header("location").to_owned();
        let back = agree(&url).await;
        let (status, page) = super::command_line::visit("GET", &back, &[]).await;
        assert_eq!(status, 200, "{page}");
        eventually("the login", async || house.file().exists().then_some(())).await;
        // Another try of the same account frees the port of the one before.
        let first = house.begin(&json!({})).await;
        let second = house.begin(&json!({})).await;
        let id = first["login"].as_str().unwrap();
        house.client().get(&format!("/oauth/acme/login/{id}")).await.expect(404);
        // The address that a browser elsewhere could not open, brought by hand.
        let back = agree(second["url"].as_str().unwrap()).await;
        let brought = json!({ "login": second["login"], "code": back });
        let told = house.client().post("/oauth/acme/callback", &brought).await.expect(200).json();
        assert_eq!(told["status"], "done");
        let gone = reqwest::Url::parse(&back).unwrap();
        assert!(tokio::net::TcpStream::connect(("127.0.0.1", gone.port().unwrap())).await.is_err());
        house.proxy.stop().await;
    });
}

#[test]
fn a_code_is_brought_by_hand_once_and_only_to_its_login() {
    support::run(async {
        let house = House::new().await;
        let begun = house.begin(&json!({ "flow": "manual", "account": "work" })).await;
        let fields = pairs(&house.query(&begun).await);
        let shown = format!("{}#{}", fields["code"], fields["state"]);
        let bring = async |login: &Value, code: &str, status: u16| {
            let body = json!({ "login": login, "code": code });
            house.client().post("/oauth/acme/callback", &body).await.expect(status).json()
        };
        bring(&json!("another-login"), &shown, 404).await;
        let told = bring(&begun["login"], &format!("{}#another-state", fields["code"]), 400).await;
        assert!(told["error"]["message"].as_str().unwrap().contains("does not belong"), "{told}");
        bring(&begun["login"], "", 400).await;
        let told = house.client().post("/oauth/acme/callback", &json!({ "code": shown })).await.expect(400);
        assert!(told.text().contains("send `login`"), "{}", told.text());
        assert_eq!(bring(&begun["login"], &shown, 200).await["summary"]["account"]["id"], "user-1");
        bring(&begun["login"], &shown, 409).await;
        assert!(house.folder.path().join("credentials/acme/work.json").exists());
    });
}

#[test]
fn a_login_on_another_device_is_waited_for_and_a_no_is_told() {
    support::run(async {
        let house = House::new().await;
        for (does, account, status) in [(Device::Agreed, "yes", "done"), (Device::Denied, "no", "failed")] {
            house.idp.device(Device::Waits);
            let begun = house.begin(&json!({ "flow": "device", "account": account })).await;
            assert_eq!((&begun["user_code"], &begun["expires_in"]), (&json!("ABCD-EFGH"), &json!(60)));
            assert!(!begun.to_string().contains("dc-1"), "{begun}");
            assert_eq!(house.look(&begun).await["status"], "waiting");
            house.idp.device(does);
            let told = eventually("its end", async || {
                let told = house.look(&begun).await;
                (told["status"] == status).then_some(told)
            })
            .await;
            assert_eq!(told["error"]["type"].as_str().unwrap_or("denied"), "denied");
        }
    });
}

#[test]
fn the_provider_s_no_ends_a_login_and_another_account_replaces_none_unasked() {
    support::run(async {
        let house = House::new().await;
        let begun = house.begin(&json!({})).await;
        let state = pairs(begun["url"].as_str().unwrap().split_once('?').unwrap().1)["state"].clone();
        let page = house
            .land(&format!("error=access_denied&error_description=n%3Cb%3Eo&state={state}"))
            .await
            .expect(200);
        assert!(
            page.text().contains("did not come to its end") && !page.text().contains("<b>"),
            "{}",
            page.text()
        );
        assert_eq!(house.look(&begun).await["error"]["type"], "denied");
        let mut other = tokens(house.idp.log_in());
        other.account.id = Some("user-2".to_owned());
        let stored = logins("acme", &house.idp.settings(), house.folder.path());
        stored.login("acme", "default").unwrap().store(other).await.unwrap();
        let begun = house.begin(&json!({})).await;
        house.land(&house.query(&begun).await).await.expect(200);
        let told = house.look(&begun).await;
        assert!(told["error"]["message"].as_str().unwrap().contains("\"replace\": true"), "{told}");
        assert!(std::fs::read_to_string(house.file()).unwrap().contains("user-2"));
        let begun = house.begin(&json!({ "replace": true })).await;
        house.land(&house.query(&begun).await).await.expect(200);
        assert_eq!(house.look(&begun).await["status"], "done");
    });
}

#[test]
fn every_route_but_the_landing_asks_for_the_key_and_openapi_says_so() {
    support::run(async {
        let house = House::new().await;
        let openapi = house.client().get("/openapi.json").await.expect(200).json();
        for (method, path) in ROUTES {
            let stranger = house.proxy.anonymous();
            let asked = stranger
                .request(method.clone(), &path.replace("{provider}", "acme"), &JSON, body(&method))
                .await;
            let listed = &openapi["paths"][path.replace("/x1", "/{login}")][method.as_str().to_lowercase()];
            assert!(listed["summary"].is_string(), "{method} {path}");
            let open = method == Method::GET && path.ends_with("/callback");
            assert_eq!(asked.status, if open { 400 } else { 401 }, "{method} {path}: {}", asked.text());
            assert_eq!(listed["security"].is_null(), open, "{method} {path}");
        }
        let told = house.client().post("/oauth/nobody/login", &json!({})).await.expect(404);
        assert!(told.text().contains("`acme`"), "{}", told.text());
        house.client().post("/oauth/acme/login", &json!({ "acount": "x" })).await.expect(400);
        house.client().post("/oauth/acme/login", &json!({ "account": "../x" })).await.expect(400);
        let told =
            house.client().post("/oauth/claude-api/login", &json!({ "flow": "device" })).await.expect(400);
        assert!(told.text().contains("it has: browser, manual"), "{}", told.text());
    });
}

const ROUTES: [(Method, &str); 8] = [
    (Method::GET, "/oauth/providers"),
    (Method::POST, "/oauth/{provider}/login"),
    (Method::GET, "/oauth/{provider}/login"),
    (Method::GET, "/oauth/{provider}/login/x1"),
    (Method::GET, "/oauth/{provider}/callback"),
    (Method::POST, "/oauth/{provider}/callback"),
    (Method::POST, "/oauth/{provider}/refresh"),
    (Method::POST, "/oauth/{provider}/revoke"),
];

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn body(method: &Method) -> bytes::Bytes {
    if *method == Method::POST { "{}".into() } else { "".into() }
}

#[test]
fn tokens_and_scopes_are_never_taken_from_an_address() {
    support::run(async {
        let house = House::new().await;
        for path in ["refresh?refresh_token=rt-9", "revoke?token=at-9", "login?scopes=all", "callback?code=c"]
        {
            let told = house.client().post(&format!("/oauth/acme/{path}"), &json!({})).await.expect(400);
            assert!(told.text().contains("from the query") && !told.text().contains("-9"), "{}", told.text());
        }
        house.client().get("/oauth/acme/login?redirect_uri=https://evil.example").await.expect(400);
        let told =
            house.client().post("/oauth/acme/refresh", &json!({ "refresh_token": "rt-9" })).await.expect(400);
        assert!(!told.text().contains("rt-9"), "{}", told.text());
        assert_eq!(house.idp.requests().len(), 0);
    });
}

#[test]
fn what_web_pages_may_try_is_refused_on_every_route() {
    support::run(async {
        let house = House::new().await;
        let begun = house.begin(&json!({})).await;
        let query = house.query(&begun).await;
        let tries: [(&[(&str, &str)], u16); 6] = [
            (&[("origin", "https://evil.example")], 403),
            (&[("origin", "null"), ("sec-fetch-site", "cross-site")], 403),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "no-cors"),
                    ("sec-fetch-dest", "image"),
                ],
                403,
            ),
            (
                &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
                403,
            ),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "iframe"),
                ],
                403,
            ),
            (&[("host", "evil.example")], 421),
        ];
        for (method, path) in ROUTES {
            let mut path = path.replace("{provider}", "acme");
            if method == Method::GET && path.ends_with("/callback") {
                path = format!("{path}?{query}");
            }
            for (headers, status) in tries {
                let headers = [headers, &JSON].concat();
                let told = house.client().request(method.clone(), &path, &headers, body(&method)).await;
                assert_eq!(told.status, status, "{method} {path} {headers:?}: {}", told.text());
            }
            if method == Method::POST {
                for form in
                    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"]
                {
                    let told = house
                        .client()
                        .request(method.clone(), &path, &[("content-type", form)], "{}".into())
                        .await;
                    assert_eq!(told.status, 415, "{path} {form}");
                }
                // A form without fields, as a page of another site sends it.
                let form = [
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ];
                let told = house.client().request(method.clone(), &path, &form, "".into()).await;
                assert_eq!(told.status, 403, "{path}");
            }
        }
        // Only the landing may be gone to from elsewhere.
        let gone_to = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        house.client().request(Method::GET, "/oauth/acme/login", &gone_to, "".into()).await.expect(403);
        assert_eq!(house.look(&begun).await["status"], "waiting", "none of it came to the login");
        house.land(&query).await.expect(200);
        assert_eq!(house.look(&begun).await["status"], "done");
    });
}
