use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// Feeds a stream in pieces that end at `cuts`, pulling all there is after each.
fn decode(stream: &[u8], cuts: &[usize]) -> (Vec<Event>, Bytes) {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([stream.len()]) {
        decoder.feed(Bytes::copy_from_slice(&stream[from..cut.max(from)]));
        from = cut.max(from);
        while let Some(event) = decoder.pull().expect("below the limit") {
            events.push(event);
        }
    }
    let end = decoder.finish();
    events.extend(end.event);
    (events, end.partial)
}

fn pairs(events: &[Event]) -> Vec<(&str, &str)> {
    let text = |bytes| std::str::from_utf8(bytes).expect("UTF-8");
    events.iter().map(|event| (text(&event.name), text(&event.data))).collect()
}

#[test]
fn every_split_gives_the_same_events() {
    let streams: [&[u8]; 9] = [
        b"event: a\ndata: {\"x\":1}\n\ndata: two\n\n",
        b"event: a\r\ndata: 1\r\n\r\ndata:2\r\n\r\n: c\r\n\r\n",
        b"event: a\rdata: 1\r\rdata: 2\r\r",
        b"data: 1\r\n\ndata: 2\n\r\ndata: 3\r\r\ndata: 4\n\n",
        b"\xef\xbb\xbfdata: bom\n\ndata: \xef\xbb\xbfkept\n\n",
        b"\xef\xbb\xbf\n\ndata\n\n",
        "data: é😀\ndata: zwei\ndata\n\nid: 7\nretry: 10\nfoo: bar\n\n".as_bytes(),
        b"\n\r\n\rdata:  x\n\ndata: [DONE]",
        b"\xef\xbb",
    ];
    for stream in streams {
        let (whole, partial) = decode(stream, &[]);
        let raw: Vec<u8> =
            whole.iter().flat_map(|event| event.raw.to_vec()).chain(partial.to_vec()).collect();
        assert_eq!(raw, stream);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                assert_eq!(
                    decode(stream, &[first, second]),
                    (whole.clone(), partial.clone()),
                    "{stream:?} {first} {second}"
                );
            }
        }
        let each: Vec<usize> = (0..stream.len()).collect();
        assert_eq!(decode(stream, &each), (whole, partial));
    }
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let (events, partial) =
        decode(b"event:a\ndata:1\ndata:  2\ndata\nid: 3\nx: y\n\n: note\n\nevent: b\nevent: c\n\nda", &[]);
    assert_eq!(pairs(&events), [("a", "1\n 2\n"), ("", ""), ("c", "")]);
    assert_eq!(events.iter().map(Event::is_comment).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(&partial[..], b"da");
    assert_eq!(&events[1].raw[..], b": note\n\n");
    let (events, _) = decode(b"\xef\xbb\xbfevent: a\ndata: 1\n\n", &[1, 2]);
    assert_eq!(pairs(&events), [("a", "1")]);
}

#[test]
fn whole_events_are_not_copied() {
    let chunk = Bytes::from_static(b"event: a\ndata: 1\n\ndata: 2\n\n");
    let mut decoder = Decoder::new();
    decoder.feed(chunk.clone());
    let first = decoder.pull().expect("small").expect("an event");
    assert_eq!(first.raw.as_ptr(), chunk.as_ptr());
    assert_eq!(first.data.as_ptr(), chunk[15..].as_ptr());
    assert!(!decoder.at_boundary());
    assert!(decoder.pull().expect("small").is_some());
    assert!(decoder.pull().expect("small").is_none() && decoder.at_boundary());
}

#[test]
fn an_endless_event_is_refused() {
    let mut decoder = Decoder::with_limit(100);
    for _ in 0..10 {
        decoder.feed(Bytes::from_static(b"data: 45"));
        assert!(decoder.pull().expect("below the limit").is_none());
    }
    decoder.feed(Bytes::from(vec![b'x'; 30]));
    assert!(decoder.pull().is_err());
    let mut decoder = Decoder::with_limit(10);
    decoder.feed(Bytes::from_static(b"data: 12345678\n\n"));
    assert!(decoder.pull().is_err());
}

#[test]
fn a_large_event_in_small_pieces_takes_linear_time() {
    let mut decoder = Decoder::new();
    decoder.feed(Bytes::from_static(b"data: "));
    for _ in 0..8192 {
        decoder.feed(Bytes::from(vec![b'x'; 1024]));
        assert!(decoder.pull().expect("below the limit").is_none());
    }
    decoder.feed(Bytes::from_static(b"\n\n"));
    let event = decoder.pull().expect("below the limit").expect("whole");
    assert_eq!(event.data.len(), 8 << 20);
}

#[test]
fn made_events_read_back() {
    let event = Event::new("a\nb", "1\r\n2\r3\n");
    assert_eq!(&event.raw[..], b"event: a\ndata: 1\ndata: 2\ndata: 3\ndata: \n\n");
    assert_eq!(pairs(std::slice::from_ref(&event)), [("a", "1\n2\n3\n")]);
    assert_eq!(decode(&event.raw.clone(), &[]).0, [event]);
}

#[test]
fn signs_of_life_are_told_from_content() {
    for quiet in [
        "",
        ": ok\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "\n\r\n: a\n\nevent:ping\n\n",
        "event: ping\r\ndata: {}\r\n",
    ] {
        assert!(only_keepalive(quiet.as_bytes()), "{quiet:?}");
    }
    for content in [
        "data: x\n\n",
        "event: ping\ndata: {}\n\ndata: 1\n\n",
        "event: message_stop\n\n",
        "\": 1}\n\n",
        "event: pi",
    ] {
        assert!(!only_keepalive(content.as_bytes()), "{content:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_survive_any_split(
        stream in "(data|event|id|:|\u{feff}|x|é|: | |\r\n|\n|\r){0,40}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let (events, partial) = decode(stream, &cuts);
        let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).chain(partial.to_vec()).collect();
        prop_assert_eq!(&raw[..], stream);
        prop_assert_eq!((events, partial), decode(stream, &[]));
    }
}
