//! The request that a session is answering.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::history::Conversation;
use super::render::Render;
use super::session::{Step, Told};

/// How far it has come.
pub(super) struct Active {
    pub(super) conversation: Arc<Conversation>,
    /// What the CLI is still to be told.
    pub(super) steps: VecDeque<Step>,
    /// The digests of the conversation up to the answer.
    pub(super) base: Vec<u64>,
    pub(super) out: mpsc::Sender<Told>,
    pub(super) render: Render,
    /// When its client left.
    pub(super) interrupted: Option<Instant>,
    /// When its client heard of us last.
    pub(super) sent: Instant,
}

impl Active {
    /// Sends what is ready. A client that has left is noticed elsewhere.
    pub(super) async fn flush(&mut self) {
        for event in self.render.take() {
            self.sent = Instant::now();
            if self.interrupted.is_some() || self.out.send(Ok(event)).await.is_err() {
                break;
            }
        }
    }

    /// The digests of the conversation with the answer.
    pub(super) fn known(&self) -> Vec<u64> {
        [&self.base[..], &[self.render.told()]].concat()
    }
}
