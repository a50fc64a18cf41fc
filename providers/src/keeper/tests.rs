//! A server that rotates refresh tokens and ends a login when one comes twice, and who it is asked by.

use std::collections::VecDeque;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use ccproxy_core::oauth::{Attempt, Flows, Reason, Storage, Tokens};
use ccproxy_core::secret::Secret;
use ccproxy_core::step::BoxFuture;

use super::*;
use crate::vault::{Record, Sealing, Shelf};

/// The server, as its provider sees it.
struct Server {
    vault: Arc<Vault>,
    /// How often it was asked, which is the number of its newest tokens.
    asked: AtomicU64,
    /// What it says before anything else.
    script: Mutex<VecDeque<Result<Tokens, Failure>>>,
    lifetime: Duration,
    took: Duration,
}

impl Server {
    fn new(vault: &Arc<Vault>) -> Arc<Self> {
        Arc::new(Server {
            vault: vault.clone(),
            asked: AtomicU64::new(0),
            script: Mutex::default(),
            lifetime: Duration::from_secs(3600),
            took: Duration::from_millis(20),
        })
    }

    fn says(&self, answer: Result<Tokens, Failure>) {
        self.script.lock().push_back(answer);
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl OAuthProvider for Server {
    fn provider_name(&self) -> &str {
        "acme"
    }
    fn provider_display_name(&self) -> &str {
        "Acme"
    }
    fn supports_pkce(&self) -> bool {
        true
    }
    fn supports_refresh(&self) -> bool {
        true
    }
    fn flows(&self) -> Flows {
        Flows::default()
    }
    fn authorization_url<'a>(&'a self, _: &'a Attempt) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async { Err(Failure::new(Reason::Unsupported, "no browser here")) })
    }
    fn handle_callback<'a>(
        &'a self,
        _: &'a Secret,
        _: &'a Attempt,
    ) -> BoxFuture<'a, Result<Tokens, Failure>> {
        Box::pin(async { Err(Failure::new(Reason::Unsupported, "no browser here")) })
    }
    fn refresh<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<Tokens, Failure>> {
        Box::pin(async move {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(self.took).await;
            if let Some(answer) = self.script.lock().pop_front() {
                return answer;
            }
            let wanted = format!("r{}", number - 1);
            if tokens.refresh.as_ref().is_none_or(|refresh| refresh.expose() != wanted) {
                return Err(Failure::new(Reason::InvalidGrant, "the refresh token was used twice"));
            }
            Ok(tokens_of(number, self.lifetime))
        })
    }
    fn storage(&self) -> Arc<dyn Storage> {
        Shelf::new(self.vault.clone(), "acme")
    }
}

fn tokens_of(number: u64, lifetime: Duration) -> Tokens {
    let mut tokens = Tokens::new(Secret::new(format!("a{number}"))).living(lifetime);
    tokens.refresh = Some(Secret::new(format!("r{number}")));
    tokens
}

struct Bench {
    folder: tempfile::TempDir,
    keeper: Arc<Keeper>,
    server: Arc<Server>,
    login: Arc<Login>,
}

impl Bench {
    /// A login whose first token lives so long.
    async fn with(lifetime: Duration) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::new(vault(folder.path()));
        let server = Server::new(keeper.vault());
        let provider: Arc<dyn OAuthProvider> = server.clone();
        let login = keeper.login(&provider, "default").expect("a login");
        login.store(tokens_of(0, lifetime)).await.expect("stored");
        Bench { folder, keeper, server, login }
    }

    /// The same account in another process.
    fn elsewhere(&self) -> (Arc<Keeper>, Arc<Login>) {
        let keeper = Keeper::new(vault(self.folder.path()));
        let provider: Arc<dyn OAuthProvider> = self.server.clone();
        let login = keeper.login(&provider, "default").expect("a login");
        (keeper, login)
    }

    async fn token(&self) -> Result<String, Failure> {
        self.login.token().await.map(|held| held.access().expose().to_owned())
    }

    async fn record(&self) -> Record {
        self.login.record().await.expect("readable").expect("there")
    }
}

