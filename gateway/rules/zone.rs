//! Polygons in relative coordinates: is a point inside, does a step cross a line, is the drawing sane.
//!
//! The edge of a polygon belongs to it. Whoever stands at the lower edge of the picture has his feet
//! cut off by it, so the lower edge of his box is the picture's, and a zone or mask that is drawn
//! to 1.0 holds him. A box that a model draws beyond the picture counts as at its edge.

use geo::{
    Area, Contains, Coord, Intersects, Line, LineString, Point, Polygon, Rect, Validation,
    line_intersection::line_intersection,
};

use crate::domain::Bbox;

/// Share of the picture below which a polygon encloses nothing: a pixel of 1080p is 5e-7.
const AREA_MIN: f64 = 1e-7;

/// A polygon in 0..1, or the whole picture.
pub(super) struct Zone(Option<Polygon<f64>>);

impl Zone {
    /// Of these corners; fewer than three are the whole picture.
    pub(super) fn new(points: &[[f32; 2]]) -> Self {
        Self((points.len() >= 3).then(|| polygon(points)))
    }

    /// Whether the point lies inside, or on the edge.
    pub(super) fn holds(&self, foot: (f32, f32)) -> bool {
        self.0.as_ref().is_none_or(|zone| zone.intersects(&in_picture(foot)))
    }
}

/// Inside one of the polygons, or on the edge of one (none: no).
pub(super) fn masked(masks: &[Polygon<f64>], foot: (f32, f32)) -> bool {
    masks.iter().any(|mask| mask.intersects(&in_picture(foot)))
}

/// Whether somebody's foot in this cell may count: a part of it lies in the zone, and a mask does not hold
/// all of it.
pub(super) fn counts_in(zone: &Zone, masks: &[Polygon<f64>], cell: Bbox) -> bool {
    let at = |x: f32, y: f32| Coord { x: f64::from(x), y: f64::from(y) };
    let cell = Rect::new(at(cell.x0, cell.y0), at(cell.x1, cell.y1));
    zone.0.as_ref().is_none_or(|zone| zone.intersects(&cell))
        && !masks.iter().any(|mask| mask.contains(&cell))
}

/// This point, or the one of the picture that is nearest to it.
fn in_picture((x, y): (f32, f32)) -> Point<f64> {
    Point::new(f64::from(x.clamp(0.0, 1.0)), f64::from(y.clamp(0.0, 1.0)))
}

/// The closed polygon of these corners.
pub(super) fn polygon(points: &[[f32; 2]]) -> Polygon<f64> {
    let ring: Vec<Coord<f64>> =
        points.iter().map(|p| Coord { x: f64::from(p[0]), y: f64::from(p[1]) }).collect();
    Polygon::new(LineString(ring), Vec::new())
}

