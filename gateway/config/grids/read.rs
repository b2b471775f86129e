//! The features of a GeoJSON file of grids: each is good, or one sentence says what is wrong with it.

use std::{collections::HashMap, path::Path};

use geo::{MapCoords, MultiPolygon};
use serde_json::Value as Json;

use super::shape;
use crate::domain::{Datum, Grid, GridWorker};

/// Larger files are a mistake (a whole province), not a community.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// A telephone list belongs elsewhere.
const WORKERS_MAX: usize = 100;
/// Names of coordinate systems that are longitude and latitude as we take them.
const KNOWN_SYSTEMS: &[&str] = &["CRS84", "4326", "4490"];

/// A good feature.
pub(super) struct Feature {
    /// In the file, from 1.
    pub(super) number: usize,
    pub(super) grid: Grid,
    /// Degrees, WGS 84.
    pub(super) shape: MultiPolygon<f64>,
}

/// The file as a text; the error says what is wrong with it.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let about = std::fs::metadata(path).map_err(cannot)?;
    // Before it is opened: who opens a pipe waits for its other end.
    if !about.is_file() {
        return Err("is no regular file".into());
    }
    let bytes = about.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("{bytes} bytes; at most {FILE_BYTES_MAX} are read"));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes)
        .map_err(|_| "is not UTF-8 (was it saved as GBK?); save it again as UTF-8".into())
}

/// The good features, and a sentence for each other one.
pub(super) fn features(text: &str, datum: Datum) -> (Vec<Feature>, Vec<String>) {
    let listed = match listed(text) {
        Ok(listed) => listed,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let (mut good, mut errors) = (Vec::new(), Vec::new());
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for (index, feature) in listed.into_iter().enumerate() {
        let number = index + 1;
        match read(number, &feature, datum) {
            Ok(one) => match numbers.get(&one.grid.code) {
                Some(first) => errors.push(format!(
                    "feature {number} (code {}): feature {first} has this code too; each grid needs its own",
                    one.grid.code
                )),
                None => {
                    numbers.insert(one.grid.code.clone(), number);
                    good.push(one);
                }
            },
            Err(error) => {
                let code = word(&feature, "code").map(|code| format!(" (code {code})"));
                errors.push(format!("feature {number}{}: {error}", code.unwrap_or_default()));
            }
        }
    }
    if good.is_empty() && errors.is_empty() {
        errors.push("holds no grid".into());
    }
    (good, errors)
}

fn listed(text: &str) -> Result<Vec<Json>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut file: Json =
        serde_json::from_str(text).map_err(|error| format!("not GeoJSON: {error}"))?;
    if file["type"] != "FeatureCollection" {
        return Err("expected a GeoJSON FeatureCollection".into());
    }
    let system = file["crs"]["properties"]["name"].as_str();
    if let Some(name) = system.filter(|name| !KNOWN_SYSTEMS.iter().any(|it| name.ends_with(it))) {
        return Err(format!(
            "its `crs` is `{name}`; expected longitude and latitude in degrees, as EPSG:4326 or EPSG:4490"
        ));
    }
    match file["features"].take() {
        Json::Array(features) => Ok(features),
        _ => Err("expected `features` to be a list".into()),
    }
}

fn read(number: usize, feature: &Json, datum: Datum) -> Result<Feature, String> {
    let required =
        |key: &str| word(feature, key).ok_or_else(|| format!("property `{key}` is missing"));
    let grid = Grid {
        code: required("code")?,
        name: required("name")?,
        community: word(feature, "community"),
        township: word(feature, "township"),
        head: word(feature, "head"),
        head_phone: word(feature, "head_phone"),
        workers: workers(&feature["properties"]["workers"])?,
        outside_m: None,
    };
    let geometry = &feature["geometry"];
    if geometry.is_null() {
        return Err("has no geometry".into());
    }
    let rings = shape::polygons(geometry)?;
    shape::check(&rings)?;
    let shape = shape::multi_polygon(rings);
    let shape = shape.map_coords(|at| datum.to_wgs84([at.x, at.y]).into());
    Ok(Feature { number, grid, shape })
}

/// A property as a text; numbers too, since codes and telephones look like them.
fn word(feature: &Json, key: &str) -> Option<String> {
    plain(&feature["properties"][key])
}

fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A list of names, or of `{"name", "phone"}`; or one text with the names.
fn workers(value: &Json) -> Result<Vec<GridWorker>, String> {
    let expected =
        || "property `workers`: expected a list of names or of {\"name\", \"phone\"}".to_owned();
    let named = |name: &str| GridWorker { name: name.trim().to_owned(), phone: None };
    let all: Vec<GridWorker> = match value {
        Json::Null => Vec::new(),
        Json::String(names) => {
            let names = names.split(['、', ',', '，', ';', '；']);
            names.filter(|name| !name.trim().is_empty()).map(named).collect()
        }
        Json::Array(list) => {
            let one = |one: &Json| match one {
                Json::String(name) if !name.trim().is_empty() => Ok(named(name)),
                Json::Object(_) => {
                    let name = plain(&one["name"]).ok_or_else(expected)?;
                    Ok(GridWorker { name, phone: plain(&one["phone"]) })
                }
                _ => Err(expected()),
            };
            list.iter().map(one).collect::<Result<_, _>>()?
        }
        _ => return Err(expected()),
    };
    if all.len() > WORKERS_MAX {
        return Err(format!("property `workers`: {} of them; at most {WORKERS_MAX}", all.len()));
    }
    Ok(all)
}