fn vault(folder: &std::path::Path) -> Arc<Vault> {
    Vault::new(folder, Sealing::read(&serde_json::json!({ "seal": "off" })))
}

const LONG: Duration = Duration::from_secs(3600);
const OVER: Duration = Duration::ZERO;

#[tokio::test]
async fn nobody_is_told_how_to_log_in() {
    let bench = Bench::with(LONG).await;
    assert_eq!(bench.token().await.expect("a token"), "a0");
    let provider: Arc<dyn OAuthProvider> = bench.server.clone();
    let other = bench.keeper.login(&provider, "work").expect("a login");
    let failure = other.token().await.err().expect("nobody is logged in");
    assert_eq!(failure.reason(), Reason::NoLogin);
    assert!(failure.told().contains("`ccproxy auth login acme --account work`"), "{failure}");
    assert_eq!(bench.server.asked(), 0);
}

#[tokio::test]
async fn many_who_ask_at_once_are_one_refresh() {
    let bench = Bench::with(OVER).await;
    let (_keeper, elsewhere) = bench.elsewhere();
    let mut all = tokio::task::JoinSet::new();
    for number in 0..40 {
        let login = if number % 2 == 0 { bench.login.clone() } else { elsewhere.clone() };
        all.spawn(async move { login.token().await.map(|held| held.access().expose().to_owned()) });
    }
    for token in all.join_all().await {
        assert_eq!(token.expect("a token"), "a1");
    }
    assert_eq!(bench.server.asked(), 1);
    assert_eq!(bench.record().await.generation, 2);
}

#[tokio::test]
async fn a_refusal_by_the_provider_buys_another_token_once() {
    let bench = Bench::with(LONG).await;
    let refused = bench.login.token().await.expect("a token").access().clone();
    let (_keeper, elsewhere) = bench.elsewhere();
    for login in [&bench.login, &bench.login, &elsewhere] {
        let fresh = login.after_refusal(&refused).await.expect("another one");
        assert_eq!(fresh.access().expose(), "a1");
    }
    assert_eq!(bench.server.asked(), 1, "the others adopt what is stored");
    assert_eq!(bench.login.refresh().await.expect("another one").access().expose(), "a2");
}

#[tokio::test]
async fn a_caller_that_leaves_breaks_nothing_off() {
    let bench = Bench::with(OVER).await;
    let left = tokio::time::timeout(Duration::from_millis(5), bench.login.token()).await;
    assert!(left.is_err(), "it left while the server was thinking");
    bench.keeper.settle(LONG).await;
    assert_eq!(bench.record().await.tokens.access.expose(), "a1");
    assert_eq!((bench.token().await.expect("a token").as_str(), bench.server.asked()), ("a1", 1));
}

#[tokio::test]
async fn a_token_that_lives_is_sent_while_another_one_is_asked_for() {
    let bench = Bench::with(LONG).await;
    let mut soon = tokens_of(0, LONG);
    // Later than any jitter.
    soon.obtained_at -= 3400;
    soon.expires_at = soon.expires_at.map(|end| end - 3400);
    bench.login.store(soon).await.expect("stored");
    assert_eq!(bench.token().await.expect("it lives"), "a0");
    let mut seen = bench.token().await;
    while seen.as_ref().is_ok_and(|token| token == "a0") {
        tokio::task::yield_now().await;
        seen = bench.token().await;
    }
    assert_eq!(seen.expect("a token"), "a1");
    assert_eq!((bench.record().await.tokens.access.expose(), bench.server.asked()), ("a1", 1));
}

