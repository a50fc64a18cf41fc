use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::step::Step;

fn now<T>(step: Step<'_, T>) -> T {
    match step {
        Step::Ready(value) => value,
        Step::Later(_) => panic!("the embedded store never waits"),
    }
}

fn small() -> (Arc<Clock>, Arc<Space>) {
    let clock = Arc::new(Clock::default());
    let quota = Quota { keys: 10, bytes: 4096, key: 8, value: 1000 };
    (clock.clone(), Store::new(quota, clock).space("probe"))
}

fn text(text: &'static str) -> Stored {
    Stored::json(text)
}

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn spaces_are_apart_and_stay() {
    let store = Store::default();
    now(store.space("a").set("k", text("1"), None)).expect("room");
    assert_eq!(now(store.space("b").get("k")), None);
    assert_eq!(now(store.space("a").get("k")), Some(Stored::Integer(1)));
    assert_eq!(store.usage()["a"].0, 1);
}

#[test]
fn values_expire_and_can_be_prolonged() {
    let (clock, space) = small();
    now(space.set("k", text("\"v\""), Some(SECOND * 5))).expect("room");
    clock.advance(SECOND * 4);
    assert!(now(space.ttl("k")).flatten().is_some_and(|left| left <= SECOND));
    assert!(now(space.expire("k", Some(SECOND * 10))));
    clock.advance(SECOND * 9);
    assert!(now(space.get("k")).is_some());
    clock.advance(SECOND * 2);
    assert_eq!(now(space.get("k")), None);
    assert_eq!(now(space.ttl("k")), None);
    assert!(!now(space.expire("k", None)));
    assert!(!now(space.delete("k")), "an expired key is not there");
    now(space.set("k", text("2"), None)).expect("room");
    assert_eq!(now(space.ttl("k")), Some(None));
}

#[test]
fn counters_are_exact_and_keep_their_window() {
    let (clock, space) = small();
    assert_eq!(now(space.incr("n", 2, Some(SECOND))), Ok(2));
    clock.advance(SECOND / 2);
    assert_eq!(
        now(space.incr("n", i64::from(u32::MAX) << 22, Some(SECOND * 9))),
        Ok((i64::from(u32::MAX) << 22) + 2)
    );
    clock.advance(SECOND);
    assert_eq!(now(space.incr("n", 1, None)), Ok(1), "the window ran from the first count");
    now(space.set("n", Stored::Integer(i64::MAX), None)).expect("room");
    assert_eq!(now(space.incr("n", 1, None)), Err(Refused::Overflow));
    assert_eq!(now(space.get("n")), Some(Stored::Integer(i64::MAX)), "a refused count changes nothing");
    now(space.set("s", text("\"x\""), None)).expect("room");
    assert_eq!(now(space.incr("s", 1, None)), Err(Refused::NotInteger));
}

#[test]
fn add_and_compare_and_set_see_what_is_there() {
    let (clock, space) = small();
    assert_eq!(now(space.add("k", text("1"), Some(SECOND))), Ok(true));
    assert_eq!(now(space.add("k", text("2"), None)), Ok(false));
    assert_eq!(now(space.compare_and_set("k", Some(&text("2")), text("3"), None)), Ok(false));
    assert_eq!(now(space.compare_and_set("k", None, text("3"), None)), Ok(false));
    assert_eq!(now(space.compare_and_set("k", Some(&text("1")), text("3"), None)), Ok(true));
    clock.advance(SECOND * 2);
    assert_eq!(now(space.get("k")), Some(text("3")));
    assert_eq!(now(space.compare_and_set("other", None, text("[]"), None)), Ok(true));
}

#[test]
fn the_quota_holds_and_expired_keys_make_room() {
    let (clock, space) = small();
    assert_eq!(now(space.set("", text("1"), None)), Err(Refused::Key(8)));
    assert_eq!(now(space.set("too long!", text("1"), None)), Err(Refused::Key(8)));
    let large = Stored::json(Bytes::from(vec![b'x'; 1001]));
    assert_eq!(now(space.set("k", large, None)), Err(Refused::Value(1000)));
    for number in 0..10 {
        now(space.set(&format!("k{number}"), text("1"), Some(SECOND))).expect("room");
    }
    assert_eq!(now(space.set("one", text("1"), None)), Err(Refused::Full));
    now(space.set("k1", text("2"), Some(SECOND))).expect("a key that is there needs no room");
    clock.advance(SECOND * 2);
    now(space.set("one", text("1"), None)).expect("the others have expired");
    assert_eq!(space.usage().0, 1);
    let big = || Stored::json(Bytes::from(vec![b'x'; 900]));
    let stored = (0..9).filter(|number| now(space.set(&format!("b{number}"), big(), None)).is_ok()).count();
    assert_eq!(stored, 3, "4096 bytes hold three such values beside `one`");
    assert!(
        now(space.delete("b0"))
            && now(space.delete("b1"))
            && now(space.delete("b2"))
            && now(space.delete("one"))
    );
    assert_eq!(space.usage(), (0, 0));
}

