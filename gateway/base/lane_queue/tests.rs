//! Turns in a lane.

use jiff::Timestamp;

use super::*;
use crate::domain::{Class, IdMint, Now};

/// How long one waits that was tried so often, while others pass in between.
fn waits(order: LaneOrder, first: NotYet) -> u64 {
    let now = Now { wall: Timestamp::from_second(1_782_864_000).unwrap(), mono_ms: 0 };
    let incident = IdMint::new([1; 32]).incident(now);
    let turn = (Class::Emergency, 1);
    let mut queue = LaneQueue::new(order);
    queue.insert(turn, incident);
    let mut now_ms = 0;
    for n in 0..20 {
        queue.leave(turn, incident);
        let why = if n == 0 { first } else { NotYet::Failed { wait_ms: 1_000 } };
        queue.later(turn, incident, why, (now_ms, n));
        let next_ms = queue.next_ms().unwrap();
        if n == 19 {
            assert!(queue.tried(1).is_aside());
            return next_ms - now_ms;
        }
        now_ms = next_ms;
    }
    unreachable!()
}

#[test]
fn an_emergency_that_only_fails_is_asked_within_a_minute_and_what_was_refused_is_not() {
    let failed = NotYet::Failed { wait_ms: 1_000 };
    assert_eq!(waits(LaneOrder::EachAtOnce, failed), FAILED_HOLD_MS_MAX);
    assert_eq!(waits(LaneOrder::EachAtOnce, NotYet::Refused), REFUSED_EVERY_MS);
    assert_eq!(waits(LaneOrder::OneByOne, failed), REFUSED_EVERY_MS);
}

#[test]
fn p3_after_an_outage_the_oldest_that_is_choked_on_keeps_no_other_from_its_turn() {
    let now = Now { wall: Timestamp::from_second(1_782_864_000).unwrap(), mono_ms: 0 };
    let mut ids = IdMint::new([1; 32]);
    let incidents = [ids.incident(now), ids.incident(now)];
    let of = |seq: u64| incidents.get(seq as usize).copied();
    let mut queue = LaneQueue::new(LaneOrder::EachAtOnce);
    (0..2).for_each(|seq| queue.insert((Class::Emergency, seq), incidents[seq as usize]));
    let (mut now_ms, mut tries) = (0, 0);
    while tries < 40 {
        let Some(turn) = queue.take(now_ms, |_| true, of) else {
            now_ms = queue.next_ms().unwrap();
            continue;
        };
        tries += 1;
        // Everything fails at first; from then on the second one would pass.
        if tries > 6 && turn.1 == 1 {
            return;
        }
        let why = NotYet::Failed { wait_ms: 1_000 };
        queue.later(turn, incidents[turn.1 as usize], why, (now_ms, 0));
    }
    panic!("the other one never had its turn");
}

#[test]
fn p3_invented_buttons_keep_a_listed_one_waiting_for_one_turn_and_are_all_told() {
    let now = Now { wall: Timestamp::from_second(1_782_864_000).unwrap(), mono_ms: 0 };
    for (invented, fails) in [(1, false), (31, false), (32, false), (200, false), (200, true)] {
        let mut ids = IdMint::new([1; 32]);
        let incidents: Vec<_> = (0..invented + 40).map(|_| ids.incident(now)).collect();
        let of = |seq: u64| incidents.get(seq as usize).copied();
        let turn = |seq: u64| (Class::Emergency, seq);
        let mut queue = LaneQueue::new(LaneOrder::EachAtOnce);
        (0..invented).for_each(|seq| queue.insert_unlisted(turn(seq), of(seq).unwrap()));
        let first = queue.take(0, |_| true, of).unwrap();
        if fails {
            let why = NotYet::Failed { wait_ms: 1_000 };
            queue.later(first, of(first.1).unwrap(), why, (0, 0));
        }
        (invented..invented + 40).for_each(|seq| queue.insert(turn(seq), of(seq).unwrap()));
        let mut taken = Vec::new();
        while let Some((_, seq)) = queue.take(0, |_| true, of) {
            taken.push(seq);
        }
        let place = taken.iter().position(|seq| *seq >= invented).unwrap();
        assert!(place <= 1, "{invented} stand before it: {place}");
        let last = taken.iter().rposition(|seq| *seq >= invented).unwrap();
        assert!(last <= 50, "40 listed ones took {last} turns");
        assert_eq!(taken.len() + 1, incidents.len(), "one was never told");
        let early = taken[..=last].iter().filter(|seq| **seq < invented).count();
        assert!(early >= 9.min(invented as usize - 1), "the others starve: {early}");
    }
}

