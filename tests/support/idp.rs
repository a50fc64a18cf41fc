//! An identity provider that speaks the true protocol: codes with PKCE, rotation of refresh tokens, and the end of a
//! whole login when one of them comes twice; the device flow; revocation; a profile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::upstream::{Gate, Recorded, Reply, Upstream};

/// Who may ask.
pub const CLIENT: &str = "client-of-tests";

/// A running identity provider.
pub struct Idp {
    server: Upstream,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    lifetime: u64,
    logins: Vec<Login>,
    codes: HashMap<String, Code>,
    device: Device,
    refreshes: u64,
    held: Option<Gate>,
}

/// One login: a family of tokens, of which the newest count.
#[derive(Default)]
struct Login {
    number: u64,
    dead: bool,
    expired: bool,
}

/// A code that was handed out and not yet spent.
struct Code {
    challenge: String,
    redirect_uri: String,
}

/// What the person at the other device did.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// Nothing yet.
    #[default]
    Waits,
    /// Typed the code and agreed.
    Agreed,
    /// Said no.
    Denied,
}

impl Idp {
    /// Its tokens live for an hour.
    pub async fn start() -> Idp {
        let state = Arc::new(Mutex::new(State { lifetime: 3600, ..State::default() }));
        let shared = state.clone();
        let server = Upstream::with(move |request: &Recorded| shared.lock().unwrap().answer(request)).await;
        Idp { server, state }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it was sent.
    pub fn requests(&self) -> Vec<Arc<Recorded>> {
        self.server.requests()
    }

    /// The settings of a client of it, for `[oauth.<name>]`.
    pub fn settings(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.url());
        json!({
            "client_id": CLIENT, "authorize_url": at("/authorize"), "token_url": at("/token"), "device_url": at("/device"),
            "profile_url": at("/profile"), "redirect_uri": "http://127.0.0.1:0/callback", "manual_redirect_uri": at("/code"),
            "scopes": ["one", "two"],
        })
    }

    /// The same as lines of TOML.
    pub fn toml(&self, name: &str) -> Vec<String> {
        let settings = self.settings();
        settings
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("oauth.{name}.{key} = {value}"))
            .collect()
    }

    /// A new login: its access and its refresh token.
    pub fn log_in(&self) -> (String, String) {
        let mut state = self.state.lock().unwrap();
        state.logins.push(Login::default());
        let login = state.logins.len() - 1;
        (format!("at-{login}-0"), format!("rt-{login}-0"))
    }

    /// How many refreshes it was asked for.
    pub fn refreshes(&self) -> u64 {
        self.state.lock().unwrap().refreshes
    }

    /// From now on it spends what it is sent at once, and answers when the gate lets it.
    pub fn hold(&self) -> Gate {
        let gate = Gate::default();
        self.state.lock().unwrap().held = Some(gate.clone());
        gate
    }

    /// It answers at once again.
    pub fn answer_at_once(&self) {
        self.state.lock().unwrap().held = None;
    }

    /// The newest access token of every login is over.
    pub fn expire(&self) {
        self.state.lock().unwrap().logins.iter_mut().for_each(|login| login.expired = true);
    }

    /// Every login is over.
    pub fn end(&self) {
        self.state.lock().unwrap().logins.iter_mut().for_each(|login| login.dead = true);
    }

    /// Whether no login was ended.
    pub fn is_whole(&self) -> bool {
        self.state.lock().unwrap().logins.iter().all(|login| !login.dead)
    }

    /// What the person at the other device does.
    pub fn device(&self, device: Device) {
        self.state.lock().unwrap().device = device;
    }

    /// Asks whether an `authorization` is good, as a provider would.
    pub fn judge(&self) -> impl Fn(Option<String>) -> bool + Send + Sync + 'static {
        let state = self.state.clone();
        move |authorization| {
            let state = state.lock().unwrap();
            authorization.and_then(|text| state.login_of(text.strip_prefix("Bearer at-")?)).is_some_and(
                |(login, number)| {
                    let login = &state.logins[login];
                    !login.dead && !login.expired && login.number == number
                },
            )
        }
    }
}