/// Which side a step over the line comes from: `Some(true)` from its left, seen from the first
/// point to the second on the screen (y points down); None if it does not cross.
pub(super) fn crossing(line: &[[f32; 2]], from: (f32, f32), to: (f32, f32)) -> Option<bool> {
    let [a, b] = line else { return None };
    let at = |point: &[f32; 2]| Coord { x: f64::from(point[0]), y: f64::from(point[1]) };
    let (a, b) = (at(a), at(b));
    // A line that is drawn to the picture's edge ends there, and so does who is cut off by it.
    let (from, to) = (in_picture(from).0, in_picture(to).0);
    // Side of a point: negative is left on the screen, where y points down.
    let side = |p: Coord<f64>| (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
    let crosses = line_intersection(Line::new(a, b), Line::new(from, to)).is_some();
    // On the line counts as its right: stepping on it and off again is one crossing.
    (crosses && (side(from) < 0.0) != (side(to) < 0.0)).then(|| side(from) < 0.0)
}

/// What is wrong with a polygon as drawn.
pub(super) fn polygon_problem(points: &[[f32; 2]]) -> Option<String> {
    if points.len() < 3 {
        return Some(format!("{} points; a polygon needs at least 3", points.len()));
    }
    if points.iter().flatten().any(|v| !(0.0..=1.0).contains(v)) {
        return Some("a point lies outside 0..1 of the picture (pixels instead of shares?)".into());
    }
    let drawn = polygon(points);
    if !drawn.is_valid() {
        return Some("its edges cross each other".into());
    }
    let flat = drawn.unsigned_area() < AREA_MIN;
    flat.then(|| "it encloses nothing: its points lie on one line, or in one pixel".into())
}

/// What is wrong with ignore-masks.
pub fn mask_problems(masks: &[Vec<[f32; 2]>]) -> Option<String> {
    masks.iter().enumerate().find_map(|(n, mask)| {
        polygon_problem(mask).map(|problem| format!("polygon {}: {problem}", n + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossing_has_a_direction() {
        // A line from left to right: its left is above on the screen.
        let line = [[0.0, 0.5], [1.0, 0.5]];
        assert_eq!(crossing(&line, (0.5, 0.4), (0.5, 0.6)), Some(true));
        assert_eq!(crossing(&line, (0.5, 0.6), (0.5, 0.4)), Some(false));
        assert_eq!(crossing(&line, (0.5, 0.6), (0.6, 0.7)), None);
        assert_eq!(crossing(&[[0.0, 0.5], [0.2, 0.5]], (0.5, 0.4), (0.5, 0.6)), None);
    }

    const LOWER: [[f32; 2]; 4] = [[0.0, 0.3], [1.0, 0.3], [1.0, 1.0], [0.0, 1.0]];

    #[test]
    fn the_edge_belongs_to_zones_and_masks_and_the_pictures_edge_too() {
        let closed: Vec<[f32; 2]> = LOWER.into_iter().chain([LOWER[0]]).collect();
        let turned: Vec<[f32; 2]> = LOWER.into_iter().rev().collect();
        for points in [&LOWER[..], &closed, &turned] {
            assert_eq!(polygon_problem(points), None, "{points:?}");
            let (zone, masks) = (Zone::new(points), [polygon(points)]);
            let held = |foot| {
                assert_eq!(zone.holds(foot), masked(&masks, foot), "{foot:?} of {points:?}");
                zone.holds(foot)
            };
            let at_edges = [(0.5, 1.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.5), (1.0, 0.5), (0.5, 0.3)];
            let beyond = [(0.5, 1.000_1), (0.5, 1.2), (-0.01, 0.9), (1.3, 1.3), (0.0, 0.3)];
            for foot in at_edges.into_iter().chain(beyond).chain([(0.5, 0.5)]) {
                assert!(held(foot), "{foot:?} of {points:?}");
            }
            for foot in [(0.5, 0.299_9), (0.5, 0.0), (0.5, -1.0), (f32::NAN, 0.5)] {
                assert!(!held(foot), "{foot:?} of {points:?}");
            }
        }
        assert!(Zone::new(&[]).holds((0.5, 7.0)) && !masked(&[], (0.5, 0.5)));
        // Drawn within the picture: its edge is none of the zone's.
        let inner = Zone::new(&[[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]);
        assert!(inner.holds((0.8, 0.8)) && !inner.holds((0.5, 1.0)) && !inner.holds((0.9, 0.5)));
        // Sloping edges do not lie on numbers of the machine: at 1.0 they are met all the same.
        let sloping = Zone::new(&[[0.1, 0.35], [0.9, 0.4], [1.0, 1.0], [0.0, 1.0]]);
        for n in 0..=100u8 {
            assert!(sloping.holds((f32::from(n) / 100.0, 1.0)), "{n}");
        }
    }

    #[test]
    fn drawings_that_enclose_nothing_hold_what_lies_on_them_and_do_no_harm() {
        let flat = [[0.0, 0.5], [1.0, 0.5], [0.5, 0.5]];
        let point = [[0.5, 0.5]; 4];
        let few = [[0.1, 0.1], [0.9, 0.9], [0.1, 0.1]];
        for (points, off) in
            [(&flat[..], (0.5, 0.6)), (&point[..], (0.4, 0.5)), (&few[..], (0.5, 0.6))]
        {
            assert!(polygon_problem(points).is_some(), "check refuses it: {points:?}");
            assert!(
                !Zone::new(points).holds(off) && !masked(&[polygon(points)], off),
                "{points:?}"
            );
        }
        assert!(Zone::new(&point).holds((0.5, 0.5)));
    }

    #[test]
    fn drawings_are_checked() {
        assert!(polygon_problem(&[[0.0, 0.0], [1.0, 1.0]]).unwrap().contains("at least 3"));
        assert!(
            polygon_problem(&[[0.0, 0.0], [640.0, 0.0], [1.0, 1.0]]).unwrap().contains("outside")
        );
        let bow_tie = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]];
        assert!(polygon_problem(&bow_tie).unwrap().contains("cross"));
        assert_eq!(polygon_problem(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), None);
    }
}
