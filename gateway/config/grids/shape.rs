//! The rings of one feature, checked one by one before they become a shape: what is wrong, and where.

use geo::{
    Area, Coord, Line, LineString, MultiPolygon, Polygon,
    line_intersection::{LineIntersection, line_intersection},
};
use serde_json::Value as Json;

/// Each polygon is its outer ring and then its holes, as they are in the file.
pub(super) type Rings = Vec<Vec<Vec<Coord<f64>>>>;

/// A country's border has fewer.
const POINTS_MAX: usize = 200_000;

/// About a square metre: what is smaller encloses nothing.
const AREA_MIN_DEG2: f64 = 1e-10;

/// The rings of a Polygon or MultiPolygon.
pub(super) fn polygons(geometry: &Json) -> Result<Rings, String> {
    let coordinates = &geometry["coordinates"];
    let polygons = match geometry["type"].as_str() {
        Some("Polygon") => vec![rings(coordinates)?],
        Some("MultiPolygon") => list(coordinates)?.iter().map(rings).collect::<Result<_, _>>()?,
        Some(other) => return Err(format!("is a {other}; expected a Polygon or MultiPolygon")),
        None => return Err("its geometry has no type; expected a Polygon or MultiPolygon".into()),
    };
    let points: usize = polygons.iter().flatten().map(Vec::len).sum();
    match points {
        0 => Err("its geometry is empty".into()),
        POINTS_MAX.. => Err(format!("{points} points; at most {POINTS_MAX} are read")),
        _ => Ok(polygons),
    }
}

fn list(value: &Json) -> Result<&Vec<Json>, String> {
    value.as_array().ok_or_else(|| "`coordinates`: expected lists of [lon, lat]".to_owned())
}

fn rings(polygon: &Json) -> Result<Vec<Vec<Coord<f64>>>, String> {
    let ring = |ring: &Json| list(ring)?.iter().map(position).collect();
    list(polygon)?.iter().map(ring).collect()
}

fn position(value: &Json) -> Result<Coord<f64>, String> {
    let number = |at: usize| value.get(at).and_then(Json::as_f64);
    match (number(0), number(1)) {
        (Some(x), Some(y)) => Ok(Coord { x, y }),
        _ => {
            Err(format!("`coordinates`: `{value}` is no position; expected [lon, lat] in degrees"))
        }
    }
}

/// The first thing that is wrong, with its ring, counted from 1 over the whole feature.
pub(super) fn check(polygons: &Rings) -> Result<(), String> {
    on_earth(polygons)?;
    let mut number = 0;
    for polygon in polygons {
        if polygon.is_empty() {
            return Err("one of its polygons is empty".into());
        }
        let first = number + 1;
        for ring in polygon {
            number += 1;
            ring_is_good(ring).map_err(|error| format!("ring {number} {error}"))?;
        }
        if let Some((ring, at)) = crossing(polygon) {
            let ring = first + ring;
            return Err(format!(
                "ring {ring} crosses itself or another ring at {}, {}",
                short(at.x),
                short(at.y)
            ));
        }
        let flat = |ring: &Vec<Coord<f64>>| {
            let area = Polygon::new(LineString::new(ring.clone()), Vec::new()).unsigned_area();
            area < AREA_MIN_DEG2
        };
        if let Some(flat) = polygon.iter().position(flat) {
            return Err(format!("ring {} encloses nothing", first + flat));
        }
    }
    Ok(())
}

/// Longitude first, in degrees.
fn on_earth(polygons: &Rings) -> Result<(), String> {
    let all = || polygons.iter().flatten().flatten();
    let fits = |lon: f64, lat: f64| lon.abs() <= 180.0 && lat.abs() <= 90.0;
    // Around China, also where only the far west of it is meant.
    let in_china =
        |lon: f64, lat: f64| (72.0..=138.0).contains(&lon) && (0.0..=56.0).contains(&lat);
    let Some(off) = all().find(|at| !fits(at.x, at.y)) else {
        let swapped = all().all(|at| !in_china(at.x, at.y) && in_china(at.y, at.x));
        return if swapped { Err(swapped_at(all().next())) } else { Ok(()) };
    };
    if fits(off.y, off.x) {
        return Err(swapped_at(Some(off)));
    }
    Err(format!(
        "{}, {} is not on earth; expected longitude and latitude in degrees (are these metres of a projection?)",
        off.x, off.y
    ))
}

fn swapped_at(at: Option<&Coord<f64>>) -> String {
    let at = at.copied().unwrap_or_default();
    format!("{}, {}: longitude comes first; are lon and lat swapped?", at.x, at.y)
}

fn ring_is_good(ring: &[Coord<f64>]) -> Result<(), String> {
    let (Some(first), Some(last)) = (ring.first(), ring.last()) else {
        return Err("is empty".into());
    };
    if first != last {
        return Err(format!(
            "is not closed: it begins at {}, {} and ends at {}, {}; the last position must repeat the first",
            first.x, first.y, last.x, last.y
        ));
    }
    if ring.len() < 4 {
        return Err(format!("has {} positions; expected at least 4", ring.len()));
    }
    Ok(())
}

/// Where two sides of a polygon cross, and in which of its rings. That they touch does no harm.
fn crossing(polygon: &[Vec<Coord<f64>>]) -> Option<(usize, Coord<f64>)> {
    let mut sides: Vec<(usize, Line<f64>)> = Vec::new();
    for (number, ring) in polygon.iter().enumerate() {
        let pairs = ring.windows(2).filter(|pair| pair[0] != pair[1]);
        sides.extend(pairs.map(|pair| (number, Line::new(pair[0], pair[1]))));
    }
    let left = |line: &Line<f64>| line.start.x.min(line.end.x);
    let right = |line: &Line<f64>| line.start.x.max(line.end.x);
    sides.sort_by(|(_, a), (_, b)| left(a).total_cmp(&left(b)));
    for (at, (ring, side)) in sides.iter().enumerate() {
        let beside = sides[at + 1..].iter().take_while(|(_, other)| left(other) <= right(side));
        for (_, other) in beside {
            if let Some(LineIntersection::SinglePoint { intersection, is_proper: true }) =
                line_intersection(*side, *other)
            {
                return Some((*ring, intersection));
            }
        }
    }
    None
}

fn short(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

/// The rings as a shape, once they are checked.
pub(super) fn multi_polygon(polygons: Rings) -> MultiPolygon<f64> {
    let polygon = |rings: Vec<Vec<Coord<f64>>>| {
        let mut rings = rings.into_iter().map(LineString::new);
        let outer = rings.next().unwrap_or_else(|| LineString::new(Vec::new()));
        Polygon::new(outer, rings.collect())
    };
    MultiPolygon(polygons.into_iter().map(polygon).collect())
}
