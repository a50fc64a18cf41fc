//! The logins that were begun over HTTP and are not over: a few, each for five minutes at most, each good for one code.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::error::Kind;
use ccproxy_core::oauth::{Failure, Reason, Tokens};
use ccproxy_core::secret::Secret;
use ccproxy_core::{Error, Result};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::keeper::Login;
use crate::oauth::{Arrival, Callback, Pending, random};

/// How long a login may take, and how long its end is told afterwards.
pub(super) const LIMIT: Duration = Callback::LIMIT;
/// Most logins that are kept at once.
const MOST: usize = 16;

/// Those that were begun.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Vec<Arc<UnderWay>>>);

/// One of them.
pub(super) struct UnderWay {
    /// For whoever began it.
    pub(super) id: Secret,
    /// Whose it will be.
    pub(super) login: Arc<Login>,
    /// `browser`, `manual` or `device`.
    pub(super) flow: &'static str,
    /// What a code is judged by; a login on a device has none.
    pub(super) pending: Option<Arc<Pending>>,
    /// Whether another account's login may be replaced.
    pub(super) replace: bool,
    began: Instant,
    state: Mutex<State>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// How it goes.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Somebody must do something.
    Waiting,
    /// The code came, and was spent.
    Finishing,
    /// Tokens are stored: what may be told of them.
    Done(Instant, Map<String, Value>),
    /// There are none.
    Failed(Instant, Failure),
}

impl UnderWay {
    pub(super) fn new(
        login: &Arc<Login>,
        flow: &'static str,
        pending: Option<Arc<Pending>>,
        replace: bool,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(UnderWay {
            id: random()?,
            login: login.clone(),
            flow,
            pending,
            replace,
            began: Instant::now(),
            state: Mutex::new(State::Waiting),
            task: Mutex::default(),
        }))
    }

    /// How it goes now.
    pub(super) fn state(&self) -> State {
        let mut state = self.state.lock();
        if matches!(*state, State::Waiting) && self.began.elapsed() >= LIMIT {
            let failure = Failure::new(Reason::TooLate, "nobody came back within 5 minutes");
            *state = State::Failed(Instant::now(), failure);
        }
        state.clone()
    }

    /// How long somebody has.
    pub(super) fn left(&self) -> Duration {
        LIMIT.saturating_sub(self.began.elapsed())
    }

    /// Takes the one turn there is; whoever comes second gets none.
    pub(super) fn take(&self) -> bool {
        let waits = matches!(self.state(), State::Waiting);
        let mut state = self.state.lock();
        let taken = waits && matches!(*state, State::Waiting);
        if taken {
            *state = State::Finishing;
        }
        taken
    }

    /// Whether a query belongs to it, and what it brings.
    pub(super) fn judge(&self, query: &str) -> Arrival {
        match &self.pending {
            Some(pending) if matches!(self.state(), State::Waiting) => pending.judge(query),
            _ => Arrival::Stray,
        }
    }

    /// Spends the code and keeps what it brings. The caller has taken the turn.
    pub(super) async fn finish(&self, code: &Secret) {
        let Some(pending) = &self.pending else { return };
        let tokens = pending.finish(code).await;
        self.keep(tokens).await;
    }

    /// Keeps the tokens of the login, or why there are none.
    pub(super) async fn keep(&self, tokens: std::result::Result<Tokens, Failure>) {
        self.login.announce(self.began.elapsed(), tokens.as_ref());
        let kept = match tokens {
            Ok(tokens) => self.store(tokens).await,
            Err(failure) => Err(failure),
        };
        *self.state.lock() = match kept {
            Ok(summary) => State::Done(Instant::now(), summary),
            Err(failure) => State::Failed(Instant::now(), failure),
        };
    }

    async fn store(&self, tokens: Tokens) -> std::result::Result<Map<String, Value>, Failure> {
        let before = self.login.record().await?;
        let other = before.is_some_and(|before| {
            let (before, now) = (&before.tokens.account.id, &tokens.account.id);
            before.is_some() && now.is_some() && before != now
        });
        if other && !self.replace {
            let told = format!(
                "another account is logged in as `{}`; begin again with `\"replace\": true`, or with another `account`",
                self.login.id()
            );
            return Err(Failure::new(Reason::Denied, told));
        }
        let summary = self.login.summary(&tokens).await;
        self.login.store(tokens).await?;
        Ok(summary)
    }

    /// The work that goes on for it.
    pub(super) fn attend(&self, task: JoinHandle<()>) {
        *self.task.lock() = Some(task);
    }

    /// Ends its work, so that its port is free.
    pub(super) async fn drop_work(&self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            // What asks for tokens already goes on by itself.
            task.abort();
            let _ = task.await;
        }
    }

    fn is_old(&self) -> bool {
        match self.state() {
            State::Done(when, _) | State::Failed(when, _) => when.elapsed() >= LIMIT,
            State::Waiting | State::Finishing => false,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.state(), State::Done(..) | State::Failed(..))
    }
}

