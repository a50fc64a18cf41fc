//! The task of a session: reads what the CLI says, answers its questions, and sends the events of an answer out
//! through a channel that the client pulls.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::approval::Decision;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::active::Active;
use super::failure::{self, Failure};
use super::mcp;
use super::pool::Pool;
use super::process::Process;
use super::protocol::{self, Line};
use super::questions::Decided;
use super::render::Render;
use super::session::{More, Session, State, Step, Ticket};

/// Lines without sense that are forgiven in a process: a wrapper may greet.
const GARBAGE: u32 = 100;
/// A client hears from us as often as this, whatever the CLI waits for.
const PING: Duration = Duration::from_secs(15);

/// The task.
pub(super) struct Actor {
    pub(super) session: Arc<Session>,
    pub(super) pool: Arc<Pool>,
    process: Process,
    tickets: mpsc::Receiver<Ticket>,
    /// Held as long as the process lives.
    _permit: OwnedSemaphorePermit,
    active: Option<Active>,
    pub(super) tools: Vec<Value>,
    /// Where the last request was sent.
    pub(super) path: Arc<str>,
    /// Calls that the CLI waits for, by the tool's id: its request, and the message in that.
    pub(super) calls: HashMap<String, (String, Value)>,
    /// Results that came before the CLI asked for them.
    pub(super) results: HashMap<String, Value>,
    pub(super) asking: JoinSet<Decided>,
    pub(super) asked: HashMap<String, AbortHandle>,
    pub(super) decided: HashMap<String, Decision>,
    born: Instant,
    heard: Instant,
    garbage: u32,
    /// Dollars so far.
    cost: f64,
}

enum Happened {
    Line(std::io::Result<Option<bytes::Bytes>>),
    Ticket(Option<Ticket>),
    Decided(Option<Decided>),
    Gone,
    Late,
}

impl Actor {
    pub(super) fn new(
        session: Arc<Session>,
        pool: Arc<Pool>,
        process: Process,
        tickets: mpsc::Receiver<Ticket>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let now = Instant::now();
        Actor {
            session,
            pool,
            process,
            tickets,
            _permit: permit,
            active: None,
            tools: Vec::new(),
            path: Arc::default(),
            calls: HashMap::new(),
            results: HashMap::new(),
            asking: JoinSet::new(),
            asked: HashMap::new(),
            decided: HashMap::new(),
            born: now,
            heard: now,
            garbage: 0,
            cost: 0.0,
        }
    }

    /// Until the session is over.
    pub(super) async fn run(mut self) {
        loop {
            let happened = self.next().await;
            if !self.act(happened).await {
                break;
            }
        }
        if let Some(active) = self.active.take() {
            let _ = active.out.send(Err(failure::died(String::new()))).await;
        }
        self.pool.forget(&self.session);
    }

    async fn next(&mut self) -> Happened {
        let wake = self.wake();
        let asking = !self.asking.is_empty();
        let idle = self.active.is_none();
        let gone = self.active.as_ref().filter(|active| active.interrupted.is_none());
        tokio::select! {
            line = self.process.lines.next() => Happened::Line(line),
            ticket = self.tickets.recv(), if idle => Happened::Ticket(ticket),
            decided = self.asking.join_next(), if asking => Happened::Decided(decided.and_then(Result::ok)),
            () = async { match gone { Some(active) => active.out.closed().await, None => pending().await } } => Happened::Gone,
            () = sleep_until(wake) => Happened::Late,
        }
    }

    /// Whether the session goes on.
    async fn act(&mut self, happened: Happened) -> bool {
        let done = match happened {
            Happened::Line(Ok(Some(line))) => {
                self.heard = Instant::now();
                self.line(&line).await
            }
            Happened::Line(Ok(None)) => Err(failure::died(self.process.complaint())),
            Happened::Line(Err(error)) => Err(failure::died(error.to_string())),
            Happened::Ticket(Some(ticket)) => self.begin(ticket).await,
            Happened::Ticket(None) => Ok(false),
            Happened::Decided(decided) => match decided {
                Some(decided) => {
                    self.heard = Instant::now();
                    self.tell_decision(decided).await.map(|()| true)
                }
                None => Ok(true),
            },
            Happened::Gone => self.leave().await,
            Happened::Late => self.late(),
        };
        match done {
            Ok(goes_on) => goes_on,
            Err(failure) => {
                if let Some(active) = self.active.take() {
                    let _ = active.out.send(Err(failure)).await;
                } else {
                    tracing::debug!(error = %failure.error, "a process of the CLI ended between requests");
                }
                false
            }
        }
    }

