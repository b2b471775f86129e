//! records go to the grid.
