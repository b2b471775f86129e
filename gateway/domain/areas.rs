//! Finds the grid in which a point lies. Rules and desk are given such a value; it reads no file itself.

use std::sync::Arc;

use super::{Grid, Place};

/// The grids of the site; the configuration has them.
pub trait Areas: Send + Sync {
    /// The grid at this place, if one is there; its border belongs to it.
    fn at(&self, place: &Place) -> Option<Arc<Grid>>;

    /// Who answers for this place: the grid there, else the nearest, which says so in `outside_m`.
    /// `None` where there are no grids.
    fn answering(&self, place: &Place) -> Option<Arc<Grid>>;
}
