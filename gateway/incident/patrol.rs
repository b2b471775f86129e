//! One flight as a happening of kind `patrol`: its time, its way, the grids it covered, what was seen.
//!
//! `detail` of it: `track` (GeoJSON Feature, a LineString of lon, lat and height above the
//! ellipsoid in metres, with `coordTimes`), `grids` (code, name, seconds looked at), `seen`
//! (label, most at once, when first, grids), `incidents`, `distance_m`, `flown_s`, `telemetry`,
//! `telemetry_missing` (why there is none), `pictures`, `battery` (percent), and after the end `ended_by` (landed, silent, removed).

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

use geo::{Coord, LineString, SimplifyIdx};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::sighting::Sighting;
use crate::domain::{
    ClockError, Detail, DroneInfo, Finding, Grid, Kind, Now, ObjectCount, Phase, Pose, Severity,
    SourceId, Stamp, ThingReport, distance_m,
};

/// Points of the way in memory; beyond that every second one is dropped.
const WAY_POINTS_MAX: usize = 4_000;
/// Points of the way in a record.
const RECORD_POINTS_MAX: usize = 250;
/// A step shorter than this is hovering, metres.
const STEP_M_MIN: f64 = 2.0;
/// A grid counts as looked at until the next pose, but no longer than this, seconds.
const LOOK_S_MAX: f64 = 5.0;
/// Without news, a flight is reported so often, seconds.
const REPORT_EVERY_S: i64 = 60;
/// Labels, grids and incidents remembered of one flight.
const REMEMBERED_MAX: usize = 100;
/// Score from which something counts as seen.
const SCORE_MIN: f32 = 0.5;

/// What was seen of one label.
struct LabelSeen {
    /// At once.
    most: u32,
    score: f32,
    first: Timestamp,
    grids: BTreeSet<String>,
}

/// One flight, from its first pose or picture on.
pub(super) struct Patrol {
    began_at: Timestamp,
    last: Timestamp,
    clock: ClockError,
    mono_ms: u64,
    /// Lon, lat, metres above the ellipsoid where known, when.
    way: Vec<([f64; 2], Option<f64>, Timestamp)>,
    distance_m: f64,
    grids: BTreeMap<String, (Arc<Grid>, f64)>,
    over: Option<(Timestamp, Option<Arc<Grid>>)>,
    seen: BTreeMap<String, LabelSeen>,
    incidents: Vec<String>,
    telemetry: BTreeSet<&'static str>,
    /// Why there is no telemetry, as long as none has come.
    expected: String,
    pictures: u64,
    battery: Option<u8>,
    /// The first finding was made.
    reported: bool,
    reported_at: Timestamp,
    /// There is a grid, a label or an incident that no finding has carried.
    has_news: bool,
}

/// Where telemetry was looked for in vain, for who reads the record.
fn expected(drone: &DroneInfo) -> String {
    let in_video = "no KLV (MISB ST 0601) in its video";
    match &drone.serial {
        Some(serial) => format!("{in_video}, and nothing on thing/product/{serial}/osd over MQTT"),
        None => format!(
            "{in_video}, and no `serial` is configured by which DJI's telemetry over MQTT is known"
        ),
    }
}

impl Patrol {
    /// A flight that begins now.
    pub(super) fn begin(stamp: Stamp, now: Now, drone: &DroneInfo) -> Self {
        let Stamp { at, device, gateway, error_ms, .. } = stamp;
        Self {
            began_at: at,
            last: at,
            clock: ClockError { device, gateway, error_ms },
            mono_ms: now.mono_ms,
            way: Vec::new(),
            distance_m: 0.0,
            grids: BTreeMap::new(),
            over: None,
            seen: BTreeMap::new(),
            incidents: Vec::new(),
            telemetry: BTreeSet::new(),
            expected: expected(drone),
            pictures: 0,
            battery: None,
            reported: false,
            reported_at: at,
            has_news: false,
        }
    }

    /// Since it last sent a pose or a picture.
    pub(super) fn silent_ms(&self, now: Now) -> u64 {
        now.mono_ms.saturating_sub(self.mono_ms)
    }