impl Waiting {
    /// Makes room for a login of this account: an earlier one of it that waits is given up.
    pub(super) async fn make_room(&self, login: &Arc<Login>) -> Result<()> {
        let mut given_up = Vec::new();
        {
            let mut all = self.0.lock();
            all.retain(|one| !one.is_old());
            all.retain(|one| {
                let same = one.login.id() == login.id() && matches!(one.state(), State::Waiting);
                if same {
                    given_up.push(one.clone());
                }
                !same
            });
            if all.len() >= MOST
                && let Some(over) = all.iter().position(|one| one.is_over())
            {
                all.remove(over);
            }
            if all.len() >= MOST {
                let told =
                    format!("{MOST} logins are under way already; each ends by itself after 5 minutes");
                return Err(Error::client(Kind::RateLimited, told));
            }
        }
        for one in given_up {
            one.drop_work().await;
        }
        Ok(())
    }

    /// From now on it is found.
    pub(super) fn add(&self, one: &Arc<UnderWay>) {
        self.0.lock().push(one.clone());
    }

    /// The login of an id. Every id is looked at, whatever the first one says.
    pub(super) fn find(&self, provider: &str, id: &str) -> Option<Arc<UnderWay>> {
        let all = self.of(provider);
        let mut found = None;
        for one in all {
            if one.id.matches(id.as_bytes()) {
                found = Some(one);
            }
        }
        found
    }

    /// The login that a query belongs to, and what it brings. Every state is compared, whatever the first one says.
    pub(super) fn judge(&self, provider: &str, query: &str) -> Option<(Arc<UnderWay>, Arrival)> {
        let mut found = None;
        for one in self.of(provider) {
            match one.judge(query) {
                Arrival::Stray => {}
                arrival => found = Some((one, arrival)),
            }
        }
        found
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.0.lock().iter().filter(|one| matches!(one.state(), State::Waiting)).count()
    }

    /// Ends the work of all.
    pub(super) async fn end(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        for one in all {
            one.drop_work().await;
        }
    }

    fn of(&self, provider: &str) -> Vec<Arc<UnderWay>> {
        let mut all = self.0.lock();
        all.retain(|one| !one.is_old());
        all.iter().filter(|one| one.login.id().provider() == provider).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use ccproxy_core::oauth::OAuthProvider;
    use serde_json::json;

    use super::*;
    use crate::oauth::{Logins, Network, read};
    use crate::vault::{Sealing, Vault};

    /// The login of an account at a provider that is never spoken to, and a code's way to it.
    async fn begun(account: &str) -> (Arc<UnderWay>, String) {
        let settings = json!({ "acme": { "client_id": "c", "authorize_url": "https://x/a", "token_url": "https://x/t" } });
        let vault = Vault::new(&std::env::temp_dir().join("ccproxy-of-nobody"), Sealing::default());
        let logins = Logins::new(read(&settings, None).0, &vault, Network::default());
        let provider: Arc<dyn OAuthProvider> = logins.provider("acme").expect("a provider");
        let pending =
            Pending::begin(&provider, "https://x/oauth/acme/callback".to_owned()).await.expect("a login");
        let state =
            pending.url().split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state");
        let query = format!("code=c&state={state}");
        let login = logins.login("acme", account).expect("an account");
        (UnderWay::new(&login, "browser", Some(Arc::new(pending)), false).expect("begun"), query)
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_has_five_minutes_and_one_turn() {
        let waiting = Waiting::default();
        let ((one, query), (late, its_query)) = (begun("a").await, begun("b").await);
        waiting.add(&one);
        waiting.add(&late);
        tokio::time::advance(LIMIT - Duration::from_millis(1)).await;
        assert!(matches!(waiting.judge("acme", &query), Some((_, Arrival::Code(_)))));
        assert!(waiting.judge("other", &query).is_none(), "a state is that of one provider");
        assert!(one.take() && !one.take());
        assert!(waiting.judge("acme", &query).is_none(), "a state is good for once");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(waiting.judge("acme", &its_query).is_none(), "it is too late");
        assert!(!late.take());
        let State::Failed(_, failure) = late.state() else { panic!("{:?}", late.state()) };
        assert_eq!(failure.reason(), Reason::TooLate);
        assert!(waiting.find("acme", late.id.expose()).is_some(), "its end is told for a while");
        tokio::time::advance(LIMIT).await;
        assert!(waiting.find("acme", late.id.expose()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_at_once_and_those_that_are_over_make_room() {
        let waiting = Waiting::default();
        let mut all = Vec::new();
        for number in 0..MOST {
            let (one, _) = begun(&format!("a{number}")).await;
            waiting.make_room(&one.login).await.expect("room");
            waiting.add(&one);
            all.push(one);
        }
        let (more, _) = begun("more").await;
        let error = waiting.make_room(&more.login).await.expect_err("no room");
        assert_eq!(error.status(), 429);
        // Another try of the same account takes the place of the one before.
        waiting.make_room(&all[0].login).await.expect("its own place");
        assert_eq!(waiting.count(), MOST - 1);
        waiting.add(&more);
        assert!(all[1].take());
        all[1].keep(Err(Failure::new(Reason::Denied, "no"))).await;
        waiting.make_room(&all[0].login).await.expect("the place of one that is over");
    }
}
