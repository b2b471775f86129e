//! What a tally tells, and when; what it never tells.

use jiff::Timestamp;

use super::*;
use crate::domain::{DevicesTold, NoMeter};

const SQUARE: &str = "id = \"square\"\ntopics = [\"wifi/square/#\"]\nuser = \"sniffer\"";

fn config(more: &str) -> Config {
    toml::from_str(more).unwrap()
}

fn at(second: u64) -> Now {
    Now {
        wall: Timestamp::from_second(1_780_000_200 + second as i64).unwrap(),
        mono_ms: second * 1_000,
    }
}

fn heard<'h>(topic: &'h str, payload: &'h str) -> SensorWord<'h> {
    let payload = payload.as_bytes();
    SensorWord { topic, payload, retained: false, cut: false, via: "b", user: None }
}

fn device(n: u32) -> String {
    format!(
        r#"{{"mac":"a4:19:08:{:02x}:{:02x}:{:02x}","rssi":-60}}"#,
        n >> 16,
        n >> 8 & 255,
        n & 255
    )
}

/// How many observations it leads to.
fn say(tally: &PresenceTally, n: u32, now: Now) -> usize {
    let text = device(n);
    tally.take(&heard("wifi/square/1", &text), now, &NoMeter).map_or(0, |said| said.len())
}

fn say_all(tally: &PresenceTally, devices: std::ops::Range<u32>, now: Now) {
    for n in devices {
        say(tally, n, now);
    }
}

fn counts(all: Vec<Observation>) -> Vec<PresenceCount> {
    let count = |one: Observation| match one.body {
        Body::Presence(count) => Some(*count),
        _ => None,
    };
    all.into_iter().filter_map(count).collect()
}

#[test]
fn a_period_is_told_when_it_is_over_and_never_before() {
    let tally = PresenceTally::of(&[config(SQUARE)], at(0));
    say_all(&tally, 0..34, at(10));
    assert!(counts(tally.end_periods(at(599), &NoMeter)).is_empty());
    assert!(tally.told()[0].1.is_empty(), "nor to who asks");
    let told = counts(tally.end_periods(at(600), &NoMeter));
    assert_eq!(told.len(), 1);
    let numbers = told[0].numbers.unwrap();
    assert!([30, 40].contains(&numbers.devices.at_least()), "{numbers:?}");
    assert_eq!(numbers.random, DevicesTold::FewerThan(10));
    assert_eq!((told[0].from, told[0].until), (at(0).wall, at(600).wall));
    assert_eq!(tally.told()[0].1, told, "the same number for everybody");
    // The next one begins with nobody, and the same devices are new.
    say_all(&tally, 0..9, at(700));
    let told = counts(tally.end_periods(at(1_200), &NoMeter));
    assert_eq!(told[0].numbers.unwrap().devices, DevicesTold::FewerThan(10));
    let told = counts(tally.end_periods(at(1_800), &NoMeter));
    assert_eq!(told[0].numbers, None, "no sensor was heard: nobody knows");
}

#[test]
fn a_message_after_the_end_counts_for_the_next_period_though_nobody_looked() {
    let tally = PresenceTally::of(&[config(SQUARE)], at(0));
    say_all(&tally, 0..50, at(599));
    say_all(&tally, 0..5, at(601));
    let told = counts(tally.end_periods(at(602), &NoMeter));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].numbers.unwrap().devices, DevicesTold::About(50));
    // A clock that is set back ends it too.
    assert_eq!(counts(tally.end_periods(at(3), &NoMeter)).len(), 1);
}

#[test]
fn what_is_no_sensors_is_for_the_codecs_and_what_is_one_is_for_nobody_else() {
    let none = PresenceTally::default();
    assert!(none.take(&heard("wifi/square/1", &device(1)), at(0), &NoMeter).is_none());
    let tally = PresenceTally::of(&[config(SQUARE)], at(0));
    let take = |heard: &SensorWord<'_>| tally.take(heard, at(1), &NoMeter);
    assert!(take(&heard("wifi/gate/1", &device(1))).is_none());
    let by_user = SensorWord { user: Some("sniffer"), ..heard("any/topic", "rubbish") };
    assert!(take(&by_user).is_some(), "on any topic");
    assert!(take(&SensorWord { user: Some("other"), ..heard("any/topic", "x") }).is_none());
    for payload in ["", "rubbish", "{", "\u{0}", "a4:19:08:11:22:33"] {
        let all = take(&heard("wifi/square/a4:19:08:11:22:33", payload)).unwrap();
        let shown = format!("{all:?}");
        assert!(!shown.contains("a4:19") && !shown.contains("rubbish"), "{shown}");
    }
    let cut = SensorWord { cut: true, ..heard("wifi/square/1", "x") };
    assert!(take(&cut).is_some());
}

#[test]
fn a_sensor_is_said_to_be_alive_now_and_then_and_not_by_what_a_broker_has_kept() {
    let tally = PresenceTally::of(&[config(SQUARE)], at(0));
    let text = device(1);
    let kept = SensorWord { retained: true, ..heard("wifi/square/1", &text) };
    assert_eq!(tally.take(&kept, at(0), &NoMeter).unwrap().len(), 0);
    assert_eq!(say(&tally, 1, at(1)), 1);
    assert_eq!((2..31).map(|s| say(&tally, 1, at(s))).sum::<usize>(), 0);
    assert_eq!(say(&tally, 1, at(31)), 1);
}

#[test]
fn a_sensor_of_which_nothing_can_be_read_is_told_without_a_word_of_it() {
    let tally = PresenceTally::of(&[config(SQUARE)], at(0));
    let take = |payload: &str| tally.take(&heard("wifi/square/1", payload), at(1), &NoMeter);
    (0..100).for_each(|_| drop(take("secret a4:19:08:11:22")));
    let all = tally.end_periods(at(600), &NoMeter);
    let device = all.iter().find_map(|one| match &one.body {
        Body::Device(report) => Some((one.source.as_str(), report.unknown.join(""))),
        _ => None,
    });
    let (source, why) = device.unwrap();
    assert_eq!(source, "square/1");
    assert_eq!(why, "none of its messages was counted: no address is in it");
    assert!(tally.end_periods(at(601), &NoMeter).is_empty(), "once a period");
}

#[test]
fn another_configuration_keeps_the_places_that_stay_and_forgets_the_others() {
    let tally = PresenceTally::of(&[config(SQUARE)], at(0));
    say_all(&tally, 0..20, at(1));
    let gate = config("id = \"gate\"\ntopics = [\"wifi/gate\"]");
    tally.configure(&[gate, config(SQUARE)], at(2));
    let told = counts(tally.end_periods(at(600), &NoMeter));
    let square = told.iter().find(|one| one.place.as_str() == "square").unwrap();
    assert_eq!(square.numbers.unwrap().devices, DevicesTold::About(20));
    tally.configure(&[], at(601));
    assert!(tally.take(&heard("wifi/square/1", "x"), at(602), &NoMeter).is_none());
}
