//! The credentials of one provider: who is asked next, and what is learned of each. One for the process, over reloads.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, UNIX_EPOCH};

use ccproxy_core::error::{Error, Kind, Side};
use ccproxy_core::hooks::{self, Bus};
use ccproxy_core::pool;
use http::{HeaderValue, header};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::affinity::{Affinity, Mark};
use super::facts::Facts;
use super::ledger::Ledger;
use super::settings::{MemberSettings, PoolSettings};
use super::standing::{Limits, Now, Rest, Standing};
use super::state::State;
use super::strategy::Situation;
use super::verdict::{Verdict, Why};
use crate::credentials::Choice;

/// The pool of one provider.
pub(crate) struct Pool {
    provider: String,
    settings: PoolSettings,
    state: Mutex<State>,
    ledger: Arc<Ledger>,
    bus: Arc<OnceLock<Arc<Bus>>>,
}

/// Leave to use a credential once. Dropped when the answer is over.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    pub(super) index: usize,
    pub(super) began: Instant,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        let standing = &mut state.standings[self.index];
        standing.in_flight = standing.in_flight.saturating_sub(1);
    }
}

impl Pool {
    pub(super) fn new(
        provider: &str,
        settings: PoolSettings,
        ledger: &Arc<Ledger>,
        bus: &Arc<OnceLock<Arc<Bus>>>,
    ) -> Arc<Self> {
        let limits = Limits { cooldown: settings.cooldown, longest: settings.longest };
        let now = Now::take();
        let names = settings.members.iter().map(|member| format!("{provider}/{}", member.name));
        let state = State {
            standings: names.map(|name| ledger.standing(&name, now, limits)).collect(),
            last: None,
            items: Affinity::new(settings.remember),
            conversations: Affinity::new(settings.remember),
        };
        Arc::new(Pool {
            provider: provider.to_owned(),
            settings,
            state: Mutex::new(state),
            ledger: ledger.clone(),
            bus: bus.clone(),
        })
    }

    /// Whether it is used where the settings of the provider choose so: what passes through is never replaced.
    pub(crate) fn counts(&self, choice: Choice) -> bool {
        let counts = choice != Choice::Passthrough;
        if !counts {
            tracing::warn!(
                provider = self.provider,
                "its credentials in `credential_balancer` are not used: `credential` is `passthrough`"
            );
        }
        counts
    }

    /// What its credentials are.
    pub(crate) fn members(&self) -> &[MemberSettings] {
        &self.settings.members
    }

