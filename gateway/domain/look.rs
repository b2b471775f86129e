//! A look: one moment of a camera on its way from the gate to vision, and what vision answers.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Bbox, LookArea, Picture};

/// What vision is asked to look at.
#[derive(Clone, Debug)]
pub struct Look {
    /// Corrected source time.
    pub at: Timestamp,
    /// What the camera's own clock said of it, if it did.
    pub device: Option<Timestamp>,
    /// Absent: nothing has changed since the look before, so whoever was there still is.
    pub picture: Option<Picture>,
    /// Where something differs, in 0..1 of the picture; small things are looked for here.
    pub regions: Vec<Bbox>,
    /// Those of them where nothing has moved since the look before: a person who is known to stand
    /// there still does.
    pub still: Vec<Bbox>,
    /// The detector runs on the whole picture too.
    pub whole: bool,
    /// Vision checks once more whether what has long been there is there still.
    pub verify: bool,
    /// Asked by a camera that sleeps on a restless scene: if somebody new is there it wakes, and
    /// will show this moment again, with what led to it.
    pub probe: bool,
    /// Where somebody is to be found; absent: anywhere.
    pub area: Option<Arc<LookArea>>,
    /// The camera itself moves all the time (a drone): that all of it differs says nothing.
    pub in_flight: bool,
}

impl Look {
    /// Whether whoever makes this region differ is to be found.
    pub fn concerns(&self, region: &Bbox) -> bool {
        self.area.as_ref().is_none_or(|area| area.concerns(region))
    }

    /// A look without a picture: nothing differs, only time has gone on.
    pub fn quiet(at: Timestamp, device: Option<Timestamp>) -> Self {
        Self {
            at,
            device,
            picture: None,
            regions: Vec::new(),
            still: Vec::new(),
            whole: false,
            verify: false,
            probe: false,
            area: None,
            in_flight: false,
        }
    }

    /// A look at a picture of a camera that moves: all of it differs.
    pub fn of(picture: Picture) -> Self {
        let (at, device) = (picture.at, picture.device);
        let (picture, regions) = (Some(picture), vec![Bbox::new(0.0, 0.0, 1.0, 1.0)]);
        Self { picture, regions, whole: true, in_flight: true, ..Self::quiet(at, device) }
    }
}

/// What vision answers the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LookFeedback {
    /// Something is there that counts.
    pub holds: bool,
    /// Something that counts, and does not just stand there, was found where something differs.
    pub found: bool,
    /// Something is there that was not there before.
    pub somebody_new: bool,
    /// Height of the smallest thing that was found where something differs, in 0..1 of the picture; 0
    /// where something differs and nothing was found; `None`: nothing differs.
    pub least_height: Option<f32>,
}
