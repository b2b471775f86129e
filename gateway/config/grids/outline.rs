//! The borders of the grids as a map draws them: in degrees, and no more points than a slow desk can drag about.

use std::sync::Arc;

use geo::{CoordsIter, LineString, MultiPolygon, Polygon, Simplify};

use super::{Grids, Plane};
use crate::domain::Grid;

/// Points of all grids together. A district of 810 grids drawn by hand has a third of it.
const POINTS_MAX: usize = 120_000;
/// The first that is left out where there are more, metres; then twice as much, and so on.
const LEFT_OUT_M_FIRST: f64 = 0.5;
/// Beyond it a border is not the border any more.
const LEFT_OUT_M_MAX: f64 = 64.0;

/// Polygons, of each its rings (the outer one first), of each its corners as `[lon, lat]`, rounded to 0.1 m.
pub type Outline = Vec<Vec<Vec<[f64; 2]>>>;

impl Grids {
    /// Each grid with its border, in the order of the file.
    pub fn outlines(&self) -> Vec<(Arc<Grid>, Outline)> {
        self.outlines_within(POINTS_MAX)
    }

    fn outlines_within(&self, points_max: usize) -> Vec<(Arc<Grid>, Outline)> {
        let mut areas: Vec<_> = self.tree.iter().collect();
        areas.sort_by_key(|area| area.order);
        let count = |shapes: &[MultiPolygon<f64>]| -> usize {
            shapes.iter().map(CoordsIter::coords_count).sum()
        };
        let mut shapes: Vec<MultiPolygon<f64>> =
            areas.iter().map(|area| area.shape.clone()).collect();
        let mut left_out_m = LEFT_OUT_M_FIRST;
        while count(&shapes) > points_max && left_out_m <= LEFT_OUT_M_MAX {
            shapes = areas.iter().map(|area| area.shape.simplify(left_out_m)).collect();
            left_out_m *= 2.0;
        }
        let named = areas.iter().zip(&shapes).filter_map(|(area, shape)| {
            Some((self.grids.get(area.order)?.clone(), outline(self.plane, shape)))
        });
        named.collect()
    }
}

fn outline(plane: Plane, shape: &MultiPolygon<f64>) -> Outline {
    let ring =
        |ring: &LineString<f64>| ring.coords().map(|at| degrees(plane, [at.x, at.y])).collect();
    let rings = |polygon: &Polygon<f64>| {
        std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect()
    };
    shape.iter().map(rings).collect()
}

fn degrees(plane: Plane, at: [f64; 2]) -> [f64; 2] {
    plane.to_degrees(at).map(|degrees| (degrees * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use crate::{config::Grids, domain::Datum};

    /// A round grid with so many corners, and a square one.
    fn grids(corners: usize) -> Grids {
        let round: Vec<String> = (0..=corners)
            .map(|n| {
                let angle = (n % corners) as f64 / corners as f64 * std::f64::consts::TAU;
                format!("[{},{}]", 113.9 + 0.01 * angle.cos(), 30.9 + 0.01 * angle.sin())
            })
            .collect();
        let feature = |code: &str, ring: &str| {
            format!(
                r#"{{"type":"Feature","properties":{{"code":"{code}","name":"n{code}"}},"geometry":{{"type":"Polygon","coordinates":[[{ring}]]}}}}"#
            )
        };
        let square = "[114,30],[114.01,30],[114.01,30.01],[114,30.01],[114,30]";
        let text = format!(
            r#"{{"type":"FeatureCollection","features":[{},{}]}}"#,
            feature("B", &round.join(",")),
            feature("A", square)
        );
        let read = Grids::parse(&text, Datum::Wgs84);
        assert!(read.errors.is_empty(), "{:?}", read.errors);
        read.grids
    }

    #[test]
    fn borders_come_back_as_they_were_drawn_and_too_many_points_are_thinned() {
        let few = grids(60).outlines();
        let codes: Vec<&str> = few.iter().map(|(grid, _)| grid.code.as_str()).collect();
        assert_eq!(codes, ["B", "A"], "in the order of the file");
        assert_eq!(few[0].1[0][0].len(), 61);
        let square = &few[1].1;
        assert_eq!(square.len(), 1);
        let corner = |at: [f64; 2]| square[0][0].contains(&at);
        assert!(corner([114.0, 30.0]) && corner([114.01, 30.01]), "{square:?}");
        let many = grids(5_000).outlines_within(1_000);
        let points = many[0].1[0][0].len();
        assert!((60..1_000).contains(&points), "{points} points");
        let off =
            many[0].1[0][0].iter().map(|[lon, lat]| ((lon - 113.9).hypot(lat - 30.9) - 0.01).abs());
        assert!(off.fold(0.0, f64::max) < 3e-5, "within three metres");
    }
}
