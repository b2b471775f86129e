//! When a camera is looked at, on made times.

use super::*;

fn gate(full: bool) -> Gate {
    let seconds = SignedDuration::from_secs;
    Gate::new(GateConfig {
        full,
        look_every: seconds(2),
        watched_every: seconds(2),
        quiet_after: seconds(3),
        fps: 5.0,
    })
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

#[test]
fn v3_what_stays_is_looked_for_three_times_soon_and_then_seldom_until_it_was_awake() {
    let mut gate = gate(false);
    let due = |gate: &mut Gate, from_s: i64| -> Vec<i64> {
        let looks = (0..150).map(|n| n * 2).filter(|s| gate.verifies(at((from_s + s) * 1_000)));
        looks.collect()
    };
    assert!(due(&mut gate, 0).is_empty(), "nothing stays");
    gate.wake(WakeCause::Start, at(0));
    assert!(gate.wants_whole(at(0)));
    gate.feedback(at(0), true, false);
    assert_eq!(due(&mut gate, 0), [10, 20, 30, 90, 150, 210, 270]);
    assert!(gate.wants_whole(at(300_000)), "awake again");
    assert_eq!(due(&mut gate, 300), [10, 20, 30, 90, 150, 210, 270]);
}

#[test]
fn v1_asleep_it_looks_now_and_then_and_awake_until_it_is_quiet() {
    let mut gate = gate(false);
    assert!(gate.wants_look(at(0)));
    gate.looked(at(0));
    gate.reported(at(0));
    assert!(!gate.wants_look(at(1_000)) && gate.wants_look(at(1_950)));
    gate.hurry();
    assert!(gate.wants_look(at(1_000)));
    gate.looked(at(0));
    assert!(gate.wants_look(at(-5_000)), "time stepped back");
    gate.wake(WakeCause::Change, at(2_000));
    assert_eq!((gate.level(), gate.awake()), (2, Some(WakeCause::Change)));
    assert!(!gate.wants(at(0)), "vision knows it");
    assert!(gate.wants(at(200)) && !gate.wants(at(240)));
    assert_eq!(gate.looked_awake(at(2_200), true), None);
    gate.feedback(at(2_200), true, true);
    assert_eq!(gate.looked_awake(at(5_000), false), None);
    assert_eq!(gate.looked_awake(at(5_200), false), Some(SleepReason::Quiet));
    assert_eq!(gate.level(), 1);
    assert!(!gate.wants_look(at(6_000)) && gate.wants_look(at(7_200)));
}

#[test]
fn what_moves_in_the_replay_does_not_end_it_before_what_woke_it() {
    let mut gate = gate(false);
    gate.wake(WakeCause::Change, at(10_000));
    assert_eq!(gate.looked_awake(at(6_200), true), None);
    for ms in (6_400..=12_800).step_by(200) {
        assert_eq!(gate.looked_awake(at(ms), false), None, "{ms}");
    }
    assert_eq!(gate.looked_awake(at(13_000), false), Some(SleepReason::Quiet));
    gate.wake(WakeCause::Change, at(3_600_000));
    gate.begin(at(0));
    assert_eq!(gate.looked_awake(at(0), true), None, "the clock stepped back by an hour");
    assert_eq!(gate.looked_awake(at(3_000), false), Some(SleepReason::Quiet));
}

#[test]
fn v9_between_key_frames_it_looks_where_they_are_far_apart_and_the_next_one_is_not_near() {
    for (gop_ms, looks) in [
        (500, &[][..]),
        (1_000, &[]),
        (2_000, &[]),
        (2_400, &[]),
        (4_000, &[2_000][..]),
        (5_000, &[2_000, 4_000]),
        (10_000, &[2_000, 4_000, 6_000, 8_000]),
    ] {
        let mut gate = gate(false);
        gate.key(at(0));
        gate.key(at(gop_ms));
        gate.looked(at(gop_ms));
        let mut looked = Vec::new();
        for ms in (40..gop_ms).step_by(40) {
            let now = at(gop_ms + ms);
            if gate.wants_look(now) && gate.is_far_from_key(now) {
                gate.looked(now);
                looked.push(ms);
            }
        }
        let near = |(one, other): (&i64, &i64)| (one - other).abs() <= 400;
        let all = looked.len() == looks.len() && looked.iter().zip(looks).all(near);
        assert!(all, "GOP {gop_ms}: {looked:?}, not {looks:?}");
    }
}

#[test]
fn v4_what_moves_and_is_nothing_is_given_up_and_what_counts_is_not() {
    for (holds, rest) in [(false, Some(SleepReason::Futile)), (true, None)] {
        let mut gate = gate(false);
        gate.wake(WakeCause::Change, at(0));
        let mut last = None;
        for n in 0..100 {
            last = gate.looked_awake(at(n * 200), true);
            gate.feedback(at(n * 200), holds, holds);
            if last.is_some() {
                break;
            }
        }
        assert_eq!(last, rest);
    }
}

#[test]
fn v1_a_replay_does_not_fall_asleep_before_it_has_come_to_what_woke_it() {
    let mut gate = gate(false);
    gate.wake(WakeCause::Change, at(20_000));
    assert_eq!(gate.looked_awake(at(12_000), true), None, "somebody else, long before");
    for n in 0..40 {
        assert_eq!(gate.looked_awake(at(12_200 + n * 200), false), None, "{n}");
    }
    assert_eq!(gate.looked_awake(at(23_000), false), Some(SleepReason::Quiet));
}

#[test]
fn v7_a_clock_that_steps_back_keeps_nobody_awake_and_hides_nothing() {
    let mut gate = gate(false);
    gate.wake(WakeCause::Change, at(3_600_000));
    assert_eq!(gate.looked_awake(at(3_600_200), true), None);
    gate.begin(at(0));
    assert!(gate.wants(at(0)), "what was reported to vision is another time");
    assert_eq!(gate.looked_awake(at(200), false), None);
    assert_eq!(gate.looked_awake(at(3_000), false), Some(SleepReason::Quiet), "not in an hour");
}

#[test]
fn v5_long_gops_and_full_never_sleep_and_say_so() {
    let mut full = gate(true);
    full.wake(WakeCause::Start, at(0));
    assert_eq!(full.looked_awake(at(60_000), false), None);
    assert_eq!(full.awake(), Some(WakeCause::Full));
    let mut long = gate(false);
    long.key(at(0));
    long.wake(WakeCause::Start, at(0));
    assert_eq!(long.looked_awake(at(11_000), false), None, "no key frame for 11 s");
    assert_eq!(long.awake(), Some(WakeCause::LongGop));
    long.key(at(20_000));
    assert_eq!(long.looked_awake(at(20_200), false), None);
    long.key(at(22_000));
    assert_eq!(long.looked_awake(at(22_200), false), Some(SleepReason::Quiet), "short ones again");
}

#[test]
fn v8_who_was_announced_is_waited_for_and_what_was_seen_awake_is_not_seen_again() {
    let mut gate = gate(false);
    gate.wake(WakeCause::Change, at(0));
    assert_eq!(gate.looked_awake(at(3_000), false), Some(SleepReason::Quiet));
    gate.looked(at(6_000));
    gate.reported(at(6_000));
    gate.recall(at(1_000));
    assert_eq!(gate.reported_at(), Some(at(3_000)), "until then it was awake");
    gate.wake(WakeCause::Press, at(7_000));
    assert!(gate.wants(at(4_000)), "before the press, and after what was seen awake");
    assert_eq!(gate.looked_awake(at(14_800), false), None);
    gate.stay(WakeCause::Neighbour, at(12_000));
    assert_eq!(gate.looked_awake(at(19_800), false), None);
    assert_eq!(gate.looked_awake(at(20_000), false), Some(SleepReason::Quiet));
}