#[test]
fn p3_ten_thousand_presses_of_one_button_do_not_stand_before_the_first_of_another() {
    let now = Now { wall: Timestamp::from_second(1_782_864_000).unwrap(), mono_ms: 0 };
    let mut ids = IdMint::new([1; 32]);
    let (mad, other, third) = (ids.incident(now), ids.incident(now), ids.incident(now));
    let mut queue = LaneQueue::new(LaneOrder::EachAtOnce);
    let mut of = BTreeMap::new();
    let put = |queue: &mut LaneQueue, seq: u64, incident, of: &mut BTreeMap<u64, _>| {
        of.insert(seq, incident);
        queue.insert((Class::Emergency, seq), incident);
    };
    (1..=10_000).for_each(|seq| put(&mut queue, seq, mad, &mut of));
    let take = |queue: &mut LaneQueue, of: &BTreeMap<u64, IncidentId>| {
        let turn = queue.take(0, |_| true, |seq| of.get(&seq).copied()).unwrap();
        queue.passed(0, true);
        turn.1
    };
    assert_eq!([take(&mut queue, &of), take(&mut queue, &of)], [1, 2]);
    put(&mut queue, 10_001, other, &mut of);
    put(&mut queue, 10_002, other, &mut of);
    put(&mut queue, 10_003, third, &mut of);
    // The first of each at once; from then on they take turns, each in its own order.
    let taken: Vec<u64> = (0..6).map(|_| take(&mut queue, &of)).collect();
    assert!(queue.fresh.by_turn.len() > TURNS_FROM);
    assert_eq!(taken[..2], [10_001, 10_003], "{taken:?}");
    assert!(taken[2..4].contains(&10_002), "its second in the next round: {taken:?}");
    assert_eq!(taken.iter().filter(|seq| **seq < 10_000).count(), 3, "{taken:?}");
    // Nothing is lost or given twice.
    let mut rest: Vec<u64> = (0..9_995).map(|_| take(&mut queue, &of)).collect();
    rest.sort_unstable();
    rest.dedup();
    assert_eq!(rest.len(), 9_995);
    assert!(queue.take(0, |_| true, |seq| of.get(&seq).copied()).is_none());
    assert!(queue.fresh.turns.is_empty());
}

/// So many buttons of which the sink takes nothing are pressed again and again, two presses a try, beside one that
/// it takes: the turns that this one waits at most once each of the others was tried, and how many of the others are tried meanwhile.
fn beside_refused(refused: u64, tries: u64) -> (u64, u64) {
    let now = Now { wall: Timestamp::from_second(1_782_864_000).unwrap(), mono_ms: 0 };
    let mut ids = IdMint::new([1; 32]);
    let mad: Vec<_> = (0..refused).map(|_| ids.incident(now)).collect();
    let calm = ids.incident(now);
    let mut queue = LaneQueue::new(LaneOrder::EachAtOnce);
    let (mut of, mut came) = (BTreeMap::new(), BTreeMap::new());
    let (mut longest, mut tried) = (0, 0);
    for n in 0..tries {
        for seq in [3 * n, 3 * n + 1] {
            let incident = mad[(seq % refused) as usize];
            of.insert(seq, incident);
            queue.insert((Class::Emergency, seq), incident);
        }
        if n % 10 == 5 {
            // Not the newest, and not the oldest.
            let seq = 3 * n - 1;
            of.insert(seq, calm);
            came.insert(seq, n);
            queue.insert((Class::Emergency, seq), calm);
        }
        let turn = queue.take(n, |_| true, |seq| of.get(&seq).copied()).unwrap();
        match came.remove(&turn.1) {
            Some(since) => {
                longest = longest.max(if since > 2 * refused { n - since } else { 0 });
                queue.forget(turn.1);
                queue.passed(n, true);
            }
            None => {
                tried += u64::from(n > refused);
                queue.later(turn, of[&turn.1], NotYet::Refused, (n, 0));
            }
        }
    }
    let waits = came.values().map(|since| tries - since).max().unwrap_or_default();
    (longest.max(waits), tried)
}

