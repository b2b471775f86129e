//! Polygons in relative coordinates: is a point inside, does a step cross a line, is the drawing sane.

use geo::{
    Contains, Coord, Line, LineString, Polygon, Validation, line_intersection::line_intersection,
};

/// A polygon in 0..1, or the whole picture.
pub(super) struct Zone(Option<Polygon<f64>>);

impl Zone {
    /// Of these corners; fewer than three are the whole picture.
    pub(super) fn new(points: &[[f32; 2]]) -> Self {
        Self((points.len() >= 3).then(|| polygon(points)))
    }

    /// Whether the point lies inside.
    pub(super) fn holds(&self, (x, y): (f32, f32)) -> bool {
        let point = geo::Point::new(f64::from(x), f64::from(y));
        self.0.as_ref().is_none_or(|zone| zone.contains(&point))
    }
}

/// Inside one of the polygons (none: no).
pub(super) fn masked(masks: &[Polygon<f64>], (x, y): (f32, f32)) -> bool {
    let point = geo::Point::new(f64::from(x), f64::from(y));
    masks.iter().any(|mask| mask.contains(&point))
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
    let at = |x: f32, y: f32| Coord { x: f64::from(x), y: f64::from(y) };
    let [a, b] = line else { return None };
    let (a, b) = (at(a[0], a[1]), at(b[0], b[1]));
    let (from, to) = (at(from.0, from.1), at(to.0, to.1));
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
    (!polygon(points).is_valid()).then(|| "its edges cross each other".into())
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
