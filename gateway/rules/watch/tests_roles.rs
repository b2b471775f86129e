//! What becomes of who was told: lost and found, let go, restored, and told anew when the next window begins.

use super::tests_things::{Scene, Seen};

const NONE: [&str; 0] = [];
const A: Seen = (1, 0.2, 0.5, 0.9);
const B: Seen = (2, 0.5, 0.6, 0.9);
const C: Seen = (3, 0.8, 0.7, 0.9);
/// A's place under another track.
const A_AGAIN: Seen = (9, 0.2, 0.5, 0.9);

#[test]
fn r4_who_is_lost_and_found_where_he_stood_is_told_once_in_a_happening() {
    let mut scene = Scene::new("kind = \"intrusion\"");
    scene.looks((0.0, 5.0, 1.0), &[A, B]);
    scene.looks((5.0, 12.0, 1.0), &[B]);
    scene.looks((12.0, 20.0, 1.0), &[A_AGAIN, B]);
    assert_eq!(scene.told(), ["0: + [1, 2]"]);
    let things = &scene.findings.last().unwrap().1.things.things;
    assert_eq!(things.iter().map(|one| one.id).collect::<Vec<_>>(), [2, 1], "{things:?}");
    // After ten seconds it may be somebody else, who is told; and so is who stands elsewhere.
    let mut scene = Scene::new("kind = \"intrusion\"");
    scene.looks((0.0, 5.0, 1.0), &[A, B]);
    scene.looks((5.0, 18.0, 1.0), &[B]);
    scene.looks((18.0, 20.0, 1.0), &[A_AGAIN, B]);
    scene.looks((20.0, 22.0, 1.0), &[A_AGAIN, B, C]);
    assert_eq!(scene.told(), ["0: + [1, 2]", "18: & [9]", "20: & [3]"]);
}

#[test]
fn r4_who_walked_by_a_place_and_another_who_comes_there_are_two() {
    // He has not stood there: whoever is found there is another one.
    let mut scene = Scene::new("kind = \"intrusion\"");
    scene.look(0.0, &[B]);
    for n in 0..3u8 {
        scene.look(1.0 + f64::from(n), &[(1, 0.1 + 0.15 * f32::from(n), 0.5, 0.9), B]);
    }
    scene.looks((4.0, 10.0, 1.0), &[B]);
    scene.looks((10.0, 12.0, 1.0), &[(9, 0.4, 0.5, 0.9), B]);
    assert_eq!(scene.told(), ["0: + [2]", "1: & [1]", "10: & [9]"]);
    // He has stood, and was seen to walk off.
    let zone = "zone = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0], [0.0, 1.0]]";
    let mut scene = Scene::new(&format!("kind = \"intrusion\"\n{zone}"));
    scene.looks((0.0, 5.0, 1.0), &[A, B]);
    scene.looks((5.0, 12.0, 1.0), &[(1, 0.2, 0.2, 0.9), B]);
    scene.looks((12.0, 14.0, 1.0), &[(1, 0.2, 0.2, 0.9), A_AGAIN, B]);
    assert_eq!(scene.told(), ["0: + [1, 2]", "12: & [9]"]);
}

#[test]
fn r4_who_let_go_and_is_lost_and_found_is_part_of_no_other_incident() {
    let mut scene = Scene::new("kind = \"intrusion\"\nrenew_after_s = 20");
    scene.looks((0.0, 30.0, 1.0), &[A]);
    scene.looks((30.0, 33.0, 1.0), &[A, B]);
    scene.looks((33.0, 40.0, 1.0), &[B]);
    scene.looks((40.0, 45.0, 1.0), &[A_AGAIN, B]);
    assert_eq!(scene.told(), ["0: + [1]", "30: - renewed", "30: + [2]"]);
}

#[test]
fn r4_what_stood_when_the_gateway_stopped_is_no_news_of_its_rule() {
    let mut before = Scene::new("kind = \"intrusion\"\nstanding_after_s = 20");
    before.looks((0.0, 30.0, 1.0), &[A]);
    let standing = before.rules.standing();
    assert_eq!(standing.len(), 1);
    let mut scene = Scene::new("kind = \"intrusion\"\nstanding_after_s = 20");
    let now = scene.at(60.0);
    scene.rules.restore_standing(now, &standing);
    scene.looks((60.0, 80.0, 1.0), &[A_AGAIN]);
    assert_eq!(scene.told(), NONE);
    // Longer than five minutes ago, nobody knows.
    let mut scene = Scene::new("kind = \"intrusion\"\nstanding_after_s = 20");
    let now = scene.at(331.0);
    scene.rules.restore_standing(now, &standing);
    scene.look(331.0, &[]);
    scene.looks((332.0, 335.0, 1.0), &[A_AGAIN]);
    assert_eq!(scene.told(), ["332: + [9]"]);
}