#[test]
fn p3_what_is_refused_again_and_again_keeps_another_one_waiting_for_a_turn_or_two() {
    for refused in [1, 31, 400] {
        let (longest, tried) = beside_refused(refused, 5_000);
        assert!(longest <= 2, "of {refused} it waits for {longest} turns");
        assert!(tried > 3_000, "those that are refused are tried in all other turns: {tried}");
    }
}

#[test]
fn an_incident_of_which_nothing_is_refused_any_more_does_not_stand_behind() {
    let now = Now { wall: Timestamp::from_second(1_782_864_000).unwrap(), mono_ms: 0 };
    let mut ids = IdMint::new([1; 32]);
    let (once, other) = (ids.incident(now), ids.incident(now));
    let of = |seq: u64| Some(if seq < 10 { once } else { other });
    let turn = |seq: u64| (Class::Emergency, seq);
    let mut queue = LaneQueue::new(LaneOrder::EachAtOnce);
    (0..3).for_each(|seq| queue.insert(turn(seq), once));
    queue.insert(turn(10), other);
    let mut taken = || queue.take(0, |_| true, of);
    assert_eq!(taken(), Some(turn(0)));
    queue.later(turn(0), once, NotYet::Refused, (0, 0));
    assert_eq!((queue.aside_count(), queue.take(0, |_| true, of)), (1, Some(turn(10))));
    queue.passed(0, true);
    assert_eq!(queue.take(0, |_| true, of), Some(turn(1)), "alone it goes at once");
    queue.forget(1);
    assert_eq!(queue.take(0, |_| true, of), Some(turn(2)));
    queue.forget(2);
    assert_eq!(queue.take(0, |_| true, of), Some(turn(0)), "a success brought it forward");
    queue.forget(0);
    assert_eq!(queue.aside_count(), 0);
    queue.insert(turn(3), once);
    (11..20).for_each(|seq| queue.insert(turn(seq), other));
    assert_eq!(queue.take(0, |_| true, of), Some(turn(3)), "the oldest is the first again");
}

#[test]
fn p3_before_anybody_knows_that_they_are_refused_a_case_that_is_taken_waits_for_one_of_them() {
    let now = Now { wall: Timestamp::from_second(1_782_864_000).unwrap(), mono_ms: 0 };
    for taken_before in [true, false] {
        let mut ids = IdMint::new([1; 32]);
        let (calm, busy) = (ids.incident(now), ids.incident(now));
        let mad: Vec<_> = (0..400).map(|_| ids.incident(now)).collect();
        let of = |seq: u64| match seq {
            0 | 1_000..2_000 => Some(calm),
            1 | 2_000.. => Some(busy),
            seq => mad.get(seq as usize - 2).copied(),
        };
        let put = |queue: &mut LaneQueue, seq: u64| {
            queue.insert((Class::Emergency, seq), of(seq).unwrap());
        };
        let mut queue = LaneQueue::new(LaneOrder::EachAtOnce);
        for seq in 0..2 {
            put(&mut queue, seq);
            assert_eq!(queue.take(0, |_| true, of).map(|turn| turn.1), Some(seq));
            queue.forget(seq);
            if taken_before {
                queue.taken(of(seq).unwrap());
            }
            queue.passed(0, true);
        }
        // Another one that is taken, too, is pressed very often, and stands before it.
        (2..402).chain(2_000..2_500).for_each(|seq| put(&mut queue, seq));
        (1_000..1_003).for_each(|seq| put(&mut queue, seq));
        let mut place = 0;
        while let Some(turn) = queue.take(0, |_| true, of) {
            place += 1;
            match turn.1 {
                1_000 => break,
                2_000.. => {
                    queue.forget(turn.1);
                    queue.passed(0, true);
                }
                seq => drop(queue.later(turn, of(seq).unwrap(), NotYet::Refused, (0, 0))),
            }
        }
        assert_eq!(place <= 5, taken_before, "it had turn {place}");
    }
}
