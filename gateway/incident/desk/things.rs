//! What findings say of things: newcomers are part of the incident, or resume it, or open another one.

use serde_json::Value;

use super::{
    super::live::Live,
    Desk, Effects,
    evidence::{film_things, picture_things},
};
use crate::domain::{Finding, IncidentId, Kind, Now, Phase, SourceId, Thing, What};

/// Incidents of one source in which the same things are looked for, at most.
const RECENT_INCIDENTS_MAX: usize = 16;

impl Desk {
    /// A finding that begins within the cool-down of the happening before goes on with its incident,
    /// where the case is still open (true): that is active again.
    pub(super) fn resume(
        &mut self,
        now: Now,
        finding: &mut Finding,
        effects: &mut Effects,
    ) -> bool {
        if !finding.things.resumes {
            return false;
        }
        let Some(id) = self.ended_by_key.get(&finding.key).copied() else { return false };
        let Some(live) = self.live.get_mut(&id) else { return false };
        let detail = &live.incident.detail;
        let is_own = live.incident.key == finding.key;
        if !is_own || live.incident.active || live.is_closed() || detail.contains_key("joined_to") {
            return false;
        }
        live.resume();
        live.open_keys.insert(finding.key.clone());
        self.by_key.insert(finding.key.clone(), id);
        self.go_on(now, id, finding, effects);
        self.keep_near(id);
        true
    }

    /// Whether this is of what stands yet where it was told, and whose case was closed since: an officer
    /// has decided on it, so it opens no other incident. Who comes beside it does.
    pub(super) fn is_settled(&mut self, finding: &Finding) -> bool {
        let things = &finding.things;
        match finding.phase {
            Phase::Begins => {
                let ended = self.ended_by_key.get(&finding.key).and_then(|id| self.live.get(id));
                let closed = things.closed || ended.is_some_and(Live::is_closed);
                if things.returned && closed {
                    self.settled.insert(finding.key.clone());
                    return true;
                }
                self.settled.remove(&finding.key);
                false
            }
            Phase::Continues if things.news.is_empty() => self.settled.contains(&finding.key),
            Phase::Continues | Phase::Ends => {
                self.settled.remove(&finding.key);
                false
            }
        }
    }

    /// Whether the case of this rule's happening was closed.
    pub fn is_case_closed(&self, key: &str) -> bool {
        let id = self.by_key.get(key).or_else(|| self.ended_by_key.get(key));
        let live = id.and_then(|id| self.live.get(id));
        self.settled.contains(key) || live.is_some_and(Live::is_closed)
    }

    /// The case is closed, and somebody new fulfils the rule: what was closed ends, and he opens an
    /// incident of his own.
    pub(super) fn end_closed(&mut self, now: Now, finding: &Finding, effects: &mut Effects) {
        let Some(id) = self.by_key.get(&finding.key).copied() else { return };
        let Some(live) = self.live.get_mut(&id) else { return };
        if !live.is_closed() || finding.things.news.is_empty() {
            return;
        }
        if live.incident.key != finding.key {
            // He was joined to it by another camera; that one's happening is its own affair.
            if live.incident.kind != Kind::EmergencyButton {
                live.open_keys.remove(&finding.key);
                self.by_key.remove(&finding.key);
            }
            return;
        }
        effects.entries.extend(live.tell_news(now));
        live.end(now, live.last_at.max(live.incident.began_at));
        live.incident.detail.insert("ended_by".into(), "closed".into());
        live.open_keys.clear();
        effects.entries.push(live.record(now, What::Ended));
        let joined = live.incident.sources.len() > 1;
        self.forget_keys(id, &finding.key, joined);
        self.retire(id);
    }

    /// Another finding of an incident that is on; true when its severity rose.
    pub(super) fn go_on(
        &mut self,
        now: Now,
        id: IncidentId,
        finding: &mut Finding,
        effects: &mut Effects,
    ) -> bool {
        let related = self.related(id, finding);
        let Some(live) = self.live.get_mut(&id) else { return false };
        live.relate(related);
        let newcomers = live.take_things(now, finding);
        film_things(&self.directory, live, now, &newcomers);
        picture_things(&mut self.ids, live, now, finding, effects);
        live.absorb(finding)
    }

    /// Incidents of other rules of this source of which the newcomers are part.
    pub(super) fn related(&self, own: IncidentId, finding: &Finding) -> Vec<IncidentId> {
        let is_news = |thing: &&Thing| finding.things.news.contains(&thing.id);
        let news: Vec<Thing> = finding.things.things.iter().filter(is_news).cloned().collect();
        let recent = self.recent.get(&finding.source).into_iter().flatten();
        let shares = |id: &&IncidentId| {
            let other = self.live.get(*id).filter(|other| other.incident.key != finding.key);
            **id != own && other.is_some_and(|other| other.things.has_any(&news))
        };
        if news.is_empty() { Vec::new() } else { recent.filter(shares).copied().collect() }
    }

    /// Remembers which incident of a rule ended last, for who comes within its cool-down.
    pub(super) fn note_ended(&mut self, id: IncidentId) {
        let Some(live) = self.live.get(&id).filter(|live| live.incident.rule.is_some()) else {
            return;
        };
        self.ended_by_key.insert(live.incident.key.clone(), id);
    }

    /// Remembers which incidents of a source are the latest.
    pub(super) fn note_recent(&mut self, source: &SourceId, id: IncidentId) {
        let recent = self.recent.entry(source.clone()).or_default();
        recent.push_back(id);
        if recent.len() > RECENT_INCIDENTS_MAX {
            recent.pop_front();
        }
    }
}

impl super::Live {
    /// Names other incidents in which the same things are.
    pub(super) fn relate(&mut self, others: Vec<IncidentId>) {
        if others.is_empty() {
            return;
        }
        let related = self
            .incident
            .detail
            .entry("related".into())
            .or_insert_with(|| Value::Array(Vec::new()));
        let Some(related) = related.as_array_mut() else { return };
        for other in others {
            let other = Value::from(other.to_string());
            if !related.contains(&other) && related.len() < RECENT_INCIDENTS_MAX {
                related.push(other);
            }
        }
    }
}
