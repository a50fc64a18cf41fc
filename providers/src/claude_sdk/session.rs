//! A conversation with one process of the CLI. A task of its own reads what the process says and answers its
//! questions; requests come as tickets, one at a time, and their events go out through a channel that the client
//! pulls.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::Arc;

use ccproxy_core::approval::{Approval, Ask, Decision};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Duration, Instant, sleep_until};

use super::failure::{self, Failure};
use super::history::Conversation;
use super::mcp;
use super::pool::Pool;
use super::process::Process;
use super::protocol::{self, Line};
use super::render::Render;

/// Events that wait for the client.
const EVENTS: usize = 32;
/// Lines without sense that are forgiven in a process: a wrapper may greet.
const GARBAGE: u32 = 100;
/// Calls and decisions that are remembered at once.
const REMEMBERED: usize = 1000;
/// A client hears from us as often as this, whatever the CLI waits for.
const PING: Duration = Duration::from_secs(15);

/// An event for the client, or why there are no more.
pub(super) type Told = Result<Value, Failure>;

/// What others know of a session.
pub(super) struct Session {
    pub(super) client: Arc<str>,
    pub(super) name: Option<String>,
    pub(super) process: Option<u32>,
    pub(super) tickets: mpsc::Sender<Ticket>,
    pub(super) facts: Mutex<Facts>,
    pub(super) task: Mutex<Option<AbortHandle>>,
}

/// What changes.
pub(super) struct Facts {
    pub(super) state: State,
    /// Of each turn of the conversation its digest.
    pub(super) known: Vec<u64>,
    pub(super) setup: u64,
    /// The CLI's own name of the conversation.
    pub(super) id: Option<String>,
    pub(super) since: Instant,
}

/// What a session does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Answers, or is about to.
    Busy,
    /// Could go on.
    Idle,
    /// The client runs these calls of its tools.
    Waiting(Vec<String>),
    /// Is no more.
    Ended,
}

/// One request.
pub(super) struct Ticket {
    pub(super) conversation: Arc<Conversation>,
    /// What is told to the CLI, in order.
    pub(super) steps: VecDeque<Step>,
    /// Results of the client's tools, for calls that wait.
    pub(super) results: Vec<Value>,
    /// The digests of the conversation up to the answer.
    pub(super) base: Vec<u64>,
    pub(super) out: mpsc::Sender<Told>,
}

/// A part of telling.
pub(super) enum Step {
    Say(Value),
    /// Until the CLI answers this request of ours.
    Response(String),
    /// Until the CLI has put what it was told into the conversation.
    Put,
}

impl Ticket {
    /// A channel for a ticket.
    pub(super) fn channel() -> (mpsc::Sender<Told>, mpsc::Receiver<Told>) {
        mpsc::channel(EVENTS)
    }
}

impl Conversation {
    /// The turns from `first` on, as steps.
    pub(super) fn steps(&self, first: usize) -> VecDeque<Step> {
        let mut steps = VecDeque::new();
        let last = self.turns.len().saturating_sub(1);
        for (place, turn) in self.turns.iter().enumerate().skip(first) {
            let content = Value::Array(turn.content.clone());
            if turn.assistant {
                steps.push_back(Step::Say(protocol::assistant(&content)));
                continue;
            }
            steps.push_back(Step::Say(protocol::user(&content, place == last)));
            if place != last {
                steps.push_back(Step::Put);
            }
        }
        steps
    }

    /// All of it for a fresh process.
    pub(super) fn opening(&self, first: usize, patience: Duration) -> VecDeque<Step> {
        let (setup, thinking) = ("setup".to_owned(), "thinking".to_owned());
        let patience = patience.as_secs() + 60;
        let mut steps = VecDeque::from([
            Step::Say(protocol::initialize(&setup, &self.system, !self.tools.is_empty(), patience)),
            Step::Response(setup),
            Step::Say(protocol::thinking(&thinking, self.thinking)),
            Step::Response(thinking),
        ]);
        steps.extend(self.steps(first));
        steps
    }
}

/// The task.
pub(super) struct Actor {
    session: Arc<Session>,
    pool: Arc<Pool>,
    process: Process,
    tickets: mpsc::Receiver<Ticket>,
    /// Held as long as the process lives.
    _permit: OwnedSemaphorePermit,
    active: Option<Active>,
    tools: Vec<Value>,
    /// Calls that the CLI waits for, by the tool's id: its request, and the message in that.
    calls: HashMap<String, (String, Value)>,
    /// Results that came before the CLI asked for them.
    results: HashMap<String, Value>,
    asking: JoinSet<Decided>,
    asked: HashMap<String, AbortHandle>,
    decided: HashMap<String, Decision>,
    born: Instant,
    heard: Instant,
    garbage: u32,
    /// Dollars so far.
    cost: f64,
}

/// The request that is being answered.
struct Active {
    conversation: Arc<Conversation>,
    steps: VecDeque<Step>,
    base: Vec<u64>,
    out: mpsc::Sender<Told>,
    render: Render,
    interrupted: Option<Instant>,
    sent: Instant,
}

/// A decision about a tool, and who asked for it.
struct Decided {
    request: String,
    tool_use_id: String,
    hook: bool,
    input: Value,
    decision: Decision,
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
                Some(decided) => self.tell_decision(decided).await.map(|()| true),
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

    async fn say(&self, line: &Value) -> Result<(), Failure> {
        self.process.send(line).await.map_err(|error| failure::died(error.to_string()))
    }