    /// When something is due: an end, or a sign of life.
    fn wake(&self) -> Instant {
        let config = &self.pool.config;
        let Some(active) = &self.active else {
            let since = self.session.facts.lock().since;
            return match self.session.facts.lock().state {
                State::Waiting(_) => since + config.tool_timeout,
                State::Idle => (since + config.idle_timeout).min(self.born + config.session_ttl),
                _ => since + config.start_timeout,
            };
        };
        self.limit(active).min(active.sent + PING)
    }

    /// When the CLI has been silent too long.
    fn limit(&self, active: &Active) -> Instant {
        let config = &self.pool.config;
        match active.interrupted {
            Some(when) => when + config.interrupt_timeout,
            // A decision has a limit of its own.
            None if !self.asking.is_empty() => Instant::now() + config.approval_timeout,
            None if active.steps.is_empty() => self.heard + config.turn_timeout,
            None => self.heard + config.start_timeout,
        }
    }

    fn late(&mut self) -> Result<bool, Failure> {
        let now = Instant::now();
        let Some(active) = &mut self.active else {
            let mut facts = self.session.facts.lock();
            // Someone may have claimed it just now: then a ticket is on its way.
            let over = facts.state != State::Busy || now >= facts.since + self.pool.config.start_timeout;
            if over {
                facts.state = State::Ended;
            }
            return Ok(!over);
        };
        if now >= active.sent + PING {
            active.sent = now;
            if active.render.started() {
                // Full is fine: then the client has something to read.
                let _ = active.out.try_send(Ok(json!({"type": "ping"})));
            }
        }
        let Some(active) = &self.active else { return Ok(true) };
        if now < self.limit(active) {
            return Ok(true);
        }
        match active.interrupted {
            Some(_) => Ok(false),
            None => Err(failure::silent(active.steps.is_empty())),
        }
    }

    pub(super) async fn say(&self, line: &Value) -> Result<(), Failure> {
        self.process.send(line).await.map_err(|error| failure::died(error.to_string()))
    }

    async fn begin(&mut self, ticket: Ticket) -> Result<bool, Failure> {
        let Ticket { conversation, more: More { steps, results, base }, out } = ticket;
        let config = &self.pool.config;
        let render = Render::new(config.show_thinking, config.show_tools);
        self.tools.clone_from(&conversation.tools);
        self.path = conversation.path.clone();
        let now = Instant::now();
        self.heard = now;
        self.garbage = 0;
        self.decided.clear();
        self.active = Some(Active { conversation, steps, base, out, render, interrupted: None, sent: now });
        for block in results {
            let id = block["tool_use_id"].as_str().unwrap_or_default().to_owned();
            match self.calls.remove(&id) {
                Some((request, message)) => {
                    self.say(&protocol::answer(&request, mcp::called(&message, &block))).await?;
                }
                None => {
                    self.results.insert(id, block);
                }
            }
        }
        self.advance().await.map(|()| true)
    }

    /// Tells what may be told now.
    async fn advance(&mut self) -> Result<(), Failure> {
        while let Some(active) = &mut self.active {
            if !matches!(active.steps.front(), Some(Step::Say(_))) {
                break;
            }
            let Some(Step::Say(line)) = active.steps.pop_front() else { break };
            self.say(&line).await?;
        }
        Ok(())
    }

