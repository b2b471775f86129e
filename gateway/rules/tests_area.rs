//! Where somebody is to be found: never less than where a rule looks.

use geo::{Coord, LineString, Polygon, Validation};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    Config, look_area,
    zone::{Zone, masked, polygon},
};
use crate::domain::{Bbox, LookArea, SourceId, seed};

fn rule(text: &str) -> Config {
    let config: Config = toml::from_str(&format!("id = \"r\"\n{text}")).unwrap();
    assert_eq!(config.problems(), []);
    config
}

fn area(rules: &[&str], masks: &[Vec<[f32; 2]>]) -> Option<LookArea> {
    let rules: Vec<Config> = rules.iter().map(|text| rule(text)).collect();
    look_area(&rules, &SourceId::from("c"), &masks.to_vec())
}

const YARD: &str = "kind = \"intrusion\"\nzone = [[0.0, 0.8], [1.0, 0.8], [1.0, 1.0], [0.0, 1.0]]";

#[test]
fn the_whole_picture_is_looked_at_for_a_line_for_a_rule_without_a_zone_and_without_a_rule() {
    let street = [vec![[0.0, 0.0], [1.0, 0.0], [1.0, 0.4], [0.0, 0.4]]];
    assert_eq!(area(&[], &street), None);
    assert_eq!(area(&["kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]", YARD], &street), None);
    assert_eq!(area(&["kind = \"intrusion\""], &[]), None);
    let elsewhere = [rule(&format!("cameras = [\"d\"]\n{YARD}"))];
    assert_eq!(look_area(&elsewhere, &SourceId::from("c"), &Vec::new()), None);
    // A zone, a mask, and two zones.
    assert!((area(&[YARD], &[]).unwrap().share() - 0.2).abs() < 0.03);
    assert!((area(&["kind = \"intrusion\""], &street).unwrap().share() - 0.6).abs() < 0.03);
    let gate = "kind = \"loiter\"\nzone = [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2], [0.0, 0.2]]";
    assert!((area(&[YARD, gate], &[]).unwrap().share() - 0.24).abs() < 0.04);
}

#[test]
fn v12_r4_wherever_a_foot_counts_what_differs_there_is_looked_at() {
    let mut random = StdRng::seed_from_u64(seed());
    let drawn = |random: &mut StdRng| loop {
        let corners = random.random_range(3..7);
        let points: Vec<[f32; 2]> =
            (0..corners).map(|_| [random.random(), random.random()]).collect();
        let ring: Vec<Coord<f64>> =
            points.iter().map(|one| Coord { x: f64::from(one[0]), y: f64::from(one[1]) }).collect();
        if Polygon::new(LineString(ring), Vec::new()).is_valid() {
            return points;
        }
    };
    for _ in 0..200 {
        let (zone, mask) = (drawn(&mut random), drawn(&mut random));
        let text = format!("kind = \"intrusion\"\nzone = {zone:?}");
        let Ok(config) = toml::from_str::<Config>(&format!("id = \"r\"\n{text}")) else { continue };
        let Some(area) = look_area(&[config], &SourceId::from("c"), &vec![mask.clone()]) else {
            continue;
        };
        let (zone, masks) = (Zone::new(&zone), [polygon(&mask)]);
        for _ in 0..100 {
            let foot: (f32, f32) = (random.random(), random.random());
            if zone.holds(foot) && !masked(&masks, foot) {
                let feet = Bbox::new(foot.0 - 0.005, foot.1 - 0.02, foot.0 + 0.005, foot.1);
                assert!(area.concerns(&feet), "{foot:?} in {text}, mask {mask:?}");
            }
        }
    }
}
