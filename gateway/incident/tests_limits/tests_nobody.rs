//! Levels of the ladder at which the site names nobody: who was meant is said in words, and the next level is told in its time.

use super::*;

#[test]
fn l2_a_level_with_nobody_is_told_in_words_and_the_next_one_in_its_time() {
    use Level::{Community, Department, GridHead, Township};
    // The button stands in no grid; of all levels the list names the township alone.
    let mut world = World::new("[[contact]]\nlevel = \"township\"\nname = \"城关镇值班室\"\n");
    let id = world.press("btn-1");
    let expected = [
        (3, "escalated", Some(GridHead)),
        (6, "escalated", Some(Community)),
        (9, "escalated", Some(Township)),
        (12, "escalated", Some(Department)),
    ];
    assert_eq!(world.told(15), expected);
    let notes: Vec<&str> =
        world.latest(id).life.steps.iter().filter_map(|step| step.note.as_deref()).collect();
    assert_eq!(
        notes,
        [
            "催办：网格长（不在任何网格内）名单上无人，受理超时",
            "督办（黄牌）：社区（不在任何网格内）名单上无人，受理超时",
            "督办（红牌）：街道（乡镇） 城关镇值班室，受理超时",
            "督办（黑牌）：部门（不在任何网格内，未定部门）名单上无人，受理超时",
        ]
    );
    let told: Vec<(bool, bool)> = world.records[&id]
        .iter()
        .filter(|record| record.what == What::Escalated)
        .map(|record| record.incident.deadline.as_ref().unwrap().escalation.as_ref().unwrap())
        .map(|told| (told.name.is_some(), told.nobody.is_some()))
        .collect();
    assert_eq!(told, [(false, true), (false, true), (true, false), (false, true)]);
    // Whoever acts after that is nobody's second: the case goes on.
    world.step(id, ReplyTo::Accepted, "周敏");
    assert!(world.deadline(id).escalation.is_none());
}

#[test]
fn an_escalation_of_an_earlier_version_is_read() {
    let old = r#"{"level":"community","urge":"催办","for_step":"accept"}"#;
    let read: crate::domain::Escalation = serde_json::from_str(old).unwrap();
    assert_eq!((read.name, read.nobody), (None, None));
}