    /// The place of a credential.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.settings.members.iter().position(|member| &*member.name == name)
    }

    pub(super) fn name(&self, index: usize) -> &Arc<str> {
        &self.settings.members[index].name
    }

    /// Whether there is more than one, so that it matters who made an item.
    pub(super) fn is_several(&self) -> bool {
        self.settings.members.len() > 1
    }

    pub(super) fn is_sticky(&self) -> bool {
        self.settings.strategy == super::strategy::Strategy::Sticky
    }

    /// Whether any item is known.
    pub(super) fn knows_items(&self) -> bool {
        !self.state.lock().items.is_empty()
    }

    /// Who made an item.
    pub(super) fn maker(&self, item: Mark) -> Option<usize> {
        self.state.lock().items.get(item, Instant::now())
    }

    /// An item that was made with this credential.
    pub(super) fn made(&self, item: Mark, index: usize) {
        self.state.lock().items.put(item, index, Instant::now());
    }

    /// Leave to use the credential that this request shall have; `None` when none is left.
    pub(super) fn lease(self: &Arc<Self>, facts: &Facts, tried: &[usize]) -> Option<Lease> {
        let now = Now::take();
        let mut state = self.state.lock();
        let index = self.choose(&state, facts, tried, now)?;
        if facts.wanted.is_none() && facts.maker != Some(index) {
            // Those that were not chosen by turn do not disturb the turns.
            state.last = Some(index);
        }
        if let Some(conversation) = facts.conversation {
            state.conversations.put(conversation, index, now.steady);
        }
        state.standings[index].in_flight += 1;
        drop(state);
        Some(Lease { pool: self.clone(), index, began: now.steady })
    }

    /// Who would be asked, for one who only looks.
    pub(super) fn would(&self, facts: &Facts) -> Option<usize> {
        self.choose(&self.state.lock(), facts, &[], Now::take())
    }

    /// Whether there is one that was not tried and does not rest.
    pub(super) fn has_another(&self, facts: &Facts, tried: &[usize]) -> bool {
        !self.state.lock().free(&self.allowed(facts), facts, tried, Now::take()).is_empty()
    }

    fn choose(&self, state: &State, facts: &Facts, tried: &[usize], now: Now) -> Option<usize> {
        let allowed = self.allowed(facts);
        let free = state.free(&allowed, facts, tried, now);
        let is_free = |index: &usize| free.iter().any(|one| one.index == *index);
        if let Some(first) =
            facts.wanted.as_ref().and_then(|wanted| wanted.iter().find(|index| is_free(index)))
        {
            return Some(*first);
        }
        if let Some(maker) = facts.maker.filter(is_free) {
            return Some(maker);
        }
        let situation = Situation {
            last: state.last,
            had: facts.conversation.and_then(|mark| state.conversations.get(mark, now.steady)),
            conversation: facts.conversation.map_or(0, |mark| mark.0),
        };
        self.settings.strategy.choose(&free, situation).or_else(|| {
            // All that is left rests. A rest that nobody asked for is only a guess, and one that nobody could stand
            // in for is never left alone: it says for itself how it is.
            let left = |index: usize| state.resting(index, facts, now);
            let yields = |rest: &Rest| !rest.firm || allowed.len() == 1;
            let useful = state.useful(&allowed, facts, now);
            let resting = useful.iter().filter(|_| tried.is_empty());
            let resting = resting
                .filter_map(|&index| Some((left(index).filter(|rest| yields(rest))?.left(now), index)));
            Some(resting.min()?.1)
        })
    }

    /// Those that this request may have, in the order of the pool.
    fn allowed(&self, facts: &Facts) -> Vec<usize> {
        let all = 0..self.settings.members.len();
        all.filter(|index| facts.wanted.as_ref().is_none_or(|wanted| wanted.contains(index))).collect()
    }

    /// How long until the first of those that this request may have is back; `None` when one does not rest.
    pub(super) fn earliest(&self, facts: &Facts) -> Option<(Duration, Why)> {
        let (now, state) = (Now::take(), self.state.lock());
        let rest = |index: usize| state.resting(index, facts, now);
        let rests: Option<Vec<(Duration, Why)>> = state
            .useful(&self.allowed(facts), facts, now)
            .into_iter()
            .map(|index| Some((rest(index)?.left(now), rest(index)?.why)))
            .collect();
        rests?.into_iter().min_by_key(|(left, _)| *left)
    }

    /// Whether one rests that somebody is logged in to: what that one is back for is worth waiting for.
    pub(super) fn has_useful(&self, facts: &Facts) -> bool {
        let (now, state) = (Now::take(), self.state.lock());
        let rest = |index: usize| state.resting(index, facts, now);
        let mut rests = self.allowed(facts).into_iter().filter_map(rest);
        rests.any(|rest| rest.why != Why::NeedsLogin)
    }

    /// What a client is told when none can be used.
    pub(super) fn refusal(&self, facts: &Facts) -> Error {
        let (left, why) = self.earliest(facts).unwrap_or((Duration::ZERO, Why::Unreachable));
        let seconds = left.as_secs_f64().ceil().max(1.0) as u64;
        let kind = match why {
            Why::RateLimited | Why::Quota | Why::PaymentRequired => Kind::RateLimited,
            _ => Kind::Unavailable,
        };
        let told = format!(
            "every credential of `{}` rests, the first for another {seconds} s: {}; `ccproxy auth accounts` says why",
            self.provider,
            why.told()
        );
        let error = Error::new(Side::Upstream, kind, told).with_retry(true);
        error.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// A request is about to be sent with it.
    pub(super) fn sent(&self, index: usize) {
        let mut state = self.state.lock();
        let standing = &mut state.standings[index];
        standing.uses += 1;
        standing.last_used = Some(Now::take().wall);
    }

    /// It failed; `told` is why in the words of whoever knows.
    pub(super) fn failed(&self, index: usize, facts: &Facts, verdict: &Verdict, told: Option<String>) {
        let limits = Limits { cooldown: self.settings.cooldown, longest: self.settings.longest };
        let mut state = self.state.lock();
        let standing = &mut state.standings[index];
        if verdict.why != Why::Quota {
            standing.errors += 1;
        }
        if verdict.why != Why::Quota {
            standing.told = told;
        }
        let length = standing.failed(verdict, facts.model.as_deref(), Now::take(), limits);
        self.note(index, standing, true);
        drop(state);
        if length.is_zero() {
            return;
        }
        let (provider, credential, seconds) = (&self.provider, self.name(index), length.as_secs_f64());
        let model = facts.model.as_deref().filter(|_| !verdict.whole);
        if verdict.why == Why::Quota {
            tracing::debug!(provider, %credential, model, "others go first for {seconds:.1} s: {}", verdict.why.told());
        } else {
            tracing::warn!(provider, %credential, model, "others go first for {seconds:.1} s: {}", verdict.why.told());
        }
        self.emit(hooks::Kind::CredentialRested, || {
            json!({ "provider": provider, "credential": &**credential, "why": verdict.why.word(), "model": model, "seconds": seconds, "asked": verdict.firm })
        });
    }

    /// A request that began then went well.
    pub(super) fn succeeded(&self, index: usize, facts: &Facts, began: Instant) {
        let mut state = self.state.lock();
        let standing = &mut state.standings[index];
        let restored = standing.succeeded(facts.model.as_deref(), began);
        self.note(index, standing, restored);
        drop(state);
        if restored {
            let (provider, credential) = (&self.provider, self.name(index));
            tracing::info!(provider, %credential, "it works again");
            self.emit(hooks::Kind::CredentialRestored, || {
                json!({ "provider": provider, "credential": &**credential, "model": facts.model.as_deref() })
            });
        }
    }

    fn note(&self, index: usize, standing: &Standing, soon: bool) {
        if soon {
            self.ledger.note(&format!("{}/{}", self.provider, self.name(index)), standing, true);
        }
    }

    /// Takes everything down, for the end of the process.
    pub(super) fn close(&self) {
        for (index, standing) in self.state.lock().standings.iter().enumerate() {
            self.ledger.note(&format!("{}/{}", self.provider, self.name(index)), standing, false);
        }
    }

    fn emit(&self, kind: hooks::Kind, data: impl FnOnce() -> Value) {
        if let Some(bus) = self.bus.get()
            && bus.wants(kind)
            && let Value::Object(data) = data()
        {
            bus.emit(hooks::Event::new(kind, data));
        }
    }

    /// For people. `lacks` says what a credential needs before it can be used at all.
    pub(super) fn describe(&self, describe: impl Fn(usize) -> Described) -> pool::Pool {
        let (now, state) = (Now::take(), self.state.lock());
        let mut first = None;
        let members = state.standings.iter().enumerate().map(|(index, standing)| {
            let described = describe(index);
            let rests: Vec<&Rest> = standing.rests.iter().filter(|rest| !rest.left(now).is_zero()).collect();
            let whole = standing.resting(None, now);
            let (status, why) = match (&described.lacks, whole) {
                (_, Some(rest)) if rest.why == Why::RefreshFailed => ("cooling", explained(rest, now)),
                (Some(lacks), _) => ("needs_login", lacks.clone()),
                (None, Some(rest)) if rest.why == Why::NeedsLogin => {
                    ("needs_login", standing.told.clone().unwrap_or_else(|| rest.why.told().to_owned()))
                }
                (None, Some(rest)) => {
                    let told = standing.told.as_deref().map_or_else(String::new, |told| format!(": {told}"));
                    ("cooling", explained(rest, now) + &told)
                }
                (None, None) => match rests.first() {
                    Some(rest) => ("in_use", format!("but {}", explained(rest, now))),
                    None => ("in_use", self.in_use(first.is_some())),
                },
            };
            let usable = status == "in_use";
            let stands_by =
                usable && first.is_some() && self.settings.strategy == super::strategy::Strategy::Failover;
            if usable && first.is_none() {
                first = Some(index);
            }
            pool::Member {
                name: self.name(index).to_string(),
                kind: described.kind,
                login: described.login,
                state: if stands_by { "standby" } else { status },
                why,
                ready_in: whole.map(|rest| rest.left(now).as_secs_f64()),
                rests: rests
                    .into_iter()
                    .map(|rest| pool::Rest {
                        model: rest.model.as_deref().map(str::to_owned),
                        why: rest.why.word(),
                        asked: rest.firm,
                        ends_in: rest.left(now).as_secs_f64(),
                    })
                    .collect(),
                in_flight: standing.in_flight,
                uses: standing.uses,
                errors: standing.errors,
                last_used: standing
                    .last_used
                    .and_then(|time| Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())),
            }
        });
        pool::Pool { strategy: self.settings.strategy.word(), members: members.collect() }
    }

    fn in_use(&self, behind: bool) -> String {
        match (self.settings.strategy, behind) {
            (super::strategy::Strategy::Failover, true) => "those before it go first".to_owned(),
            (super::strategy::Strategy::Failover, false) => "the first of those that can be used".to_owned(),
            (strategy, _) => format!("one of several ({})", strategy.word()),
        }
    }
}

/// What is known of a credential beside how it stands.
pub(super) struct Described {
    pub(super) kind: &'static str,
    pub(super) login: Option<String>,
    pub(super) lacks: Option<String>,
}

fn explained(rest: &Rest, now: Now) -> String {
    let seconds = rest.left(now).as_secs_f64().ceil() as u64;
    let model = rest.model.as_deref().map_or_else(String::new, |model| format!(" for `{}`", shown(model)));
    let asked = if rest.firm { "as the provider asked" } else { "a guess, as the provider named no time" };
    format!("left alone{model} for another {}: {} ({asked})", span(seconds), rest.why.told())
}

/// Names of models come from clients.
fn shown(model: &str) -> String {
    model.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// How long, for people.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
