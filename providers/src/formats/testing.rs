//! What the tests of every format do: judge a stream by its grammar, and watch it at every split.

use bytes::Bytes;
use ccproxy_core::format::{Format, Usage};
use ccproxy_core::sse::{Decoder, Event};

/// The events of a whole stream.
pub(crate) fn events(stream: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::new();
    decoder.feed(Bytes::copy_from_slice(stream));
    let mut events = Vec::new();
    while let Some(event) = decoder.pull().expect("small events") {
        events.push(event);
    }
    assert!(decoder.finish().partial.is_empty(), "the stream ends in the middle of an event");
    events
}

/// Whether the grammar takes the stream, and finds it complete.
pub(crate) fn judge(format: &dyn Format, stream: &[u8]) -> Result<bool, String> {
    let mut grammar = format.grammar();
    for event in events(stream) {
        grammar.accept(&event)?;
    }
    Ok(grammar.complete())
}

/// What a tracker knows after these pieces: complete, at a boundary, usage.
pub(crate) fn track(format: &dyn Format, pieces: &[&[u8]]) -> (bool, bool, Option<Usage>) {
    let mut tracker = format.tracker();
    pieces.iter().for_each(|piece| tracker.feed(piece));
    (tracker.complete(), tracker.at_boundary(), tracker.usage())
}

/// The same answer at every split in two, and byte by byte; and no complete stream a byte earlier.
pub(crate) fn track_everywhere(format: &dyn Format, stream: &[u8]) -> (bool, bool, Option<Usage>) {
    let whole = track(format, &[stream]);
    for cut in 0..=stream.len() {
        assert_eq!(track(format, &[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(track(format, &bytes), whole);
    whole
}
