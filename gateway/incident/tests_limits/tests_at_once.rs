//! Limits of one case that pass at the same moment: whoever is told hears of it once.

use super::*;

#[test]
fn l2_limits_that_pass_at_one_moment_are_told_to_each_level_once_and_by_name() {
    use Level::{Community, Department, GridHead, Township};
    let mut world = World::new("[[limit]]\naccept = \"15min\"\nfinish = \"15min\"\n");
    let id = world.car();
    let told = world.told(200);
    let expected = [
        (12, "limit", None),
        (15, "escalated", Some(GridHead)),
        (30, "escalated", Some(Community)),
        (45, "escalated", Some(Township)),
        (60, "escalated", Some(Department)),
    ];
    assert_eq!(told, expected);
    for record in world.records[&id].iter().filter(|record| record.what == What::Escalated) {
        let deadline = record.incident.deadline.as_ref().unwrap();
        let escalation = deadline.escalation.as_ref().unwrap();
        assert_eq!(escalation.for_step, LimitStep::Accept);
        assert_eq!(escalation.also_for, [LimitStep::Finish]);
        assert!(deadline.runs.iter().all(|run| run.light == Light::Red), "{deadline:?}");
    }
    let steps = &world.latest(id).life.steps;
    assert_eq!(steps[0].note.as_deref(), Some("催办：网格长 李建国，受理、办结超时"));
}

#[test]
fn l2_a_minute_apart_they_are_told_apart_and_after_a_standstill_together() {
    let config = "[[limit]]\naccept = \"15min\"\nfinish = \"16min\"\nescalate = \"1h\"\n";
    let mut world = World::new(config);
    world.car();
    let minutes: Vec<i64> = world.told(20).into_iter().map(|(minute, ..)| minute).collect();
    assert_eq!(minutes, [12, 13, 15, 16]);
    // No tick for half an hour, as while the box was without power.
    let mut world = World::new(config);
    let id = world.car();
    let told: Vec<Record> = world.pass(1_800).into_iter().chain(world.tick()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let escalation = world.deadline(id).escalation.clone().unwrap();
    assert_eq!((escalation.level, escalation.also_for.len()), (Level::GridHead, 1));
}
