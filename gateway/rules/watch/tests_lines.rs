//! Lines and counts: who steps over one out of a mask, at the picture's edge, again later; a crowd in which people hide each other.

use super::tests_things::{Scene, Seen};

const LINE: &str = "kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]\nclear_s = 2\ncooldown_s = 0";

#[test]
fn r4_who_steps_over_the_line_out_of_a_mask_or_is_known_only_then_is_told() {
    // The street beyond the fence is masked down to the line.
    let street = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 0.49], [0.0, 0.49]];
    let walk = |scene: &mut Scene| {
        scene.look(0.0, &[]);
        for n in 1..8u8 {
            scene.look(f64::from(n), &[(1, 0.5, 0.3 + 0.05 * f32::from(n) - 0.02, 0.9)]);
        }
    };
    let mut scene = Scene::masked(LINE, &[street]);
    // He is known since long before he crosses.
    scene.origin = Some((0.5, 0.3));
    walk(&mut scene);
    assert_eq!(scene.told().first().map(String::as_str), Some("5: + [1]"), "{:?}", scene.told());
    // The detector takes him for a dog until he is over it.
    let mut scene = Scene::new(LINE);
    scene.origin = Some((0.5, 0.3));
    scene.look(0.0, &[]);
    scene.label = "dog";
    scene.look(1.0, &[(1, 0.5, 0.4, 0.9)]);
    scene.look(2.0, &[(1, 0.5, 0.45, 0.9)]);
    scene.label = "person";
    scene.look(3.0, &[(1, 0.5, 0.55, 0.9)]);
    assert_eq!(scene.told(), ["3: + [1]"]);
}

#[test]
fn r4_a_line_that_ends_at_the_pictures_edge_is_crossed_by_who_is_cut_off_there() {
    // From the upper edge to the lower one; a box that is followed may reach beyond the picture.
    for foot in [0.9, 1.0, 1.001, 1.05] {
        let mut scene = Scene::new("kind = \"line\"\nline = [[0.5, 0.0], [0.5, 1.0]]");
        scene.look(0.0, &[]);
        scene.look(1.0, &[(1, 0.4, foot, 0.9)]);
        scene.look(2.0, &[(1, 0.6, foot, 0.9)]);
        assert_eq!(scene.told(), ["2: + [1]"], "{foot}");
    }
    // Past the end of a line that ends within the picture is past it.
    let mut scene = Scene::new("kind = \"line\"\nline = [[0.5, 0.0], [0.5, 0.8]]");
    scene.look(0.0, &[]);
    scene.look(1.0, &[(1, 0.4, 0.9, 0.9)]);
    scene.look(2.0, &[(1, 0.6, 0.9, 0.9)]);
    assert_eq!(scene.told(), [] as [&str; 0]);
}

#[test]
fn r4_along_a_line_is_no_crossing_and_each_way_over_it_is_one_where_a_happening_has_ended() {
    let mut scene = Scene::new(LINE);
    scene.look(0.0, &[]);
    // Along it, on it, and at its ends.
    for n in 0..11u8 {
        scene.look(1.0 + f64::from(n), &[(1, 0.1 * f32::from(n), 0.5, 0.9)]);
    }
    assert_eq!(scene.told(), [] as [&str; 0]);
    let mut scene = Scene::new(LINE);
    scene.look(0.0, &[]);
    let sides = [0.4, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.4, 0.4, 0.4, 0.4, 0.6];
    for (n, y) in sides.into_iter().enumerate() {
        scene.look(1.0 + n as f64, &[(1, 0.5, y, 0.9)]);
    }
    assert_eq!(scene.told(), ["2: + [1]", "5: - over", "7: + [1]", "10: - over", "12: + [1]"]);
    // At its end point.
    let mut scene = Scene::new("kind = \"line\"\nline = [[0.25, 0.5], [0.5, 0.5]]");
    scene.look(0.0, &[]);
    scene.look(1.0, &[(1, 0.5, 0.25, 0.9)]);
    scene.look(2.0, &[(1, 0.5, 0.75, 0.9)]);
    assert_eq!(scene.told(), ["2: + [1]"]);
}

