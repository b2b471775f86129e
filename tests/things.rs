//! Who is seen, in made scenes with a known truth and the real model: each person one thing in one incident.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::world::{Replay, Site, Stream, ffmpeg, only_the_ssd, people, seconds};

/// A thing that was told: its incident, and from when to when it was there, seconds.
#[derive(Clone, Debug)]
struct Told {
    incident: String,
    from_s: f64,
    to_s: f64,
}

/// Everything that was told of a clip under this rule.
fn told(clip: &Path, rule: impl FnOnce(Site) -> Site) -> Vec<Told> {
    let site = rule(Site::demo().section("[model]").set("variant", "fp32"));
    let played = Replay::of(&site.camera("cam", clip)).run();
    let mut latest: BTreeMap<String, Value> = BTreeMap::new();
    for event in &played.events {
        let data = &event["data"];
        latest.insert(data["incident"].as_str().unwrap().into(), data.clone());
    }
    let things = latest.iter().flat_map(|(incident, data)| {
        let things = data["detail"]["things"].as_array().cloned().unwrap_or_default();
        assert_eq!(data["detail"]["things_total"], things.len(), "{data:#}");
        things.into_iter().map(move |thing| Told {
            incident: incident.clone(),
            from_s: seconds(&thing, "first_at").unwrap(),
            to_s: seconds(&thing, "last_at").unwrap(),
        })
    });
    things.collect()
}

fn intrusion(site: Site) -> Site {
    site.walkers().set("labels", ["person"])
}

fn incidents(told: &[Told]) -> usize {
    let mut ids: Vec<&str> = told.iter().map(|one| one.incident.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

/// Each person of the truth is one thing, in sight when he was.
fn each_is_one(told: &[Told], truth: &Value) {
    let people = truth["people"].as_array().unwrap();
    assert_eq!(told.len(), people.len(), "{told:#?} for {people:?}");
    for person in people {
        let (from, to) = (person["from_s"].as_f64().unwrap(), person["to_s"].as_f64().unwrap());
        let his = |one: &&Told| one.from_s >= from - 1.0 && one.to_s <= to + 2.0;
        assert_eq!(told.iter().filter(his).count(), 1, "{person}: {told:#?}");
    }
}

#[test]
fn p12_six_people_one_after_another_are_six_things_and_six_incidents_without_a_cooldown() {
    if only_the_ssd() {
        return;
    }
    let (clip, truth) = people("six");
    let all = told(&clip, intrusion);
    each_is_one(&all, &truth);
    assert_eq!(incidents(&all), 1, "they come within the cool-down: {all:#?}");
    let all = told(&clip, |site| intrusion(site).set("cooldown_s", 0));
    each_is_one(&all, &truth);
    assert_eq!(incidents(&all), 6, "{all:#?}");
}

/// The same scene with key frames this far apart, seconds.
fn with_gop(folder: &Path, clip: &Path, gop_s: f64) -> PathBuf {
    let to = folder.join(format!("gop-{gop_s}.mp4"));
    let frames = format!("{}", (gop_s * 10.0).round());
    ffmpeg(&[
        "-i",
        &clip.address(),
        "-an",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-bf",
        "0",
        "-g",
        &frames,
        "-keyint_min",
        &frames,
        "-sc_threshold",
        "0",
        &to.address(),
    ]);
    to
}

#[test]
fn p12_at_every_distance_of_key_frames_and_looks_who_stands_is_one_and_loiters_in_his_time() {
    if only_the_ssd() {
        return;
    }
    let (clip, truth) = people("stand");
    let folder = tempfile::tempdir().unwrap();
    let loiter = |site: Site| {
        let site = site.rule("stay", "loiter").set("labels", ["person"]).set("dwell_s", 4);
        site.set("clear_s", 2)
    };
    for gop_s in [0.2, 1.0, 3.0, 4.0, 8.0, 10.0] {
        let coded = with_gop(folder.path(), &clip, gop_s);
        let all = told(&coded, loiter);
        each_is_one(&all, &truth);
    }
}
