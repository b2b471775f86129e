//! Which cameras are woken from outside, and how often at most: by presses and by neighbours.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{lookout::Nudges, rota::Rota};
use crate::{
    config::Config,
    domain::{Meter, Metric, SourceId, label_pair},
};

/// Two neighbours wake each other, in whichever direction, at most once in so long: with what a
/// neighbour's wake costs, a quarter of the time at the very most.
const PAIR_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// Who wakes whom; pure, on the pictures' own time, so that a replay wakes as the live camera does.
#[derive(Default)]
pub(super) struct Plan {
    /// Cameras near each button.
    presses: HashMap<SourceId, Vec<SourceId>>,
    /// Neighbours of each camera.
    neighbours: HashMap<SourceId, Vec<SourceId>>,
    /// When two neighbours last woke each other, the smaller id first; at most one each of the
    /// configured pairs (P11).
    pairs: HashMap<(SourceId, SourceId), Timestamp>,
}

impl Plan {
    pub(super) fn of(config: &Config) -> Self {
        let ids = |ids: &[String]| ids.iter().map(|id| id.as_str().into()).collect();
        let press = |(id, cameras): (&String, &Vec<String>)| (id.as_str().into(), ids(cameras));
        let neighbours = config.cameras.iter().filter(|camera| !camera.wakes.is_empty());
        Self {
            presses: config.wake_cameras.iter().map(press).collect(),
            neighbours: neighbours
                .map(|camera| (camera.id.as_str().into(), ids(&camera.wakes)))
                .collect(),
            pairs: HashMap::new(),
        }
    }

    /// Another configuration; what was woken a moment ago is not woken anew for it.
    pub(super) fn replace(&mut self, new: Self) {
        let pairs = std::mem::take(&mut self.pairs);
        *self = new;
        self.pairs = pairs;
        let Self { pairs, neighbours, .. } = self;
        let wakes = |one: &SourceId, other: &SourceId| {
            neighbours.get(one).is_some_and(|named| named.contains(other))
        };
        pairs.retain(|(one, other), _| wakes(one, other) || wakes(other, one));
    }

    /// Cameras that this button wakes.
    pub(super) fn pressed(&self, button: &SourceId) -> Vec<SourceId> {
        self.presses.get(button).cloned().unwrap_or_default()
    }

    /// Neighbours to wake now that this camera sees somebody.
    pub(super) fn found(&mut self, camera: &SourceId, at: Timestamp) -> Vec<SourceId> {
        let Some(neighbours) = self.neighbours.get(camera) else { return Vec::new() };
        let pairs = &mut self.pairs;
        let due = |other: &&SourceId| {
            let (one, two) = (camera.min(other), camera.max(other));
            let pair = (one.clone(), two.clone());
            let due = pairs.get(&pair).is_none_or(|last| {
                // A clock that stepped back must not keep them apart.
                let since = at.duration_since(*last);
                since >= PAIR_EVERY || since <= -PAIR_EVERY
            });
            if due {
                pairs.insert(pair, at);
            }
            due
        };
        neighbours.iter().filter(due).cloned().collect()
    }
}

/// The running gateway's: from the junction, the detector and the cameras' own events to the
/// cameras' mailboxes. Nothing here waits.
pub(super) struct Wakes {
    pub(super) rota: Arc<Rota>,
    plan: Mutex<Plan>,
    meter: Arc<dyn Meter>,
}

impl Wakes {
    pub(super) fn new(config: &Config, meter: Arc<dyn Meter>) -> Arc<Self> {
        Arc::new(Self { rota: Arc::default(), plan: Mutex::new(Plan::of(config)), meter })
    }

    #[cfg(test)]
    pub(super) fn none(meter: Arc<dyn Meter>) -> Arc<Self> {
        Arc::new(Self { rota: Arc::default(), plan: Mutex::default(), meter })
    }

    pub(super) fn change(&self, config: &Config) {
        self.plan().replace(Plan::of(config));
    }

    pub(super) fn pressed(&self, button: &SourceId) {
        let cameras = self.plan().pressed(button);
        cameras.iter().for_each(|camera| self.nudge(camera, Nudges::PRESS, "press"));
    }

