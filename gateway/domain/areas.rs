//! Finds the grid in which a point lies. Rules and desk are given such a value; it reads no file itself.

use std::sync::Arc;

use super::{Grid, Place};

/// The grids of the site; the configuration has them.
pub trait Areas: Send + Sync {
    /// The grid at this place, if one is there.
    fn at(&self, place: &Place) -> Option<Arc<Grid>>;
}
