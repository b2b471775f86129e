//! Observations become findings: rules over tracks, rain and water, on the observation's time. Pure.

mod config;
mod doubts;
mod explain;
pub mod rain;
#[cfg(test)]
mod tests_area;
pub mod tuning;
mod watch;
mod zone;

use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};

use crate::domain::{
    Body, Finding, LookArea, Now, Observation, Posture, RuleId, SourceId, StandingThing,
    VehicleLists,
};

pub use config::{Config, Direction, RuleKind};
use watch::Watch;
pub use zone::mask_problems;
use zone::{Zone, counts_in, polygon};

/// Under what findings of this rule on this camera go on.
pub fn rule_key(rule: &RuleId, camera: &SourceId) -> String {
    format!("rule/{rule}/{camera}")
}

/// Ignore-masks of one camera: polygons in 0..1.
pub type Masks = Vec<Vec<[f32; 2]>>;

/// Where in this camera's picture somebody may count by one of these rules; None: anywhere. A line counts
/// who comes from where nothing does, and a camera without a rule shows all that it sees.
pub fn look_area(rules: &[Config], camera: &SourceId, masks: &Masks) -> Option<LookArea> {
    let watches = |rule: &&Config| {
        rule.cameras.is_empty() || rule.cameras.iter().any(|id| id == camera.as_str())
    };
    let rules: Vec<&Config> = rules.iter().filter(watches).collect();
    if rules.is_empty()
        || rules.iter().any(|rule| rule.kind == RuleKind::Line || !rule.line.is_empty())
    {
        return None;
    }
    let zones: Vec<Zone> = rules.iter().map(|rule| Zone::new(&rule.zone)).collect();
    let masks: Vec<_> = masks.iter().map(|mask| polygon(mask)).collect();
    LookArea::of(|cell| zones.iter().any(|zone| counts_in(zone, &masks, cell)))
}

/// Whether a rule of this camera asks for a second opinion by a crop.
pub fn wants_crop(rules: &[Config], camera: &SourceId) -> bool {
    let watches = |rule: &Config| {
        rule.cameras.is_empty() || rule.cameras.iter().any(|id| id == camera.as_str())
    };
    rules.iter().any(|rule| rule.confirm_crop && watches(rule))
}

/// Whether a rule of this camera tells vehicles apart by their plates.
pub fn wants_plates(rules: &[Config], camera: &SourceId) -> bool {
    let watches = |rule: &Config| {
        rule.cameras.is_empty() || rule.cameras.iter().any(|id| id == camera.as_str())
    };
    rules.iter().any(|rule| rule.may_read_plates() && watches(rule))
}

/// Things that stand and are kept for the next start, at most.
const STANDING_THINGS_MAX: usize = 10_000;

