//! A drone in the air: where it looks at a time, and so where on the ground what it sees stands.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{
    patrol::Patrol,
    sighting::{GeoContext, Sighting},
};
use crate::domain::{
    DroneInfo, DroneView, Finding, Gaze, Now, Phase, Pose, SourceId, Spot, Stamp, Telemetry, Track,
    TrackFrame, View, distance_m,
};

/// Poses remembered: half a minute of KLV at ten a second, minutes of DJI.
const POSES_MAX: usize = 300;
/// What a message leaves out is taken from an earlier one of at most this age.
const PART_MS_MAX: i64 = 5_000;
/// Pictures of a drone that has landed are no flight for so long.
const LANDED_MS_MAX: i64 = 600_000;
/// An older pose says nothing of where the camera looks now; DJI sends one every 2 s.
const POSE_MS_MAX: i64 = 4_000;
/// KLV belongs to the picture itself: while it comes, DJI's pose is not used.
const KLV_RULES_MS: i64 = 15_000;
/// A device clock within this of ours is believed, as [`Stamp::of_device`] does.
const TRUST: SignedDuration = SignedDuration::from_mins(10);
/// After this without a trusted pose, one with a wrong clock is taken to be live. Milliseconds.
const WILD_AFTER_MS: u64 = 60_000;

#[derive(Default)]
struct Aircraft {
    /// By time, newest last.
    poses: VecDeque<(Timestamp, Pose)>,
    /// Device time of the latest pose by each way, and whether it was believed.
    latest: HashMap<Telemetry, (Timestamp, bool)>,
    trusted_ms: Option<u64>,
    sightings: Vec<Sighting>,
    patrol: Option<Patrol>,
}

/// All drones that were heard of.
#[derive(Default)]
pub(super) struct Flights(HashMap<SourceId, Aircraft>);

impl Flights {
    /// Takes a pose; false if it is a repeat, or comes too late.
    pub(super) fn pose(
        &mut self,
        now: Now,
        geo: GeoContext<'_>,
        stamp: Stamp,
        pose: &Pose,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let craft = self.0.entry(geo.drone.id.clone()).or_default();
        if craft.repeats(now, stamp, pose.via) {
            return false;
        }
        let Some(pose) = craft.remember_pose(stamp.at, pose) else { return true };
        if pose.airborne == Some(false) {
            craft.end(geo, "landed", findings);
            return true;
        }
        if craft.patrol.is_none() && pose.position.is_none() {
            return true;
        }
        let looked_at = view(geo.drone, &pose)
            .ok()
            .and_then(|view| view.spot((0.5, 0.5), &geo.drone.errors))
            .map(|spot| spot.position);
        let covered = looked_at.or(pose.position).and_then(|place| geo.grid(place));
        let patrol = craft.patrol.get_or_insert_with(|| Patrol::begin(stamp, now, geo.drone));
        patrol.fly(stamp.at, now, geo.drone, &pose, covered);
        patrol.report(geo.drone, findings);
        true
    }

    /// Takes what the drone sees now, in place of what it saw before.
    pub(super) fn saw(
        &mut self,
        now: Now,
        geo: GeoContext<'_>,
        stamp: Stamp,
        frame: &TrackFrame,
        findings: &mut Vec<Finding>,
    ) {
        let craft = self.0.entry(geo.drone.id.clone()).or_default();
        let seen: Vec<&Track> = frame.tracks.iter().filter(|track| track.seen).collect();
        craft.sightings = seen.iter().map(|track| craft.sighting(geo, stamp.at, track)).collect();
        let on_ground = craft.poses.back().is_some_and(|(at, pose)| {
            pose.airborne == Some(false) && ms_between(*at, stamp.at).abs() < LANDED_MS_MAX
        });
        if on_ground {
            return;
        }
        let patrol = craft.patrol.get_or_insert_with(|| Patrol::begin(stamp, now, geo.drone));
        patrol.saw(stamp.at, now, &craft.sightings);
        patrol.report(geo.drone, findings);
    }

