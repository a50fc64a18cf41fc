//! What others know of a conversation with one process of the CLI, and how a request is handed to it: as a ticket,
//! one at a time. `actor.rs` has the task that works on them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::failure::Failure;
use super::history::Conversation;
use super::protocol;

/// Events that wait for the client.
const EVENTS: usize = 32;

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
    pub(super) more: More,
    pub(super) out: mpsc::Sender<Told>,
}

/// What is told to a process that may know the beginning already.
#[derive(Debug)]
pub(super) struct More {
    /// Lines, in order.
    pub(super) steps: VecDeque<Step>,
    /// Results of the client's tools, for calls that wait.
    pub(super) results: Vec<Value>,
    /// The digests of the conversation up to the answer.
    pub(super) base: Vec<u64>,
}

/// A part of telling.
#[derive(Debug)]
pub(super) enum Step {
    Say(Value),
    /// Until the CLI answers this request of ours.
    Response(String),
    /// Until the CLI has put what it was told into the conversation.
    Put,
}

impl Ticket {
    /// A ticket, and where its events come out.
    pub(super) fn new(conversation: Arc<Conversation>, more: More) -> (Self, mpsc::Receiver<Told>) {
        let (out, told) = mpsc::channel(EVENTS);
        (Ticket { conversation, more, out }, told)
    }
}

impl Facts {
    /// What a conversation has that the process does not know; `None` when it is another conversation.
    pub(super) fn go_on(&self, conversation: &Conversation, setup: u64, digests: &[u64]) -> Option<More> {
        if self.setup != setup {
            return None;
        }
        let known = self.known.len();
        match &self.state {
            State::Busy | State::Ended => None,
            State::Waiting(calls) => {
                let (_, before) = digests.split_last()?;
                let results = conversation.results()?;
                let fits = before == self.known && answers(results, calls);
                let results = results.to_vec();
                fits.then(|| More { steps: VecDeque::new(), results, base: digests.to_vec() })
            }
            State::Idle if known < digests.len() && digests[..known] == self.known => {
                let steps = conversation.steps(known);
                Some(More { steps, results: Vec::new(), base: digests.to_vec() })
            }
            // Only the next words: the session knows the rest.
            State::Idle if conversation.turns.len() == 1 => {
                let base = [&self.known[..], digests].concat();
                Some(More { steps: conversation.steps(0), results: Vec::new(), base })
            }
            State::Idle => None,
        }
    }
}

/// Whether these results are those of these calls, all of them.
fn answers(results: &[Value], calls: &[String]) -> bool {
    let is_answered = |call: &String| results.iter().any(|block| block["tool_use_id"] == **call);
    results.len() == calls.len() && calls.iter().all(is_answered)
}

impl Conversation {
    /// The turns from `first` on, as steps.
    fn steps(&self, first: usize) -> VecDeque<Step> {
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
    pub(super) fn opening(&self, patience: Duration) -> VecDeque<Step> {
        let (setup, thinking) = ("setup".to_owned(), "thinking".to_owned());
        let patience = patience.as_secs() + 60;
        let mut steps = VecDeque::from([
            Step::Say(protocol::initialize(&setup, &self.system, !self.tools.is_empty(), patience)),
            Step::Response(setup),
            Step::Say(protocol::thinking(&thinking, self.thinking)),
            Step::Response(thinking),
        ]);
        steps.extend(self.steps(0));
        steps
    }
}