/// All rules of the site, one watch a rule and camera.
pub struct Rules {
    watches: Vec<Watch>,
    /// Gauges and postures; how urgent a camera's findings are depends on the posture.
    pub rain: rain::Rain,
    /// Whose vehicles are known.
    pub lists: Arc<VehicleLists>,
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
        Self { watches, rain: rain::Rain::default(), lists: Arc::default() }
    }

    /// The configuration changed. A rule of the same kind on the same camera goes on with its state;
    /// what no rule watches any more ends.
    pub fn replace(
        &mut self,
        rules: &[Config],
        cameras: &[(SourceId, Masks)],
        zone: &TimeZone,
        findings: &mut Vec<Finding>,
    ) {
        let mut old = std::mem::replace(&mut self.watches, Self::new(rules, cameras, zone).watches);
        for watch in &mut self.watches {
            if let Some(at) = old.iter().position(|one| one.is_same(watch)) {
                watch.go_on(old.swap_remove(at));
            }
        }
        old.into_iter().for_each(|watch| watch.retire(findings));
    }

    /// What stands where a rule looks, for the next start.
    pub fn standing(&self) -> Vec<StandingThing> {
        self.watches.iter().flat_map(Watch::standing).take(STANDING_THINGS_MAX).collect()
    }

    /// What stood when the gateway stopped: if it still does, it is not told anew.
    pub fn restore_standing(&mut self, now: Timestamp, things: &[StandingThing]) {
        self.watches.iter_mut().for_each(|watch| watch.restore(now, things));
    }

    /// Passes an observation to the rules of its camera, or to rain and postures.
    pub fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        let Body::Tracks(frame) = &observation.body else {
            return self.rain.observe(observation, findings);
        };
        let posture = (self.rain.holds(Posture::Flood), self.rain.holds(Posture::KeyPeriod));
        for watch in self.watches.iter_mut().filter(|watch| watch.camera == observation.source) {
            watch.posture = posture;
            watch.lists.clone_from(&self.lists);
            watch.observe(observation.stamp, frame, findings);
        }
    }

    /// Why each rule did or did not count what was seen: a sentence each. To be called after `observe`.
    pub fn explain(&self, observation: &Observation) -> Vec<String> {
        let Body::Tracks(frame) = &observation.body else { return Vec::new() };
        let watches = self.watches.iter().filter(|watch| watch.camera == observation.source);
        watches.flat_map(|watch| watch.explain(observation.stamp.at, frame)).collect()
    }

    /// To be called every second or so: ends what a camera that sends nothing any more has begun.
    pub fn tick(&mut self, now: Now, findings: &mut Vec<Finding>) {
        for watch in &mut self.watches {
            watch.tick(now, findings);
        }
        self.rain.tick(now, findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bbox, Phase, Stamp, Track, TrackFrame};

    const RULE: &str = "id = \"r\"\nkind = \"intrusion\"\nclear_s = 2\n";

    fn rule(more: &str) -> Config {
        toml::from_str(&format!("{RULE}{more}")).unwrap()
    }

    fn cameras(ids: &[&str]) -> Vec<(SourceId, Masks)> {
        ids.iter().map(|id| (SourceId::from(*id), Masks::new())).collect()
    }

    /// One person at this second on these cameras; returns the findings.
    fn see(rules: &mut Rules, second: i64, ids: &[&str]) -> Vec<Finding> {
        let wall = Timestamp::from_second(1_782_820_800 + second).unwrap();
        let now = Now { wall, mono_ms: u64::try_from(second * 1000).unwrap() };
        let mut findings = Vec::new();
        for id in ids {
            let bbox = Bbox::new(0.4, 0.4, 0.6, 0.8);
            let track = Track {
                id: 1,
                label: "person".into(),
                score: 0.9,
                bbox,
                seen: true,
                since: wall,
                origin: bbox.foot(),
                shown_in_crop: false,
            };
            let body = Body::Tracks(TrackFrame {
                tracks: vec![track],
                picture: None,
                vehicles: Vec::new(),
            });
            let source = SourceId::from(*id);
            let observation = Observation { source, stamp: Stamp::of_gateway(now), body };
            rules.observe(&observation, &mut findings);
        }
        findings
    }

    #[test]
    fn i6_a_reload_goes_on_with_what_is_seen_and_ends_what_nobody_watches() {
        let both = cameras(&["a", "b"]);
        let mut rules = Rules::new(&[rule("")], &both, &TimeZone::UTC);
        assert_eq!(see(&mut rules, 0, &["a", "b"]).len(), 2);
        let mut findings = Vec::new();
        // Another score, another zone: the same happenings.
        let other = rule("min_score = 0.4\nzone = [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]\n");
        rules.replace(&[other], &both, &TimeZone::UTC, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        let phases: Vec<Phase> =
            see(&mut rules, 1, &["a", "b"]).iter().map(|one| one.phase).collect();
        assert_eq!(phases, [Phase::Continues, Phase::Continues]);
        // One camera leaves: its happening ends, and says why; the other goes on.
        rules.replace(&[rule("")], &cameras(&["b"]), &TimeZone::UTC, &mut findings);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].phase, findings[0].source.as_str()), (Phase::Ends, "a"));
        assert_eq!(findings[0].detail["ended_by"], "reload");
        assert_eq!(see(&mut rules, 2, &["a", "b"])[0].phase, Phase::Continues);
        // A schedule that does not hold now: it ends by itself.
        let never = rule("schedule = [\"Mon 00:00-00:01\"]\n");
        rules.replace(&[never], &cameras(&["b"]), &TimeZone::UTC, &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(see(&mut rules, 5, &["b"]).len(), 0, "one look is not enough");
        assert_eq!(see(&mut rules, 7, &["b"])[0].phase, Phase::Ends);
        // Another kind under the same id is another question.
        rules.replace(&[rule("")], &cameras(&["b"]), &TimeZone::UTC, &mut findings);
        assert_eq!(see(&mut rules, 60, &["b"])[0].phase, Phase::Begins);
        let crowd = toml::from_str("id = \"r\"\nkind = \"crowd\"\n").unwrap();
        rules.replace(&[crowd], &cameras(&["b"]), &TimeZone::UTC, &mut findings);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn at_the_water_it_is_a_notice_and_in_flood_season_an_alert() {
        let waterside: Config = toml::from_str("id = \"w\"\nkind = \"waterside\"\n").unwrap();
        assert_eq!(waterside.problems(), []);
        let mut rules = Rules::new(&[waterside], &cameras(&["a"]), &TimeZone::UTC);
        let severity = |findings: &[Finding]| findings[0].severity.level();
        assert_eq!(severity(&see(&mut rules, 0, &["a"])), 3);
        let order = crate::domain::PostureOrder {
            posture: Posture::Flood,
            to: crate::domain::OrderTo::On,
            by: "x".into(),
            until: None,
        };
        let stamp = Stamp::of_gateway(Now {
            wall: Timestamp::from_second(1_782_820_801).unwrap(),
            mono_ms: 1_000,
        });
        let order = Observation { source: "x".into(), stamp, body: Body::Posture(order) };
        let mut findings = Vec::new();
        rules.observe(&order, &mut findings);
        assert_eq!(findings.len(), 1, "the change is a finding of its own");
        // The same happening is from now on an alert.
        assert_eq!(severity(&see(&mut rules, 2, &["a"])), 2);
    }
}
