//! Grids of a file: what is found in them, what is wrong with them, and all of a district at once.

use std::time::Instant;

use super::*;
use crate::domain::GridWorker;

fn feature(code: &str, rings: &str) -> String {
    format!(
        r#"{{"type":"Feature","properties":{{"code":"{code}","name":"{code}网格"}},"geometry":{{"type":"Polygon","coordinates":{rings}}}}}"#
    )
}

fn file(features: &[String]) -> String {
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
}

fn parsed(features: &[String]) -> ReadGrids {
    Grids::parse(&file(features), Datum::Wgs84)
}

fn square(lon: f64, lat: f64, side: f64) -> String {
    let (e, n) = (lon + side, lat + side);
    format!("[[[{lon},{lat}],[{e},{lat}],[{e},{n}],[{lon},{n}],[{lon},{lat}]]]")
}

fn place(lon: f64, lat: f64) -> Place {
    Place { lon, lat, text: None }
}

fn code_at(grids: &Grids, lon: f64, lat: f64) -> Option<String> {
    grids.at(&place(lon, lat)).map(|grid| grid.code.clone())
}

#[test]
fn a_point_finds_its_grid_holes_are_outside_and_borders_inside() {
    let ring = "[[113,30],[113.02,30],[113.02,30.02],[113,30.02],[113,30]]";
    let hole = "[[113.005,30.005],[113.01,30.005],[113.01,30.01],[113.005,30.01],[113.005,30.005]]";
    let read = parsed(&[
        feature("G1", &format!("[{ring},{hole}]")),
        feature("G2", &square(113.02, 30.0, 0.02)),
    ]);
    assert_eq!((read.errors, read.warnings), (vec![], vec![]));
    let grids = read.grids;
    assert_eq!(code_at(&grids, 113.015, 30.015).as_deref(), Some("G1"));
    assert_eq!(code_at(&grids, 113.03, 30.01).as_deref(), Some("G2"));
    assert_eq!(code_at(&grids, 113.0075, 30.0075), None, "in the hole");
    for (lon, lat) in [(113.02, 30.01), (113.02, 30.0), (113.02, 30.02)] {
        assert_eq!(code_at(&grids, lon, lat).as_deref(), Some("G1"), "on the border of both");
    }
    assert_eq!(code_at(&grids, 113.04, 30.02).as_deref(), Some("G2"), "the last corner");
    assert_eq!(code_at(&grids, 113.040_001, 30.02), None);
    assert_eq!(grids.codes().collect::<Vec<_>>(), ["G1", "G2"]);
    assert!(grids.by_code("G2").is_some() && grids.by_code("G3").is_none());
}

#[test]
fn g1_outside_all_the_nearest_answers_and_says_how_far() {
    let read = parsed(&[
        feature("G1", &square(113.0, 30.0, 0.01)),
        feature("G2", &square(113.05, 30.0, 0.01)),
    ]);
    let answers = |lon: f64, lat: f64| {
        let grid = read.grids.answering(&place(lon, lat)).unwrap();
        (grid.code.clone(), grid.outside_m)
    };
    assert_eq!(answers(113.005, 30.005), ("G1".into(), None));
    // 0.001 degrees of longitude are 96 m here.
    assert_eq!(answers(113.011, 30.005), ("G1".into(), Some(96)));
    assert_eq!(answers(113.036, 30.005), ("G2".into(), Some(1348)));
    assert_eq!(answers(113.010_000_1, 30.005), ("G1".into(), Some(1)), "never 0: it is outside");
    assert!(answers(0.0, 0.0).1.unwrap() > 1_000_000, "wherever it is, somebody answers");
    assert!(read.grids.answering(&place(f64::NAN, 30.0)).is_none());
    assert!(Grids::default().answering(&place(113.0, 30.0)).is_none());
    // A hole: its own grid is the nearest.
    let hole = "[[113.4,30.4],[113.6,30.4],[113.6,30.6],[113.4,30.6],[113.4,30.4]]";
    let ring = "[[113,30],[114,30],[114,31],[113,31],[113,30]]";
    let read = parsed(&[feature("G1", &format!("[{ring},{hole}]"))]);
    let grid = read.grids.answering(&place(113.41, 30.5)).unwrap();
    assert_eq!((grid.code.as_str(), grid.outside_m), ("G1", Some(958)));
}

