//! By when each step was due goes with it, so that figures can count which were in time by their own limits.

use super::*;
use crate::domain::{CaseLine, StepLimits};

const ROWS: &str = "[[limit]]\naccept = \"10min\"\ndispatch = \"20min\"\nhandle = \"1h\"\nverify = \"30min\"\nfinish = \"9h\"\n";

fn limits(world: &World, id: IncidentId) -> StepLimits {
    CaseLine::of(world.latest(id)).step_limits
}

fn flags(limits: StepLimits) -> [Option<bool>; 4] {
    [limits.accept, limits.dispatch, limits.handle, limits.verify]
}

fn wait(world: &mut World, minutes: i64) {
    world.told(minutes);
}

#[test]
fn l4_each_step_says_by_when_it_was_due() {
    let (yes, no) = (Some(true), Some(false));
    for (minutes, expected) in [
        ([10, 19, 60, 30], [yes, yes, yes, yes]),
        ([11, 19, 60, 30], [no, yes, yes, yes]),
        ([1, 1, 61, 1], [yes, yes, no, yes]),
        ([1, 1, 1, 31], [yes, yes, yes, no]),
    ] {
        let mut world = World::new(ROWS);
        let id = world.car();
        let steps = [ReplyTo::Accepted, ReplyTo::Dispatched, ReplyTo::Handled, ReplyTo::Verified];
        for (step, after) in steps.into_iter().zip(minutes) {
            wait(&mut world, after);
            world.step(id, step, if step == ReplyTo::Verified { "乙" } else { "甲" });
        }
        assert_eq!(flags(limits(&world, id)), expected, "{minutes:?}");
        world.step(id, ReplyTo::Closed, "乙");
        assert_eq!(flags(limits(&world, id)), expected, "{minutes:?}, closed");
        let line = CaseLine::of(world.latest(id));
        assert_eq!(line.step_due, None);
        // The journal has it.
        let text = serde_json::to_string(world.latest(id)).unwrap();
        let again: Incident = serde_json::from_str(&text).unwrap();
        assert_eq!(CaseLine::of(&again), line);
    }
}

#[test]
fn l4_what_nobody_took_is_due_and_what_ended_otherwise_only_once_it_had_passed() {
    let (yes, no) = (Some(true), Some(false));
    let mut world = World::new(ROWS);
    let id = world.car();
    let due = CaseLine::of(world.latest(id)).step_due;
    assert_eq!(due, Some((LimitStep::Accept, at("2026-07-01T14:10:00"))));
    // Dismissed in time it was never due; ten minutes later it was.
    world.step(id, ReplyTo::Dismissed, "甲");
    assert_eq!(flags(limits(&world, id)), [None; 4]);
    world.step(id, ReplyTo::Reopened, "甲");
    wait(&mut world, 11);
    world.step(id, ReplyTo::Dismissed, "甲");
    assert_eq!(flags(limits(&world, id)), [no, None, None, None]);
    // Lapsed: nobody was sent in time; the second time somebody is.
    let id = world.sees("two", Kind::FireLane, 2, Phase::Begins)[0].incident.id;
    world.step(id, ReplyTo::Accepted, "甲");
    wait(&mut world, 20);
    assert_eq!(world.latest(id).stage, Stage::Opened);
    world.step(id, ReplyTo::Accepted, "甲");
    world.step(id, ReplyTo::Dispatched, "甲");
    assert_eq!(flags(limits(&world, id)), [yes, no, None, None]);
    // Given back in time the first department was not late, and a step over stages is each of them.
    world.step(id, ReplyTo::AskGiveBack, "甲");
    world.step(id, ReplyTo::Granted, "乙");
    assert_eq!(flags(limits(&world, id)), [yes, no, None, None]);
    world.step(id, ReplyTo::Handled, "甲");
    // Who looks at it and sends it back has looked at it in time.
    world.step(id, ReplyTo::SentBack, "乙");
    assert_eq!(flags(limits(&world, id)), [yes, no, None, yes]);
    wait(&mut world, 61);
    world.step(id, ReplyTo::Closed, "乙");
    assert_eq!(flags(limits(&world, id)), [yes, no, no, yes]);
}

#[test]
fn l4_while_it_is_suspended_nothing_becomes_late_neither_its_step_nor_the_whole() {
    let mut world = World::new(ROWS);
    let id = world.car();
    world.step(id, ReplyTo::Accepted, "甲");
    world.step(id, ReplyTo::Dispatched, "甲");
    let until = Some(at("2026-07-06T15:00:00"));
    world.reply(&Reply { until, ..Reply::new(id, ReplyTo::AskSuspend, "甲") });
    world.step(id, ReplyTo::Granted, "乙");
    wait(&mut world, 24 * 60);
    // Closed while its clock stands: it had nearly all of its time left.
    world.step(id, ReplyTo::Closed, "甲");
    let line = CaseLine::of(world.latest(id));
    assert_eq!(line.step_limits.handle, Some(true));
    assert!(line.finish_by.unwrap() > line.over_at.unwrap(), "{line:?}");
}

#[test]
fn l4_a_clock_that_was_set_between_makes_no_step_late() {
    for hours in [-30, 30] {
        let mut world = World::new(ROWS);
        let id = world.car();
        wait(&mut world, 5);
        world.now.wall += SignedDuration::from_hours(hours);
        world.step(id, ReplyTo::Accepted, "甲");
        assert_eq!(limits(&world, id).accept, Some(true), "{hours}");
        wait(&mut world, 5);
        world.now.wall -= SignedDuration::from_hours(hours);
        wait(&mut world, 14);
        world.step(id, ReplyTo::Dispatched, "甲");
        assert_eq!(limits(&world, id).dispatch, Some(true), "{hours}");
        // Late is late, whatever the clock says.
        world.now.wall += SignedDuration::from_hours(hours);
        wait(&mut world, 61);
        world.step(id, ReplyTo::Handled, "甲");
        assert_eq!(limits(&world, id).handle, Some(false), "{hours}");
    }
}
