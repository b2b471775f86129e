//! Grids 网格 of a GeoJSON file: which one a point lies in, and which is nearest where it lies in none.

mod outline;
mod read;
mod shape;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use geo::{BoundingRect, Distance, Euclidean, InteriorPoint, Intersects, MapCoords, MultiPolygon};
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use crate::domain::{Areas, Datum, Grid, Place};

pub use outline::Outline;

/// Where two grids share a border, each one's corner may lie this far in the other: drawn by hand.
const SLIVER_M: f64 = 2.0;
/// Overlaps that are told one by one.
const OVERLAPS_MAX: usize = 20;
/// Of a sphere.
const METRES_A_DEGREE: f64 = 111_195.0;

/// A plane of metres that touches the earth in the middle of the grids. Each axis keeps its order, so
/// that a point lies in the same grids as in degrees; distances of some kilometres are right to 1 %.
#[derive(Clone, Copy, Default)]
struct Plane {
    lon: f64,
    lat: f64,
    metres_a_lon: f64,
}

impl Plane {
    fn around(shapes: &[MultiPolygon<f64>]) -> Self {
        let middles = shapes.iter().filter_map(BoundingRect::bounding_rect).map(|it| it.center());
        let (sum, count) = middles.fold(((0.0, 0.0), 0.0), |((lon, lat), count), middle| {
            ((lon + middle.x, lat + middle.y), count + 1.0)
        });
        let (lon, lat) = (sum.0 / f64::max(count, 1.0), sum.1 / f64::max(count, 1.0));
        Self { lon, lat, metres_a_lon: METRES_A_DEGREE * lat.to_radians().cos() }
    }

    fn to_metres(self, [lon, lat]: [f64; 2]) -> [f64; 2] {
        [(lon - self.lon) * self.metres_a_lon, (lat - self.lat) * METRES_A_DEGREE]
    }

    fn to_degrees(self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.lon + x / self.metres_a_lon, self.lat + y / METRES_A_DEGREE]
    }
}

/// One grid in the tree.
struct Area {
    /// Its place in the file, from 0.
    order: usize,
    /// On the plane.
    shape: MultiPolygon<f64>,
    envelope: AABB<[f64; 2]>,
}

impl RTreeObject for Area {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        self.envelope
    }
}

impl PointDistance for Area {
    fn distance_2(&self, point: &[f64; 2]) -> f64 {
        Euclidean.distance(&geo::Point::from(*point), &self.shape).powi(2)
    }

    /// The border is inside: on the one between two grids a point is in both, and never in none.
    fn contains_point(&self, point: &[f64; 2]) -> bool {
        self.shape.intersects(&geo::Point::from(*point))
    }
}

/// All grids of the site.
#[derive(Default)]
pub struct Grids {
    plane: Plane,
    tree: RTree<Area>,
    /// In the order of the file.
    grids: Vec<Arc<Grid>>,
    by_code: HashMap<String, usize>,
}

/// Grids, and what is to be said of their file.
#[derive(Default)]
pub struct ReadGrids {
    /// Those that are good.
    pub grids: Grids,
    /// What is wrong, each with the number and the code of its feature.
    pub errors: Vec<String>,
    /// What works, and is perhaps not as it was meant.
    pub warnings: Vec<String>,
}

impl Grids {
    /// Reads a GeoJSON FeatureCollection (RFC 7946, lon/lat of this datum) of Polygons or MultiPolygons
    /// with properties `code`, `name`, and optionally `community`, `township`, `head`, `head_phone`,
    /// `workers`. Every bad feature is told; the good ones are kept.
    pub fn read(path: &Path, datum: Datum) -> ReadGrids {
        match read::text(path) {
            Ok(text) => Self::parse(&text, datum),
            Err(error) => ReadGrids { errors: vec![error], ..ReadGrids::default() },
        }
    }

    /// As [`Self::read`], from a text.
    pub fn parse(text: &str, datum: Datum) -> ReadGrids {
        let (features, errors) = read::features(text, datum);
        let numbers: Vec<usize> = features.iter().map(|one| one.number).collect();
        let grids = Self::of(features);
        let warnings = grids.overlaps(&numbers);
        ReadGrids { grids, errors, warnings }
    }

    fn of(features: Vec<read::Feature>) -> Self {
        let (grids, shapes): (Vec<_>, Vec<_>) =
            features.into_iter().map(|one| (Arc::new(one.grid), one.shape)).unzip();
        let plane = Plane::around(&shapes);
        let area = |(order, shape): (usize, MultiPolygon<f64>)| {
            let shape = shape.map_coords(|at| plane.to_metres([at.x, at.y]).into());
            let bounds = shape.bounding_rect()?;
            let corners = [bounds.min(), bounds.max()].map(|at| [at.x, at.y]);
            Some(Area { order, shape, envelope: AABB::from_corners(corners[0], corners[1]) })
        };
        let tree = RTree::bulk_load(shapes.into_iter().enumerate().filter_map(area).collect());
        let by_code =
            grids.iter().enumerate().map(|(order, it)| (it.code.clone(), order)).collect();
        Self { plane, tree, grids, by_code }
    }