#[test]
fn overlaps_are_told_slivers_are_none_and_the_first_in_the_file_counts() {
    // A corner of 300 m in each other; a copy of a whole grid; one within another.
    let read = parsed(&[
        feature("A", &square(113.0, 30.0, 0.01)),
        feature("B", &square(113.007, 30.007, 0.01)),
        feature("C", &square(113.1, 30.0, 0.01)),
        feature("D", &square(113.1, 30.0, 0.01)),
        feature("E", &square(113.2, 30.0, 0.01)),
        feature("F", &square(113.203, 30.003, 0.001)),
        feature("H", &square(113.209_99, 30.0, 0.01)),
    ]);
    assert!(read.errors.is_empty(), "{:?}", read.errors);
    let told: Vec<&str> =
        read.warnings.iter().map(|it| it.split(" overlap").next().unwrap()).collect();
    assert_eq!(
        told,
        [
            "feature 1 (code A) and feature 2 (code B)",
            "feature 3 (code C) and feature 4 (code D)",
            "feature 5 (code E) and feature 6 (code F)"
        ],
        "E and H lie 1 m in each other, as lines drawn by hand do"
    );
    assert_eq!(code_at(&read.grids, 113.008, 30.008).as_deref(), Some("A"));
    assert_eq!(code_at(&read.grids, 113.2035, 30.0035).as_deref(), Some("E"));
    let many: Vec<String> =
        (0..30).map(|n| feature(&format!("M{n}"), &square(113.0, 30.0, 0.01))).collect();
    let warnings = parsed(&many).warnings;
    assert_eq!((warnings.len(), warnings[20].as_str()), (21, "415 more overlap"));
}

