//! How a run of the crash harness went, and the judge of what came out at the sinks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What one run came to.
#[derive(Debug, Default)]
pub(crate) struct CrashReport {
    /// Lives that ended in the middle of something.
    pub(crate) crashes: usize,
    /// Writes, syncs and renames of the disk.
    pub(crate) operations: usize,
    pub(crate) pressed: u64,
    pub(crate) acknowledged: usize,
    pub(crate) closed: usize,
    /// Segments that left the journal meanwhile.
    pub(crate) retired: usize,
    /// Reports of the gauge that were acknowledged.
    pub(crate) readings: u64,
    pub(crate) pictures: usize,
    /// Pictures that left to keep their bound.
    pub(crate) removed: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) disordered: usize,
    pub(crate) unsound: usize,
}

/// The highest revision of each incident.
pub(crate) fn latest(events: &[Value]) -> BTreeMap<String, Value> {
    let mut state: BTreeMap<String, Value> = BTreeMap::new();
    for data in events.iter().map(|event| &event["data"]) {
        let id = data["incident"].as_str().unwrap().to_owned();
        let newer = |old: &Value| old["revision"].as_u64() < data["revision"].as_u64();
        if state.get(&id).is_none_or(newer) {
            state.insert(id, data.clone());
        }
    }
    state
}

impl CrashReport {
    pub(crate) fn must_be_right(&self) {
        let wrong = [self.lost, self.doubled, self.disordered, self.unsound];
        assert_eq!(wrong, [0; 4], "{self:?}");
    }

    pub(crate) fn judge(&mut self, sink: &str, events: &[Value], acknowledged: &BTreeSet<String>) {
        let state = latest(events);
        let mut incidents: BTreeMap<&str, usize> = BTreeMap::new();
        for data in state.values().filter(|data| data["kind"] == "emergency-button") {
            *incidents.entry(data["sources"][0]["id"].as_str().unwrap()).or_default() += 1;
        }
        for device in acknowledged {
            match incidents.get(device.as_str()) {
                None => {
                    println!("{sink}: the press of {device} is LOST");
                    self.lost += 1;
                }
                Some(1) => {}
                Some(more) => {
                    println!("{sink}: the press of {device} made {more} incidents");
                    self.doubled += 1;
                }
            }
        }
        self.judge_order(sink, events);
        self.judge_revisions(sink, events, &state);
    }

    /// Within a class and a source, what was first came first; copies may come again later.
    fn judge_order(&mut self, sink: &str, events: &[Value]) {
        let mut first: BTreeSet<(&str, u64)> = BTreeSet::new();
        let mut highest: BTreeMap<(&str, u64), u64> = BTreeMap::new();
        for data in events.iter().map(|event| &event["data"]) {
            let (id, revision) =
                (data["incident"].as_str().unwrap(), data["revision"].as_u64().unwrap());
            if first.insert((id, revision)) {
                let highest = highest.entry((id, data["severity"].as_u64().unwrap())).or_default();
                if revision < *highest {
                    println!("{sink}: {id} revision {revision} came after {highest}");
                    self.disordered += 1;
                }
                *highest = revision.max(*highest);
            }
        }
    }

    /// Each revision from the first to the highest came, and the same one is always the same.
    fn judge_revisions(&mut self, sink: &str, events: &[Value], state: &BTreeMap<String, Value>) {
        let mut seen: BTreeMap<(String, u64), &Value> = BTreeMap::new();
        for data in events.iter().map(|event| &event["data"]) {
            let key =
                (data["incident"].as_str().unwrap().into(), data["revision"].as_u64().unwrap());
            if let Some(before) = seen.insert(key, data) {
                self.doubled += usize::from(before != data);
            }
        }
        for (id, data) in state {
            let all = (1..data["revision"].as_u64().unwrap())
                .all(|n| seen.contains_key(&(id.clone(), n)));
            if !all {
                println!("{sink}: {id} has a gap in its revisions");
                self.lost += 1;
            }
        }
    }
}
