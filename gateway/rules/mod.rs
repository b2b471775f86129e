//! Observations become findings: five rules over tracks, on the observation's time. Pure.

mod config;
mod explain;
mod schedule;
mod watch;
mod zone;

use jiff::tz::TimeZone;

use crate::domain::{Body, Finding, Now, Observation, SourceId};

pub use config::{Config, Direction, RuleKind};
use watch::Watch;
pub use zone::mask_problems;

/// Ignore-masks of one camera: polygons in 0..1.
pub type Masks = Vec<Vec<[f32; 2]>>;

/// All rules of the site, one watch a rule and camera.
pub struct Rules {
    watches: Vec<Watch>,
}

impl Rules {
    /// `cameras` with their masks; a rule that names none watches all.
    pub fn new(rules: &[Config], cameras: &[(SourceId, Masks)], zone: &TimeZone) -> Self {
        let mut watches = Vec::new();
        for rule in rules {
            for (camera, masks) in cameras {
                if rule.cameras.is_empty() || rule.cameras.iter().any(|id| id == camera.as_str()) {
                    watches.push(Watch::new(rule, camera.clone(), masks, zone.clone()));
                }
            }
        }
        Self { watches }
    }

    /// The configuration changed. A rule that still watches its camera for the same kind goes on
    /// with what it has seen; what nobody watches any more ends.
    pub fn replace(
        &mut self,
        rules: &[Config],
        cameras: &[(SourceId, Masks)],
        zone: &TimeZone,
        findings: &mut Vec<Finding>,
    ) {
        let mut old = std::mem::replace(self, Self::new(rules, cameras, zone)).watches;
        for watch in &mut self.watches {
            if let Some(at) = old.iter().position(|one| one.is_same(watch)) {
                watch.go_on(old.swap_remove(at));
            }
        }
        old.into_iter().for_each(|watch| watch.retire(findings));
    }

    pub fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        let Body::Tracks(frame) = &observation.body else { return };
        for watch in self.watches.iter_mut().filter(|watch| watch.camera == observation.source) {
            watch.observe(observation.stamp, frame, findings);
        }
    }

    /// Why each rule did or did not count what was seen: a sentence each, asked after `observe`.
    pub fn explain(&self, observation: &Observation) -> Vec<String> {
        let Body::Tracks(frame) = &observation.body else { return Vec::new() };
        let watches = self.watches.iter().filter(|watch| watch.camera == observation.source);
        watches.flat_map(|watch| watch.explain(observation.stamp.at, frame)).collect()
    }

    /// Ends what has been silent: a camera that stopped sending ends nothing by itself.
    pub fn tick(&mut self, now: Now, findings: &mut Vec<Finding>) {
        for watch in &mut self.watches {
            watch.tick(now, findings);
        }
    }
}