#[test]
fn r4_each_window_tells_who_is_there_when_it_begins_also_who_stood_in_the_last_one() {
    let mut scene = Scene::new(
        "kind = \"intrusion\"\nstanding_after_s = 60\nschedule = [\"Fri 12:01-12:04\", \"Fri 12:06-12:08\"]",
    );
    scene.looks((0.0, 380.0, 1.0), &[A]);
    // The same who stands: his incident goes on, where its case is open.
    assert_eq!(scene.told(), ["60: + [1]", "61: - standing", "360: > [1]", "361: - standing"]);
}

#[test]
fn r4_who_crosses_a_line_hardly_seen_is_told_when_he_is_seen_well_and_others_end_nothing_of_it() {
    let line = "kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]\nclear_s = 2\ncooldown_s = 0";
    let after = |wait_s: f64| {
        let mut scene = Scene::new(line);
        scene.look(0.0, &[]);
        scene.look(1.0, &[(1, 0.5, 0.45, 0.4), (2, 0.8, 0.45, 0.9)]);
        // The other one's happening ends meanwhile.
        scene.look(2.0, &[(1, 0.5, 0.55, 0.4), (2, 0.8, 0.55, 0.9)]);
        scene.looks((3.0, 2.0 + wait_s, 1.0), &[(1, 0.5, 0.6, 0.4)]);
        scene.look(2.0 + wait_s, &[(1, 0.5, 0.6, 0.8)]);
        scene.told()
    };
    assert_eq!(after(3.0), ["2: + [2]", "5: - over", "5: + [1]"]);
    assert_eq!(after(20.0), ["2: + [2]", "5: - over", "22: + [1]"]);
    assert_eq!(after(40.0), ["2: + [2]", "5: - over"], "that was another time");
}

#[test]
fn r5_one_look_that_misses_everybody_ends_nothing_and_two_do_in_their_time() {
    for clear_s in [0, 1] {
        let rule = format!("kind = \"intrusion\"\nclear_s = {clear_s}\ncooldown_s = 0");
        let mut scene = Scene::new(&rule);
        for n in 0..10u8 {
            scene.look(f64::from(n) * 3.0, if n % 2 == 0 { &[A] } else { &[] });
        }
        assert_eq!(scene.told(), ["0: + [1]"], "{clear_s} s");
        scene.look(30.0, &[]);
        assert_eq!(scene.told(), ["0: + [1]", "30: - over"], "{clear_s} s");
    }
}

#[test]
fn r5_a_box_that_jumps_for_one_look_has_not_moved() {
    let mut scene = Scene::new("kind = \"intrusion\"\nstanding_after_s = 60");
    for n in 0..70u8 {
        scene.look(f64::from(n), if n % 7 == 3 { &[(1, 0.35, 0.6, 0.9)] } else { &[A] });
    }
    assert_eq!(scene.told(), ["0: + [1]", "60: - standing"]);
}

#[test]
fn r4_who_was_followed_outside_has_been_there_since_he_came_in() {
    let zone = "zone = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]";
    let mut scene = Scene::new(&format!("kind = \"loiter\"\ndwell_s = 10\n{zone}"));
    scene.since_s = Some(1.0);
    scene.look(0.0, &[]);
    scene.looks((1.0, 20.0, 1.0), &[(1, 0.5, 0.4, 0.9)]);
    scene.looks((20.0, 32.0, 1.0), &[(1, 0.5, 0.6, 0.9)]);
    assert_eq!(scene.told(), ["30: + [1]"]);
}

#[test]
fn r4_who_goes_on_with_an_incident_after_its_end_begins_no_sooner_than_it_ended() {
    let mut scene = Scene::new("kind = \"loiter\"\ndwell_s = 5\nclear_s = 2");
    scene.look(-1.0, &[]);
    scene.looks((0.0, 10.0, 1.0), &[A]);
    scene.looks((10.0, 15.0, 1.0), &[]);
    scene.looks((15.0, 18.0, 1.0), &[A_AGAIN]);
    assert_eq!(scene.told(), ["5: + [1]", "12: - over", "15: > [1]"]);
    let goes_on = scene.findings.iter().rfind(|(_, one)| one.things.resumes).unwrap();
    assert_eq!(goes_on.1.began_at, scene.at(9.0));
}
