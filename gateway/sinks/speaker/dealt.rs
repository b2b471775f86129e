//! What one speaker has dealt with so far, in both its lanes: what is said of an incident is not said at each update. Pure.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
};

use crate::domain::IncidentId;

/// 1 is the most urgent, as a severity.
pub(super) type Urgency = u8;

/// Incidents that are remembered, at most: those of which something came last. One that is forgotten
/// and goes on may be said once more.
const INCIDENTS_MAX: usize = 1_000;
/// Records that were tried and are to be tried again, at most: the newest.
const TRIED_MAX: usize = 1_000;

/// How far one incident has been dealt with.
#[derive(Clone, Copy)]
struct DealtIncident {
    /// The most urgent that was said of it, or given up.
    urgency: Urgency,
    /// That was said, and not given up.
    said: bool,
    /// The newest of which this is so.
    revision: u32,
    /// When it was looked at last, in looks.
    looked: u64,
}

/// It is empty after a start: then what goes on may be said once more, which is better than never.
#[derive(Default)]
pub(super) struct Dealt {
    incidents: BTreeMap<IncidentId, DealtIncident>,
    looks: u64,
    /// Tried, and not spoken yet; by event.
    tried: VecDeque<String>,
}

impl Dealt {
    /// It begins with this revision: what was said of it before counts no more. One that is tried again
    /// begins nothing anew.
    pub(super) fn begins(&mut self, incident: IncidentId, revision: u32) {
        if self.incidents.get(&incident).is_some_and(|one| one.revision < revision) {
            self.incidents.remove(&incident);
        }
    }

    /// Whether nothing as urgent was said of it yet, nor given up.
    pub(super) fn is_new(&mut self, incident: IncidentId, urgency: Urgency) -> bool {
        self.looks += 1;
        let Some(one) = self.incidents.get_mut(&incident) else { return true };
        one.looked = self.looks;
        urgency < one.urgency
    }

    /// Whether something more urgent was said of it.
    pub(super) fn is_outdone(&self, incident: IncidentId, urgency: Urgency) -> bool {
        self.incidents.get(&incident).is_some_and(|one| one.said && one.urgency < urgency)
    }

    /// It was said, or else given up, as of this revision.
    pub(super) fn over(
        &mut self,
        (incident, revision): (IncidentId, u32),
        urgency: Urgency,
        said: bool,
    ) {
        self.looks += 1;
        let looked = self.looks;
        let new = DealtIncident { urgency, said, revision, looked };
        let one = self.incidents.entry(incident).or_insert(new);
        match urgency.cmp(&one.urgency) {
            Ordering::Less => (one.urgency, one.said) = (urgency, said),
            Ordering::Equal => one.said |= said,
            Ordering::Greater => {}
        }
        one.revision = one.revision.max(revision);
        one.looked = looked;
        if self.incidents.len() > INCIDENTS_MAX {
            let stale = self.incidents.iter().min_by_key(|(_, one)| one.looked);
            if let Some(id) = stale.map(|(id, _)| *id) {
                self.incidents.remove(&id);
            }
        }
    }

    /// Whether it waited for another try; it does no more.
    pub(super) fn take_tried(&mut self, event: &str) -> bool {
        let at = self.tried.iter().position(|one| one == event);
        at.and_then(|at| self.tried.remove(at)).is_some()
    }

    /// It was tried, and is to be tried again.
    pub(super) fn try_again(&mut self, event: &str) {
        self.tried.push_back(event.to_owned());
        while self.tried.len() > TRIED_MAX {
            self.tried.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(n: usize) -> IncidentId {
        format!("01900000-0000-7000-8000-{n:012}").parse().unwrap()
    }

    #[test]
    fn each_urgency_is_new_once_and_what_begins_anew_is_new() {
        let (mut dealt, id) = (Dealt::default(), incident(1));
        assert!(dealt.is_new(id, 3) && !dealt.is_outdone(id, 3));
        dealt.over((id, 1), 3, true);
        assert!(!dealt.is_new(id, 3) && dealt.is_new(id, 2));
        // What was given up is not said, so that it outdoes nothing.
        dealt.over((id, 2), 1, false);
        assert!(!dealt.is_new(id, 1) && !dealt.is_outdone(id, 3));
        dealt.over((id, 3), 1, true);
        assert!(dealt.is_outdone(id, 3) && !dealt.is_outdone(id, 1));
        // An older one of another lane comes late.
        dealt.over((id, 1), 3, false);
        dealt.begins(id, 1);
        assert!(!dealt.is_new(id, 1) && dealt.is_outdone(id, 2));
        dealt.begins(id, 4);
        assert!(dealt.is_new(id, 3) && !dealt.is_outdone(id, 3));
    }

    #[test]
    fn it_remembers_those_of_which_something_came_last() {
        let mut dealt = Dealt::default();
        dealt.over((incident(0), 1), 1, true);
        for n in 1..2 * INCIDENTS_MAX {
            dealt.over((incident(n), 1), 1, true);
            // The oldest goes on.
            assert!(!dealt.is_new(incident(0), 1), "{n}");
        }
        assert_eq!(dealt.incidents.len(), INCIDENTS_MAX);
        assert!(dealt.is_new(incident(1), 1));
    }

    #[test]
    fn what_waits_for_another_try_is_taken_out_and_has_a_bound() {
        let mut dealt = Dealt::default();
        dealt.try_again("a");
        assert!(dealt.take_tried("a") && !dealt.take_tried("a"));
        for n in 0..=TRIED_MAX {
            dealt.try_again(&n.to_string());
        }
        assert_eq!(dealt.tried.len(), TRIED_MAX);
        assert!(!dealt.take_tried("0") && dealt.take_tried("1"));
    }
}
