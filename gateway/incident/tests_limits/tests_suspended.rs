//! What happens to the clock of a case while it is suspended 挂账.

use super::*;

/// Seen, accepted, dispatched, and suspended until Monday 15:00 by another person.
fn suspended(world: &mut World, severity: u8) -> IncidentId {
    let id = world.sees("x", Kind::Waterside, severity, Phase::Begins)[0].incident.id;
    world.step(id, ReplyTo::Accepted, "甲");
    world.step(id, ReplyTo::Dispatched, "甲");
    let until = Some(at("2026-07-06T15:00:00"));
    world.reply(&Reply { until, ..Reply::new(id, ReplyTo::AskSuspend, "甲") });
    world.step(id, ReplyTo::Granted, "乙");
    id
}

#[test]
fn l2_what_becomes_urgent_is_not_suspended_any_more() {
    let mut world = World::new("");
    let id = suspended(&mut world, 2);
    world.told(24 * 60);
    world.sees("x", Kind::Waterside, 1, Phase::Continues);
    world.tick();
    assert_eq!(world.records[&id].last().unwrap().incident.life.suspended, None);
    assert!(world.records[&id].iter().any(|record| record.what == What::Resumed));
    let told = world.told(21);
    let escalated = told.iter().any(|(_, what, _)| *what == "escalated");
    assert!(escalated, "it has the limits of an emergency: {told:?}");
}

#[test]
fn l2_a_step_that_began_during_the_suspension_loses_none_of_it_twice() {
    let mut world = World::new("");
    let id = suspended(&mut world, 2);
    world.told(3 * 24 * 60);
    // Handed to another department two days before it goes on: that one has its hour from then.
    let mut on = Reply::new(id, ReplyTo::Transferred, "乙");
    on.department = Some("消防".into());
    world.reply(&on);
    let length = {
        let run = world.deadline(id).of_step().unwrap().clone();
        run.by.duration_since(run.since)
    };
    world.step(id, ReplyTo::Resumed, "乙");
    let left = world.deadline(id).of_step().unwrap().by.duration_since(world.now.wall);
    assert!((left.as_secs() - length.as_secs()).abs() <= 60, "{left:?} of {length:?}");
}

#[test]
fn l2_what_was_asked_of_its_time_is_not_granted_once_it_is_urgent_or_handled() {
    let mut world = World::new("");
    let until = Some(at("2026-07-06T15:00:00"));
    let case = |world: &mut World, key: &str| {
        let id = world.sees(key, Kind::Waterside, 2, Phase::Begins)[0].incident.id;
        world.step(id, ReplyTo::Accepted, "甲");
        id
    };
    let urgent = case(&mut world, "x");
    world.reply(&Reply { until, ..Reply::new(urgent, ReplyTo::AskSuspend, "甲") });
    world.sees("x", Kind::Waterside, 1, Phase::Continues);
    let granted = Body::Reply(Reply::new(urgent, ReplyTo::Granted, "乙"));
    let (_, answer) = world.say("grid", granted, Vec::new());
    assert!(matches!(&answer, Answer::Refused(why) if why.contains("urgent")), "{answer:?}");
    let handled = case(&mut world, "y");
    world.reply(&Reply { until, ..Reply::new(handled, ReplyTo::AskSuspend, "甲") });
    world.step(handled, ReplyTo::Handled, "甲");
    let granted = Body::Reply(Reply::new(handled, ReplyTo::Granted, "乙"));
    let (_, answer) = world.say("grid", granted, Vec::new());
    assert!(matches!(&answer, Answer::Refused(why) if why.contains("Handled")), "{answer:?}");
}

#[test]
fn l2_a_refusal_that_comes_late_leaves_no_case_without_a_limit() {
    let mut world = World::new("");
    let id = world.sees("x", Kind::Waterside, 2, Phase::Begins)[0].incident.id;
    world.step(id, ReplyTo::Accepted, "甲");
    world.reply(&Reply::new(id, ReplyTo::AskWithdraw, "甲"));
    // Long enough that everybody was told of the dispatch that did not come.
    world.told(24 * 60);
    let spent = world.deadline(id).of_step().unwrap().clone();
    assert_eq!((spent.step, spent.at), (LimitStep::Dispatch, None));
    world.step(id, ReplyTo::Refused, "乙");
    let told = world.told(60);
    assert!(told.iter().any(|(_, what, _)| *what == "lapsed"), "{told:?}");
}
