//! Which press is the same one: tables of ids, times, ways and packets over hours and days.

use super::*;
use crate::domain::Arrival;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn start() -> Timestamp {
    "2026-07-01T00:00:00Z".parse().unwrap()
}

fn now(s: i64) -> Now {
    Now { wall: start() + SignedDuration::from_secs(s), mono_ms: s.unsigned_abs() * 1000 }
}

fn press(id: Option<&str>, at: Option<i64>, retained: bool) -> Press {
    Press {
        id: id.map(Into::into),
        at: at.map(|s| start() + SignedDuration::from_secs(s)),
        retained,
        via: "t".into(),
        ..Press::default()
    }
}

#[test]
fn identity_of_a_press() {
    let table = [
        (0, "a", press(Some("1"), None, false), PressVerdict::New),
        (1, "a", press(Some("1"), None, false), PressVerdict::Same),
        (1, "a", press(Some("2"), None, false), PressVerdict::New),
        (1, "b", press(Some("1"), None, false), PressVerdict::New),
        (10, "c", press(None, Some(9), false), PressVerdict::New),
        (60, "c", press(None, Some(9), false), PressVerdict::Same),
        (12, "d", press(None, None, false), PressVerdict::New),
        (14, "d", press(None, None, false), PressVerdict::Same),
        (16, "d", press(None, None, false), PressVerdict::New),
        (100, "e", press(Some("9"), Some(90), true), PressVerdict::New),
        (9999, "e", press(Some("9"), Some(90), true), PressVerdict::Same),
        (9999, "e", press(Some("8"), Some(90), true), PressVerdict::Stale),
        (9999, "e", press(Some("7"), None, true), PressVerdict::Stale),
    ];
    judge(table);
}

fn judge<const N: usize>(table: [(i64, &str, Press, PressVerdict); N]) {
    let mut presses = Presses::default();
    for (n, (at, source, press, expected)) in table.into_iter().enumerate() {
        assert_eq!(presses.judge(now(at), &source.into(), &press), expected, "row {n}");
    }
}

#[test]
fn d2_id_and_time_must_both_agree_and_a_counter_begins_anew_with_a_new_battery() {
    use PressVerdict::{New, Same};
    let of_1970 = |id: &str| Press {
        at: Some("1970-01-01T00:00:07Z".parse().unwrap()),
        ..press(Some(id), None, false)
    };
    judge([
        // The same id 60 h later, with its own time; and the first one sent again after that.
        (0, "a", press(Some("1"), Some(0), false), New),
        (60 * HOUR, "a", press(Some("1"), Some(60 * HOUR), false), New),
        (61 * HOUR, "a", press(Some("1"), Some(0), false), Same),
        (61 * HOUR, "a", press(Some("1"), Some(60 * HOUR), false), Same),
        (62 * HOUR, "a", press(Some("1"), Some(60 * HOUR + 1), false), New),
        // Said again within 3 s, with a time made anew: the same id is the same press.
        (62 * HOUR + 2, "a", press(Some("1"), Some(62 * HOUR), false), Same),
        // Ids without a time: a day, unless the counter has begun anew.
        (63 * HOUR, "b", press(Some("5"), None, false), New),
        (64 * HOUR, "b", press(Some("6"), None, false), New),
        (64 * HOUR + 60, "b", press(Some("5"), None, false), Same),
        // The number of the last one, long after it: switched off and on again meanwhile.
        (64 * HOUR + 600, "b", press(Some("6"), None, false), Same),
        (70 * HOUR, "b", press(Some("6"), None, false), New),
        (71 * HOUR, "b", press(Some("1"), None, false), New),
        (71 * HOUR + 30, "b", press(Some("1"), None, false), Same),
        (72 * HOUR, "b", press(Some("5"), None, false), New),
        (72 * HOUR + 10, "b", press(Some("6"), None, false), New),
        (73 * HOUR, "b", press(Some("5"), None, false), New),
        (98 * HOUR, "b", press(Some("6"), None, false), New),
        // Nobody's counter: a random text.
        (98 * HOUR, "c", press(Some("3ac7e3c4-4401-4b8d"), None, false), New),
        (98 * HOUR + 6 * DAY, "c", press(Some("3ac7e3c4-4401-4b8d"), None, false), Same),
        (98 * HOUR + 8 * DAY, "c", press(Some("3ac7e3c4-4401-4b8d"), None, false), New),
        // A clock that begins at 1970 with each battery is none.
        (98 * HOUR + 8 * DAY, "d", of_1970("1"), New),
        (98 * HOUR + 8 * DAY + 60, "d", of_1970("1"), Same),
        (98 * HOUR + 10 * DAY, "d", of_1970("1"), New),
    ]);
}

