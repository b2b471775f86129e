//! Grids 网格 of a district: how long their file takes to load, and a point to find its own.

use std::{fmt::Write, hint::black_box, time::Instant};

use gridpost::{
    config::Grids,
    domain::{Datum, Place},
};

use crate::results::Row;

/// As the reference district has.
const COLUMNS: u32 = 27;
const ROWS: u32 = 30;
/// Corners of each side of a grid.
const CORNERS: u32 = 15;
const SIDE: f64 = 0.01;
const POINTS: u32 = 200_000;

pub(crate) fn run() -> Vec<Row> {
    let text = district();
    let started = Instant::now();
    let read = Grids::parse(black_box(&text), Datum::Gcj02);
    let loaded = started.elapsed();
    assert!(read.errors.is_empty() && read.grids.len() == 810, "{:?}", read.errors.first());
    let micros = |from: f64, outside: bool| {
        let at = |n: u32| Place {
            lon: from + f64::from(n % 499) * 0.27 / 499.0,
            lat: 30.81 + f64::from(n % 701) * 0.28 / 701.0,
            text: None,
        };
        let started = Instant::now();
        for n in 0..POINTS {
            let grid = read.grids.answering(black_box(&at(n))).unwrap();
            assert!(!outside || grid.outside_m.is_some());
        }
        started.elapsed().as_secs_f64() * 1e6 / f64::from(POINTS)
    };
    vec![
        Row::new("810 grids of 60 corners, in GCJ-02: read and checked", format!("{loaded:.0?}")),
        Row::new("a point in one of them", format!("{:.1} µs", micros(113.8, false))),
        Row::new(
            "a point some 30 km beside all, to the nearest",
            format!("{:.1} µs", micros(114.4, true)),
        ),
    ]
}

/// Grids side by side, whose borders are wavy lines that both sides share.
fn district() -> String {
    let wave =
        |at: f64, lon: f64| at + 0.000_8 * ((lon - 113.8) / SIDE * std::f64::consts::TAU).sin();
    let step = |from: f64, n: u32| from + SIDE * f64::from(n) / f64::from(CORNERS);
    let mut features = Vec::new();
    for (column, row) in (0..COLUMNS).flat_map(|column| (0..ROWS).map(move |row| (column, row))) {
        let west = 113.8 + f64::from(column) * SIDE;
        let south = 30.8 + f64::from(row) * SIDE;
        let (east, north) =
            (113.8 + f64::from(column + 1) * SIDE, 30.8 + f64::from(row + 1) * SIDE);
        let mut ring: Vec<(f64, f64)> = Vec::new();
        ring.extend((0..CORNERS).map(|n| step(west, n)).map(|lon| (lon, wave(south, lon))));
        ring.extend((0..CORNERS).map(|n| (east, step(south, n))));
        ring.extend((1..=CORNERS).rev().map(|n| step(west, n)).map(|lon| (lon, wave(north, lon))));
        ring.extend((1..=CORNERS).rev().map(|n| (west, step(south, n))));
        ring.push((west, wave(south, west)));
        let mut corners = String::new();
        for (n, (lon, lat)) in ring.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(corners, "{comma}[{lon:.7},{lat:.7}]").unwrap();
        }
        features.push(format!(
            r#"{{"type":"Feature","properties":{{"code":"G{column}-{row}","name":"{column}-{row}"}},"geometry":{{"type":"Polygon","coordinates":[[{corners}]]}}}}"#
        ));
    }
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
}
