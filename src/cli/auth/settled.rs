//! Runs what changes a stored login. A server takes a refresh token or a code once: an answer that is on its way when
//! somebody ends the command is awaited and stored first.

use std::time::Duration;

use ccproxy_providers::keeper::Keeper;

use crate::cli::Failure;
use crate::cli::output::Output;

/// How long an answer that is on its way is awaited: longer than a server has for tokens and then for a profile.
const SETTLE: Duration = Duration::from_secs(60);

/// Runs a command to its end, and until the tokens that it asked for are stored. The first SIGINT, SIGTERM or SIGHUP
/// lets it do no more than that; the second one ends it at once.
pub(super) fn block_on<T>(
    keeper: &Keeper,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let done = runtime.block_on(async {
        let mut signals = Signals::new().map_err(cannot)?;
        let mut future = std::pin::pin!(future);
        let number = tokio::select! {
            biased;
            done = &mut future => return stored(keeper, &mut signals, done).await,
            number = signals.next() => number,
        };
        if keeper.is_busy() {
            Output::standard().note(
                "waits for the answer that is on its way, so that no token is lost; another signal ends at once",
            );
            // The command goes on meanwhile: what it awaits is stored by it.
            tokio::select! {
                biased;
                _ = signals.next() => {}
                _ = &mut future => {}
                _ = keeper.settle(SETTLE) => {}
            }
        }
        Err(Failure::Signal(number))
    });
    // Nobody waits for work that a second signal broke off, nor for a person who types.
    runtime.shutdown_background();
    done
}

/// A command that has ended may have tokens that the disk did not take yet.
async fn stored<T>(keeper: &Keeper, signals: &mut Signals, done: Result<T, Failure>) -> Result<T, Failure> {
    if !keeper.is_busy() {
        return done;
    }
    Output::standard().note("waits for the disk to take the new tokens");
    tokio::select! {
        biased;
        number = signals.next() => Err(Failure::Signal(number)),
        settled = keeper.settle(SETTLE) => match settled {
            true => done,
            false => Err(Failure::new("the disk does not take the new tokens, and they are lost")),
        },
    }
}

/// The signals that ask for the end.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        let Signals([interrupt, terminate, hang_up]) = self;
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
            _ = hang_up.recv() => 1,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals)
    }

    async fn next(&mut self) -> u8 {
        // Without a console there is no ctrl-c to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}
