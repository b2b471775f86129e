//! Calls of devices on no list, beyond those that are an incident each: counted, and the last names. Pure.

use std::collections::{BTreeSet, VecDeque};

use crate::domain::{Detail, Incident, IncidentId, clean_cut};

/// Open incidents of devices on no list that are each their own.
pub(super) const OWN_MAX: usize = 200;
/// Names that the joint incident shows, the last ones.
const NAMES_MAX: usize = 50;
/// A name is shown up to so many characters.
pub(super) const NAME_CHARS_MAX: usize = 128;
/// It is told at most so often, milliseconds.
const TELL_EVERY_MS: u64 = 60_000;
/// The key of the joint incident, which no device can have.
pub(super) const KEY: &str = "strangers";
/// Its source.
pub(super) const SOURCE: &str = "unlisted-devices";

/// Which incidents are of devices on no list, and what the joint one says.
#[derive(Default)]
pub(super) struct Strangers {
    /// Of calls; those that are over are taken out when it is full.
    pub(super) calls: BTreeSet<IncidentId>,
    /// Of how they are: battery, tamper. The same.
    pub(super) states: BTreeSet<IncidentId>,
    calls_joined: u64,
    names: VecDeque<String>,
    told_ms: u64,
    untold: bool,
}

impl Strangers {
    /// The joint incident of an earlier process.
    pub(super) fn restore(&mut self, incident: &Incident) {
        let names = incident.detail.get("devices").and_then(|names| names.as_array());
        let names = names.into_iter().flatten().filter_map(|name| name.as_str());
        self.names = names.map(str::to_owned).collect();
        self.calls_joined =
            incident.detail.get("presses").and_then(|n| n.as_u64()).unwrap_or_default();
    }

    /// A new joint incident begins.
    pub(super) fn begin(&mut self) {
        (self.calls_joined, self.untold) = (0, false);
        self.names.clear();
    }

    /// One more call.
    pub(super) fn add(&mut self, name: &str) {
        self.calls_joined += 1;
        self.untold = true;
        let name = clean_cut(name, NAME_CHARS_MAX);
        self.names.retain(|one| *one != name);
        self.names.push_back(name);
        while self.names.len() > NAMES_MAX {
            self.names.pop_front();
        }
    }

    /// Whether there is something new, and the last word is long enough ago.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.untold && now_ms.saturating_sub(self.told_ms) >= TELL_EVERY_MS
    }

    /// What is to be shown now; it is told with that.
    pub(super) fn tell(&mut self, now_ms: u64, detail: &mut Detail) -> String {
        (self.told_ms, self.untold) = (now_ms, false);
        detail.insert("unlisted".into(), true.into());
        detail.insert("presses".into(), self.calls_joined.into());
        detail.insert("devices".into(), self.names.iter().cloned().collect::<Vec<_>>().into());
        format!(
            "{} calls of devices on no list, beside {OWN_MAX} that are incidents of their own",
            self.calls_joined
        )
    }
}
