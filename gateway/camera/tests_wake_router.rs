//! Who wakes whom, and how often at most.

use super::*;

/// Which camera wakes which others.
fn plan(neighbours: &[(&str, &[&str])]) -> WakePlan {
    let ids = |ids: &[&str]| ids.iter().map(|id| SourceId::from(*id)).collect();
    let neighbours = neighbours.iter().filter(|(_, others)| !others.is_empty());
    let neighbours = neighbours.map(|(camera, others)| (SourceId::from(*camera), ids(others)));
    WakePlan::new(HashMap::new(), neighbours.collect())
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

#[test]
fn v8_two_that_see_the_same_person_do_not_keep_each_other_awake() {
    let mut plan = plan(&[("a", &["b"]), ("b", &["a"])]);
    let mut woken = Vec::new();
    // Both see somebody, five times a second for two minutes.
    for n in 0..600 {
        let now = at(n * 200);
        for camera in ["a", "b"] {
            for other in plan.found(&camera.into(), now) {
                woken.push((n / 5, other.as_str().to_owned()));
            }
        }
    }
    let of = |second: i64| (second, "b".to_owned());
    assert_eq!(woken, [of(0), of(30), of(60), of(90)]);
}

#[test]
fn who_walks_on_wakes_the_next_camera_at_once() {
    let mut plan = plan(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["b"])]);
    assert_eq!(plan.found(&"a".into(), at(0)), ["b".into()]);
    assert_eq!(plan.found(&"b".into(), at(3_000)), ["c".into()], "and not back to `a`");
    assert!(plan.found(&"c".into(), at(6_000)).is_empty());
    assert_eq!(plan.found(&"a".into(), at(-3_600_000)), ["b".into()], "the clock stepped back");
}

#[test]
fn a_reload_keeps_what_was_woken_and_forgets_who_is_gone() {
    let mut running = plan(&[("a", &["b"]), ("b", &[])]);
    assert_eq!(running.found(&"a".into(), at(0)).len(), 1);
    running.replace(plan(&[("a", &["b"]), ("b", &[])]));
    assert!(running.found(&"a".into(), at(1_000)).is_empty());
    running.replace(plan(&[("a", &[])]));
    assert!(running.pairs.is_empty());
}
