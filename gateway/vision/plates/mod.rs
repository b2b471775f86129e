//! Plates of vehicles that are followed: looked for in the vehicle's own part of the picture, and voted on over its track.
//!
//! **V14** Nothing is looked for outside the box of a tracked vehicle, a vehicle is looked at a few times and no
//! more once its readings agree, and what has no pattern of a plate is never told.

mod colour;
mod find;
mod parts;
mod read;
mod reader;
mod sights;
mod vote;

pub use parts::missing;
pub use reader::PlateReader;
pub use sights::PlateSights;
