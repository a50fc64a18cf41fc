//! Open files. A process that has none left can neither accept a client nor reach a provider, so there are
//! never more connections than there are files for.

/// Files for everything else: listeners, logs, stores, clients that are told "full house".
const RESERVE: u64 = 128;
/// Fewer connections than these are worth a word at the start.
const FEW: usize = 1000;
/// A connection and the one to its provider.
const EACH: u64 = 2;

/// How many connections there are files for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Connections that are served.
    pub(super) connections: usize,
    /// Connections that are told "full house" at once.
    pub(super) refusals: usize,
}

/// Raises the limit of open files as far as `connections` need it and the system lets us.
pub(super) fn room(connections: usize) -> Room {
    let limit = limit((connections as u64).saturating_mul(EACH).saturating_add(RESERVE));
    let room = within(limit, connections);
    if room.connections < connections.min(FEW) {
        tracing::warn!(
            open_files = limit,
            connections = room.connections,
            "fewer connections than `server.max_connections`: raise the limit of open files (`ulimit -n`)"
        );
    }
    room
}

fn within(limit: u64, connections: usize) -> Room {
    let reserve = RESERVE.min(limit / 4);
    let most = usize::try_from((limit - reserve) / EACH).unwrap_or(usize::MAX);
    Room { connections: connections.min(most).max(1), refusals: (reserve / 2) as usize }
}

#[cfg(unix)]
fn limit(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let Some(now) = limit.current else { return u64::MAX };
    let higher = limit.maximum.map_or(wanted, |most| wanted.min(most));
    let raised = Rlimit { current: Some(higher), maximum: limit.maximum };
    // Where it is not granted, what there is must do.
    if higher > now && setrlimit(Resource::Nofile, raised).is_ok() { higher } else { now }
}

#[cfg(not(unix))]
fn limit(_: u64) -> u64 {
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_files_for_both_sides_and_some_to_spare() {
        let room = |limit, connections| {
            let Room { connections, refusals } = within(limit, connections);
            (connections, refusals)
        };
        assert_eq!(room(u64::MAX, 10_000), (10_000, 64));
        assert_eq!(room(20_128, 10_000), (10_000, 64));
        assert_eq!(room(1024, 10_000), (448, 64));
        assert_eq!(room(64, 10_000), (24, 8));
        assert_eq!(room(2, 10_000), (1, 0));
        assert_eq!(room(1024, 7), (7, 64));
    }
}
