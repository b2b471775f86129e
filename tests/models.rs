//! Which model looks, what is said of a wrong file, and that the model in 8 bits sees what that in 32 bits sees.

use std::fs;

use gridpost::{
    domain::{Detection, Picture},
    vision::{Catalog, Detector, ModelSpec, multiplies_bytes},
};
use serde_json::json;

use crate::world::{
    Launch, Receiver, SSD, Site, Stream, fetched, ffmpeg, gridpost, gridpost_command, models_of,
    output, root, street, wait_for,
};

/// Of what one sees for sure the other must see so much, and say so little that the one does not.
const SEEN_MIN: f64 = 0.95;
/// Where a processor multiplies bytes with overflow, and nobody looks with 8 bits who did not ask for it.
const SEEN_WITH_OVERFLOW_MIN: f64 = 0.85;
const EXTRA_MAX: f64 = 0.05;
/// How far the scores of somebody near may lie apart, mean: what `min_score` says holds for both.
const SCORES_APART_MAX: f64 = 0.03;

/// Frames of the street by number; calibrated was on every 20th from the 5th on.
fn pictures(cut: &str, width: u32, height: u32) -> Vec<Picture> {
    let clip = street("h264").address();
    let filter = format!("select=eq(mod(n\\,40)\\,15),{cut}null");
    let raw = "-vsync 0 -f rawvideo -pix_fmt rgb24 -".split(' ');
    let arguments: Vec<&str> = ["-i", &clip, "-vf", &filter].into_iter().chain(raw).collect();
    let pixels = ffmpeg(&arguments);
    let bytes = width as usize * height as usize * 3;
    assert_eq!(pixels.len() % bytes, 0);
    let at = jiff::Timestamp::UNIX_EPOCH;
    pixels.chunks(bytes).map(|rgb| Picture::of_rgb(width, height, rgb.to_vec(), at)).collect()
}

fn same(a: &Detection, b: &Detection) -> bool {
    a.label == b.label && a.bbox.iou(&b.bbox) > 0.5
}

/// (seen for sure by the one and by the other too; for sure by the one; by the other alone)
fn compare(sure: &[Detection], other: &[Detection]) -> (usize, usize, usize) {
    let persons = |all: &[Detection], score: f32| -> Vec<Detection> {
        let is = |one: &&Detection| &*one.label == "person" && one.score >= score;
        all.iter().filter(is).cloned().collect()
    };
    let (certain, suspected) = (persons(sure, 0.5), persons(sure, 0.3));
    // A score on the edge is no loss: it falls on either side of it.
    let found = certain.iter().filter(|one| persons(other, 0.45).iter().any(|two| same(one, two)));
    let extra = persons(other, 0.5)
        .iter()
        .filter(|one| !suspected.iter().any(|two| same(one, two)))
        .count();
    (found.count(), certain.len(), extra)
}

#[test]
fn eight_bits_see_what_thirty_two_see() {
    let models = root().join("models");
    let spec = Catalog::read(&models).unwrap().get(SSD).unwrap().clone();
    let load = |spec: &ModelSpec| Detector::load(spec, &models, None, 1).unwrap();
    let (mut fp32, mut int8) = (load(&spec), load(&spec.in_int8().unwrap()));
    let mut looks = pictures("", 768, 576);
    looks.extend(pictures("crop=400:400:300:100,", 400, 400));
    assert_eq!(looks.len(), 40);
    let (mut found, mut sure, mut extra) = (0, 0, 0);
    for picture in &looks {
        let (a, b) = (fp32.detect(picture).unwrap(), int8.detect(picture).unwrap());
        let one = compare(&a, &b);
        found += one.0;
        sure += one.1;
        extra += one.2;
    }
    println!("8 bits see {found} of {sure}, and {extra} more");
    assert!(sure > 80, "the street is full of people: {sure}");
    let least = if multiplies_bytes() { SEEN_MIN } else { SEEN_WITH_OVERFLOW_MIN };
    assert!(found as f64 >= least * sure as f64, "only {found} of {sure}");
    assert!(extra as f64 <= EXTRA_MAX * sure as f64, "{extra} that nobody else sees, of {sure}");
}

/// Somebody who fills the picture is surer than anybody on the pictures that the ranges of 8 bits are from.
#[test]
fn a_score_means_the_same_in_eight_bits() {
    let models = root().join("models");
    let spec = Catalog::read(&models).unwrap().get(SSD).unwrap().clone();
    let load = |spec: &ModelSpec| Detector::load(spec, &models, None, 1).unwrap();
    let (mut fp32, mut int8) = (load(&spec), load(&spec.in_int8().unwrap()));
    let best = |found: Vec<Detection>| {
        let persons = found.iter().filter(|one| &*one.label == "person");
        f64::from(persons.map(|one| one.score).fold(0.0, f32::max))
    };
    let (mut apart, mut sure) = (Vec::new(), 0);
    // Close to those who walk along the lower path.
    for cut in ["crop=120:120:240:200,", "crop=140:140:480:140,", "crop=160:160:330:250,"] {
        let side = cut[5..8].parse().unwrap();
        for picture in pictures(cut, side, side) {
            let (a, b) =
                (best(fp32.detect(&picture).unwrap()), best(int8.detect(&picture).unwrap()));
            if a > 0.8 {
                apart.push((a - b).abs());
                sure += usize::from(b > 0.8);
            }
        }
    }
    let mean = apart.iter().sum::<f64>() / apart.len() as f64;
    println!("{} near persons: scores {mean:.3} apart, {sure} above 0.8 in 8 bits", apart.len());
    assert!(apart.len() >= 5, "too few are near: {}", apart.len());
    let overflow = if multiplies_bytes() { 1.0 } else { 4.0 };
    assert!(mean <= SCORES_APART_MAX * overflow, "{mean} apart: {apart:?}");
}