    /// Of what the drone sees now, the thing with a label of this finding that has a place and the
    /// highest score.
    pub(super) fn sighting(&self, drone: &SourceId, finding: &Finding) -> Option<&Sighting> {
        let wanted =
            |one: &&Sighting| finding.objects.iter().any(|object| *object.label == *one.label);
        let placed = |one: &&Sighting| (one.spot.is_ok(), one.score);
        let sightings = self.0.get(drone)?.sightings.iter().filter(wanted);
        sightings.max_by(|a, b| {
            let (a, b) = (placed(a), placed(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        })
    }

    /// An incident was opened by what this drone saw.
    pub(super) fn opened(&mut self, drone: &SourceId, incident: &str) {
        let patrol = self.0.get_mut(drone).and_then(|craft| craft.patrol.as_mut());
        if let Some(patrol) = patrol {
            patrol.opened(incident);
        }
    }

    /// Where the flight began, for the patrol itself.
    pub(super) fn began_over(&self, drone: &SourceId) -> Option<[f64; 2]> {
        self.0.get(drone)?.patrol.as_ref()?.began_over()
    }

    /// Where this drone was last.
    pub(super) fn last_seen(&self, drone: &DroneInfo) -> Option<DroneView> {
        let craft = self.0.get(&drone.id)?;
        let (at, pose) = craft.poses.back()?;
        let view = view(drone, pose).ok();
        Some(DroneView {
            id: drone.id.clone(),
            flying: craft.patrol.is_some(),
            at: *at,
            position: pose.position?,
            height_m: view.map(|view| view.height_m),
            azimuth_deg: pose.look.map(|look| look.azimuth_deg),
            looks_at: view
                .and_then(|view| view.spot((0.5, 0.5), &drone.errors))
                .map(|spot| spot.position),
            battery: pose.battery,
        })
    }

    /// Ends flights that have been silent.
    pub(super) fn tick<'d>(
        &mut self,
        now: Now,
        geo_of: impl Fn(&SourceId) -> Option<GeoContext<'d>>,
        findings: &mut Vec<Finding>,
    ) {
        for (id, craft) in &mut self.0 {
            let Some(patrol) = &craft.patrol else { continue };
            match geo_of(id) {
                Some(geo) if patrol.silent_ms(now) <= geo.drone.flight_end_ms => {}
                Some(geo) => craft.end(geo, "silent", findings),
                // Removed from the configuration.
                None => {
                    let patrol = craft.patrol.take();
                    findings.extend(patrol.map(|one| one.finding(id, Phase::Ends, "removed")));
                }
            }
        }
    }
}

impl Aircraft {
    /// The same message again, one that comes after a later one, or an old one played back.
    fn repeats(&mut self, now: Now, stamp: Stamp, via: Telemetry) -> bool {
        let Some(device) = stamp.device else { return false };
        let trusted = device.duration_since(stamp.gateway).abs() <= TRUST;
        if let Some((latest, was_trusted)) = self.latest.get(&via) {
            let live = self.trusted_ms.is_some_and(|ms| now.mono_ms < ms + WILD_AFTER_MS);
            let late = device <= *latest && trusted == *was_trusted;
            if late || (!trusted && live) {
                return true;
            }
        }
        if trusted {
            self.trusted_ms = Some(now.mono_ms);
        }
        self.latest.insert(via, (device, trusted));
        false
    }

    /// Remembers the pose, completed by the one before, and returns it; `None` if it is not used.
    fn remember_pose(&mut self, at: Timestamp, pose: &Pose) -> Option<Pose> {
        let klv = self.poses.iter().rev().find(|(_, pose)| pose.via == Telemetry::Klv);
        let ruled = klv.is_some_and(|(before, _)| ms_between(*before, at).abs() < KLV_RULES_MS);
        if pose.via == Telemetry::Osd && ruled {
            return None;
        }
        // KLV has the time of the pictures, which come later than DJI's messages: after a change of
        // telemetry the older poses are dropped, not the new one.
        if self.poses.back().is_some_and(|(_, latest)| latest.via != pose.via) {
            self.poses.clear();
        }
        if let Some((latest, _)) = self.poses.back() {
            let back_ms = ms_between(at, *latest);
            if (0..10_000).contains(&back_ms) {
                return None;
            }
            // The clock stepped back: the poses before have another time.
            if back_ms > 0 {
                self.poses.clear();
            }
        }
        let before = self.poses.back().filter(|(before, _)| ms_between(*before, at) < PART_MS_MAX);
        let whole = match before {
            Some((_, before)) if before.via == pose.via => pose.clone().completed_by(before),
            _ => pose.clone(),
        };
        self.poses.push_back((at, whole.clone()));
        if self.poses.len() > POSES_MAX {
            self.poses.pop_front();
        }
        Some(whole)
    }

    fn sighting(&self, geo: GeoContext<'_>, at: Timestamp, track: &Track) -> Sighting {
        let spot = self.spot(geo.drone, at, track.bbox.foot());
        let grid = spot.as_ref().ok().and_then(|spot| geo.grid(spot.position));
        let near_edge = spot.as_ref().is_ok_and(|spot| geo.near_edge(spot, grid.as_ref()));
        Sighting { label: track.label.clone(), score: track.score, spot, grid, near_edge }
    }

    /// Where a point of the picture that was taken at `at` lies on the ground. The error is why not.
    fn spot(
        &self,
        drone: &DroneInfo,
        at: Timestamp,
        foot: (f32, f32),
    ) -> Result<Spot, &'static str> {
        let osd = self.poses.back().is_some_and(|(_, pose)| pose.via == Telemetry::Osd);
        let delay = if osd { drone.video_delay_ms } else { 0 };
        let at = at - SignedDuration::from_millis(i64::try_from(delay).unwrap_or(0));
        let (pose, age_ms) = self.pose_at(at).ok_or("no telemetry of that time")?;
        let view = view(drone, &pose)?;
        let foot = (f64::from(foot.0), f64::from(foot.1));
        let mut spot = view
            .spot(foot, &drone.errors)
            .ok_or("it is at or near the horizon, or the drone is on the ground")?;
        // A pose that is older than the picture is off by what the drone moved and turned since.
        let (speed, turn) = self.motion();
        let since = age_ms as f64 / 1000.0;
        spot.error_m = spot.error_m.hypot(since * (speed + turn.to_radians() * spot.slant_m));
        Ok(spot)
    }

