//! The map of a configuration: grids, where each source is, and the picture that lies under it. It changes by a reload
//! alone, so it is made once.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::body::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Datum, SourceKind};

/// A picture of the ground is read whole.
const PICTURE_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// One that is wider or higher is no site: longitude and latitude are mistyped.
const PICTURE_DEG_MAX: f64 = 1.0;

/// `[map]`: what lies under the map of the officers' page.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapConfig {
    /// A picture of the ground, north up: a floor plan, or a map that the site may use. PNG, JPEG or
    /// WebP, at most 20 MiB. Without it the grids lie on a plain ground.
    #[serde(default)]
    pub ground_file: Option<PathBuf>,
    /// `[[lon, lat], [lon, lat]]` of its south-western and its north-eastern corner, degrees.
    #[serde(default)]
    pub corners: Option<[[f64; 2]; 2]>,
    /// What they refer to. Default: as `[site] datum`.
    #[serde(default)]
    pub datum: Option<Datum>,
}

impl MapConfig {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        match (&self.ground_file, &self.corners) {
            (Some(path), _) => {
                problems.extend(picture_problem(path).map(|text| ("ground_file", text)))
            }
            (None, Some(_)) => {
                problems.push(("ground_file", "of what? corners belong to a picture".into()))
            }
            (None, None) => {}
        }
        match &self.corners {
            Some(corners) => {
                problems.extend(corners_problem(corners).map(|text| ("corners", text)))
            }
            None if self.ground_file.is_some() => {
                let text = "is missing; expected [[lon, lat], [lon, lat]] of the picture's south-western and north-eastern corner";
                problems.push(("corners", text.into()));
            }
            None => {}
        }
        problems
    }
}

fn corners_problem(corners: &[[f64; 2]; 2]) -> Option<String> {
    let [[west, south], [east, north]] = *corners;
    let on_earth = |[lon, lat]: [f64; 2]| lon.abs() <= 180.0 && lat.abs() <= 90.0;
    if !corners.iter().all(|corner| on_earth(*corner)) {
        return Some(format!("{corners:?}: expected degrees on earth, longitude first"));
    }
    if east <= west || north <= south {
        return Some(format!("{corners:?}: expected the south-western corner first"));
    }
    (east - west > PICTURE_DEG_MAX || north - south > PICTURE_DEG_MAX)
        .then(|| format!("{corners:?}: expected at most {PICTURE_DEG_MAX} degree wide and high"))
}

fn picture_problem(path: &Path) -> Option<String> {
    read_picture(path).err().map(|why| format!("{}: {why}", path.display()))
}

/// Its bytes and its media type, by what it begins with.
pub(super) fn read_picture(path: &Path) -> Result<(Vec<u8>, &'static str), String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > PICTURE_BYTES_MAX {
        return Err(format!("{size} bytes; at most {PICTURE_BYTES_MAX} are read"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let kind = media_type(&bytes).ok_or("expected a picture: PNG, JPEG or WebP")?;
    Ok((bytes, kind))
}

fn media_type(bytes: &[u8]) -> Option<&'static str> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match () {
        () if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
        () if bytes.starts_with(&[0xff, 0xd8, 0xff]) => Some("image/jpeg"),
        () if is_webp => Some("image/webp"),
        () => None,
    }
}

/// What the map draws. What is absent is absent, never null.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MapView {
    /// `[lon, lat]` of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<[f64; 2]>,
    /// The picture under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground: Option<MapGround>,
    /// In the order of their file.
    pub grids: Vec<MapGrid>,
    /// Each source that the configuration knows.
    pub sources: Vec<MapSource>,
}

/// A picture of the ground.
#[derive(Clone, Debug, Serialize)]
pub struct MapGround {
    /// Where it is fetched.
    pub url: &'static str,
    /// South-western and north-eastern, `[lon, lat]`.
    pub corners: [[f64; 2]; 2],
}

/// A grid and its border.
#[derive(Clone, Debug, Serialize)]
pub struct MapGrid {
    pub code: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Polygons, of each its rings, the outer one first, of each its corners `[lon, lat]`.
    pub outline: Vec<Vec<Vec<[f64; 2]>>>,
}

