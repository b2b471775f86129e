//! A vehicle that is followed: what is known of it beside its track.

use serde::{Deserialize, Serialize};

use super::Plate;

/// The colour of most of a vehicle, where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    White,
    Grey,
    Black,
    Red,
    Yellow,
    Green,
    Blue,
    Brown,
    /// Several, or too dark to tell.
    #[default]
    Unknown,
}

/// How far the reading of a plate has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlateState {
    /// Nothing was read yet that is sure, and it is looked at again.
    Open,
    /// Several looks agree.
    Read(Plate),
    /// It was looked at as often as it may be, and no reading is sure: no plate, one too small or
    /// dirty, or one that readings differ about.
    Unread,
}

/// What is known of one vehicle of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vehicle {
    /// Of its track.
    pub track: u64,
    pub colour: Colour,
    pub plate: PlateState,
}

/// Labels of detectors that are vehicles with a plate.
pub fn has_plate(label: &str) -> bool {
    matches!(label, "car" | "truck" | "bus" | "motorcycle")
}