    /// Between the two poses around that time, or the latest before it; and for how long that
    /// one has been held, milliseconds.
    fn pose_at(&self, at: Timestamp) -> Option<(Pose, i64)> {
        let after = self.poses.iter().position(|(time, _)| *time >= at);
        match after {
            None => {
                let (time, pose) = self.poses.back()?;
                let age_ms = ms_between(*time, at);
                (age_ms <= POSE_MS_MAX).then(|| (pose.clone(), age_ms))
            }
            Some(0) => {
                let (time, pose) = self.poses.front()?;
                let early_ms = ms_between(at, *time);
                (early_ms <= POSE_MS_MAX).then(|| (pose.clone(), early_ms))
            }
            Some(index) => {
                let ((t0, a), (t1, b)) = (&self.poses[index - 1], &self.poses[index]);
                let gap_ms = ms_between(*t0, *t1);
                let share = ms_between(*t0, at) as f64 / gap_ms.max(1) as f64;
                if gap_ms > 2 * POSE_MS_MAX {
                    let held_ms = ms_between(*t0, at).min(ms_between(at, *t1));
                    let near = if share < 0.5 { a } else { b };
                    return (held_ms <= POSE_MS_MAX).then(|| (near.clone(), held_ms));
                }
                Some((between(a, b, share), 0))
            }
        }
    }

    /// Metres and degrees a second, by the latest two poses.
    fn motion(&self) -> (f64, f64) {
        let mut latest = self.poses.iter().rev();
        let Some(((t1, b), (t0, a))) = latest.next().zip(latest.next()) else { return (0.0, 0.0) };
        let seconds = ms_between(*t0, *t1) as f64 / 1000.0;
        if seconds < 0.05 {
            return (0.0, 0.0);
        }
        let way = a.position.zip(b.position).map_or(0.0, |(a, b)| distance_m(a, b));
        let turn = a.look.zip(b.look).map_or(0.0, |(a, b)| {
            turned_deg(a.azimuth_deg, b.azimuth_deg)
                .abs()
                .max((a.elevation_deg - b.elevation_deg).abs())
        });
        (way / seconds, turn / seconds)
    }

    fn end(&mut self, geo: GeoContext<'_>, why: &str, findings: &mut Vec<Finding>) {
        let Some(patrol) = self.patrol.take() else { return };
        findings.push(patrol.finding(&geo.drone.id, Phase::Ends, why));
        self.sightings.clear();
    }
}

fn ms_between(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX)
}

/// The turn from one azimuth to another, −180..180 degrees.
fn turned_deg(from: f64, to: f64) -> f64 {
    (to - from + 180.0).rem_euclid(360.0) - 180.0
}

fn between(a: &Pose, b: &Pose, share: f64) -> Pose {
    let mix = |a: f64, b: f64| a + (b - a) * share;
    let each = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| mix(a, b)).or(b).or(a);
    let turn = |a: f64, b: f64| a + turned_deg(a, b) * share;
    let look = a.look.zip(b.look).map(|(a, b)| Gaze {
        azimuth_deg: turn(a.azimuth_deg, b.azimuth_deg).rem_euclid(360.0),
        elevation_deg: mix(a.elevation_deg, b.elevation_deg),
        roll_deg: turn(a.roll_deg, b.roll_deg),
    });
    Pose {
        position: a
            .position
            .zip(b.position)
            .map(|(a, b)| [a[0] + turned_deg(a[0], b[0]) * share, mix(a[1], b[1])])
            .or(b.position)
            .or(a.position),
        msl_m: each(a.msl_m, b.msl_m),
        ellipsoid_m: each(a.ellipsoid_m, b.ellipsoid_m),
        above_start_m: each(a.above_start_m, b.above_start_m),
        look: look.or(b.look).or(a.look),
        ..b.clone()
    }
}

/// What the camera sees, or what is missing to say so.
fn view(drone: &DroneInfo, pose: &Pose) -> Result<View, &'static str> {
    let position = pose.position.ok_or("the telemetry has no position")?;
    let look = pose.look.ok_or("the telemetry does not say where the camera looks")?;
    let ground = pose.ground_msl_m.or(drone.ground_msl_m);
    let by_sea = pose.msl_m.or(pose.ellipsoid_m.map(|height| height - drone.geoid_m));
    let height_m = by_sea.zip(ground).map(|(high, low)| high - low).or(pose.above_start_m);
    let zoom = pose.zoom.unwrap_or(1.0).max(0.1);
    let narrowed =
        drone.fov_deg.map(|deg| 2.0 * ((deg.to_radians() / 2.0).tan() / zoom).atan().to_degrees());
    Ok(View {
        position,
        height_m: height_m.ok_or("the height above the ground is not known")?,
        look,
        fov_deg: pose.fov_deg.unwrap_or(narrowed),
    })
}
