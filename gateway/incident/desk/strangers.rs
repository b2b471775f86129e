//! Devices on no list at the desk: up to a bound each call is an incident of its own, beyond that they are one.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        live::Live,
        presses::{self, RememberedPress},
        strangers::{KEY, OWN_MAX, SOURCE},
    },
    Desk, Effects,
};
use crate::domain::{Incident, IncidentId, Kind, Now, Press, SourceId, Stamp, Title};

impl Desk {
    /// On no list. Who says that he is a listed device, under a name of his own, is nobody's
    /// invention: there are only so many.
    pub(super) fn is_stranger(&self, source: &SourceId, press: Option<&Press>) -> bool {
        let listed = |id: &SourceId| {
            self.directory.devices.contains_key(id) || self.directory.sources.contains_key(id)
        };
        let claimed = press.and_then(|press| press.claim.as_ref());
        !listed(source) && !claimed.is_some_and(|claim| listed(&claim.device))
    }

    /// Whether so many calls of strangers are open that a new one joins the others.
    pub(super) fn strangers_are_many(&mut self) -> bool {
        are_many(&mut self.strangers.calls, &self.live)
    }

    /// As [`Self::strangers_are_many`], of what is wrong with them.
    pub(super) fn states_are_many(&mut self) -> bool {
        are_many(&mut self.strangers.states, &self.live)
    }

    /// A call of a stranger that is no incident of its own: written down, counted, and told with
    /// the others, at once if it is the first and then at most once a minute.
    pub(super) fn join_strangers(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        effects: &mut Effects,
    ) {
        let open = self.by_key.get(KEY).copied();
        if open.is_none() {
            self.strangers.begin();
        }
        self.strangers.add(source.as_str());
        match open {
            None => {
                let joint = SourceId::from(SOURCE);
                let mut finding = self.press_finding(KEY.to_owned(), None, &joint, stamp, press);
                finding.detail.remove("battery");
                finding.why = self.strangers.tell(now.mono_ms, &mut finding.detail);
                finding.title = Some(Title {
                    zh: "多个未登记的按钮求助（设备不在名单上）".into(),
                    en: "many unlisted buttons call".into(),
                });
                self.finding(now, finding, effects);
            }
            Some(_) => self.tell_strangers(now, effects),
        }
        let id = self.by_key.get(KEY).copied();
        effects.entries.insert(0, presses::entry(source, stamp, press, RememberedPress::Call, id));
    }

    /// Tells the joint incident anew, if there is something to tell and it is time.
    pub(super) fn tell_strangers(&mut self, now: Now, effects: &mut Effects) {
        if !self.strangers.is_due(now.mono_ms) {
            return;
        }
        let Some(live) = self.by_key.get(KEY).and_then(|id| self.live.get_mut(id)) else { return };
        live.incident.why = self.strangers.tell(now.mono_ms, &mut live.incident.detail);
        effects.entries.push(live.updated(now));
    }

    /// Counts an open incident of an earlier process.
    pub(super) fn restore_stranger(&mut self, incident: &Incident) {
        let Some(source) = incident.sources.first() else { return };
        if incident.key == KEY {
            return self.strangers.restore(incident);
        }
        let is_open = incident.active || !incident.stage.is_over();
        if !is_open || !self.is_stranger(&source.id, None) || is_of_a_claim(self, incident) {
            return;
        }
        let call =
            ["press/", "unreadable/", "again/"].iter().any(|one| incident.key.starts_with(one));
        if call {
            self.strangers.calls.insert(incident.id);
        } else if super::is_of_a_device(incident.kind) && incident.kind != Kind::DeviceSilent {
            self.strangers.states.insert(incident.id);
        }
    }

    /// Counts an incident that a stranger's call has opened.
    pub(super) fn count_stranger(&mut self, source: &SourceId, press: &Press, key: &str) {
        if self.is_stranger(source, Some(press))
            && let Some(id) = self.by_key.get(key)
        {
            self.strangers.calls.insert(*id);
        }
    }
}

/// Whether there are as many of these as may be, without those whose case is over.
fn are_many(of: &mut BTreeSet<IncidentId>, live: &BTreeMap<IncidentId, Live>) -> bool {
    if of.len() >= OWN_MAX {
        of.retain(|id| live.get(id).is_some_and(|live| !live.is_closed()));
    }
    of.len() >= OWN_MAX
}

/// Whether it is of somebody who said that he is a listed device.
fn is_of_a_claim(desk: &Desk, incident: &Incident) -> bool {
    let claims = incident.detail.get("claims").and_then(|claims| claims.as_str());
    claims.is_some_and(|claims| desk.directory.devices.contains_key(&SourceId::from(claims)))
}
