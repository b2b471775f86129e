//! A vehicle that is followed: what is known of it beside its track.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Plate, PlateState, VehicleStanding};

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

/// What is known of one vehicle of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vehicle {
    /// Of its track.
    pub track: u64,
    pub colour: Colour,
    pub plate: PlateState,
}

/// What a finding says of one vehicle. It holds a whole plate: before it becomes part of an incident, that is
/// masked and sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VehicleReport {
    /// Id of the thing in the finding.
    pub thing: u64,
    /// As the detector names it.
    pub class: Arc<str>,
    pub colour: Colour,
    /// Several looks agreed on it.
    pub plate: Option<Plate>,
    /// None: it is not known yet.
    pub standing: Option<VehicleStanding>,
    /// Attention: the order by which it is looked for, and who put it on the list.
    pub order: Option<(String, String)>,
    /// It drove against the direction.
    pub wrong_way: bool,
}

/// Labels of detectors that are vehicles with a plate.
pub fn has_plate(label: &str) -> bool {
    matches!(label, "car" | "truck" | "bus" | "motorcycle")
}
