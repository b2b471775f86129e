//! Limits in days count working time: when they pass, and when they warn.

use super::*;

/// A Friday, 17:00: dispatched at once, with a working day to be handled and two in all.
fn on_friday(world: &mut World) -> IncidentId {
    world.now.wall = at("2026-07-03T17:00:00");
    let id = world.sees("x", Kind::Loiter, 3, Phase::Begins)[0].incident.id;
    world.step(id, ReplyTo::Accepted, "甲");
    world.step(id, ReplyTo::Dispatched, "甲");
    id
}

fn extend(world: &mut World, id: IncidentId, until: &str) {
    let until = Some(at(until));
    world.reply(&Reply { until, ..Reply::new(id, ReplyTo::AskExtend, "甲") });
    world.step(id, ReplyTo::Granted, "乙");
}

#[test]
fn l2_the_light_of_a_limit_in_days_is_yellow_at_four_fifths_of_its_working_time() {
    let mut world = World::new("");
    let id = on_friday(&mut world);
    assert_eq!(world.deadline(id).of_step().unwrap().by, at("2026-07-06T17:00:00"));
    let runs = world.deadline(id).runs.iter();
    let warn: BTreeMap<LimitStep, Option<Timestamp>> = runs.map(|run| (run.step, run.at)).collect();
    // 6 of 7.5 hours: one on Friday, 5 on Monday. 12 of 15: Monday, and Tuesday's morning.
    let expected = [
        (LimitStep::Handle, Some(at("2026-07-06T15:30:00"))),
        (LimitStep::Finish, Some(at("2026-07-07T12:00:00"))),
    ];
    assert_eq!(warn, BTreeMap::from(expected));
    let day = 24 * 60;
    let head = Some(Level::GridHead);
    let told = world.told(3 * day);
    assert_eq!(told, [(3 * day - 90, "limit", None), (3 * day, "escalated", head)]);
}

#[test]
fn l2_an_extended_limit_in_days_warns_by_its_working_time_and_not_twice() {
    let mut world = World::new("");
    let id = on_friday(&mut world);
    extend(&mut world, id, "2026-07-08T17:00:00");
    assert_eq!(world.deadline(id).finish_by, at("2026-07-08T17:00:00"));
    // 18 of 22.5 hours, of both.
    let minutes = at("2026-07-08T10:30:00").duration_since(world.now.wall).as_mins();
    assert_eq!(world.told(minutes), [(minutes, "limit", None)]);
    assert_eq!(world.told(330), []);
    // At 16:00 four fifths of the longer one are over too: it stays yellow.
    extend(&mut world, id, "2026-07-08T18:00:00");
    assert_eq!(world.deadline(id).light(), Light::Yellow);
    assert_eq!(world.told(120), [(120, "escalated", Some(Level::GridHead))]);
    // Of a much longer one they are not: it is green again, and warns again.
    extend(&mut world, id, "2026-07-17T18:00:00");
    assert_eq!(world.deadline(id).light(), Light::Green);
    // 60.8 of 76 hours.
    let warns_at = Some(at("2026-07-15T17:48:00"));
    assert!(world.deadline(id).runs.iter().all(|run| run.at == warns_at), "{warns_at:?}");
}
