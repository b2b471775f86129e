//! What a rule says that it does not do, or that can hardly be meant: warnings, a sentence each. Pure.

use geo::{Area, BooleanOps, MultiPolygon, Polygon};

use super::{
    config::{Config, Direction, RuleKind},
    zone::{polygon, polygon_problem},
};

/// Models are seldom surer.
const SCORE_SURE: f32 = 0.9;
/// Hardly anything fills more of a picture.
const SIZE_LARGE: f32 = 0.5;
/// A default that was not typed cannot be told from one that was.
const COUNT: u32 = 5;
/// Of the picture: less of a zone than this is left over by a mask that was drawn over it by hand.
const LEFT_MIN: f64 = 1e-4;

impl Config {
    /// As (key, message); none of them stops anything. `begins`: the score below which nobody is followed.
    pub fn doubts(&self, begins: f32) -> Vec<(&'static str, String)> {
        let mut doubts = Vec::new();
        if self.kind == RuleKind::Line {
            if !self.zone.is_empty() {
                let message = "kind = \"line\" has none: who crosses `line` counts wherever he stands; end the line where that ends";
                doubts.push(("zone", message.to_owned()));
            }
            if self.dwell_s.is_some() {
                let message = "kind = \"line\" has none: who crosses is told at once";
                doubts.push(("dwell_s", message.to_owned()));
            }
        } else if self.kind != RuleKind::Barrier && self.direction != Direction::Both {
            let message = "only kinds line and barrier have a direction; this one tells of all";
            doubts.push(("direction", message.to_owned()));
        }
        if self.kind != RuleKind::Crowd && self.count != COUNT {
            let message = "only kind = \"crowd\" counts; here one is enough";
            doubts.push(("count", message.to_owned()));
        }
        if self.min_score > SCORE_SURE && self.min_score <= 1.0 {
            let message = format!(
                "{}: models are seldom so sure, and who is seen with less is never told; 0.5 is usual",
                self.min_score
            );
            doubts.push(("min_score", message));
        } else if (0.0..begins).contains(&self.min_score) {
            let message = format!(
                "{}: nobody is followed from below {begins} on, so this is the same as {begins}",
                self.min_score
            );
            doubts.push(("min_score", message));
        }
        if self.min_size > SIZE_LARGE && self.min_size <= self.max_size {
            let message = format!(
                "{}: what fills a smaller share of the picture is never told, and hardly anything fills as much",
                self.min_size
            );
            doubts.push(("min_size", message));
        }
        doubts
    }

    /// Whether these masks of a camera leave next to nothing of its zone.
    pub fn is_masked_out(&self, masks: &[Vec<[f32; 2]>]) -> bool {
        let is_sound = |points: &[[f32; 2]]| polygon_problem(points).is_none();
        let whole = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let zone = if self.zone.is_empty() { &whole[..] } else { &self.zone };
        if self.kind == RuleKind::Line || !is_sound(zone) {
            return false;
        }
        let zone: Polygon<f64> = polygon(zone);
        let least = LEFT_MIN.min(zone.unsigned_area() / 2.0);
        let left = masks
            .iter()
            .filter(|mask| is_sound(mask))
            .fold(MultiPolygon::from(zone), |left, mask| left.difference(&polygon(mask)));
        left.unsigned_area() < least
    }
}