impl State {
    fn answer(&mut self, request: &Recorded) -> Reply {
        let target = request.target();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let fields = match request.header("content-type").as_deref() {
            Some("application/json") => serde_json::from_value(request.json()).unwrap_or_default(),
            Some(_) => pairs(&String::from_utf8_lossy(&request.body)),
            None => pairs(query),
        };
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        if path != "/profile" && field("client_id") != CLIENT {
            return refuse("invalid_client");
        }
        match path {
            "/authorize" => self.authorize(&field),
            "/token" => {
                let reply = self.token(&field);
                self.once_open(reply)
            }
            "/device" => Reply::json(
                200,
                &json!({ "device_code": "dc-1", "user_code": "ABCD-EFGH", "verification_uri": "http://localhost/device", "expires_in": 60, "interval": 0 }),
            ),
            "/revoke" => {
                let token = field("token");
                let family = token.split_once('-').and_then(|(_, rest)| self.login_of(rest));
                // RFC 7009: one that nobody knows is as good as taken back.
                if let Some((login, _)) = family {
                    self.logins[login].dead = true;
                }
                self.once_open(Reply::status(200))
            }
            "/profile" => Reply::json(200, &json!({ "sub": "user-1", "email": "a@example.com" })),
            _ => Reply::status(404),
        }
    }

    fn once_open(&self, reply: Reply) -> Reply {
        match &self.held {
            Some(gate) => reply.gate_before_head(gate),
            None => reply,
        }
    }

    /// The person agrees at once.
    fn authorize(&mut self, field: &dyn Fn(&str) -> String) -> Reply {
        if field("code_challenge_method") != "S256" || field("response_type") != "code" {
            return refuse("invalid_request");
        }
        let code = format!("code-{}", self.codes.len());
        let redirect_uri = field("redirect_uri");
        let back = format!("{redirect_uri}?code={code}&state={}", field("state"));
        self.codes.insert(code, Code { challenge: field("code_challenge"), redirect_uri });
        Reply::status(302).header("location", &back)
    }

    fn token(&mut self, field: &dyn Fn(&str) -> String) -> Reply {
        match &*field("grant_type") {
            "authorization_code" => {
                let Some(code) = self.codes.remove(&field("code")) else { return refuse("invalid_grant") };
                let proof = ring::digest::digest(&ring::digest::SHA256, field("code_verifier").as_bytes());
                if URL_SAFE_NO_PAD.encode(proof) != code.challenge
                    || field("redirect_uri") != code.redirect_uri
                {
                    return refuse("invalid_grant");
                }
                self.begin()
            }
            "refresh_token" => self.refresh(&field("refresh_token")),
            "urn:ietf:params:oauth:grant-type:device_code" => match self.device {
                Device::Waits => refuse("authorization_pending"),
                Device::Denied => refuse("access_denied"),
                Device::Agreed => self.begin(),
            },
            _ => refuse("unsupported_grant_type"),
        }
    }

    fn begin(&mut self) -> Reply {
        self.logins.push(Login::default());
        self.tokens(self.logins.len() - 1)
    }

    fn refresh(&mut self, token: &str) -> Reply {
        self.refreshes += 1;
        let Some((login, number)) = token.strip_prefix("rt-").and_then(|rest| self.login_of(rest)) else {
            return refuse("invalid_grant");
        };
        let family = &mut self.logins[login];
        if family.dead || family.number != number {
            family.dead = true;
            return refuse("invalid_grant");
        }
        family.number += 1;
        family.expired = false;
        self.tokens(login)
    }

    fn tokens(&self, login: usize) -> Reply {
        let number = self.logins[login].number;
        Reply::json(
            200,
            &json!({ "access_token": format!("at-{login}-{number}"), "refresh_token": format!("rt-{login}-{number}"), "expires_in": self.lifetime, "token_type": "Bearer", "scope": "one two" }),
        )
    }

    fn login_of(&self, rest: &str) -> Option<(usize, u64)> {
        let (login, number) = rest.split_once('-')?;
        let login = login.parse().ok().filter(|login| *login < self.logins.len())?;
        Some((login, number.parse().ok()?))
    }
}

fn refuse(error: &str) -> Reply {
    Reply::json(400, &json!({ "error": error, "error_description": format!("it was {error}") }))
}

/// The fields of a form or of a query.
pub fn pairs(text: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("form:?{text}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}