#[test]
fn a_packet_that_is_sent_again_is_known_for_a_while_and_dup_alone_proves_nothing() {
    use PressVerdict::{New, Same};
    let sent = |packet: u16, dup: bool, digest: &str, way: &str, id: Option<&str>| Press {
        arrival: Some(Arrival {
            way: way.into(),
            client: "btn".into(),
            packet: Some(packet),
            dup,
            digest: digest.into(),
        }),
        ..press(id, None, false)
    };
    let b = "broker/radio";
    judge([
        (0, "a", sent(7, false, "x", b, None), New),
        (100, "a", sent(7, true, "x", b, None), Same),
        (300, "a", sent(7, true, "x", b, None), Same),
        // Its presses look all the same: later it is a new one, whose first copy never came.
        (301, "a", sent(7, true, "x", b, None), New),
        // With an id of its own: an hour, were the id not known as long.
        (302, "e", sent(7, false, "e", b, Some("e")), New),
        (3_600, "e", sent(7, true, "e", b, Some("e")), Same),
        // Not known any more; another packet, payload or way; and a first copy that never came.
        (3_700, "a", sent(7, true, "x", b, None), New),
        (3_800, "a", sent(8, true, "x", b, None), New),
        (3_900, "a", sent(8, true, "y", b, None), New),
        (4_000, "a", sent(8, true, "y", "intake", None), New),
        // Without DUP the same packet id is another press: ids of packets come round.
        (4_100, "a", sent(8, false, "y", "intake", None), New),
        // Ids of one way are not those of another: nobody uses up the ids of somebody else.
        (5_000, "b", sent(1, false, "1", "intake/other", Some("3")), New),
        (5_010, "b", sent(1, false, "1", "intake/b", Some("3")), New),
        // Within 3 s the same press may come by two ways, with an id or without.
        (5_011, "b", sent(9, false, "1", b, Some("3")), Same),
        (5_012, "b", sent(9, false, "2", b, None), Same),
        // An id that is sent again long after a later one begins nothing anew.
        (6_000, "c", sent(1, false, "1", b, Some("1")), New),
        (6_010, "c", sent(2, false, "2", b, Some("2")), New),
        (30_000, "c", sent(1, true, "1", b, Some("1")), Same),
        (30_001, "c", sent(2, true, "2", b, Some("2")), Same),
    ]);
    // And over a restart.
    let mut presses = Presses::default();
    let taken = sent(7, false, "x", b, None);
    let (source, taken_at) = (SourceId::from("a"), start());
    presses.restore(
        now(200),
        &SeenPress { source: source.clone(), press: taken, taken_at, incident: None },
    );
    assert_eq!(presses.judge(now(201), &source, &sent(7, true, "x", b, None)), Same);
}

