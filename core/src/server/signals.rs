//! SIGTERM and SIGINT: the first one drains, the second one ends now.

use super::Drain;
use crate::error::{Error, Result};

/// Listens for the signals; must be called inside a tokio runtime. The future is done at the first
/// signal, and meanwhile a task waits for the second.
pub fn signals(drain: Drain) -> Result<impl Future<Output = ()> + Send> {
    let mut first = Signals::new()?;
    Ok(async move {
        let name = first.next().await;
        tracing::info!(
            signal = name,
            connections = drain.connections(),
            "draining; a second signal ends now"
        );
        drain.begin();
        tokio::spawn(async move {
            let name = first.next().await;
            tracing::warn!(signal = name, connections = drain.connections(), "ending now");
            drain.now();
        });
    })
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| Error::internal(format!("cannot listen for signals: {error}")))
        };
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self> {
        Ok(Signals)
    }

    async fn next(&mut self) -> &'static str {
        // Without a console there is no ctrl-c to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "ctrl-c"
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::server::Phase;

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_ends() {
        let drain = Drain::default();
        let first = signals(drain.clone()).expect("signals");
        let kill = || {
            let sent = Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
            assert!(sent.expect("`kill` runs").success());
        };
        kill();
        first.await;
        assert_eq!(drain.phase(), Phase::Draining);
        kill();
        drain.reached(Phase::Now).await;
    }
}
