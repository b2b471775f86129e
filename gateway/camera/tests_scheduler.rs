//! Turns: fair, each camera once in the queue and with one worker, asked again while worked on, gone while worked on.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    domain::NoMeter,
    media::{Pool, Ring},
};

fn task(id: &str) -> Arc<CameraTask> {
    let json = format!("{{\"id\":\"{id}\",\"url\":\"rtsp://192.0.2.1/x\"}}");
    let config = serde_json::from_str(&json).unwrap();
    let ring = Arc::new(Mutex::new(Ring::new(10, 1_000)));
    let sampler = Sampler::new(&config, ring, Arc::new(Pool::new(1)), Arc::new(NoMeter), false);
    CameraTask::new(id.into(), sampler)
}

fn next(scheduler: &Scheduler) -> Option<Arc<CameraTask>> {
    scheduler.take(Duration::ZERO)
}

fn name(taken: Option<&Arc<CameraTask>>) -> &str {
    taken.map_or("", |one| one.id.as_str())
}

#[test]
fn v2_turns_are_fair_and_each_is_in_the_queue_once() {
    let scheduler = Scheduler::default();
    for id in ["a", "b", "c"] {
        scheduler.join(task(id));
    }
    // One that asks all the time waits behind those who asked once.
    for id in ["a", "a", "b", "a", "c", "b", "nobody"] {
        scheduler.ask(&id.into());
    }
    let mut order = String::new();
    for n in 0..6 {
        let one = next(&scheduler).unwrap();
        order += one.id.as_str();
        scheduler.ask(&"a".into());
        // The first has more to do each time: it goes behind the others.
        scheduler.done(&one, one.id.as_str() == "a" && n < 3);
    }
    assert_eq!(order, "abcaaa");
    let last = next(&scheduler);
    assert!(last.is_none() || name(last.as_ref()) == "a");
}

#[test]
fn v5_where_something_happens_has_every_third_turn() {
    let scheduler = Scheduler::default();
    for id in ["a", "b", "c", "d", "e", "X", "Y"] {
        let one = task(id);
        one.awake.store(id < "a", Ordering::Relaxed);
        scheduler.join(one);
        scheduler.ask(&id.into());
    }
    let mut order = String::new();
    for n in 0..12 {
        let one = next(&scheduler).unwrap();
        order += one.id.as_str();
        // Those who are awake always have more to do.
        scheduler.done(&one, one.id.as_str() < "a" || n == 0);
    }
    assert_eq!(order, "abXcdYeaXYXY", "nobody waits for ever, whoever wants how much");
}

#[test]
fn asked_again_while_worked_on_it_has_another_turn_and_only_one() {
    let scheduler = Scheduler::default();
    let a = task("a");
    scheduler.join(a.clone());
    scheduler.ask(&a.id);
    let one = next(&scheduler).unwrap();
    assert!(next(&scheduler).is_none(), "with one worker at a time");
    scheduler.ask(&a.id);
    scheduler.ask(&a.id);
    assert!(next(&scheduler).is_none(), "nor while it asked again");
    scheduler.done(&one, false);
    let again = next(&scheduler).unwrap();
    assert!(next(&scheduler).is_none());
    scheduler.done(&again, false);
    assert!(next(&scheduler).is_none(), "nobody asked since");
    assert!(scheduler.wait_idle(&a.id, Duration::ZERO));
}

#[test]
fn one_that_leaves_while_worked_on_is_gone_and_its_successor_is_not() {
    let scheduler = Scheduler::default();
    let (old, new) = (task("a"), task("a"));
    scheduler.join(old.clone());
    scheduler.ask(&old.id);
    let working = next(&scheduler).unwrap();
    scheduler.leave(&old);
    scheduler.ask(&old.id);
    scheduler.done(&working, true);
    assert!(next(&scheduler).is_none() && scheduler.of(&old.id).is_none());
    assert!(scheduler.wait_idle(&old.id, Duration::ZERO), "nobody waits for one that left");
    // Another of the same name in its place, while the old one waits for its turn.
    scheduler.join(old.clone());
    scheduler.ask(&old.id);
    scheduler.join(new.clone());
    scheduler.ask(&new.id);
    let taken = next(&scheduler).unwrap();
    assert!(Arc::ptr_eq(&taken, &new), "the new one has the turn");
    assert!(next(&scheduler).is_none(), "once");
    scheduler.leave(&old);
    assert!(scheduler.of(&new.id).is_some(), "the old one cannot take it along");
    scheduler.done(&old, true);
    assert!(next(&scheduler).is_none(), "nor put it into the queue");
    scheduler.done(&taken, false);
}

#[test]
fn news_are_not_lost_behind_an_answer_without_any() {
    let one = task("a");
    let at = |n: i64| jiff::Timestamp::from_second(n).unwrap();
    let new = LookFeedback { somebody_new: true, ..LookFeedback::default() };
    one.answer(at(1), LookFeedback::default());
    one.answer(at(2), new);
    one.answer(at(3), LookFeedback::default());
    assert_eq!(one.take_answer(), Some((at(2), new)));
    assert_eq!(one.take_answer(), None);
}

/// Whatever happens in whatever order: nobody is worked on twice at once, nobody who asked is forgotten,
/// nobody waits longer than the others are many.
#[test]
fn random_turns() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    for _ in 0..200 {
        let scheduler = Scheduler::default();
        let ids = ["a", "b", "c", "d", "e"];
        let mut there: BTreeMap<&str, Arc<CameraTask>> = BTreeMap::new();
        // Who has asked since his last turn began, and how many turns of others he waited for.
        let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
        let mut working: Vec<Arc<CameraTask>> = Vec::new();
        for _ in 0..300 {
            let id = ids[random.random_range(0..ids.len())];
            match random.random_range(0..10) {
                0 => {
                    let new = task(id);
                    scheduler.join(new.clone());
                    there.insert(id, new);
                    // A turn that was asked for may go to the new one; it asks when it has packets.
                    asked.remove(id);
                }
                1 => {
                    if let Some(old) = there.remove(id) {
                        scheduler.leave(&old);
                        asked.remove(id);
                    }
                }
                2..=5 => {
                    scheduler.ask(&id.into());
                    if there.contains_key(id) {
                        asked.entry(id).or_insert(0);
                    }
                }
                6..=7 if working.len() < 3 => {
                    let Some(one) = next(&scheduler) else {
                        let idle =
                            |id: &&str| !working.iter().any(|one| Arc::ptr_eq(one, &there[*id]));
                        assert!(!asked.keys().any(idle), "forgotten: {asked:?}");
                        continue;
                    };
                    assert!(!working.iter().any(|other| Arc::ptr_eq(other, &one)), "two workers");
                    assert!(Arc::ptr_eq(&one, &there[one.id.as_str()]), "one that has left");
                    asked.remove(one.id.as_str());
                    for (id, turns) in &mut asked {
                        let held = working.iter().any(|one| Arc::ptr_eq(one, &there[id]));
                        *turns += usize::from(!held);
                        assert!(*turns <= ids.len(), "{id} waited for {turns} turns of others");
                    }
                    working.push(one);
                }
                _ if !working.is_empty() => {
                    let one = working.swap_remove(random.random_range(0..working.len()));
                    let more = random.random_bool(0.3);
                    let is_there =
                        there.get(one.id.as_str()).is_some_and(|it| Arc::ptr_eq(it, &one));
                    scheduler.done(&one, more);
                    if is_there && more {
                        let id = ids.into_iter().find(|id| *id == one.id.as_str()).unwrap();
                        asked.entry(id).or_insert(0);
                    }
                }
                _ => {}
            }
        }
    }
}
