//! The loops that read every pixel of a picture: a package of its own, so that development builds optimise it.
//!
//! Unoptimised, each of these loops takes twenty times as long, and with them tests that look at
//! pictures. The other code does not need it: unoptimised it builds in a quarter of the time. So
//! what is done for every pixel stands here, on plain slices, and nothing else does. Pure.

mod blocks;
mod colours;
mod resize;
mod smooth;
mod square;
mod turn;
mod warp;

pub use blocks::{Blocks, block_means};
pub use colours::{Area, Planes, rgb_of_planes, rgb_of_rgb};
pub use resize::{Order, Target, fill};
pub use smooth::smooth;
pub use square::square;
pub use turn::{Turn, turn_plane};
pub use warp::{Quad, Strip, warp};