    /// `[lon, lat]` of its first position.
    pub(super) fn began_over(&self) -> Option<[f64; 2]> {
        self.way.first().map(|(position, ..)| *position)
    }

    /// The drone is here, and looks into this grid.
    pub(super) fn fly(
        &mut self,
        at: Timestamp,
        now: Now,
        drone: &DroneInfo,
        pose: &Pose,
        covered: Option<Arc<Grid>>,
    ) {
        self.heard(at, now);
        self.telemetry.insert(pose.via.as_str());
        self.battery = pose.battery.or(self.battery);
        if let Some(position) = pose.position {
            let step = self.way.last().map(|(before, ..)| distance_m(*before, position));
            if step.is_none_or(|step| step >= STEP_M_MIN) {
                self.distance_m += step.unwrap_or(0.0);
                let height = pose.ellipsoid_m.or(pose.msl_m.map(|msl| msl + drone.geoid_m));
                self.way.push((position, height, at));
            }
            if self.way.len() > WAY_POINTS_MAX {
                let mut n = 0;
                self.way.retain(|_| {
                    n += 1;
                    n % 2 == 1
                });
            }
        }
        if let Some((since, Some(grid))) = self.over.take() {
            let seconds = at.duration_since(since).as_secs_f64().clamp(0.0, LOOK_S_MAX);
            if let Some((_, sum)) = self.grids.get_mut(&grid.code) {
                *sum += seconds;
            }
        }
        if let Some(grid) = &covered {
            let has_capacity = self.grids.len() < REMEMBERED_MAX;
            if has_capacity && !self.grids.contains_key(&grid.code) {
                self.grids.insert(grid.code.clone(), (grid.clone(), 0.0));
                self.has_news = true;
            }
        }
        self.over = Some((at, covered));
    }

    /// The drone sent a picture, and this is in it.
    pub(super) fn saw(&mut self, at: Timestamp, now: Now, sightings: &[Sighting]) {
        self.heard(at, now);
        self.pictures += 1;
        let sure = || sightings.iter().filter(|one| one.score >= SCORE_MIN);
        for one in sure() {
            let count = sure().filter(|other| other.label == one.label).count();
            let is_new = !self.seen.contains_key(&*one.label);
            if is_new && self.seen.len() >= REMEMBERED_MAX {
                continue;
            }
            self.has_news |= is_new;
            let seen = self.seen.entry(one.label.to_string()).or_insert(LabelSeen {
                most: 0,
                score: 0.0,
                first: at,
                grids: BTreeSet::new(),
            });
            seen.most = seen.most.max(u32::try_from(count).unwrap_or(u32::MAX));
            seen.score = seen.score.max(one.score);
            seen.grids.extend(one.grid.iter().map(|grid| grid.code.clone()));
        }
    }

    /// What it saw made this incident.
    pub(super) fn opened(&mut self, incident: &str) {
        if self.incidents.len() < REMEMBERED_MAX {
            self.incidents.push(incident.into());
            self.has_news = true;
        }
    }

    fn heard(&mut self, at: Timestamp, now: Now) {
        self.last = self.last.max(at);
        self.mono_ms = now.mono_ms;
    }

    /// Makes a finding when one is due: at the beginning, with news, and once a minute.
    pub(super) fn report(&mut self, drone: &DroneInfo, findings: &mut Vec<Finding>) {
        let due = self.last.duration_since(self.reported_at).as_secs() >= REPORT_EVERY_S;
        let phase = match self.reported {
            false => Phase::Begins,
            true if due || self.has_news => Phase::Continues,
            true => return,
        };
        (self.reported, self.reported_at, self.has_news) = (true, self.last, false);
        findings.push(self.finding(&drone.id, phase, ""));
    }

