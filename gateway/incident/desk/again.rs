//! What is wrong with a device, is right, and is wrong again soon: one incident that counts, and not one each time.
//!
//! A loose lid or a bad cable says open and closed many times a second, and each could be a case for
//! an officer. While its case is open, what comes again within [`AGAIN_MS`] makes it active again. From
//! then on its ends are news like any other, told at most once in `UPDATE_EVERY_MS`.

use std::collections::BTreeMap;

use super::{super::live::Live, Desk, Effects, is_of_a_device};
use crate::domain::{Finding, IncidentId, Now, What};

/// So long after it was right it is the same incident, milliseconds.
const AGAIN_MS: i64 = 10 * 60_000;
/// Ends that are remembered; forgetting one only means an incident more.
const ENDS_MAX: usize = 1_024;
/// In `detail`: how often it came.
const TIMES: &str = "times";

/// Which incidents of devices ended lately, by key: when (monotonic milliseconds), and the incident.
#[derive(Default)]
pub(super) struct Ends(BTreeMap<String, (i64, IncidentId)>);

impl Ends {
    fn put(&mut self, now: Now, key: String, id: IncidentId) {
        if self.0.len() >= ENDS_MAX && !self.0.contains_key(&key) {
            self.0.retain(|_, (at, _)| now.mono() - *at < AGAIN_MS);
            let oldest = self.0.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.filter(|_| self.0.len() >= ENDS_MAX) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(key, (now.mono(), id));
    }

    fn take(&mut self, now: Now, key: &str) -> Option<IncidentId> {
        let (at, id) = self.0.remove(key)?;
        (now.mono() - at < AGAIN_MS).then_some(id)
    }
}

impl Desk {
    /// Goes on with the incident of a device that was right again for a short while, if its case is open
    /// (true).
    pub(super) fn comes_again(
        &mut self,
        now: Now,
        finding: &mut Finding,
        effects: &mut Effects,
    ) -> bool {
        if !may_come_again(finding) {
            return false;
        }
        let Some(id) = self.device_ends.take(now, &finding.key) else { return false };
        let Some(live) = self.live.get_mut(&id) else { return false };
        if live.incident.active || live.is_closed() {
            return false;
        }
        live.resume();
        live.open_keys.insert(finding.key.clone());
        self.by_key.insert(finding.key.clone(), id);
        let times = times(live).max(1) + 1;
        live.absorb(finding);
        live.incident.detail.insert(TIMES.into(), times.into());
        live.incident.why += &format!("; for the {times}th time since {}", live.incident.began_at);
        live.dirty = true;
        if live.may_update(now) {
            effects.entries.push(live.updated(now));
        }
        true
    }

    /// Tells the end of an incident; of one that came again not sooner than other news.
    pub(super) fn tell_end(
        &mut self,
        now: Now,
        id: IncidentId,
        finding: &Finding,
        effects: &mut Effects,
    ) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.end_due = times(live) > 1;
        live.dirty |= live.end_due;
        if !live.end_due || live.may_update(now) {
            effects.entries.push(live.record(now, What::Ended));
        }
        if may_come_again(finding) && live.incident.key == finding.key {
            self.device_ends.put(now, finding.key.clone(), id);
        }
    }
}

/// Of the state of a device: what a rule finds, and what people press, has rules of its own.
fn may_come_again(finding: &Finding) -> bool {
    finding.rule.is_none() && is_of_a_device(finding.kind)
}

