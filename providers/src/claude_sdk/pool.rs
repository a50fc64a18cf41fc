//! The processes of the CLI: started when they are needed, kept for their sessions, never more than the settings say.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ccproxy_core::Result;
use ccproxy_core::approval::Approver;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::actor::Actor;
use super::command::{Command, Shape};
use super::config::Config;
use super::failure::{self, Failure};
use super::history::Conversation;
use super::process::Process;
use super::reservations::Reservations;
use super::resumable::{Ended, Key, Resumable};
use super::session::{Facts, More, Session, State, Ticket, Told};

/// How long changes are collected before they are written down.
const WRITE: Duration = Duration::from_millis(200);

/// All of them.
pub(super) struct Pool {
    pub(super) config: Config,
    pub(super) command: Arc<Command>,
    pub(super) approver: Arc<Approver>,
    pub(super) sessions: Mutex<Vec<Arc<Session>>>,
    pub(super) warm: Mutex<Vec<Warm>>,
    /// Sessions that a request is being given to: their processes may have to wait for a place.
    starting: Reservations,
    resumable: Arc<Resumable>,
    writing: AtomicBool,
    permits: Arc<Semaphore>,
    pub(super) queued: AtomicUsize,
    pub(super) started: AtomicU64,
    pub(super) recovered: AtomicU64,
    models: Mutex<Option<Value>>,
}

/// A process that was told nothing yet.
pub(super) struct Warm {
    shape: Shape,
    pub(super) process: Process,
    permit: OwnedSemaphorePermit,
    since: Instant,
}

/// A session that will answer, and with what it goes on.
struct Claim {
    session: Arc<Session>,
    ticket: Ticket,
    told: mpsc::Receiver<Told>,
}

/// An answer that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) first: Value,
    pub(super) rest: mpsc::Receiver<Told>,
}

impl Pool {
    pub(super) fn new(
        config: Config,
        command: Command,
        approver: Approver,
        resumable: Resumable,
    ) -> Arc<Self> {
        Arc::new(Pool {
            permits: Arc::new(Semaphore::new(config.max_sessions)),
            config,
            command: Arc::new(command),
            approver: Arc::new(approver),
            sessions: Mutex::default(),
            warm: Mutex::default(),
            starting: Reservations::default(),
            resumable: Arc::new(resumable),
            writing: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
            models: Mutex::default(),
        })
    }

    /// Has a conversation answered: by a process that knows its beginning, or by a fresh one that is told all of it.
    pub(super) async fn ask(
        self: &Arc<Self>,
        client: &Arc<str>,
        name: Option<&str>,
        conversation: Arc<Conversation>,
    ) -> Result<Begun> {
        let Some(program) = self.command.program() else { return Err(failure::missing(self.command.name())) };
        let key = name.map(|name| (client.clone(), name.to_owned()));
        let _reserved = key.map(|key| self.starting.take(key)).transpose()?;
        let mut answer = match self.claim(client, name, &conversation)? {
            Some(Claim { session, ticket, told }) => match session.tickets.send(ticket).await {
                Ok(()) => begun(told).await,
                Err(_) => Err(failure::died(String::new())),
            },
            None => self.fresh(&program, client, name, &conversation).await,
        };
        if matches!(&answer, Err(failure) if failure.died) {
            self.recovered.fetch_add(1, Ordering::Relaxed);
            answer = self.fresh(&program, client, name, &conversation).await;
        }
        if answer.is_ok() {
            self.warm_up(&program, &conversation.model);
        }
        answer.map_err(|failure| failure.error)
    }

    /// A session that can go on with this conversation, claimed.
    fn claim(
        &self,
        client: &Arc<str>,
        name: Option<&str>,
        conversation: &Arc<Conversation>,
    ) -> Result<Option<Claim>> {
        let (setup, digests) = (conversation.setup(), conversation.digests());
        let sessions: Vec<Arc<Session>> = self.sessions.lock().clone();
        for session in sessions {
            if session.client != *client || session.name.as_deref() != name {
                continue;
            }
            let mut facts = session.facts.lock();
            match (&facts.state, name) {
                (State::Busy, Some(name)) => return Err(failure::busy(name)),
                (State::Busy, None) | (State::Ended, _) => continue,
                (State::Idle | State::Waiting(_), _) => {}
            }
            let Some(more) = facts.go_on(conversation, setup, &digests) else {
                if name.is_some() {
                    self.end(&session, &mut facts);
                }
                continue;
            };
            facts.state = State::Busy;
            facts.since = Instant::now();
            drop(facts);
            let (ticket, told) = Ticket::new(conversation.clone(), more);
            return Ok(Some(Claim { session, ticket, told }));
        }
        Ok(None)
    }