#[tokio::test]
async fn a_grant_that_is_refused_deletes_nothing() {
    let bench = Bench::with(OVER).await;
    bench.server.says(Err(Failure::new(Reason::InvalidGrant, "refresh token revoked")));
    let failure = bench.token().await.expect_err("no token");
    assert_eq!(failure.reason(), Reason::NeedsLogin);
    assert!(
        failure.told().contains("refresh token revoked")
            && failure.told().contains("`ccproxy auth login acme`")
    );
    let record = bench.record().await;
    assert_eq!(record.tokens.refresh.as_ref().map(Secret::expose), Some("r0"));
    assert_eq!(record.needs_login.as_ref().map(|needs| needs.reason.as_str()), Some("refresh token revoked"));
    let (_keeper, elsewhere) = bench.elsewhere();
    for login in [&bench.login, &elsewhere] {
        assert_eq!(login.token().await.err().map(|failure| failure.reason()), Some(Reason::NeedsLogin));
        assert_eq!(login.refresh().await.err().map(|failure| failure.reason()), Some(Reason::NeedsLogin));
    }
    assert_eq!(bench.server.asked(), 1, "nobody asks in vain");
    elsewhere.store(tokens_of(1, LONG)).await.expect("stored");
    bench.login.forget();
    assert_eq!(bench.token().await.expect("a new login counts at once"), "a1");
}

#[tokio::test]
async fn a_grant_that_is_refused_leaves_a_living_token_in_use() {
    let bench = Bench::with(LONG).await;
    bench.server.says(Err(Failure::new(Reason::InvalidGrant, "no")));
    assert!(bench.login.refresh().await.is_err());
    assert_eq!(bench.token().await.expect("it lives"), "a0");
}

