//! Grids 网格 from a GeoJSON file, and which grid a point lies in.

use std::{path::Path, sync::Arc};

use geo::{BoundingRect, Contains, MultiPolygon, Rect};
use geojson::{FeatureCollection, GeoJson};

use crate::domain::{Areas, Grid, Place};

/// Larger files are a mistake (a whole province), not a community.
const FILE_BYTES_MAX: u64 = 64 << 20;

struct Area {
    grid: Arc<Grid>,
    bounds: Rect<f64>,
    shape: MultiPolygon<f64>,
}

/// All grids of the site.
#[derive(Default)]
pub struct Grids {
    areas: Vec<Area>,
}

impl Grids {
    /// Reads a GeoJSON FeatureCollection (RFC 7946, WGS 84 lon/lat) of Polygons or
    /// MultiPolygons with properties `code`, `name`, and optionally `community`, `township`,
    /// `head`. Every bad feature is told, with its number; the good ones are kept.
    pub fn read(path: &Path) -> (Self, Vec<String>) {
        match read_text(path) {
            Ok(text) => Self::parse(&text),
            Err(problem) => (Self::default(), vec![problem]),
        }
    }

    /// As [`Self::read`], from a text.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let collection: FeatureCollection = match text.parse::<GeoJson>() {
            Ok(GeoJson::FeatureCollection(collection)) => collection,
            Ok(_) => return (Self::default(), vec!["expected a GeoJSON FeatureCollection".into()]),
            Err(error) => return (Self::default(), vec![format!("not GeoJSON: {error}")]),
        };
        let mut grids = Self::default();
        let mut problems = Vec::new();
        for (index, feature) in collection.features.iter().enumerate() {
            match area(feature) {
                Ok(area) if grids.by_code(&area.grid.code).is_some() => problems.push(format!(
                    "feature {}: code {} is used twice",
                    index + 1,
                    area.grid.code
                )),
                Ok(area) => grids.areas.push(area),
                Err(problem) => problems.push(format!("feature {}: {problem}", index + 1)),
            }
        }
        if grids.areas.is_empty() && problems.is_empty() {
            problems.push("holds no grid".into());
        }
        (grids, problems)
    }

    /// The grid that a point lies in; the first in the file where they overlap.
    pub fn at(&self, place: &Place) -> Option<Arc<Grid>> {
        let point = geo::Point::new(place.lon, place.lat);
        self.areas
            .iter()
            .find(|area| area.bounds.contains(&point) && area.shape.contains(&point))
            .map(|area| area.grid.clone())
    }

    pub fn by_code(&self, code: &str) -> Option<Arc<Grid>> {
        self.areas.iter().find(|area| area.grid.code == code).map(|area| area.grid.clone())
    }

    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.areas.iter().map(|area| area.grid.code.as_str())
    }

    pub fn len(&self) -> usize {
        self.areas.len()
    }

    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }
}

impl Areas for Grids {
    fn at(&self, place: &Place) -> Option<Arc<Grid>> {
        Self::at(self, place)
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("{bytes} bytes; at most {FILE_BYTES_MAX} are read"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

fn area(feature: &geojson::Feature) -> Result<Area, String> {
    let text = |key: &str| {
        feature.property(key).and_then(|value| match value {
            serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let required = |key: &str| text(key).ok_or_else(|| format!("property `{key}` is missing"));
    let grid = Grid {
        code: required("code")?,
        name: required("name")?,
        community: text("community"),
        township: text("township"),
        head: text("head"),
    };
    let geometry = feature.geometry.as_ref().ok_or("has no geometry")?;
    let shape: geo::Geometry<f64> =
        geometry.value.clone().try_into().map_err(|error| format!("geometry: {error}"))?;
    let shape = match shape {
        geo::Geometry::Polygon(polygon) => MultiPolygon(vec![polygon]),
        geo::Geometry::MultiPolygon(polygons) => polygons,
        _ => return Err("expected a Polygon or MultiPolygon".into()),
    };
    let bounds = shape.bounding_rect().ok_or("polygon without points")?;
    if bounds.min().x < -180.0
        || bounds.max().x > 180.0
        || bounds.min().y < -90.0
        || bounds.max().y > 90.0
    {
        return Err(
            "coordinates outside lon -180..180, lat -90..90 (are lon and lat swapped?)".into()
        );
    }
    Ok(Area { grid: Arc::new(grid), bounds, shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","properties":{"code":"G1","name":"一网格","head":"李"},
         "geometry":{"type":"Polygon","coordinates":[[[0,0],[2,0],[2,2],[0,2],[0,0]],[[0.5,0.5],[1,0.5],[1,1],[0.5,1],[0.5,0.5]]]}},
        {"type":"Feature","properties":{"name":"x"},"geometry":null},
        {"type":"Feature","properties":{"code":"G1","name":"x"},
         "geometry":{"type":"Polygon","coordinates":[[[5,5],[6,5],[6,6],[5,5]]]}},
        {"type":"Feature","properties":{"code":"G4","name":"x"},
         "geometry":{"type":"Polygon","coordinates":[[[30,113],[31,113],[31,114],[30,113]]]}}]}"#;

    #[test]
    fn a_point_finds_its_grid_and_a_hole_is_outside() {
        let (grids, problems) = Grids::parse(TEXT);
        let at = |lon, lat| grids.at(&Place { lon, lat, text: None }).map(|grid| grid.code.clone());
        assert_eq!(at(1.5, 1.5).as_deref(), Some("G1"));
        assert_eq!(at(0.75, 0.75), None);
        assert_eq!(at(9.0, 9.0), None);
        assert_eq!(
            problems,
            [
                "feature 2: property `code` is missing",
                "feature 3: code G1 is used twice",
                "feature 4: coordinates outside lon -180..180, lat -90..90 (are lon and lat swapped?)"
            ]
        );
    }

    #[test]
    fn rubbish_is_one_clear_problem() {
        assert!(Grids::parse("{").1[0].starts_with("not GeoJSON"));
        assert_eq!(
            Grids::parse(r#"{"type":"FeatureCollection","features":[]}"#).1,
            ["holds no grid"]
        );
        assert!(
            Grids::read(Path::new("/nowhere/grids.geojson")).1[0].starts_with("cannot be read")
        );
    }
}
