//! Tells a stream's signs of life from its content: pings must not reset the data clock.

use super::{field, lines};

/// Whether the bytes hold nothing but comments, blank lines and `ping` events. Bytes cut inside an event
/// count as content: a wrong "no" resets a clock once, a wrong "yes" would end a living stream.
pub fn only_keepalive(bytes: &[u8]) -> bool {
    let mut ping = false;
    lines(bytes).all(|line| match field(line) {
        _ if line.is_empty() => {
            ping = false;
            true
        }
        (b"", _) => true,
        (b"event", name) => {
            ping = name == b"ping";
            ping
        }
        (b"data", _) => ping,
        (b"id" | b"retry", _) => true,
        _ => false,
    })
}