    pub(super) fn found(&self, camera: &SourceId, at: Timestamp) {
        let neighbours = self.plan().found(camera, at);
        neighbours.iter().for_each(|other| self.nudge(other, Nudges::NEIGHBOUR, "neighbour"));
    }

    pub(super) fn moves(&self, camera: &SourceId) {
        self.nudge(camera, Nudges::EVENT, "event");
    }

    fn nudge(&self, camera: &SourceId, nudges: Nudges, cause: &str) {
        // One that has no stream sees nothing.
        let Some(watched) = self.rota.of(camera) else { return };
        self.meter.add(Metric::CameraNudges, &label_pair(camera.as_str(), cause), 1);
        watched.nudge(nudges);
        self.rota.ask(camera);
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{env::FixedEnvironment, parse};

    const SITE: &str = "[site]\nid = \"x\"\n";

    fn plan(text: &str) -> Plan {
        let (config, problems) = parse("a.toml", text, &FixedEnvironment::default());
        Plan::of(&config.unwrap_or_else(|| panic!("{problems:?}")))
    }

    fn camera(id: &str, wakes: &str) -> String {
        format!("[[camera]]\nid = \"{id}\"\nurl = \"rtsp://h/{id}\"\nwakes = {wakes}\n")
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    #[test]
    fn two_that_see_the_same_person_do_not_keep_each_other_awake() {
        let text = format!("{SITE}{}{}", camera("a", "[\"b\"]"), camera("b", "[\"a\"]"));
        let mut plan = plan(&text);
        let mut woken = Vec::new();
        // Both see somebody, five times a second for two minutes.
        for n in 0..600 {
            let now = at(n * 200);
            for camera in ["a", "b"] {
                for other in plan.found(&camera.into(), now) {
                    woken.push((n / 5, other.as_str().to_owned()));
                }
            }
        }
        let of = |second: i64| (second, "b".to_owned());
        assert_eq!(woken, [of(0), of(30), of(60), of(90)]);
    }

    #[test]
    fn who_walks_on_wakes_the_next_camera_at_once() {
        let cameras =
            [camera("a", "[\"b\"]"), camera("b", "[\"a\", \"c\"]"), camera("c", "[\"b\"]")];
        let mut plan = plan(&format!("{SITE}{}", cameras.concat()));
        assert_eq!(plan.found(&"a".into(), at(0)), ["b".into()]);
        assert_eq!(plan.found(&"b".into(), at(3_000)), ["c".into()], "and not back to `a`");
        assert!(plan.found(&"c".into(), at(6_000)).is_empty());
        assert_eq!(plan.found(&"a".into(), at(-3_600_000)), ["b".into()], "the clock stepped back");
    }

    #[test]
    fn a_reload_keeps_what_was_woken_and_forgets_who_is_gone() {
        let mut running = plan(&format!("{SITE}{}{}", camera("a", "[\"b\"]"), camera("b", "[]")));
        assert_eq!(running.found(&"a".into(), at(0)).len(), 1);
        running.replace(plan(&format!("{SITE}{}{}", camera("a", "[\"b\"]"), camera("b", "[]"))));
        assert!(running.found(&"a".into(), at(1_000)).is_empty());
        running.replace(plan(&format!("{SITE}{}", camera("a", "[]"))));
        assert!(running.pairs.is_empty());
    }

    #[test]
    fn a_button_wakes_the_cameras_of_its_line_or_those_near_it() {
        let near = "[[camera]]\nid = \"near\"\nurl = \"rtsp://h/1\"\nplace = [113.9131, 30.9223]\n";
        let buttons = "[[button]]\nid = \"p\"\nplace = [113.9132, 30.9223]\n[[button]]\nid = \"q\"\ncameras = [\"a\"]\n[[button]]\nid = \"r\"\n";
        let plan = plan(&format!("{SITE}{}{near}{buttons}", camera("a", "[]")));
        assert_eq!(plan.pressed(&"p".into()), ["near".into()]);
        assert_eq!(plan.pressed(&"q".into()), ["a".into()]);
        assert!(
            plan.pressed(&"r".into()).is_empty() && plan.pressed(&"stranger".into()).is_empty()
        );
    }
}