    /// Ends a session whose conversation is another one now.
    fn end(&self, session: &Session, facts: &mut Facts) {
        facts.state = State::Ended;
        facts.id = None;
        if let Some(task) = session.task.lock().take() {
            task.abort();
        }
        self.sessions.lock().retain(|other| !std::ptr::eq(&**other, session));
    }

    async fn fresh(
        self: &Arc<Self>,
        program: &Path,
        client: &Arc<str>,
        name: Option<&str>,
        conversation: &Arc<Conversation>,
    ) -> std::result::Result<Begun, Failure> {
        let (setup, digests) = (conversation.setup(), conversation.digests());
        let key = name.map(|name| (client.clone(), name.to_owned()));
        let before = key.as_ref().and_then(|key| self.resumable.get(key));
        let before = before.filter(|before| before.setup == setup && conversation.turns.len() == 1);
        let base = match &before {
            Some(before) => [&before.known[..], &digests].concat(),
            None => digests,
        };
        let shape = Shape {
            model: conversation.model.clone(),
            keep: name.is_some(),
            resume: before.map(|before| before.id),
        };
        let (process, permit) = self.process(program, shape).await?;
        // Not before: one that gets no process can be resumed by the next request.
        if let Some(key) = &key {
            self.resumable.remove(key);
        }
        let (tickets, waiting) = mpsc::channel(1);
        let facts = Facts { state: State::Busy, known: Vec::new(), setup, id: None, since: Instant::now() };
        let session = Arc::new(Session {
            client: client.clone(),
            name: name.map(str::to_owned),
            process: process.id(),
            tickets,
            facts: Mutex::new(facts),
            task: Mutex::new(None),
        });
        let steps = conversation.opening(self.config.approval_timeout);
        let (ticket, told) = Ticket::new(conversation.clone(), More { steps, results: Vec::new(), base });
        // There is room for one.
        let _ = session.tickets.try_send(ticket);
        self.sessions.lock().push(session.clone());
        let actor = Actor::new(session.clone(), self.clone(), process, waiting, permit);
        *session.task.lock() = Some(tokio::spawn(actor.run()).abort_handle());
        begun(told).await
    }

    /// A process of this shape, and its place among the others.
    async fn process(&self, program: &Path, shape: Shape) -> Result<(Process, OwnedSemaphorePermit)> {
        let ready = {
            let mut warm = self.warm.lock();
            warm.retain_mut(|warm| !warm.process.is_over());
            warm.iter().position(|warm| warm.shape == shape).map(|place| warm.swap_remove(place))
        };
        if let Some(Warm { process, permit, .. }) = ready {
            return Ok((process, permit));
        }
        let permit = self.permit().await?;
        let command = self
            .command
            .conversation(program, &shape)
            .map_err(|error| failure::unstartable(&self.command, &error))?;
        let guarded = self.command.is_guarded();
        let process =
            Process::spawn(command, guarded).map_err(|error| failure::unstartable(&self.command, &error))?;
        self.started.fetch_add(1, Ordering::Relaxed);
        Ok((process, permit))
    }