#[test]
fn p9_a_clock_that_is_set_makes_no_new_press_and_forgets_none() {
    let press = |id: &str| press(Some(id), None, false);
    let at = |wall: &str, s: u64| Now { wall: wall.parse().unwrap(), mono_ms: s * 1000 };
    let mut presses = Presses::default();
    let boot = at("1970-01-01T00:00:05Z", 5);
    assert_eq!(presses.judge(boot, &"a".into(), &press("1")), PressVerdict::New);
    let set = at("2026-07-01T00:00:00Z", 8);
    assert_eq!(presses.judge(set, &"a".into(), &press("1")), PressVerdict::Same);
    let back = at("2026-06-01T00:00:00Z", 9);
    assert_eq!(presses.judge(back, &"a".into(), &press("1")), PressVerdict::Same);
    // After a restart, from what the journal holds: one noted in 1970, one a day ago and more.
    let mut presses = Presses::default();
    let seen = |taken_at: &str, id: &str| SeenPress {
        source: "a".into(),
        press: press(id),
        taken_at: taken_at.parse().unwrap(),
        incident: None,
    };
    presses.restore(set, &seen("2026-06-29T23:00:00Z", "1"));
    presses.restore(set, &seen("2026-06-30T01:00:00Z", "2"));
    presses.restore(set, &seen("1970-01-01T00:00:05Z", "3"));
    let verdicts = ["1", "2", "3"].map(|id| presses.judge(set, &"a".into(), &press(id)));
    assert_eq!(verdicts, [PressVerdict::New, PressVerdict::Same, PressVerdict::Same]);
}

#[test]
fn p11_memory_is_bounded_and_what_is_over_goes_from_it() {
    let mut presses = Presses::default();
    let few = Remembers::within(1 << 20);
    presses.bound(few);
    for n in 0..50_000 {
        let (source, id) = (format!("b{n}").as_str().into(), n.to_string());
        presses.judge(now(n / 100), &source, &press(Some(&id), None, false));
    }
    assert_eq!(presses.seen.len(), few.marks);
    assert_eq!(presses.order.len(), few.marks);
    assert!(presses.counters.len() <= few.counters, "{}", presses.counters.len());
    // Of the last three seconds, and as many again until it is looked.
    assert!(presses.last.len() <= 1_000, "{}", presses.last.len());
}

/// Plays the store, which knows all presses.
#[derive(Default)]
struct Known(HashMap<Mark, Timestamp>);

impl Known {
    fn judge(
        &mut self,
        presses: &mut Presses,
        s: i64,
        source: &str,
        press: &Press,
    ) -> PressVerdict {
        let (source, now) = (SourceId::from(source), now(s));
        let asked = presses.to_recall(now, &source, press);
        let found = asked.iter().filter_map(|mark| Some((*mark, *self.0.get(mark)?)));
        presses.recall(now, &found.collect::<Vec<_>>());
        let verdict = presses.judge(now, &source, press);
        if verdict == PressVerdict::New {
            let marks = [PressIdentity::of(&source, press), PressIdentity::of_packet(press)];
            self.0.extend(marks.into_iter().flatten().map(|one| (one.mark, now.wall)));
        }
        verdict
    }
}

#[test]
fn d2_a_press_is_the_same_for_seven_days_however_many_came_since() {
    use PressVerdict::{New, Same};
    let mut presses = Presses::default();
    presses.bound(Remembers { marks: 20, ..Remembers::within(0) });
    let mut known = Known::default();
    let timed = |n: i64| press(Some("x"), Some(n), false);
    let random = press(Some("3ac7e3c4-4401-4b8d"), None, false);
    assert!(presses.to_recall(now(0), &"a".into(), &timed(0)).is_empty(), "nothing is forgotten");
    assert_eq!(known.judge(&mut presses, 0, "a", &timed(0)), New);
    assert_eq!(known.judge(&mut presses, 1, "r", &random), New);
    for n in 0..500 {
        let other = format!("other-{n}");
        assert_eq!(known.judge(&mut presses, 10 + n, &other, &timed(n)), New, "{n}");
    }
    assert_eq!(presses.seen.len(), 20);
    for at in [600, HOUR, DAY, 7 * DAY] {
        assert_eq!(known.judge(&mut presses, at, "a", &timed(0)), Same, "after {at} s");
        assert_eq!(known.judge(&mut presses, at, "r", &random), Same, "after {at} s");
        assert_eq!(
            known.judge(&mut presses, at, "a", &timed(1)),
            if at == 600 { New } else { Same }
        );
    }
    assert_eq!(known.judge(&mut presses, 7 * DAY + 2, "r", &random), New);
    assert_eq!(known.judge(&mut presses, 7 * DAY + 2, "a", &timed(0)), New);
}

