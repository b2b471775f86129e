//! A night of rain on the simulated clock, by the shipped configuration for flood season.

use std::{collections::BTreeSet, process::Command};

use serde_json::{Value, json};

use crate::world::{Played, Replay, root, street_of};

const STATION: &str = "0012345678";

/// Rain of a night, millimetres in 5 min, from 20:00: drizzle, a cloudburst, drizzle, nothing.
fn mm_of_the_night() -> Vec<f64> {
    let mut night = vec![0.0; 6];
    night.extend([0.2, 0.2, 0.4, 0.4, 0.6, 0.8]);
    night.extend([1.2; 12]);
    night.extend([4.2; 24]);
    night.extend([0.8; 12]);
    night.extend([0.2, 0.0, 0.2, 0.0]);
    night.extend(vec![0.0; 190]);
    night
}

/// The signals of the night: the county's station speaks SL 651, the roof LoRaWAN.
fn signals(day: &str) -> String {
    let night = mm_of_the_night();
    let rain = night.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
    let level = night.iter().scan(28.6, |level, mm| {
        *level += mm * 0.036 - 0.024;
        Some(format!("{level:.3}"))
    });
    let level = level.collect::<Vec<_>>().join(",");
    let output = Command::new("/usr/bin/python3")
        .arg(root().join("tests/devices/sl651_station.py"))
        .args(["-", "1", "--print-hex", "--station", STATION, "--rain", &rain, "--level", &level])
        .args(["--start", &format!("{day}T20:00:00+08:00")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = String::from_utf8(output.stdout).unwrap();
    let start: jiff::Timestamp = format!("{day}T20:00:00+08:00").parse().unwrap();
    let mut total = 12.0;
    for (n, mm) in night.iter().enumerate() {
        total += mm * 0.9;
        let at = start + jiff::SignedDuration::from_mins(5 * n as i64);
        let object = json!({"rainfall_total": (total * 100.0_f64).round() / 100.0, "battery": 97});
        let payload = json!({
            "deduplicationId": format!("up-{n}"), "time": at.to_string(),
            "deviceInfo": {"devEui": "24e124aabbccddee"}, "fPort": 85, "object": object
        });
        let line = json!({"at": at.to_string(), "via": "mqtt", "topic": "application/1/device/24e124aabbccddee/event/up", "payload": payload});
        lines.push_str(&format!("{line}\n"));
    }
    lines
}

/// What `config/flood-season.toml` makes of that night; with walkers at the water when it begins.
fn replay(day: &str, walkers: bool) -> Played {
    let replay = Replay::of_file("config/flood-season.toml").signals(&signals(day));
    let passwords = ["DIKE_PASSWORD", "LOWROAD_PASSWORD"].map(|name| (name, "x".to_owned()));
    let replay = replay.envs(passwords);
    if !walkers {
        return replay.run();
    }
    // The first seconds are enough: each look costs a run of the model.
    let folder = tempfile::tempdir().unwrap();
    replay.camera("dike", &street_of(folder.path(), 12)).run()
}

/// One incident a rain, with the levels in their order; the sums are what fell.
fn one_rain_rises_and_falls(rain: &[&Value]) {
    let ids: BTreeSet<&str> = rain.iter().map(|data| data["incident"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{rain:#?}");
    let mut levels: Vec<&str> =
        rain.iter().map(|data| data["detail"]["level"].as_str().unwrap()).collect();
    levels.dedup();
    assert_eq!(levels.first(), Some(&"heavy"));
    let red = levels.iter().position(|level| *level == "red").unwrap();
    assert!(levels[..red].contains(&"orange"), "{levels:?}");
    assert_eq!(levels[red + 1..], ["orange", "yellow", "blue", "none"], "{levels:?}");
    let first = rain[0];
    assert_eq!((&first["what"], &first["severity"]), (&json!("opened"), &json!(4)));
    // It began with the first drop, not when it became much.
    assert_eq!(first["began_at"], "2026-07-20T20:25:00.000+08:00");
    let moving: Vec<&Value> = rain.iter().map(|data| &data["detail"]["moving"]).collect();
    assert!(moving.contains(&&json!("prepare")) && moving.contains(&&json!("move-now")));
    let peak = rain
        .iter()
        .max_by_key(|data| data["detail"]["sums_mm"]["3h"].as_f64().map(|mm| (mm * 100.0) as i64))
        .unwrap();
    // Drop by drop: the most of any three hours.
    let most =
        mm_of_the_night().windows(36).map(|three| three.iter().sum::<f64>()).fold(0.0, f64::max);
    let told = peak["detail"]["sums_mm"]["3h"].as_f64().unwrap();
    assert!(told <= most + 0.01 && told > most - 10.0, "{told} of {most}");
    assert!(rain.iter().any(|data| data["severity"] == 1));
    let last = rain.last().unwrap();
    assert_eq!(
        (&last["what"], &last["active"], &last["detail"]["peak"]),
        (&json!("ended"), &json!(false), &json!("red"))
    );
}

#[test]
fn a_flood_night_from_the_first_drop_to_red_and_back() {
    let night = replay("2026-07-20", true);
    // July is flood season by the calendar: who is at the water is an alert.
    let posture = night.of("posture");
    assert_eq!(posture[0]["detail"]["causes"], json!(["calendar: 主汛期"]));
    let people = night.of("waterside");
    assert!(!people.is_empty() && people.iter().all(|data| data["severity"] == 2), "{people:?}");
    one_rain_rises_and_falls(&night.of("rain"));
    // The river follows: over the warning level, over the guarantee level, and back.
    let water = night.of("water-level");
    let marks: Vec<&str> =
        water.iter().map(|data| data["detail"]["mark"].as_str().unwrap()).collect();
    assert!(marks.contains(&"warning") && marks.contains(&"guarantee"), "{marks:?}");
    // And no gauge was doubted or missed.
    let underpass = |data: &&Value| data["sources"][0]["id"] == "underpass-water";
    assert!(night.of("device-fault").is_empty());
    assert!(night.of("device-silent").iter().all(underpass));
}

#[test]
fn out_of_season_rain_makes_it_flood_and_lets_it_go() {
    let night = replay("2026-03-20", false);
    let posture = night.of("posture");
    let cause = posture[0]["detail"]["causes"][0].as_str().unwrap();
    assert!(cause.starts_with("rain: ") || cause.starts_with("level: "), "{cause}");
    let last = posture.last().unwrap();
    assert_eq!(
        (&last["what"], &last["title"]["zh"]),
        (&json!("ended"), &json!("结束汛期值守状态"))
    );
    let held = posture.iter().any(|data| data["detail"]["causes"].to_string().contains("held"));
    assert!(held, "for flood_hold_s: {posture:#?}");
}
