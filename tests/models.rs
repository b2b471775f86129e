//! The model in 8 bits sees what the model in 32 bits sees, on pictures that it was not calibrated on.

use gridpost::{
    domain::{Detection, Picture},
    vision::{Catalog, Detector, ModelSpec, multiplies_bytes},
};

use crate::world::{Stream, ffmpeg, gridpost, root, street};

/// Of what one sees for sure the other must see so much, and say so little that the one does not.
const SEEN_MIN: f64 = 0.95;
/// Where a processor multiplies bytes with overflow, and nobody looks with 8 bits who did not ask for it.
const SEEN_WITH_OVERFLOW_MIN: f64 = 0.85;
const EXTRA_MAX: f64 = 0.05;

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
    let spec = Catalog::read(&models).unwrap().get(None).unwrap().clone();
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

/// Two lines of figures, one of them marked, and what could be wished besides; the choice is the same when asked again.
#[test]
fn models_bench_says_which_one_looks() {
    let first = gridpost(&["models", "bench"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let lines: Vec<&str> = first.stdout.lines().collect();
    // Then the other providers of the library (the one that the set-up fetches has none) and what decodes.
    let variants = lines.iter().filter(|line| line.contains("ms a run on one thread"));
    assert_eq!(variants.count(), 2, "{}", first.stdout);
    let devices = lines.iter().filter(|line| line.starts_with("hw_decode "));
    assert!(devices.count() >= 3, "{}", first.stdout);
    let taken: Vec<_> = lines.iter().filter(|line| line.contains("<- taken")).collect();
    assert_eq!(taken.len(), 1, "{}", first.stdout);
    let never = lines.iter().filter(|line| line.contains("int8") && line.contains("never taken"));
    assert_eq!(never.count() == 0, multiplies_bytes(), "{}", first.stdout);
    assert!(multiplies_bytes() || taken[0].contains("fp32"), "{}", first.stdout);
    let listed = gridpost(&["models", "list"]);
    assert!(listed.stdout.contains("in 8 bits too"), "{}", listed.stdout);
}