    /// The grid that a point lies in, its border included; the first in the file where they overlap.
    pub fn at(&self, place: &Place) -> Option<Arc<Grid>> {
        let point = self.point(place)?;
        let order = self.tree.locate_all_at_point(&point).map(|area| area.order).min()?;
        self.grids.get(order).cloned()
    }

    /// The grid that a point lies in, or else the nearest, which says so in `outside_m`.
    pub fn answering(&self, place: &Place) -> Option<Arc<Grid>> {
        if let Some(grid) = self.at(place) {
            return Some(grid);
        }
        let point = self.point(place)?;
        let area = self.tree.nearest_neighbor(&point)?;
        let metres = area.distance_2(&point).sqrt().round().max(1.0);
        let grid = self.grids.get(area.order)?;
        Some(Arc::new(Grid { outside_m: Some(metres as u32), ..Grid::clone(grid) }))
    }

    /// On the plane; none for what is no number.
    fn point(&self, place: &Place) -> Option<[f64; 2]> {
        let point = self.plane.to_metres([place.lon, place.lat]);
        point.iter().all(|metres| metres.is_finite()).then_some(point)
    }

    /// The grid with this code.
    pub fn by_code(&self, code: &str) -> Option<Arc<Grid>> {
        self.grids.get(*self.by_code.get(code)?).cloned()
    }

    /// All codes, in the order of the file.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.grids.iter().map(|grid| grid.code.as_str())
    }

    /// Heads and workers, by name.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.grids.iter().flat_map(|grid| {
            let workers = grid.workers.iter().map(|worker| worker.name.as_str());
            grid.head.as_deref().into_iter().chain(workers)
        })
    }

    /// What an area can be called: codes of grids, names of communities and of townships.
    pub fn areas(&self) -> HashSet<&str> {
        let communities = self.grids.iter().filter_map(|grid| grid.community.as_deref());
        let townships = self.grids.iter().filter_map(|grid| grid.township.as_deref());
        self.codes().chain(communities).chain(townships).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.grids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.grids.is_empty()
    }

    /// A sentence for each two that overlap by more than a sliver: looked for at the corners of each and
    /// at a point in its middle, so that two which cross without a corner in each other are not found.
    fn overlaps(&self, numbers: &[usize]) -> Vec<String> {
        let mut found = HashSet::new();
        let mut told = Vec::new();
        for area in &self.tree {
            let corners = geo::CoordsIter::coords_iter(&area.shape).map(|at| [at.x, at.y]);
            let middle = area.shape.interior_point().map(|at| [at.x(), at.y()]);
            for point in middle.into_iter().chain(corners) {
                for other in self.tree.locate_all_at_point(&point) {
                    let pair = (area.order.min(other.order), area.order.max(other.order));
                    if pair.0 == pair.1 || found.contains(&pair) || !is_deep(&other.shape, point) {
                        continue;
                    }
                    found.insert(pair);
                    told.push((pair, self.plane.to_degrees(point)));
                }
            }
        }
        told.sort_by_key(|(pair, _)| *pair);
        let name = |order: usize| {
            let code = self.grids.get(order).map_or("", |grid| grid.code.as_str());
            format!("feature {} (code {code})", numbers.get(order).copied().unwrap_or_default())
        };
        let rest = told.len().saturating_sub(OVERLAPS_MAX);
        let sentence = |((first, second), [lon, lat]): ((usize, usize), [f64; 2])| {
            format!(
                "{} and {} overlap, at {lon:.5}, {lat:.5} for one; what lies in both counts to the first",
                name(first),
                name(second)
            )
        };
        let mut all: Vec<String> = told.into_iter().take(OVERLAPS_MAX).map(sentence).collect();
        if rest > 0 {
            all.push(format!("{rest} more overlap"));
        }
        all
    }
}

/// Whether a point in this shape is farther from its border than lines drawn by hand are apart.
fn is_deep(shape: &MultiPolygon<f64>, point: [f64; 2]) -> bool {
    let point = geo::Point::from(point);
    let rings = shape
        .iter()
        .flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()));
    rings.into_iter().all(|ring| Euclidean.distance(&point, ring) > SLIVER_M)
}

impl Areas for Grids {
    fn at(&self, place: &Place) -> Option<Arc<Grid>> {
        Self::at(self, place)
    }

    fn answering(&self, place: &Place) -> Option<Arc<Grid>> {
        Self::answering(self, place)
    }
}
