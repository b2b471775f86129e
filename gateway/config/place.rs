//! Where a source is: its place on earth, and the grid that is named or that the place lies in.

use std::sync::Arc;

use super::{
    button::ButtonConfig, grids::Grids, problem::did_you_mean, read::Document, sections::Items,
    used_ids::UsedIds,
};
use crate::{
    domain::{Grid, Place, SourceInfo, SourceKind},
    rules::rain::GaugeConfig,
    sinks::SpeakerConfig,
    sources::{camera, drone, presence},
};

/// Which key, what is wrong, what was meant.
pub(super) type Wrong = (&'static str, String, Option<String>);

/// All sources that have been placed.
pub(super) struct Sources<'g> {
    site: Option<[f64; 2]>,
    grids: &'g Grids,
    ids: UsedIds,
    pub(super) all: Vec<SourceInfo>,
}

impl<'g> Sources<'g> {
    /// `site` is the place of all that have none of their own.
    pub(super) fn new(site: Option<[f64; 2]>, grids: &'g Grids) -> Self {
        Self { site, grids, ids: UsedIds::default(), all: Vec::new() }
    }

    /// All items of a section.
    pub(super) fn put_each<'c, T: 'c>(&mut self, document: &mut Document<'_>, items: &'c Items<T>)
    where
        Placed<'c>: From<&'c T>,
    {
        for (index, item) in items {
            let placed = Placed::from(item);
            let mut problem = |(key, message, hint): Wrong| {
                document.problem(&[placed.section(), index, key], message, hint);
            };
            if let Some(message) = self.twice(placed.id) {
                let message = format!("{message}; every source needs an id of its own");
                problem(("id", message, None));
            }
            self.put(&placed).unwrap_or_else(problem);
            if let Some(message) = self.outside(&placed) {
                document.warning(&[placed.section(), index, "place"], message);
            }
        }
    }

    /// The warning for a place of its own that lies in no grid: the nearest answers for it.
    pub(super) fn outside(&self, placed: &Placed<'_>) -> Option<String> {
        let [lon, lat] = placed.place.filter(|place| on_earth(*place).is_ok())?;
        if placed.grid.is_some() || placed.kind == SourceKind::Drone {
            return None;
        }
        let nearest = self.grids.answering(&Place { lon, lat, text: None })?;
        let (far, code, count) = (nearest.outside_m?, &nearest.code, self.grids.len());
        Some(format!(
            "[{lon}, {lat}] lies in none of the {count} grids; the nearest, {code}, is {far} m away and answers for it; are longitude and latitude right?"
        ))
    }

    /// The message for an id that another source has.
    pub(super) fn twice(&mut self, id: &str) -> Option<String> {
        self.ids.twice(id)
    }

    pub(super) fn put(&mut self, placed: &Placed<'_>) -> Result<(), Wrong> {
        self.all.push(placed.source(self.site, self.grids)?);
        Ok(())
    }
}

/// What a camera, a drone, a button and a gauge have in common: who it is and where.
pub(super) struct Placed<'c> {
    kind: SourceKind,
    id: &'c str,
    /// Empty: as its id.
    name: &'c str,
    /// Longitude and latitude.
    place: Option<[f64; 2]>,
    /// Code of the grid, where it is named.
    grid: Option<&'c str>,
    address: Option<&'c str>,
    contact: Option<&'c str>,
    note: Option<&'c str>,
}