#[test]
fn keys_are_listed_sorted_and_bounded() {
    let (clock, space) = small();
    for key in ["b:2", "a:1", "b:1", "b:3"] {
        now(space.set(key, text("1"), (key == "b:3").then_some(SECOND))).expect("room");
    }
    clock.advance(SECOND * 2);
    assert_eq!(now(space.keys("b:", 10)), ["b:1", "b:2"]);
    assert_eq!(now(space.keys("", 2)), ["a:1", "b:1"]);
    assert_eq!(space.sweep(), 1);
}

#[test]
fn counts_from_many_threads_add_up() {
    let space = Store::default().space("probe");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    now(space.incr("n", 1, None)).expect("room");
                    let _ = now(space.set("x", text("[1]"), None));
                    now(space.delete("x"));
                }
            });
        }
    });
    assert_eq!(now(space.get("n")), Some(Stored::Integer(4000)));
    assert_eq!(space.usage().0, 1);
}

#[tokio::test]
async fn a_wait_ends_by_notification_or_deadline() {
    let space = Store::default().space("probe");
    let signals = space.signals().clone();
    let waiting = |signals: Arc<Signals>| tokio::spawn(async move { signals.wait("k", SECOND * 9).await });
    let (one, two) = (waiting(signals.clone()), waiting(signals.clone()));
    tokio::task::yield_now().await;
    assert_eq!(signals.notify("k", &Bytes::from_static(b"1"), SECOND), Ok(2));
    assert_eq!(one.await.expect("no panic"), Ok(Some(Bytes::from_static(b"1"))));
    assert_eq!(two.await.expect("no panic"), Ok(Some(Bytes::from_static(b"1"))));
    assert_eq!(signals.wait("k", MOMENT).await, Ok(None), "whoever was woken took it");
}

#[tokio::test]
async fn a_notification_is_kept_for_a_while_and_taken_once() {
    let clock = Arc::new(Clock::default());
    let space = Store::new(Quota::default(), clock.clone()).space("probe");
    let signals = space.signals();
    let value = Bytes::from_static(b"{}");
    assert_eq!(signals.notify("k", &value, SECOND), Ok(0));
    assert_eq!(signals.wait("k", SECOND).await, Ok(Some(value.clone())));
    assert_eq!(signals.wait("k", MOMENT).await, Ok(None));
    assert_eq!(signals.notify("k", &value, SECOND), Ok(0));
    clock.advance(SECOND * 2);
    assert_eq!(signals.wait("k", MOMENT).await, Ok(None), "it was kept too long");
    assert_eq!(signals.notify("k", &value, Duration::ZERO), Ok(0));
    assert_eq!(signals.wait("k", MOMENT).await, Ok(None), "it was not to be kept");
}

#[tokio::test]
async fn cancelled_waits_give_their_place_back() {
    let space = Store::default().space("probe");
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        let mut waits = Vec::new();
        for _ in 0..1024 {
            waits.push(Box::pin(space.signals().wait("k", SECOND)));
        }
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(space.signals().wait("k", SECOND).await, Err(Full::Waiters));
    }
    assert_eq!(space.signals().notify("k", &Bytes::new(), Duration::ZERO), Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_clock_with_a_date_of_its_own_goes_on_as_time_passes() {
    let date = std::time::SystemTime::UNIX_EPOCH + SECOND * 1_767_225_600;
    let clock = Arc::new(Clock::beginning_at(date));
    let space = Store::new(Quota::default(), clock.clone()).space("probe");
    now(space.set("k", text("1"), Some(SECOND * 5))).expect("room");
    assert!(clock.is_set() && !Clock::default().is_set());
    tokio::time::sleep(SECOND * 4).await;
    assert_eq!(clock.date(), date + SECOND * 4);
    assert!(now(space.get("k")).is_some());
    tokio::time::sleep(SECOND).await;
    assert_eq!(now(space.get("k")), None);
}