#[test]
fn what_is_wrong_with_a_feature_is_told_with_its_number_and_code_and_the_others_are_kept() {
    let cases = [
        (r#"{"type":"Feature","properties":{"name":"x"},"geometry":null}"#.into(), "feature 2: property `code` is missing"),
        (feature("G1", &square(113.5, 30.0, 0.01)), "feature 2 (code G1): feature 1 has this code too; each grid needs its own"),
        (feature("G2", "[[[113,30],[113.1,30],[113.1,30.1],[113,30.1]]]"), "feature 2 (code G2): ring 1 is not closed: it begins at 113, 30 and ends at 113, 30.1; the last position must repeat the first"),
        (feature("G2", "[[[30,113],[31,113],[31,114],[30,113]]]"), "feature 2 (code G2): 30, 113: longitude comes first; are lon and lat swapped?"),
        // Kashgar: both fit on earth.
        (feature("G2", "[[[39.4,75.9],[39.5,75.9],[39.5,76],[39.4,75.9]]]"), "feature 2 (code G2): 39.4, 75.9: longitude comes first; are lon and lat swapped?"),
        (feature("G2", "[[[500000,3400000],[500100,3400000],[500100,3400100],[500000,3400000]]]"), "feature 2 (code G2): 500000, 3400000 is not on earth; expected longitude and latitude in degrees (are these metres of a projection?)"),
        (feature("G2", "[]"), "feature 2 (code G2): its geometry is empty"),
        (feature("G2", "[[]]"), "feature 2 (code G2): its geometry is empty"),
        (feature("G2", "[[[113,30],[113.1,30],[113,30]]]"), "feature 2 (code G2): ring 1 has 3 positions; expected at least 4"),
        (feature("G2", "[[[113,30],[113.1,30.1],[113.2,30.2],[113,30]]]"), "feature 2 (code G2): ring 1 encloses nothing"),
        (feature("G2", "[[[113,30],[113.1,30.1],[113.1,30],[113,30.1],[113,30]]]"), "feature 2 (code G2): ring 1 crosses itself or another ring at 113.05, 30.05"),
        (feature("G2", "[[[113,30],[113.2,30.1],[113.2,30],[113,30.15],[113,30]]]"), "feature 2 (code G2): ring 1 crosses itself or another ring at 113.12, 30.06"),
        (feature("G2", r#"[[["113","30"],[113.1,30],[113.1,30.1],[113,30]]]"#), "feature 2 (code G2): `coordinates`: `[\"113\",\"30\"]` is no position; expected [lon, lat] in degrees"),
        (r#"{"type":"Feature","properties":{"code":"G2","name":"x"},"geometry":{"type":"Point","coordinates":[113,30]}}"#.into(), "feature 2 (code G2): is a Point; expected a Polygon or MultiPolygon"),
        (r#"{"type":"Feature","properties":{"code":7,"name":"x","workers":7},"geometry":null}"#.into(), "feature 2 (code 7): property `workers`: expected a list of names or of {\"name\", \"phone\"}"),
        ("7".into(), "feature 2: property `code` is missing"),
    ];
    for (bad, expected) in cases {
        let read = parsed(&[
            feature("G1", &square(113.0, 30.0, 0.01)),
            bad,
            feature("G9", &square(113.2, 30.0, 0.01)),
        ]);
        assert_eq!(read.errors, [expected]);
        assert_eq!(read.grids.codes().collect::<Vec<_>>(), ["G1", "G9"], "{expected}");
    }
}

#[test]
fn a_file_that_is_none_is_one_clear_sentence() {
    let errors = |text: &str| Grids::parse(text, Datum::Wgs84).errors;
    assert!(errors("{")[0].starts_with("not GeoJSON"));
    assert_eq!(errors("[]"), ["expected a GeoJSON FeatureCollection"]);
    assert_eq!(errors(&file(&[])), ["holds no grid"]);
    assert_eq!(errors(r#"{"type":"FeatureCollection"}"#), ["expected `features` to be a list"]);
    let projected = r#"{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::4547"}},"features":[]}"#;
    assert!(errors(projected)[0].contains("EPSG::4547`; expected longitude and latitude"));
    let cgcs = projected.replace("4547", "4490");
    assert_eq!(errors(&cgcs), ["holds no grid"]);
    let read = |path: &Path| Grids::read(path, Datum::Wgs84).errors;
    assert!(read(Path::new("/nowhere/grids.geojson"))[0].starts_with("cannot be read"));
    let gbk = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(gbk.path(), b"{\"name\":\"\xcd\xf8\xb8\xf1\"}").unwrap();
    assert_eq!(read(gbk.path()), ["is not UTF-8 (was it saved as GBK?); save it again as UTF-8"]);
}

#[test]
fn a_grid_tells_who_answers_for_it() {
    let text = format!(
        r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"code":420984001,"name":"桥北一网格","community":"桥北社区","township":"城关镇","head":"李建国","head_phone":13800000001,"workers":{workers}}},"geometry":{{"type":"MultiPolygon","coordinates":[{one},{two}]}}}}]}}"#,
        workers = r#"["王芳",{"name":"赵强","phone":"138-0000-0002"}]"#,
        one = square(113.0, 30.0, 0.01),
        two = square(113.2, 30.0, 0.01),
    );
    let read = Grids::parse(&format!("\u{feff}{text}"), Datum::Cgcs2000);
    assert!(read.errors.is_empty() && read.warnings.is_empty(), "{:?}", read.errors);
    let grid = read.grids.at(&place(113.205, 30.005)).unwrap();
    let worker = |name: &str, phone: Option<&str>| GridWorker {
        name: name.into(),
        phone: phone.map(Into::into),
    };
    assert_eq!(grid.code, "420984001");
    assert_eq!(
        (grid.head.as_deref(), grid.head_phone.as_deref()),
        (Some("李建国"), Some("13800000001"))
    );
    assert_eq!(grid.workers, [worker("王芳", None), worker("赵强", Some("138-0000-0002"))]);
    let listed =
        text.replace(r#"["王芳",{"name":"赵强","phone":"138-0000-0002"}]"#, "\"王芳、 赵强，\"");
    let grid = Grids::parse(&listed, Datum::Wgs84).grids.by_code("420984001").unwrap();
    assert_eq!(grid.workers, [worker("王芳", None), worker("赵强", None)]);
}

#[test]
fn a_map_in_gcj_02_lies_where_its_grids_are() {
    // A square that Amap shows around Beijing's 116.384047, 39.913345: in WGS 84 that is 554 m off.
    let map = [feature("G1", &square(116.382, 39.912, 0.004))];
    let on = |datum| Grids::parse(&file(&map), datum).grids;
    assert_eq!(code_at(&on(Datum::Gcj02), 116.377817, 39.911954).as_deref(), Some("G1"));
    assert_eq!(code_at(&on(Datum::Wgs84), 116.377817, 39.911954), None);
    // What lies outside China keeps its place.
    let abroad = [feature("G1", &square(2.35, 48.85, 0.01))];
    let grids = Grids::parse(&file(&abroad), Datum::Bd09).grids;
    assert_eq!(code_at(&grids, 2.355, 48.855).as_deref(), Some("G1"));
}

/// A district of 27 by 30 grids of 60 corners each, which share their borders.
fn district() -> String {
    let (columns, rows, side) = (27, 30, 0.01_f64);
    // A wavy line between two corners: the same from either side.
    let bend =
        |at: f64, lon: f64| at + 0.000_8 * ((lon - 113.8) / side * std::f64::consts::TAU).sin();
    let mut features = Vec::new();
    for column in 0..columns {
        for row in 0..rows {
            let (w, s) = (113.8 + f64::from(column) * side, 30.8 + f64::from(row) * side);
            let (e, n) = (113.8 + f64::from(column + 1) * side, 30.8 + f64::from(row + 1) * side);
            let step = |from: f64, to: f64, n: i32| from + (to - from) * f64::from(n) / 15.0;
            let mut ring: Vec<(f64, f64)> = Vec::new();
            ring.extend((0..15).map(|k| step(w, e, k)).map(|x| (x, bend(s, x))));
            ring.extend((0..15).map(|k| step(s, n, k)).map(|y| (e, y)));
            ring.extend((0..15).map(|k| step(e, w, k)).map(|x| (x, bend(n, x))));
            ring.extend((0..15).map(|k| step(n, s, k)).map(|y| (w, y)));
            let first = ring[0];
            ring.push(first);
            let ring: Vec<String> = ring.iter().map(|(x, y)| format!("[{x:.7},{y:.7}]")).collect();
            features.push(feature(&format!("G{column}-{row}"), &format!("[[{}]]", ring.join(","))));
        }
    }
    file(&features)
}

#[test]
fn eight_hundred_and_ten_grids_load_at_once_and_agree_with_a_look_at_each() {
    use geo::Contains;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    let text = district();
    let began = Instant::now();
    let read = Grids::parse(&text, Datum::Wgs84);
    println!("810 grids: {:?}", began.elapsed());
    let shown: Vec<_> = read.errors.iter().take(3).collect();
    assert!(shown.is_empty(), "{shown:?}");
    assert_eq!((read.grids.len(), read.warnings.len()), (810, 0), "{:?}", read.warnings.first());
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let (mut inside, mut outside) = (0, 0);
    while inside < 200 || outside < 20 {
        let at = place(random.random_range(113.75..114.12), random.random_range(30.75..31.15));
        let point = geo::Point::from(read.grids.plane.to_metres([at.lon, at.lat]));
        let mut areas: Vec<&Area> = read.grids.tree.iter().collect();
        areas.sort_by_key(|area| area.order);
        let slow = areas.iter().find(|area| area.shape.contains(&point));
        let answer = read.grids.answering(&at).unwrap();
        match slow {
            Some(area) => {
                inside += 1;
                assert_eq!(answer.code, read.grids.grids[area.order].code);
                assert_eq!(answer.outside_m, None);
            }
            None if outside >= 20 => {}
            None => {
                outside += 1;
                let least = |area: &&Area| Euclidean.distance(&point, &area.shape);
                let metres = areas.iter().map(least).fold(f64::MAX, f64::min);
                assert_eq!(answer.outside_m, Some(metres.round().max(1.0) as u32));
            }
        }
    }
}