fn times(live: &Live) -> u64 {
    live.incident.detail.get(TIMES).and_then(|times| times.as_u64()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::{
        domain::{Body, DeviceReport, Entry, IdMint, Incident, Observation, Reply, ReplyTo, Stamp},
        incident::Directory,
    };

    struct World {
        desk: Desk,
        now: Now,
        /// What and incident of each record.
        told: Vec<(What, Incident)>,
    }

    impl World {
        fn new() -> Self {
            let now = Now { wall: "2026-07-01T00:00:00Z".parse().unwrap(), mono_ms: 50_000 };
            let directory = Directory { auto_close_after_s: 86_400, ..Directory::default() };
            let desk = Desk::new(directory, IdMint::new([0; 32]));
            Self { desk, now, told: Vec::new() }
        }

        fn take(&mut self, effects: Effects) {
            let records = effects.entries.into_iter().filter_map(|entry| match entry {
                Entry::Change(record) => Some((record.what, record.incident)),
                _ => None,
            });
            self.told.extend(records);
        }

        fn say(&mut self, id: &str, body: Body) {
            let stamp = Stamp::of_gateway(self.now);
            let observation = Observation { source: id.into(), stamp, body };
            let effects = self.desk.apply(self.now, &observation, Vec::new());
            self.take(effects);
        }

        fn open(&mut self, id: &str, open: bool) {
            let report = DeviceReport { tampered: Some(open), ..DeviceReport::default() };
            self.say(id, Body::Device(report));
        }

        fn pass_ms(&mut self, ms: u64) {
            self.now.wall += SignedDuration::from_millis(i64::try_from(ms).unwrap());
            self.now.mono_ms += ms;
            let effects = self.desk.tick(self.now, Vec::new());
            self.take(effects);
        }

        fn whats(&mut self) -> Vec<&'static str> {
            self.told.drain(..).map(|(what, _)| what.as_str()).collect()
        }
    }

    #[test]
    fn what_comes_and_goes_is_one_incident_that_counts_and_is_told_every_ten_seconds() {
        let mut world = World::new();
        // The lid of a button, ten times a second, for a minute.
        for n in 0..600 {
            world.open("loose", n % 2 == 0);
            world.pass_ms(100);
        }
        let ids: std::collections::BTreeSet<_> = world.told.iter().map(|(_, one)| one.id).collect();
        assert_eq!(ids.len(), 1, "one incident");
        assert!(world.told.len() <= 2 + 6, "{:?}", world.whats());
        let revisions: Vec<u64> =
            world.told.iter().map(|(_, one)| u64::from(one.revision)).collect();
        assert_eq!(revisions, (1..=revisions.len() as u64).collect::<Vec<_>>());
        // It is quiet: that it is closed is told, as its end.
        world.pass_ms(10_000);
        let (what, last) = world.told.last().unwrap().clone();
        assert_eq!((what, last.active), (What::Ended, false));
        assert_eq!(last.detail["times"], 300);
        assert!(last.ended_at.is_some());
        world.told.clear();
        world.pass_ms(60_000);
        assert_eq!(world.whats(), Vec::<&str>::new(), "once");
    }

    #[test]
    fn the_first_end_is_told_at_once_and_what_comes_later_or_to_a_closed_case_is_another() {
        for (ms, again) in [(AGAIN_MS - 1, true), (AGAIN_MS, false)] {
            let mut world = World::new();
            world.open("a", true);
            world.pass_ms(1_000);
            world.open("a", false);
            assert_eq!(world.whats(), ["opened", "ended"]);
            world.pass_ms(u64::try_from(ms).unwrap());
            world.open("a", true);
            assert_eq!(world.whats(), [if again { "updated" } else { "opened" }], "{ms}");
            // Another device has nothing to do with it.
            world.open("b", true);
            assert_eq!(world.whats(), ["opened"]);
        }
        let mut world = World::new();
        world.open("a", true);
        world.open("a", false);
        let case = world.told[0].1.id;
        world.say("desk", Body::Reply(Reply::new(case, ReplyTo::Closed, "李")));
        world.whats();
        world.open("a", true);
        assert_eq!(world.whats(), ["opened"], "an officer has closed that one");
    }

    #[test]
    fn a_step_of_the_case_between_does_not_swallow_the_end() {
        let mut world = World::new();
        for open in [true, false, true, false] {
            world.open("a", open);
        }
        assert_eq!(world.whats(), ["opened", "ended"]);
        let case = world.desk.live.keys().next().copied().unwrap();
        world.say("desk", Body::Reply(Reply::new(case, ReplyTo::Accepted, "李")));
        assert_eq!(world.whats(), ["accepted"]);
        world.pass_ms(10_000);
        assert_eq!(world.whats(), ["ended"]);
    }

    #[test]
    fn ends_that_are_remembered_have_a_bound() {
        let mut ends = Ends::default();
        let mut mint = IdMint::new([0; 32]);
        let at = |ms| Now { wall: jiff::Timestamp::UNIX_EPOCH, mono_ms: ms };
        for n in 0..3 * ENDS_MAX {
            let now = at(n as u64);
            ends.put(now, format!("{n}"), mint.incident(now));
            assert!(ends.0.len() <= ENDS_MAX);
        }
        let now = at(3 * ENDS_MAX as u64);
        assert!(ends.take(now, &format!("{}", 3 * ENDS_MAX - 1)).is_some());
        assert!(ends.take(now, "0").is_none(), "the oldest went");
    }
}
