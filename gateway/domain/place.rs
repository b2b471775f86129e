//! Where things are: a point, a grid 网格, and what is known of each source.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SourceId;

/// A point in WGS 84, with the words an officer would use for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Degrees east, WGS 84.
    pub lon: f64,
    /// Degrees north, WGS 84.
    pub lat: f64,
    /// Address in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A grid 网格: a named, coded area with its head 网格长 and workers 网格员.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grid {
    pub code: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub community: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub township: Option<String>,
    /// Name of the grid head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Telephone of the grid head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_phone: Option<String>,
    /// Grid workers, as the file lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<GridWorker>,
    /// The place lies in no grid: this is the nearest, at so many metres (1 at the least).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_m: Option<u32>,
}

impl Grid {
    /// How exactly areas mean this place, as codes of grids, names of communities or of townships: 3 by
    /// grid, 2 by community, 1 by township, 0 where none is named and all are meant.
    pub fn nearness(grid: Option<&Self>, areas: &[String]) -> Option<u8> {
        if areas.is_empty() {
            return Some(0);
        }
        let grid = grid?;
        let names =
            [(3, Some(&grid.code)), (2, grid.community.as_ref()), (1, grid.township.as_ref())];
        let is_named = |name: Option<&String>| name.is_some_and(|name| areas.contains(name));
        names.into_iter().find(|(_, name)| is_named(*name)).map(|(near, _)| near)
    }

    /// Whether areas mean this place.
    pub fn is_in(grid: Option<&Self>, areas: &[String]) -> bool {
        Self::nearness(grid, areas).is_some()
    }
}

/// A grid worker 网格员.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GridWorker {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// What sort of device a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    Camera,
    Drone,
    Button,
    Gauge,
    /// The gateway itself, for faults of its parts.
    Gateway,
    /// A device that no configuration knows.
    Unknown,
    /// The public page on which residents report.
    Resident,
    /// A loudspeaker, for faults of it and for what a person said there.
    Speaker,
    /// Where devices are counted, for faults of its sensors.
    Presence,
}

/// All that the configuration says of a source that an incident needs.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceInfo {
    /// As in the configuration.
    pub id: SourceId,
    /// What sort of device.
    pub kind: SourceKind,
    /// For people.
    pub name: String,
    /// Where it is.
    pub place: Option<Place>,
    /// Named, or found from `place` by point in polygon, or the nearest.
    pub grid: Option<Arc<Grid>>,
    /// Whom to call; shown in the incident's `detail`.
    pub contact: Option<String>,
    /// What to know; shown in the incident's `detail`.
    pub note: Option<String>,
}
