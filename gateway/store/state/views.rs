//! What others ask the state for.

use std::collections::BTreeSet;

use super::{Key, State};
use crate::{domain::SinkId, store::Subscriber};

impl State {
    /// The sinks of the last `Standing`.
    pub(in crate::store) fn subscribers(&self) -> Vec<Subscriber> {
        let of = |id: &SinkId| Subscriber { id: id.clone(), evidence: self.carriers.contains(id) };
        self.sinks.iter().map(of).collect()
    }

    /// Bytes of payloads nobody could read, in the journal.
    pub(in crate::store) fn quarantined_bytes(&self) -> u64 {
        self.quarantined.values().sum()
    }

    /// The names of everything: for an index that begins anew.
    pub(in crate::store) fn keys(&self) -> BTreeSet<Key> {
        let due = self.due.pending.keys().map(|&seq| Key::Due(seq));
        let incidents = self.incidents.keys().map(|&id| Key::Incident(id));
        let presses = self.presses.keys().map(|&seq| Key::Press(seq));
        let replies = self.replies.keys().map(|&seq| Key::Reply(seq));
        let evidence = self.evidence.keys().map(|&id| Key::Evidence(id));
        let dead = self.dead.keys().map(|&seq| Key::Dead(seq));
        let gauges = self.gauges.keys().map(|&seq| Key::Gauge(seq));
        let unread = self.unread.keys().map(|&seq| Key::Unread(seq));
        let people = presses.chain(replies).chain(gauges);
        due.chain(incidents).chain(people).chain(evidence).chain(dead).chain(unread).collect()
    }
}
