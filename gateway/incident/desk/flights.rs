//! Drones at the desk: poses and pictures make flights; what a flight sees gets its place and grid.

use super::{super::sighting::GeoContext, Desk, Effects};
use crate::domain::{
    DroneInfo, DroneView, Finding, Grid, Now, Place, Pose, SourceId, SourceInfo, SourceKind, Stamp,
    TrackFrame,
};

impl Desk {
    /// The drone of this source: by its id in the configuration, or its serial number in topics.
    fn drone(&self, source: &SourceId) -> Option<DroneInfo> {
        let drones = &self.directory.drones;
        let named = |drone: &&DroneInfo| drone.serial.as_deref() == Some(source.as_str());
        drones.get(source).or_else(|| drones.values().find(named)).cloned()
    }

    /// Where each drone was last, by id; those that no pose came of are not in it.
    pub fn drone_views(&self) -> Vec<DroneView> {
        let mut all: Vec<DroneView> =
            self.directory.drones.values().filter_map(|one| self.flights.last_seen(one)).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// A pose of a drone. One that is not in the configuration makes no flight.
    pub(super) fn pose(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        pose: &Pose,
        effects: &mut Effects,
    ) {
        let Some(drone) = self.drone(source) else { return };
        let areas = self.directory.areas.clone();
        let geo = GeoContext { drone: &drone, areas: areas.as_deref() };
        let mut findings = Vec::new();
        effects.repeated = !self.flights.pose(now, geo, stamp, pose, &mut findings);
        findings.into_iter().for_each(|finding| self.finding(now, finding, effects));
    }

    /// A picture of a drone and what is in it.
    pub(super) fn saw(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        frame: &TrackFrame,
        effects: &mut Effects,
    ) {
        let Some(drone) = self.directory.drones.get(source).cloned() else { return };
        let areas = self.directory.areas.clone();
        let geo = GeoContext { drone: &drone, areas: areas.as_deref() };
        let mut findings = Vec::new();
        self.flights.saw(now, geo, stamp, frame, &mut findings);
        findings.into_iter().for_each(|finding| self.finding(now, finding, effects));
    }

    /// Ends flights that have been silent for long.
    pub(super) fn end_flights(&mut self, now: Now, effects: &mut Effects) {
        let mut findings = Vec::new();
        let directory = &self.directory;
        let geo = |id: &SourceId| {
            let drone = directory.drones.get(id)?;
            Some(GeoContext { drone, areas: directory.areas.as_deref() })
        };
        self.flights.tick(now, geo, &mut findings);
        findings.into_iter().for_each(|finding| self.finding(now, finding, effects));
    }

    /// Adds to a finding of a drone where on the ground it is and how sure that is, or why that is not
    /// known.
    pub(super) fn locate(&self, finding: &mut Finding) {
        let drone = self.directory.drones.contains_key(&finding.source);
        if !drone || finding.key.starts_with("patrol/") {
            return;
        }
        let Some(seen) = self.flights.sighting(&finding.source, finding) else { return };
        let ground = match &seen.spot {
            Ok(spot) => {
                finding.why = format!(
                    "{}; from the air at {:.6}, {:.6} ± {:.0} m",
                    finding.why, spot.position[0], spot.position[1], spot.error_m
                );
                serde_json::json!({
                    "lon": spot.position[0],
                    "lat": spot.position[1],
                    "error_m": (spot.error_m * 10.0).round() / 10.0,
                    "distance_m": spot.slant_m.round(),
                    "grid": seen.grid.as_ref().map(|grid| grid.code.clone()),
                    "grid_sure": !seen.near_edge,
                })
            }
            Err(why) => serde_json::json!({ "unknown": why }),
        };
        finding.detail.insert("ground".into(), ground);
    }

    /// Telemetry may come after the pictures: an incident that has no place yet gets it then.
    pub(super) fn late_place(&self, finding: &Finding) -> Option<(Place, Option<Grid>)> {
        self.directory.drones.get(&finding.source)?;
        let info = self.directory.sources.get(&finding.source)?;
        let (place, grid) = self.place(finding, info);
        Some((place?, grid))
    }

    /// Where an incident is: for what moves, where it was seen; else where the source is.
    pub(super) fn place(
        &self,
        finding: &Finding,
        info: &SourceInfo,
    ) -> (Option<Place>, Option<Grid>) {
        let fixed = (info.place.clone(), info.grid.as_deref().cloned());
        if info.kind != SourceKind::Drone {
            return fixed;
        }
        let place = |[lon, lat]: [f64; 2]| Place { lon, lat, text: None };
        if finding.key.starts_with("patrol/") {
            let Some(began) = self.flights.began_over(&finding.source).map(place) else {
                return fixed;
            };
            let areas = self.directory.areas.as_deref();
            let grid = areas.and_then(|areas| areas.answering(&began));
            return (Some(began), grid.as_deref().cloned());
        }
        match self.flights.sighting(&finding.source, finding) {
            Some(seen) => match &seen.spot {
                Ok(spot) => {
                    let seen = place(spot.position);
                    let areas = self.directory.areas.as_deref();
                    let grid = areas.and_then(|areas| areas.answering(&seen));
                    (Some(seen), grid.as_deref().cloned())
                }
                // The drone's own place is not where it looks.
                Err(_) => (None, None),
            },
            None => fixed,
        }
    }
}
