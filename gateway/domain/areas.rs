//! Which grid a point lies in, asked of a value that the middle is given: it reads no file itself.

use std::sync::Arc;

use super::{Grid, Place};

/// The grids of the site; the configuration has them.
pub trait Areas: Send + Sync {
    fn at(&self, place: &Place) -> Option<Arc<Grid>>;
}
