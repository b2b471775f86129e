//! What a drone sees, with its place on the ground and the grid there. Pure.

use std::sync::Arc;

use crate::domain::{Areas, DroneInfo, Grid, Place, Spot, moved};

/// One thing that a drone sees, and where it stands as far as is known.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// As the detector names it.
    pub(super) label: Arc<str>,
    /// Of the detection, 0..1.
    pub(super) score: f32,
    /// Or why it has no place.
    pub(super) spot: Result<Spot, &'static str>,
    /// The grid at that place.
    pub(super) grid: Option<Arc<Grid>>,
    /// The stated error reaches into another grid, or out of all.
    pub(super) near_edge: bool,
}

/// What a place on the ground is computed from: the drone, and the grids that its flight may cross.
#[derive(Clone, Copy)]
pub(super) struct GeoContext<'d> {
    /// The drone, for its errors.
    pub(super) drone: &'d DroneInfo,
    /// The grids, where the site has any.
    pub(super) areas: Option<&'d dyn Areas>,
}

impl GeoContext<'_> {
    /// The grid at `[lon, lat]`, if one is there.
    pub(super) fn grid(&self, [lon, lat]: [f64; 2]) -> Option<Arc<Grid>> {
        self.areas?.at(&Place { lon, lat, text: None })
    }

    /// Whether some place within the stated error lies in another grid than its middle.
    pub(super) fn near_edge(&self, spot: &Spot, grid: Option<&Arc<Grid>>) -> bool {
        let code = |grid: Option<&Arc<Grid>>| grid.map(|grid| grid.code.clone());
        (0..8).any(|eighth| {
            let (east, north) = (f64::from(eighth) * 45f64.to_radians()).sin_cos();
            let there = moved(spot.position, spot.error_m * north, spot.error_m * east);
            code(self.grid(there).as_ref()) != code(grid)
        })
    }
}