/// A busy line: one incident goes on, is renewed, and ends; who was part of the first crosses again.
#[test]
fn r4_who_let_go_of_a_long_incident_is_told_when_he_crosses_again() {
    let mut scene = Scene::new(
        "kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]\nrenew_after_s = 60\ncooldown_s = 0",
    );
    scene.look(0.0, &[]);
    scene.look(1.0, &[(1, 0.1, 0.4, 0.9)]);
    let there: Seen = (1, 0.1, 0.7, 0.9);
    for n in 0..40u64 {
        let at = 2.0 + 2.0 * n as f64;
        scene.look(at, &[there, (10 + n, 0.8, 0.45, 0.9)]);
        scene.look(at + 1.0, &[there, (10 + n, 0.8, 0.55, 0.9)]);
    }
    scene.looks((82.0, 120.0, 1.0), &[there]);
    let before = scene.told();
    assert!(before[0].ends_with("+ [1]") && before.iter().any(|line| line.ends_with("renewed")));
    assert!(before.last().unwrap().ends_with("- over"), "{before:?}");
    scene.look(120.0, &[(1, 0.1, 0.4, 0.9)]);
    assert_eq!(scene.told().last().unwrap(), "120: + [1]");
}

#[test]
fn p12_a_crowd_in_which_people_hide_each_other_is_one_and_five_who_pass_in_turn_are_none() {
    let rule = "kind = \"crowd\"\ncount = 5\ndwell_s = 60";
    let all: Vec<Seen> =
        (0..5u8).map(|n| (n.into(), 0.1 + 0.15 * f32::from(n), 0.6, 0.9)).collect();
    let mut scene = Scene::new(rule);
    scene.look(0.0, &[]);
    for n in 1..400u32 {
        // One after another is not seen for three looks in a row.
        let hidden = n / 3 % 5;
        let seen: Vec<Seen> =
            all.iter().copied().filter(|one| one.0 != u64::from(hidden)).collect();
        scene.look(f64::from(n) * 0.2, if n < 5 { &all } else { &seen });
    }
    let told = scene.told();
    assert!(told.iter().any(|line| line.contains('+')), "{told:?}");
    // Each has left the zone before the next one comes.
    let zone = "zone = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]";
    let mut scene = Scene::new(&format!("kind = \"crowd\"\ncount = 2\ndwell_s = 1\n{zone}"));
    scene.look(0.0, &[]);
    for n in 0..200u32 {
        let (who, inside) = (u64::from(n / 10), n % 10 < 5);
        scene.look(
            f64::from(n) * 0.2 + 0.2,
            &[(who, 0.5, if inside { 0.6 } else { 0.4 }, 0.9), (who + 1, 0.2, 0.45, 0.9)],
        );
    }
    assert_eq!(scene.told(), [] as [&str; 0]);
}

#[test]
fn r4_who_covers_the_whole_picture_and_more_is_somebody() {
    let mut scene = Scene::new("kind = \"intrusion\"");
    scene.size = (1.2, 1.1);
    scene.look(0.0, &[]);
    scene.look(1.0, &[(1, 0.5, 1.05, 0.9)]);
    assert_eq!(scene.told(), ["1: + [1]"]);
}

/// A bus stands before a part of it now and then, and its box is another one meanwhile.
#[test]
fn r4_a_car_that_is_half_hidden_now_and_then_has_stood_all_the_time() {
    let rule = "kind = \"fire-lane\"\ndwell_s = 60";
    let told = |label: &'static str, rule: &str| {
        let mut scene = Scene::new(rule);
        scene.label = label;
        scene.look(0.0, &[]);
        for n in 1..120u32 {
            let y = if n % 20 < 4 { 0.5 } else { 0.6 };
            scene.look(f64::from(n), &[(1, 0.5, y, 0.9)]);
        }
        scene.told()
    };
    let car = told("car", rule);
    assert!(car.len() == 1 && car[0].ends_with("+ [1]"), "{car:?}");
    assert!(car[0].split(':').next().unwrap().parse::<u32>().unwrap() <= 65, "{car:?}");
    // Who goes to and fro does not stand, and holds what he has begun.
    let guard = told("person", "kind = \"intrusion\"\nstanding_after_s = 30");
    assert_eq!(guard, ["1: + [1]"]);
}