impl Placed<'_> {
    /// Its name in the configuration, as in `[[camera]]`.
    fn section(&self) -> &'static str {
        match self.kind {
            SourceKind::Camera => "camera",
            SourceKind::Drone => "drone",
            SourceKind::Gauge => "gauge",
            SourceKind::Speaker => "speaker",
            SourceKind::Presence => "presence",
            _ => "button",
        }
    }

    /// `site` is the place of what has none of its own.
    fn source(&self, site: Option<[f64; 2]>, grids: &Grids) -> Result<SourceInfo, Wrong> {
        if let Some(Err(message)) = self.place.map(on_earth) {
            return Err(("place", message, None));
        }
        // The site's own place is nothing that a drone is at.
        let site = site.filter(|_| self.kind != SourceKind::Drone);
        let text = self.address.map(str::to_owned);
        let place = self.place.or(site).map(|[lon, lat]| Place { lon, lat, text });
        Ok(SourceInfo {
            id: self.id.into(),
            kind: self.kind,
            name: if self.name.is_empty() { self.id } else { self.name }.to_owned(),
            grid: grid(self.grid, place.as_ref(), grids)?,
            place,
            contact: self.contact.map(str::to_owned),
            note: self.note.map(str::to_owned),
        })
    }
}

impl<'c> Placed<'c> {
    /// Without an address, and with nobody to call.
    fn new(
        kind: SourceKind,
        id: &'c str,
        name: &'c str,
        place: Option<[f64; 2]>,
        grid: &'c Option<String>,
    ) -> Self {
        let grid = grid.as_deref();
        Self { kind, id, name, place, grid, address: None, contact: None, note: None }
    }
}

impl<'c> From<&'c camera::Config> for Placed<'c> {
    fn from(one: &'c camera::Config) -> Self {
        Self::new(SourceKind::Camera, &one.id, &one.name, one.place, &one.grid)
    }
}

impl<'c> From<&'c drone::Config> for Placed<'c> {
    fn from(one: &'c drone::Config) -> Self {
        Self::new(SourceKind::Drone, &one.id, &one.name, one.place, &one.grid)
    }
}

impl<'c> From<&'c GaugeConfig> for Placed<'c> {
    fn from(one: &'c GaugeConfig) -> Self {
        Self::new(SourceKind::Gauge, &one.id, &one.name, one.place, &one.grid)
    }
}

impl<'c> From<&'c SpeakerConfig> for Placed<'c> {
    fn from(one: &'c SpeakerConfig) -> Self {
        Self::new(SourceKind::Speaker, &one.id, &one.name, one.place, &one.grid)
    }
}

impl<'c> From<&'c presence::Config> for Placed<'c> {
    fn from(one: &'c presence::Config) -> Self {
        Self::new(SourceKind::Presence, &one.id, &one.name, one.place, &one.grid)
    }
}

impl<'c> From<&'c ButtonConfig> for Placed<'c> {
    fn from(one: &'c ButtonConfig) -> Self {
        Self {
            address: one.address.as_deref(),
            contact: one.contact.as_deref(),
            note: one.note.as_deref(),
            ..Self::new(SourceKind::Button, &one.id, &one.name, one.place, &one.grid)
        }
    }
}

/// The grid that is named, or else the one that the place lies in, or else the nearest.
fn grid(
    code: Option<&str>,
    place: Option<&Place>,
    grids: &Grids,
) -> Result<Option<Arc<Grid>>, Wrong> {
    match code {
        None => Ok(place.and_then(|place| grids.answering(place))),
        Some(code) => grids.by_code(code).map(Some).ok_or_else(|| {
            let hint = did_you_mean(code, grids.codes());
            ("grid", format!("no grid has the code `{code}`"), hint)
        }),
    }
}

pub(super) fn on_earth([lon, lat]: [f64; 2]) -> Result<(), String> {
    if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) {
        return Ok(());
    }
    Err(format!("[{lon}, {lat}] is not on earth; expected [lon, lat] in degrees"))
}

/// Metres between two points, on a sphere: for "the nearest", a thousandth off is nothing.
pub(super) fn metres(a: [f64; 2], b: [f64; 2]) -> f64 {
    use geo::{Distance, Haversine};
    let point = |[lon, lat]: [f64; 2]| geo::Point::new(lon, lat);
    Haversine.distance(point(a), point(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metres_on_the_ground() {
        let off = metres([113.9131, 30.9223], [113.9131, 30.9232]);
        assert!((off - 100.1).abs() < 0.5, "{off}: 0.0009 degrees of latitude");
    }
}
