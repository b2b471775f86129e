//! Each kind of rule on rows of who is where.
#![allow(clippy::type_complexity, reason = "tables")]

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::millis;
use crate::{
    domain::{Bbox, Body, Now, Observation, Phase, Stamp, Track, TrackFrame},
    rules::{Config, Rules},
};

/// Rows of (second, people as (id, x, y of the foot)); what the rule finds, by second.
fn check(rule: &str, rows: &[(f64, &[(u64, f32, f32)])]) -> Vec<String> {
    check_label(rule, "person", rows)
}

fn check_label(rule: &str, label: &str, rows: &[(f64, &[(u64, f32, f32)])]) -> Vec<String> {
    let config: Config = toml::from_str(&format!("id = \"r\"\n{rule}")).unwrap();
    assert_eq!(config.problems(), []);
    let mut rules = Rules::new(
        &[config],
        &[("c".into(), vec![vec![[0.0, 0.0], [0.1, 0.0], [0.1, 1.0], [0.0, 1.0]]])],
        &TimeZone::UTC,
    );
    let start: Timestamp = "2026-07-03T12:00:00Z".parse().unwrap();
    let mut lines = Vec::new();
    for (second, people) in rows {
        let at = start + SignedDuration::from_millis(millis(*second));
        let tracks = people
            .iter()
            .map(|(id, x, y)| Track {
                id: *id,
                label: label.into(),
                score: 0.9,
                bbox: Bbox::new(x - 0.05, y - 0.3, x + 0.05, *y),
                seen: true,
                since: at,
                origin: (*x, *y),
                shown_in_crop: false,
            })
            .collect();
        let now = Now { wall: at, mono_ms: (second * 1000.0) as u64 };
        let body = Body::Tracks(TrackFrame { tracks, picture: None, vehicles: Vec::new() });
        let mut findings = Vec::new();
        rules.observe(
            &Observation { source: "c".into(), stamp: Stamp::of_gateway(now), body },
            &mut findings,
        );
        for finding in findings.iter().filter(|one| one.phase != Phase::Continues || one.notable) {
            let began = finding.began_at.duration_since(start).as_secs_f64();
            lines.push(format!("{second}: {:?} since {began}", finding.phase));
        }
    }
    lines
}

#[test]
fn intrusion_is_one_happening_with_clear_and_cooldown() {
    let rule = "kind = \"intrusion\"\nzone = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]\nclear_s = 2\ncooldown_s = 10";
    let rows: &[(f64, &[(u64, f32, f32)])] = &[
        (0.0, &[(1, 0.5, 0.4)]),
        (1.0, &[(1, 0.5, 0.6)]),
        (2.0, &[]),
        (3.0, &[(1, 0.5, 0.6), (2, 0.6, 0.6)]),
        (4.0, &[(3, 0.05, 0.9)]),
        (6.0, &[]),
        (8.0, &[(4, 0.8, 0.6)]),
        (14.0, &[(4, 0.8, 0.6)]),
    ];
    assert_eq!(
        check(rule, rows),
        ["1: Begins since 1", "3: Continues since 1", "6: Ends since 1", "8: Begins since 8"]
    );
}

#[test]
fn a_line_has_a_direction() {
    let rows: &[(f64, &[(u64, f32, f32)])] = &[
        (0.0, &[(1, 0.5, 0.4)]),
        (1.0, &[(1, 0.5, 0.6)]),
        (1.2, &[(2, 0.3, 0.6)]),
        (1.4, &[(2, 0.3, 0.4)]),
    ];
    let line = "kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]\n";
    assert_eq!(check(&format!("{line}direction = \"left-to-right\""), rows), ["1: Begins since 1"]);
    assert_eq!(
        check(&format!("{line}direction = \"right-to-left\""), rows),
        ["1.4: Begins since 1.4"]
    );
}

#[test]
fn loitering_takes_its_time_and_began_when_they_came() {
    let rule = "kind = \"loiter\"\ndwell_s = 3";
    let stay: Vec<(f64, &[(u64, f32, f32)])> =
        (0..6).map(|n| (f64::from(n), &[(1u64, 0.5f32, 0.6f32)] as &[_])).collect();
    assert_eq!(check(rule, &stay), ["3: Begins since 0"]);
    let pass: Vec<(f64, &[(u64, f32, f32)])> =
        vec![(0.0, &[(1, 0.5, 0.6)]), (2.0, &[(2, 0.5, 0.6)]), (4.0, &[(3, 0.5, 0.6)])];
    assert_eq!(check(rule, &pass), [] as [&str; 0]);
}

#[test]
fn a_crowd_is_a_count_that_holds_also_where_one_look_misses_somebody() {
    let rule = "kind = \"crowd\"\ncount = 2\ndwell_s = 1";
    let rows: &[(f64, &[(u64, f32, f32)])] = &[
        (0.0, &[(1, 0.5, 0.6), (2, 0.7, 0.6)]),
        (0.5, &[(1, 0.5, 0.6)]),
        (1.0, &[(1, 0.5, 0.6), (2, 0.7, 0.6)]),
        (2.0, &[(1, 0.5, 0.6), (2, 0.7, 0.6)]),
        (3.0, &[(1, 0.5, 0.6), (2, 0.7, 0.6), (3, 0.8, 0.6)]),
    ];
    assert_eq!(check(rule, rows), ["1: Begins since 0", "3: Continues since 0"]);
}

#[test]
fn a_fire_lane_wants_a_vehicle_that_stands() {
    let rule = "kind = \"fire-lane\"\ndwell_s = 2";
    let stands: Vec<(f64, &[(u64, f32, f32)])> = vec![
        (0.0, &[(1, 0.3, 0.6)]),
        (1.0, &[(1, 0.5, 0.6)]),
        (2.0, &[(1, 0.505, 0.6)]),
        (3.0, &[(1, 0.5, 0.6)]),
    ];
    assert_eq!(check_label(rule, "car", &stands), ["3: Begins since 1"]);
    assert_eq!(check_label(rule, "person", &stands), [] as [&str; 0]);
}