    async fn begin(&mut self, ticket: Ticket) -> Result<bool, Failure> {
        let Ticket { conversation, steps, results, base, out } = ticket;
        let config = &self.pool.config;
        let render = Render::new(config.show_thinking, config.show_tools);
        self.tools.clone_from(&conversation.tools);
        let now = Instant::now();
        self.heard = now;
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
        let calls = active.render.stream(event);
        active.flush().await;
        let Some(calls) = calls.filter(|_| active.interrupted.is_none()) else { return Ok(true) };
        let known = active.known();
        self.active = None;
        self.rest(State::Waiting(calls), known);
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
        active.flush().await;
        let known = active.known();
        self.active = None;
        Ok(self.keep(known))
    }

    /// After a turn: whether the process is kept for the next.
    fn keep(&mut self, known: Vec<u64>) -> bool {
        let kept = self.session.name.is_some()
            && !self.pool.crowded()
            && self.born.elapsed() < self.pool.config.session_ttl;
        self.rest(if kept { State::Idle } else { State::Ended }, known);
        kept
    }

    fn rest(&self, state: State, known: Vec<u64>) {
        let mut facts = self.session.facts.lock();
        facts.state = state;
        facts.known = known;
        facts.since = Instant::now();
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

    async fn control(&mut self, id: String, mut request: Value) -> Result<(), Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match request["subtype"].as_str().unwrap_or_default() {
            "mcp_message" if request["server_name"] == protocol::SERVER => {
                match mcp::ask(&request["message"], &self.tools) {
                    mcp::Asked::Answer(answer) => self.say(&protocol::answer(&id, answer)).await,
                    mcp::Asked::Call { tool_use_id, id: message } => {
                        if let Some(block) = self.results.remove(&tool_use_id) {
                            return self.say(&protocol::answer(&id, mcp::called(&message, &block))).await;
                        }
                        if self.calls.len() < REMEMBERED {
                            self.calls.insert(tool_use_id, (id, message));
                        }
                        Ok(())
                    }
                }
            }
            "can_use_tool" => {
                let (tool, call) = (text(&request["tool_name"]), text(&request["tool_use_id"]));
                self.ask(id, tool, call, protocol::take(&mut request, "input"), false).await
            }
            "hook_callback" => {
                let mut input = protocol::take(&mut request, "input");
                let (tool, call) = (text(&input["tool_name"]), text(&input["tool_use_id"]));
                let arguments = protocol::take(&mut input, "tool_input");
                self.ask(id, tool, call, arguments, true).await
            }
            other => self.say(&protocol::refuse(&id, &format!("`{other}` is not known here"))).await,
        }
    }

    /// Lets somebody decide about a tool, unless that is clear. The client's tools run at the client.
    async fn ask(
        &mut self,
        request: String,
        tool: String,
        call: String,
        input: Value,
        hook: bool,
    ) -> Result<(), Failure> {
        let decided =
            Decided { request, tool_use_id: call, hook, input, decision: Decision::Allow { input: None } };
        if mcp::outer_name(&tool).is_some() {
            return self.tell_decision(decided).await;
        }
        if let Some(decision) = self.decided.get(&decided.tool_use_id).cloned() {
            return self.tell_decision(Decided { decision, ..decided }).await;
        }
        if self.asking.len() >= REMEMBERED {
            let decision = Decision::deny("too many tools wait for a decision");
            return self.tell_decision(Decided { decision, ..decided }).await;
        }
        let session = match (&self.session.name, &self.session.facts.lock().id) {
            (Some(name), _) => name.clone(),
            (None, id) => id.clone().unwrap_or_default(),
        };
        let client = self.session.client.to_string();
        let ask = Ask { tool, input: decided.input.clone(), session, client };
        let approver = self.pool.approver.clone();
        let request = decided.request.clone();
        let task = self.asking.spawn(async move {
            let decision = approver.check(&ask).await;
            Decided { decision, ..decided }
        });
        self.asked.insert(request, task);
        Ok(())
    }

    async fn tell_decision(&mut self, decided: Decided) -> Result<(), Failure> {
        let Decided { request, tool_use_id, hook, input, decision } = decided;
        self.asked.remove(&request);
        let answer = match (hook, &decision) {
            (true, Decision::Allow { input: edited }) => {
                let mut told = json!({"hookEventName": "PreToolUse", "permissionDecision": "allow"});
                if let Some(edited) = edited {
                    told["updatedInput"] = edited.clone();
                }
                json!({ "hookSpecificOutput": told })
            }
            (true, Decision::Deny { message }) => json!({"hookSpecificOutput": {
                "hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": message,
            }}),
            (false, Decision::Allow { input: edited }) => {
                json!({"behavior": "allow", "updatedInput": edited.clone().unwrap_or(input)})
            }
            (false, Decision::Deny { message }) => json!({"behavior": "deny", "message": message}),
        };
        if !tool_use_id.is_empty() && self.decided.len() < REMEMBERED {
            self.decided.insert(tool_use_id, decision);
        }
        self.say(&protocol::answer(&request, answer)).await
    }
}

impl Active {
    /// Sends what is ready. A client that has left is noticed elsewhere.
    async fn flush(&mut self) {
        for event in self.render.take() {
            self.sent = Instant::now();
            if self.interrupted.is_some() || self.out.send(Ok(event)).await.is_err() {
                break;
            }
        }
    }

    /// The digests of the conversation with the answer.
    fn known(&self) -> Vec<u64> {
        [&self.base[..], &[self.render.told()]].concat()
    }
}