/// A line of figures a variant, one of them marked, and what could be wished besides; the choice is the same when
/// asked again.
#[test]
fn models_bench_says_which_one_looks() {
    for spec in fetched() {
        let first = gridpost(&["models", "bench", &spec.name]);
        assert_eq!(first.code, 0, "{}", first.stderr);
        let lines: Vec<&str> = first.stdout.lines().collect();
        // Then the other providers of the library (the one that the set-up fetches has none) and what decodes.
        let variants = lines.iter().filter(|line| line.contains("ms a run on one thread"));
        assert_eq!(variants.count(), 1 + spec.int8.iter().count(), "{}", first.stdout);
        let devices = lines.iter().filter(|line| line.starts_with("hw_decode "));
        assert!(devices.count() >= 3, "{}", first.stdout);
        let taken: Vec<_> = lines.iter().filter(|line| line.contains("<- taken")).collect();
        assert_eq!(taken.len(), 1, "{}", first.stdout);
        let never = lines.iter().any(|line| line.contains("int8") && line.contains("never taken"));
        assert_eq!(never, spec.int8.is_some() && !multiplies_bytes(), "{}", first.stdout);
        assert!(multiplies_bytes() || taken[0].contains("fp32"), "{}", first.stdout);
    }
    let listed = gridpost(&["models", "list"]);
    let both = listed.stdout.lines().filter(|line| line.contains("in 8 bits too"));
    assert_eq!(both.count(), 1, "{}", listed.stdout);
}

/// Which model `models list` marks, and what `models verify` says.
fn chosen_in(folder: &std::path::Path) -> (String, String) {
    let run = |args: &[&str]| {
        let mut command = gridpost_command(args);
        command.env("GRIDPOST_MODELS", folder);
        output(command)
    };
    let listed = run(&["models", "list"]).stdout;
    let taken: Vec<&str> = listed.lines().filter(|line| line.contains("<- taken")).collect();
    assert_eq!(taken.len(), 1, "{listed}");
    let verified = run(&["models", "verify"]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    (taken[0].split(' ').next().unwrap().into(), verified.stdout)
}

#[test]
fn the_best_model_that_is_here_looks() {
    let here: Vec<String> = fetched().into_iter().map(|spec| spec.name).collect();
    for from in 0..here.len() {
        let names: Vec<&str> = here[from..].iter().map(String::as_str).collect();
        let folder = models_of(&names);
        let (listed, verified) = chosen_in(folder.path());
        assert_eq!(listed, names[0]);
        assert!(verified.starts_with(&format!("{listed} in ")), "{verified}");
        assert_eq!(verified.lines().count(), 1, "what was never fetched is no fault: {verified}");
    }
}

/// A better model whose file is wrong is named, in all places, and another one looks.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_file_that_is_wrong_is_said_and_the_next_model_looks() {
    let folder = models_of(&[SSD]);
    let wrong = folder.path().join("cache/yolox_nano.onnx");
    fs::write(&wrong, "<!DOCTYPE html><title>Sign in</title>").unwrap();
    let (listed, verified) = chosen_in(folder.path());
    assert_eq!(listed, SSD);
    let lines: Vec<&str> = verified.lines().collect();
    assert!(lines[0].starts_with(SSD) && lines[1].contains("is a web page"), "{verified}");

    fs::write(&wrong, "cut short").unwrap();
    let receiver = Receiver::start().await;
    let site = Site::demo().camera("gate", street("h264")).short_clips().walkers().http(&receiver);
    let site = site.section("[site]").set("heartbeat_s", 1);
    let mut gateway = Launch::of(site).env("GRIDPOST_MODELS", folder.path()).start().await;
    receiver.wait("somebody", |data| data["kind"] == "intrusion").await;
    let (status, body) = gateway.get("/readyz").await;
    assert_eq!((status, &body["ready"], &body["reasons"]), (200, &json!(true), &json!([])));
    assert!(body["model"].as_str().unwrap().starts_with(SSD), "{body}");
    let note = body["notes"][0].as_str().unwrap();
    let says = |text: &str| {
        let parts = ["yolox_nano.onnx is not what the catalogue says (9 bytes", "looks", SSD];
        parts.iter().all(|part| text.contains(part))
    };
    assert!(says(note), "{body}");
    let warned = gateway.log().lines().filter(|line| line.contains("WARN") && says(line)).count();
    assert_eq!(warned, 1, "{}", gateway.log());
    wait_for("a heartbeat that says it", || {
        let beats = receiver.heartbeats();
        let said = beats.iter().any(|event| says(&event["data"]["faults"].to_string()));
        async move { said.then_some(()) }
    })
    .await;
    gateway.must_stop_sound().await;
}