    /// A place for a process. Those that do nothing make room.
    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        if self.queued.fetch_add(1, Ordering::Relaxed) >= self.config.max_queue {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(failure::full());
        }
        let _queued = Queued(&self.queued);
        self.make_room();
        match tokio::time::timeout(self.config.queue_timeout, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(failure::full()),
        }
    }

    /// Ends a process that was told nothing, or the session that has been idle longest.
    fn make_room(&self) {
        if self.warm.lock().pop().is_some() {
            return;
        }
        let sessions: Vec<Arc<Session>> = self.sessions.lock().clone();
        let idle = sessions.iter().filter(|session| session.facts.lock().state == State::Idle);
        if let Some(oldest) = idle.min_by_key(|session| session.facts.lock().since) {
            let mut facts = oldest.facts.lock();
            if facts.state == State::Idle {
                self.remember(oldest, &facts);
                self.end(oldest, &mut facts);
            }
        }
    }

    /// Whether somebody waits for a process.
    pub(super) fn crowded(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    /// A session is over.
    pub(super) fn forget(&self, session: &Arc<Session>) {
        let mut facts = session.facts.lock();
        self.remember(session, &facts);
        facts.state = State::Ended;
        self.sessions.lock().retain(|other| !Arc::ptr_eq(other, session));
    }

    /// Keeps what it takes to resume a session.
    fn remember(&self, session: &Session, facts: &Facts) {
        if matches!(facts.state, State::Busy | State::Waiting(_)) {
            return;
        }
        if let Some((key, ended)) = left(session, facts) {
            self.resumable.put(key, ended);
        }
    }

    /// Has what it takes to resume sessions written down soon: a turn has ended.
    pub(super) fn save_soon(self: &Arc<Self>) {
        if self.writing.swap(true, Ordering::AcqRel) {
            return;
        }
        let pool = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(WRITE).await;
            pool.writing.store(false, Ordering::Release);
            let _ = tokio::task::spawn_blocking(move || pool.save()).await;
        });
    }

    fn save(&self) {
        self.resumable.save(|| {
            let sessions: Vec<Arc<Session>> = self.sessions.lock().clone();
            // A turn that is under way is lost with the proxy, what was before it is not.
            let alive = sessions.iter().filter_map(|session| {
                let facts = session.facts.lock();
                left(session, &facts).filter(|_| matches!(facts.state, State::Idle | State::Busy))
            });
            alive.collect()
        });
    }

    /// Starts processes ahead, for requests like the last one.
    fn warm_up(&self, program: &Path, model: &str) {
        let shape = Shape { model: model.to_owned(), ..Shape::default() };
        let mut warm = self.warm.lock();
        warm.retain_mut(|warm| warm.shape == shape && !warm.process.is_over());
        while warm.len() < self.config.warm {
            let Ok(permit) = self.permits.clone().try_acquire_owned() else { return };
            let guarded = self.command.is_guarded();
            let started = self
                .command
                .conversation(program, &shape)
                .and_then(|command| Process::spawn(command, guarded));
            let Ok(process) = started else { return };
            self.started.fetch_add(1, Ordering::Relaxed);
            warm.push(Warm { shape: shape.clone(), process, permit, since: Instant::now() });
        }
    }

    /// Ends processes that were started ahead and not needed.
    pub(super) fn sweep(&self) {
        let limit = self.config.idle_timeout;
        self.warm.lock().retain_mut(|warm| warm.since.elapsed() < limit && !warm.process.is_over());
    }

    /// Ends everything. What it takes to resume sessions is written down first.
    pub(super) fn shutdown(&self) {
        self.save();
        self.warm.lock().clear();
        let sessions = std::mem::take(&mut *self.sessions.lock());
        for session in sessions {
            session.facts.lock().state = State::Ended;
            if let Some(task) = session.task.lock().take() {
                task.abort();
            }
        }
    }

    /// The CLI told which models it has.
    pub(super) fn learn_models(&self, models: &Value) {
        if models.as_array().is_some_and(|models| !models.is_empty()) {
            *self.models.lock() = Some(models.clone());
        }
    }

    /// As the CLI told them.
    pub(super) fn models(&self) -> Option<Value> {
        self.models.lock().clone()
    }
}

/// One more in the queue, until it is dropped.
struct Queued<'q>(&'q AtomicUsize);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is left of a session with a name, were it to end now.
fn left(session: &Session, facts: &Facts) -> Option<(Key, Ended)> {
    let (name, id) = (session.name.clone()?, facts.id.clone()?);
    let ended =
        Ended { id, setup: facts.setup, known: facts.known.clone(), since: ccproxy_core::unix_time::now() };
    Some(((session.client.clone(), name), ended))
}

/// Waits for the first event.
async fn begun(mut told: mpsc::Receiver<Told>) -> std::result::Result<Begun, Failure> {
    match told.recv().await {
        Some(Ok(first)) => Ok(Begun { first, rest: told }),
        Some(Err(failure)) => Err(failure),
        None => Err(failure::died(String::new())),
    }
}
