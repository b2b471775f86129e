//! Plates drawn by `plates/draw.py`, by size and by what spoils them: read right, read wrong, not read; and what a vehicle costs.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use gridpost::{
    domain::{Bbox, Picture, PlateState, Track},
    vision::{PlateReader, PlateSights},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::{
    quantile,
    results::Row,
    world::{plate_models, root},
};

/// Pictures of one vehicle that passes: as many as a car of 20 km/h is near enough, at five a second.
const LOOKS: u64 = 5;

/// One line of `index.json`.
#[derive(Deserialize)]
struct Sheet {
    what: String,
    size: u32,
    width: u32,
    height: u32,
    file: String,
    plates: Vec<String>,
}

/// How many plates of a sheet were read right, read wrong, and not read.
#[derive(Default)]
struct Told {
    right: usize,
    wrong: usize,
    unread: usize,
}

pub(crate) fn run() -> Vec<Row> {
    if !plate_models() {
        return Vec::new();
    }
    let folder = tempfile::tempdir().unwrap();
    let draw = root().join("tests/bench/plates/draw.py");
    let drawn = Command::new("/usr/bin/python3").arg(draw).arg(folder.path()).status();
    assert!(drawn.unwrap().success());
    let index = fs::read(folder.path().join("index.json")).unwrap();
    let sheets: Vec<Sheet> = serde_json::from_slice(&index).unwrap();
    let mut reader = PlateReader::load(&root().join("models"), None, 1).unwrap();
    let (mut rows, mut looks, mut vehicles) = (Vec::new(), Vec::new(), Vec::new());
    for sheet in &sheets {
        let pixels = fs::read(folder.path().join(&sheet.file)).unwrap();
        let told = read_sheet(&mut reader, sheet, &pixels, (&mut looks, &mut vehicles));
        let all = sheet.plates.len();
        rows.push(Row::new(
            format!("{}, {} px wide, of {all}", sheet.what, sheet.size),
            format!("{} right, {} wrong, {} not read", told.right, told.wrong, told.unread),
        ));
    }
    let (look, most) = (quantile(&mut looks, 0.5), quantile(&mut looks, 0.95));
    let vehicle = quantile(&mut vehicles, 0.5);
    rows.push(Row::new(
        "a look at a vehicle, median; 95 of 100",
        format!("{look:.1} ms; {most:.1} ms"),
    ));
    rows.push(Row::new(
        "a vehicle until its plate is sure, or given up, median",
        format!("{vehicle:.1} ms"),
    ));
    rows
}

fn read_sheet(
    reader: &mut PlateReader,
    sheet: &Sheet,
    pixels: &[u8],
    (looks, vehicles): (&mut Vec<Duration>, &mut Vec<Duration>),
) -> Told {
    let mut told = Told::default();
    let bytes = (sheet.width * sheet.height * 3) as usize;
    for (n, (text, pixels)) in sheet.plates.iter().zip(pixels.chunks_exact(bytes)).enumerate() {
        let (mut sights, mut spent) = (PlateSights::default(), Duration::ZERO);
        let mut state = PlateState::Open;
        for look in 0..LOOKS {
            let ms = i64::try_from(look * 200).unwrap();
            let at = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(ms);
            let grain = noisy(pixels, n as u64 * 31 + look);
            let picture = Picture::of_rgb(sheet.width, sheet.height, grain, at);
            let bbox = Bbox::new(0.02, 0.04, 0.98, 0.98);
            let track = Track {
                id: 1,
                label: "car".into(),
                score: 0.9,
                bbox,
                seen: true,
                since: at,
                origin: bbox.foot(),
                shown_in_crop: false,
            };
            let began = Instant::now();
            let (known, runs) = sights.look(reader, Some(&picture), at, &[track]).unwrap();
            if runs > 0 {
                looks.push(began.elapsed());
                spent += began.elapsed();
            }
            state = known[0].plate.clone();
        }
        vehicles.push(spent);
        match state {
            PlateState::Read(plate) if plate.whole() == text => told.right += 1,
            PlateState::Read(_) => told.wrong += 1,
            _ => told.unread += 1,
        }
    }
    told
}

/// The grain of a sensor, another one each time.
fn noisy(pixels: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    let grain = |one: &u8| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let by = i16::try_from((state >> 33) % 9).unwrap_or(0) - 4;
        u8::try_from((i16::from(*one) + by).clamp(0, 255)).unwrap_or(*one)
    };
    pixels.iter().map(grain).collect()
}
