//! A case that is reopened has a round of its own: its limits, and who is told of them.

use super::*;

#[test]
fn l2_a_reopened_case_climbs_the_ladder_from_its_foot() {
    use Level::{Community, Department, GridHead, Township};
    let mut world = World::new("");
    let id = world.car();
    assert_eq!(world.told(60).last(), Some(&(60, "escalated", Some(Department))));
    let steps = [
        (ReplyTo::Accepted, "李建国"),
        (ReplyTo::Handled, "李建国"),
        (ReplyTo::Verified, "王芳"),
        (ReplyTo::Closed, "王芳"),
    ];
    for (to, by) in steps {
        world.step(id, to, by);
    }
    world.pass(20 * 24 * 60 * 60);
    world.step(id, ReplyTo::Reopened, "王芳");
    // Who was ever told is told of its steps on.
    assert_eq!(world.deadline(id).reached, Some(Department));
    // Each step in its time, the whole case is not.
    world.step(id, ReplyTo::Accepted, "李建国");
    world.step(id, ReplyTo::Dispatched, "李建国");
    assert_eq!(world.told(40), []);
    world.step(id, ReplyTo::Handled, "李建国");
    assert_eq!(world.told(40), []);
    world.step(id, ReplyTo::Verified, "王芳");
    let expected = [
        (16, "limit", None),
        (40, "escalated", Some(GridHead)),
        (55, "escalated", Some(Community)),
        (70, "escalated", Some(Township)),
        (85, "escalated", Some(Department)),
    ];
    assert_eq!(world.told(200), expected);
    assert_eq!(world.deadline(id).reached, Some(Department));
}
