//! Turns in a lane.

use jiff::Timestamp;

use super::*;
use crate::domain::{IdMint, Now};

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
