//! Whether somebody lies, from the shape of his box alone: lower than he stood, wider than high, and at one place. Pure.
//!
//! What no box tells: who lies along the line of sight is as high as wide and is not seen to lie; who lies
//! behind something, or where the lower or upper edge of the picture cuts him, neither.

use jiff::{SignedDuration, Timestamp};

use crate::domain::Bbox;

/// From this width to one of height in pixels on, a box is of somebody who lies. Who sits or ties a shoe
/// stays below it.
const LIES_FROM: f32 = 1.2;
/// Below this he is up again. Between the two, boxes tremble.
const UP_BELOW: f32 = 1.05;
/// Up to this width to one of height he stands at his full height.
pub(super) const STANDS_UP_TO: f32 = 0.65;
/// Who lies is lower than this share of how high he stood: two side by side in one box are not.
const LOWER_THAN: f32 = 0.75;
/// How much each look at him as he stands renews how high he stands: he comes nearer and goes away.
pub(super) const RENEW: f32 = 0.3;
/// The middle of who lies stays within this share of his length: he may struggle, and not crawl on.
const STAYS_WITHIN: f32 = 0.5;
/// So many looks must have shown it, however far apart they are.
const LOOKS_MIN: u32 = 3;
/// Nobody is up again by a single look, nor by several within this time.
const UP_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// A box that comes so near to the upper or lower edge of the picture may be cut there.
const EDGE: f32 = 0.005;

/// Pixels of the width of a picture for one of its height, where none was seen yet.
pub(super) const USUAL_ASPECT: f32 = 16.0 / 9.0;

/// How one thing lies, over the looks that showed it.
#[derive(Clone, Debug, Default)]
pub(in crate::rules) struct Lying {
    /// How high he stood when he was last seen to stand, in heights of the picture.
    stood: Option<f32>,
    /// Since when he lies, and where his middle was then.
    lies: Option<(Timestamp, (f32, f32))>,
    /// Looks since then that showed it.
    looks: u32,
    /// The first look since then that showed him up, and how many did.
    up: Option<(Timestamp, u32)>,
}

impl Lying {
    /// A look shows him so; `aspect` is the width of the picture for one of its height.
    pub(super) fn seen(&mut self, bbox: Bbox, aspect: f32, at: Timestamp) {
        if bbox.y0 <= EDGE || bbox.y1 >= 1.0 - EDGE {
            return;
        }
        let (width, height) = ((bbox.x1 - bbox.x0) * aspect, bbox.y1 - bbox.y0);
        let shape = width / height.max(f32::EPSILON);
        let is_lower = self.stood.is_none_or(|stood| height < stood * LOWER_THAN);
        let centre = (bbox.centre().0 * aspect, bbox.centre().1);
        match () {
            () if shape >= LIES_FROM && is_lower => self.lies_at(centre, width.max(height), at),
            () if shape < UP_BELOW || !is_lower => self.is_up(at),
            // Neither: what he did, he does.
            () => {}
        }
        if shape <= STANDS_UP_TO {
            let before = self.stood.unwrap_or(height);
            self.stood = Some(before + (height - before) * RENEW);
        }
    }

    fn lies_at(&mut self, centre: (f32, f32), length: f32, at: Timestamp) {
        self.up = None;
        let stays = |from: (f32, f32)| {
            (centre.0 - from.0).hypot(centre.1 - from.1) <= length * STAYS_WITHIN
        };
        match self.lies {
            Some((_, from)) if stays(from) => self.looks = self.looks.saturating_add(1),
            _ => (self.lies, self.looks) = (Some((at, centre)), 1),
        }
    }

    fn is_up(&mut self, at: Timestamp) {
        let (from, looks) = self.up.unwrap_or((at, 0));
        self.up = Some((from, looks + 1));
        if looks > 0 && at.duration_since(from) >= UP_AFTER {
            (self.lies, self.looks) = (None, 0);
        }
    }

    /// Since when he lies, if enough looks have shown it.
    pub(in crate::rules) fn since(&self) -> Option<Timestamp> {
        self.lies.filter(|_| self.looks >= LOOKS_MIN).map(|(since, _)| since)
    }
}