#[test]
fn d2_of_a_counter_that_was_forgotten_a_number_that_comes_again_is_a_call_too_many_and_none_too_few()
 {
    use PressVerdict::{New, Same};
    let mut presses = Presses::default();
    presses.bound(Remembers { marks: 20, counters: 16, ..Remembers::within(0) });
    let mut known = Known::default();
    let count = |n: &str, dup: bool| by("broker/b", dup, press(Some(n), None, false));
    assert_eq!(known.judge(&mut presses, 0, "a", &count("7", false)), New);
    for n in 0..100 {
        known.judge(&mut presses, 10 + n, &format!("other-{n}"), &count("1", false));
    }
    // As after a restart, which was given the newest presses only.
    presses.counters.clear();
    assert_eq!(known.judge(&mut presses, 500, "a", &count("7", false)), Same, "sent again soon");
    assert_eq!(known.judge(&mut presses, HOUR, "a", &count("7", true)), Same, "it says so");
    assert_eq!(known.judge(&mut presses, HOUR, "a", &count("7", false)), New, "a new battery");
}

/// As a press that came by this way.
fn by(way: &str, dup: bool, press: Press) -> Press {
    let (client, digest) = ("btn".into(), "d".into());
    let arrival = Arrival { way: way.into(), client, packet: Some(1), dup, digest };
    Press { arrival: Some(arrival), ..press }
}

#[test]
fn a_device_that_is_switched_off_and_on_again_calls_with_the_number_of_its_only_press() {
    use PressVerdict::{New, Same};
    let way = "intake/b";
    let count = |n: &str, dup: bool| by(way, dup, press(Some(n), None, false));
    judge([
        (0, "shelly", count("0:1", false), New),
        (600, "shelly", count("0:1", false), Same),
        (601, "shelly", count("0:1", true), Same),
        (601, "shelly", count("0:1", false), New),
        (4_000, "shelly", count("0:1", true), Same),
        (4_001, "shelly", by(way, false, press(Some("0:1"), None, true)), Same),
        (4_002, "shelly", count("0:1", false), New),
        // With a time it says itself which one it is.
        (5_000, "timed", by(way, false, press(Some("1"), Some(5_000), false)), New),
        (9_000, "timed", by(way, false, press(Some("1"), Some(5_000), false)), Same),
    ]);
}

#[test]
fn what_an_older_version_took_is_the_same_press_by_whatever_way_it_is_sent_again() {
    use PressVerdict::{New, Same};
    let mut presses = Presses::default();
    let (at, none) = (Some(10), None);
    let kept = [press(Some("7"), None, false), press(Some("8"), at, false), press(None, at, false)];
    for (n, press) in kept.iter().enumerate() {
        let (source, taken_at) = (format!("b{n}").as_str().into(), start());
        let press = Press { via: "intake".into(), ..press.clone() };
        presses.restore(now(60), &SeenPress { source, press, taken_at, incident: None });
    }
    for (n, press) in kept.into_iter().enumerate() {
        let source = format!("b{n}").as_str().into();
        assert_eq!(presses.judge(now(120), &source, &by("intake/li", true, press)), Same, "b{n}");
    }
    let next = by("intake/li", false, press(Some("8"), none, false));
    assert_eq!(presses.judge(now(121), &"b0".into(), &next), New);
}