    async fn line(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        match Line::read(bytes) {
            Line::Request { id, request } => self.control(id, request).await.map(|()| true),
            Line::Cancel(id) => {
                if let Some(task) = self.asked.remove(&id) {
                    task.abort();
                }
                Ok(true)
            }
            Line::Response { id, failed, response } => self.response(&id, failed, response).await,
            Line::Init(id) => {
                self.session.facts.lock().id = Some(id);
                Ok(true)
            }
            Line::Stream(event) => self.stream(event).await,
            Line::User(message) => {
                if let Some(active) = self.active.as_mut().filter(|active| active.steps.is_empty()) {
                    active.render.results(&message);
                    active.flush().await;
                }
                Ok(true)
            }
            Line::Result(result) => self.result(&result).await,
            Line::Other => Ok(true),
            Line::Garbage => {
                self.garbage += 1;
                if self.garbage > GARBAGE { Err(failure::garbage()) } else { Ok(true) }
            }
        }
    }

    async fn response(&mut self, id: &str, failed: Option<String>, response: Value) -> Result<bool, Failure> {
        let Some(active) = &mut self.active else { return Ok(true) };
        if !matches!(active.steps.front(), Some(Step::Response(waited)) if waited == id) {
            return Ok(true);
        }
        active.steps.pop_front();
        if let Some(why) = failed {
            return Err(failure::refused(&why));
        }
        self.pool.learn_models(&response["models"]);
        self.advance().await.map(|()| true)
    }

    async fn stream(&mut self, event: Value) -> Result<bool, Failure> {
        let Some(active) = self.active.as_mut().filter(|active| active.steps.is_empty()) else {
            return Ok(true);
        };
        let calls = active.render.stream(event).filter(|_| active.interrupted.is_none());
        let Some(calls) = calls else {
            active.flush().await;
            return Ok(true);
        };
        let known = active.known();
        self.rest(State::Waiting(calls), known);
        self.end_answer().await;
        Ok(true)
    }

    async fn result(&mut self, result: &Value) -> Result<bool, Failure> {
        let cost =
            result["total_cost_usd"].as_f64().map(|total| total - std::mem::replace(&mut self.cost, total));
        let Some(active) = &mut self.active else { return Ok(true) };
        let failed = result["is_error"] == true;
        if matches!(active.steps.front(), Some(Step::Put)) && !failed {
            active.steps.pop_front();
            return self.advance().await.map(|()| true);
        }
        if active.interrupted.is_some() {
            // What the CLI knows now, no request will say again as it is.
            let known = [&active.base[..], &[u64::MAX]].concat();
            self.active = None;
            return Ok(self.keep(known));
        }
        if failed {
            return Err(failure::of_result(result));
        }
        let told = result["result"].as_str().unwrap_or_default();
        active.render.finish(&active.conversation.model, told, cost);
        let known = active.known();
        let kept = self.keep(known);
        self.end_answer().await;
        Ok(kept)
    }

    /// After a turn: whether the process is kept for the next.
    fn keep(&mut self, known: Vec<u64>) -> bool {
        let kept = self.session.name.is_some()
            && !self.pool.crowded()
            && self.born.elapsed() < self.pool.config.session_ttl;
        self.rest(if kept { State::Idle } else { State::Ended }, known);
        kept
    }

    /// Sends the end of an answer. What the session does next stands in its facts by now: the client may ask again
    /// as soon as it has read this.
    async fn end_answer(&mut self) {
        if let Some(mut active) = self.active.take() {
            active.flush().await;
        }
    }

    fn rest(&self, state: State, known: Vec<u64>) {
        let mut facts = self.session.facts.lock();
        facts.state = state;
        facts.known = known;
        facts.since = Instant::now();
        drop(facts);
        if self.session.name.is_some() {
            self.pool.save_soon();
        }
    }

    /// The client has left. A session with a name stops and lives on.
    async fn leave(&mut self) -> Result<bool, Failure> {
        let Some(active) = &mut self.active else { return Ok(true) };
        if self.session.name.is_none() || !active.steps.is_empty() {
            return Ok(false);
        }
        active.interrupted = Some(Instant::now());
        self.say(&protocol::interrupt("stop")).await.map(|()| true)
    }
}
