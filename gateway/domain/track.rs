//! What vision saw: boxes in relative coordinates, and boxes that are the same thing over time.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A box in 0..1 of the picture's width and height, `x0 < x1`, `y0 < y1`, origin top left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bbox {
    pub x0: f32,
    pub y0: f32,
    pub x1: f32,
    pub y1: f32,
}

impl Bbox {
    /// The box with these edges.
    pub fn new(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// Share of the picture that it covers, 0..1.
    pub fn area(&self) -> f32 {
        (self.x1 - self.x0).max(0.0) * (self.y1 - self.y0).max(0.0)
    }

    /// Intersection over union, 0..1.
    pub fn iou(&self, other: &Self) -> f32 {
        let both = Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        }
        .area();
        let either = self.area() + other.area() - both;
        if either > 0.0 { both / either } else { 0.0 }
    }

    /// The least box that holds both.
    pub fn around(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// Share of the smaller of the two that lies in the other, 0..1.
    pub fn overlap(&self, other: &Self) -> f32 {
        let both = Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        };
        let least = self.area().min(other.area());
        if least > 0.0 && both.x1 > both.x0 && both.y1 > both.y0 {
            both.area() / least
        } else {
            0.0
        }
    }

    /// The middle of it.
    pub fn centre(&self) -> (f32, f32) {
        ((self.x0 + self.x1) / 2.0, (self.y0 + self.y1) / 2.0)
    }

    /// Whether the point lies in it, edges included.
    pub fn holds(&self, (x, y): (f32, f32)) -> bool {
        (self.x0..=self.x1).contains(&x) && (self.y0..=self.y1).contains(&y)
    }

    /// Where it stands: the middle of its lower edge.
    pub fn foot(&self) -> (f32, f32) {
        ((self.x0 + self.x1) / 2.0, self.y1)
    }
}

/// One thing in one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// From the model's label list, e.g. `person`.
    pub label: Arc<str>,
    /// 0..1.
    pub score: f32,
    /// Where it is in the picture.
    pub bbox: Bbox,
}

/// One thing followed over pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Unique within a camera's session; never reused.
    pub id: u64,
    /// Of the latest detection that was sure.
    pub label: Arc<str>,
    /// Score of the latest detection, 0..1.
    pub score: f32,
    /// Where it is, or is predicted to be.
    pub bbox: Bbox,
    /// False while it is only predicted (not seen in this picture).
    pub seen: bool,
    /// When it was detected first; it is reported from its second detection on.
    pub since: Timestamp,
    /// Where it stood then: at one picture a second, who walks may be over a line by the second one.
    pub origin: (f32, f32),
    /// A crop around it, at the picture's own resolution, has shown it too. Asked only where a rule wants
    /// that ([`super::LookArea::wants_crop`]).
    pub shown_in_crop: bool,
}

/// What a look of one camera made of it, as it was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptLook {
    /// Source time.
    pub at: Timestamp,
    /// Of this moment; when and where each came is not kept.
    pub tracks: Vec<Track>,
}