    /// The flight so far. `ended_by`: landed, silent or removed; used with [`Phase::Ends`].
    pub(super) fn finding(&self, drone: &SourceId, phase: Phase, ended_by: &str) -> Finding {
        let flown_s = self.last.duration_since(self.began_at).as_secs_f64().max(0.0);
        let labels: Vec<&str> = self.seen.keys().map(String::as_str).collect();
        let why = format!(
            "{drone} flew {flown_s:.0} s and {:.0} m over {} grids; it saw {}",
            self.distance_m,
            self.grids.len(),
            if labels.is_empty() { "nothing that it knows".into() } else { labels.join(", ") }
        );
        let mut detail = self.detail(flown_s);
        if phase == Phase::Ends {
            detail.insert("ended_by".into(), ended_by.into());
            if self.telemetry.is_empty() {
                detail.insert("telemetry_missing".into(), self.expected.clone().into());
            }
        }
        let object = |(label, seen): (&String, &LabelSeen)| ObjectCount {
            label: label.clone(),
            count: seen.most,
            score_max: seen.score,
        };
        Finding {
            key: format!("patrol/{drone}"),
            phase,
            rule: None,
            source: drone.clone(),
            kind: Kind::Patrol,
            severity: Severity::MINOR,
            title: None,
            began_at: self.began_at,
            at: self.last,
            clock: self.clock.clone(),
            objects: self.seen.iter().map(object).collect(),
            why,
            detail,
            things: ThingReport::default(),
            shot: None,
            notable: true,
        }
    }

    fn detail(&self, flown_s: f64) -> Detail {
        let grids: Vec<Value> = self
            .grids
            .values()
            .map(|(grid, seconds)| {
                json!({ "code": grid.code, "name": grid.name, "looked_at_s": tenths(*seconds) })
            })
            .collect();
        let seen: Vec<Value> = self
            .seen
            .iter()
            .map(|(label, seen)| {
                json!({ "label": label, "count": seen.most, "first": seen.first.to_string(), "grids": seen.grids })
            })
            .collect();
        let mut detail = Detail::from([
            ("flown_s".into(), tenths(flown_s)),
            ("distance_m".into(), tenths(self.distance_m)),
            ("grids".into(), grids.into()),
            ("seen".into(), seen.into()),
            ("incidents".into(), self.incidents.clone().into()),
            ("telemetry".into(), json!(self.telemetry)),
            ("pictures".into(), self.pictures.into()),
        ]);
        if let Some(battery) = self.battery {
            detail.insert("battery".into(), battery.into());
        }
        if let Some(track) = self.track() {
            detail.insert("track".into(), track);
        }
        detail
    }

    /// The way as GeoJSON (RFC 7946), simplified to at most [`RECORD_POINTS_MAX`] points.
    fn track(&self) -> Option<Value> {
        let coord = |([x, y], ..): &([f64; 2], Option<f64>, Timestamp)| Coord { x: *x, y: *y };
        let line = LineString::new(self.way.iter().map(coord).collect());
        // A tolerance of a metre first, doubled until the points fit.
        let mut tolerance_deg = 1e-5;
        let mut indices: Vec<usize> = line.simplify_idx(tolerance_deg);
        while indices.len() > RECORD_POINTS_MAX {
            tolerance_deg *= 2.0;
            indices = line.simplify_idx(tolerance_deg);
        }
        let points: Vec<_> = indices.iter().filter_map(|index| self.way.get(*index)).collect();
        let position = |(position, height, _): &&([f64; 2], Option<f64>, Timestamp)| {
            let round = |deg: f64| (deg * 1e7).round() / 1e7;
            let mut numbers = vec![json!(round(position[0])), json!(round(position[1]))];
            numbers.extend(height.map(tenths));
            Value::from(numbers)
        };
        let times: Vec<String> = points.iter().map(|(.., at)| at.to_string()).collect();
        let geometry = match points.as_slice() {
            [] => return None,
            [one] => json!({ "type": "Point", "coordinates": position(one) }),
            many => {
                let coordinates: Vec<Value> = many.iter().map(position).collect();
                json!({ "type": "LineString", "coordinates": coordinates })
            }
        };
        Some(
            json!({ "type": "Feature", "geometry": geometry, "properties": { "coordTimes": times } }),
        )
    }
}

fn tenths(number: f64) -> Value {
    json!((number * 10.0).round() / 10.0)
}