/// A camera, drone, button or gauge.
#[derive(Clone, Debug, Serialize)]
pub struct MapSource {
    pub id: String,
    pub kind: SourceKind,
    pub name: String,
    /// Its own; absent: it has none, or only that of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<[f64; 2]>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Code of its grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// Name of its grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_name: Option<String>,
    /// What a camera sees.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub sees: Option<MapSector>,
}

/// The sector that a camera sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MapSector {
    /// From true north, clockwise.
    pub bearing_deg: f64,
    /// How wide.
    pub view_deg: f64,
    /// How far.
    pub view_m: f64,
}

/// The map of a configuration, ready to be sent.
#[derive(Clone, Debug, Default)]
pub struct SiteMap {
    view: Arc<MapView>,
    pub(super) json: Bytes,
    pub(super) revision: String,
    pub(super) picture: Option<PathBuf>,
}

impl SiteMap {
    /// `picture`: the file of the ground.
    pub fn of(view: MapView, picture: Option<PathBuf>) -> Self {
        let json = serde_json::to_vec(&view).unwrap_or_default();
        Self { view: Arc::new(view), revision: tag(&json), json: json.into(), picture }
    }

    /// The grid of a source.
    pub(super) fn grid_of(&self, kind: SourceKind, id: &str) -> Option<&str> {
        let is_it = |one: &&MapSource| one.kind == kind && one.id == id;
        self.view.sources.iter().find(is_it)?.grid.as_deref()
    }

    /// The same with these grids alone, and what is in them.
    pub(super) fn only(&self, grids: &BTreeSet<String>) -> Self {
        let mut view = MapView::clone(&self.view);
        view.grids.retain(|grid| grids.contains(&grid.code));
        view.sources.retain(|source| source.grid.as_ref().is_some_and(|grid| grids.contains(grid)));
        Self::of(view, self.picture.clone())
    }
}

/// Names these bytes.
pub(super) fn tag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";

    fn said(config: &MapConfig) -> Vec<String> {
        config.problems().into_iter().map(|(key, text)| format!("{key}: {text}")).collect()
    }

    #[test]
    fn a_ground_has_a_picture_and_two_corners_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, text) = (folder.path().join("plan.png"), folder.path().join("plan.txt"));
        std::fs::write(&plan, PNG).unwrap();
        std::fs::write(&text, "no picture").unwrap();
        let with = |ground: Option<&PathBuf>, corners| MapConfig {
            ground_file: ground.cloned(),
            corners,
            datum: None,
        };
        let right = Some([[113.9, 30.9], [113.91, 30.91]]);
        assert_eq!(said(&MapConfig::default()), Vec::<String>::new());
        assert_eq!(said(&with(Some(&plan), right)), Vec::<String>::new());
        for (config, part) in [
            (with(None, right), "ground_file: of what?"),
            (with(Some(&plan), None), "corners: is missing"),
            (with(Some(&text), right), "ground_file: "),
            (with(Some(&folder.path().join("none.png")), right), "cannot be read"),
            (
                with(Some(&plan), Some([[113.91, 30.9], [113.9, 30.91]])),
                "south-western corner first",
            ),
            (
                with(Some(&plan), Some([[113.9, 30.9], [113.9, 30.91]])),
                "south-western corner first",
            ),
            (with(Some(&plan), Some([[30.9, 113.9], [30.91, 113.91]])), "longitude first"),
            (with(Some(&plan), Some([[113.0, 30.0], [114.1, 30.5]])), "at most 1 degree"),
            (with(Some(&plan), Some([[f64::NAN, 30.0], [114.1, 30.5]])), "corners: "),
        ] {
            let said = said(&config);
            assert!(said.len() == 1 && said[0].contains(part), "{part} not in {said:?}");
        }
    }

    #[test]
    fn a_picture_is_what_it_begins_with_and_not_what_it_is_called() {
        for (bytes, expected) in [
            (PNG, Some("image/png")),
            (&[0xff, 0xd8, 0xff, 0xe0][..], Some("image/jpeg")),
            (&b"RIFF....WEBPVP8 "[..], Some("image/webp")),
            (&b"RIFF....WAVEfmt "[..], None),
            (&b"<svg onload=alert(1)>"[..], None),
            (&b""[..], None),
        ] {
            assert_eq!(media_type(bytes), expected);
        }
    }
}