#[tokio::test(start_paused = true)]
async fn failures_are_followed_by_a_rest() {
    let bench = Bench::with(OVER).await;
    let busy = || Failure::new(Reason::Busy, "too many").with_retry_after(Some(Duration::from_secs(60)));
    bench.server.says(Err(Failure::new(Reason::Unreachable, "not there")));
    bench.server.says(Err(busy()));
    for _ in 0..5 {
        let failure = bench.token().await.expect_err("no token");
        assert_eq!(failure.reason(), Reason::Unreachable);
        assert!(failure.retry_after().is_some_and(|wait| wait <= Duration::from_secs(5)));
    }
    assert_eq!(bench.server.asked(), 1);
    assert_eq!(bench.login.lacks().map(|failure| failure.reason()), Some(Reason::Unreachable));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(bench.token().await.expect_err("no token").reason(), Reason::Busy);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(bench.token().await.expect_err("no token").reason(), Reason::Busy);
    assert_eq!(bench.server.asked(), 2, "the server's word counts");
    assert!(bench.record().await.needs_login.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_nothing_of_another_login_and_holds_it_up_no_longer() {
    let bench = Bench::with(OVER).await;
    let busy = || Err(Failure::new(Reason::Busy, "the server has no time (500)"));
    bench.server.says(busy());
    assert_eq!(bench.token().await.expect_err("no token").reason(), Reason::Busy);
    assert_eq!(bench.login.lacks().map(|failure| failure.reason()), Some(Reason::Busy));
    let (_keeper, elsewhere) = bench.elsewhere();
    elsewhere.store(tokens_of(7, LONG)).await.expect("stored");
    assert!(bench.login.lacks().is_none(), "it is another login");
    assert_eq!(bench.token().await.expect("a token"), "a7");
    // The same when nobody looked in between; and its own failures are counted from the first one.
    elsewhere.store(tokens_of(0, OVER)).await.expect("stored");
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.server.says(busy());
    assert_eq!(bench.token().await.expect_err("no token").reason(), Reason::Busy);
    elsewhere.store(tokens_of(8, OVER)).await.expect("stored");
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.server.says(busy());
    let failure = bench.token().await.expect_err("no token");
    assert!(failure.retry_after().is_some_and(|wait| wait <= Duration::from_secs(5)), "{failure:?}");
    assert_eq!(bench.server.asked(), 3);
}

#[tokio::test]
async fn what_is_wrong_with_a_stored_login_is_known_before_it_is_used() {
    let bench = Bench::with(LONG).await;
    let lacks = || bench.elsewhere().1.lacks().map(|failure| (failure.reason(), failure.to_string()));
    assert_eq!(lacks(), None);
    bench.server.says(Err(Failure::new(Reason::Busy, "not now")));
    let soon = Duration::from_secs(3600 - 100);
    let mut early = tokens_of(0, LONG);
    early.obtained_at -= soon.as_secs();
    early.expires_at = early.expires_at.map(|end| end - soon.as_secs());
    bench.login.store(early).await.expect("stored");
    bench.token().await.expect("it lives");
    while bench.server.asked() == 0 || bench.keeper.is_busy() {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.login.lacks().map(|failure| failure.to_string()), None, "it still has a token");
    bench.login.store(tokens_of(0, LONG)).await.expect("stored");
    bench.server.says(Err(Failure::new(Reason::InvalidGrant, "revoked")));
    assert!(bench.login.refresh().await.is_err());
    for lacks in [lacks(), bench.login.lacks().map(|failure| (failure.reason(), failure.to_string()))] {
        let (reason, told) = lacks.expect("it needs a login");
        assert!(reason == Reason::NeedsLogin && told.contains("revoked"), "{told}");
    }
    fs::write(bench.keeper.vault().folder().join("acme/default.json"), "{").expect("written");
    for lacks in [lacks(), bench.login.lacks().map(|failure| (failure.reason(), failure.to_string()))] {
        let (reason, told) = lacks.expect("it cannot be read");
        assert!(reason == Reason::Storage && told.contains("damaged"), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_rotate_loses_nobody() {
    let bench = Bench::with(OVER).await;
    let mut bare = Tokens::new(Secret::new("bare")).living(LONG);
    bare.scopes.clear();
    bench.server.says(Ok(bare));
    assert_eq!(bench.token().await.expect("a token"), "bare");
    assert_eq!(bench.record().await.tokens.refresh.as_ref().map(Secret::expose), Some("r0"));
}

#[tokio::test]
async fn an_answer_without_a_token_changes_nothing() {
    let bench = Bench::with(LONG).await;
    let mut empty = Tokens::new(Secret::new(""));
    empty.refresh = Some(Secret::new("r9"));
    bench.server.says(Ok(empty.clone()));
    assert_eq!(bench.login.refresh().await.err().map(|failure| failure.reason()), Some(Reason::Unreachable));
    assert!(bench.login.store(empty).await.is_err(), "nor does a login");
    let record = bench.record().await;
    assert_eq!((record.tokens.access.expose(), record.generation), ("a0", 1));
}

#[tokio::test]
async fn a_full_disk_loses_no_token_and_lets_nobody_spend_one_twice() {
    let bench = Bench::with(OVER).await;
    // A folder where the new file would be.
    let obstacle = bench.keeper.vault().folder().join("acme/default.json.tmp");
    fs::create_dir(&obstacle).expect("a folder");
    assert_eq!(bench.token().await.expect("it is in memory"), "a1");
    assert_eq!(bench.record().await.tokens.access.expose(), "a0");
    assert!(bench.keeper.vault().try_lock(bench.login.id()).await.expect("no failure").is_none());
    fs::remove_dir(&obstacle).expect("removed");
    bench.keeper.settle(LONG).await;
    assert_eq!(bench.record().await.tokens.access.expose(), "a1");
    let (_keeper, elsewhere) = bench.elsewhere();
    assert_eq!(elsewhere.token().await.expect("a token").access().expose(), "a1");
    assert_eq!(bench.server.asked(), 1);
}

#[tokio::test]
async fn logging_out_forgets_and_says_what_the_server_did() {
    let bench = Bench::with(LONG).await;
    let revoked = bench.login.logout().await.expect("removed").expect("somebody was there");
    assert_eq!(revoked.expect_err("no such thing").reason(), Reason::Unsupported);
    assert!(bench.login.logout().await.expect("no failure").is_none());
    assert_eq!(bench.token().await.expect_err("nobody").reason(), Reason::NoLogin);
}
