//! Fusion at the desk: a finding becomes part of a live incident, or takes one up, or is raised by one.
//!
//! A joined key belongs to its incident until that ends, which is when the last of its keys has
//! ended; one that was joined to a press, which ends when a person closes it, until its own end.
//! `detail.fusion` lists what was joined and by which
//! rule; `why` says it in words.

use serde_json::{Value, json};

use super::{
    super::{
        fusion::{self, Join, Side},
        live::{DueClip, Live},
    },
    Desk, Effects,
    evidence::{clip_from, film_things, picture_things},
};
use crate::domain::{
    Finding, Grid, IncidentId, Kind, Now, Place, Severity, SourceId, SourceKind, SourceRef, What,
};

/// Sources of one incident, at most; further ones make incidents of their own.
const SOURCES_MAX: usize = 16;

/// What a new incident is made of beside its own finding.
#[derive(Default)]
pub(super) struct Fused {
    /// Live incidents that become part of it, and how far away each is, metres.
    folded: Vec<(IncidentId, f64)>,
    /// The incident that makes it more urgent.
    raised_by: Option<IncidentId>,
}

impl Desk {
    fn may(&self, rule: Join) -> bool {
        self.directory.joins.contains(&rule)
    }

    /// Joins the finding to a live incident, if it belongs to one (true).
    pub(super) fn join(&mut self, now: Now, finding: &mut Finding, effects: &mut Effects) -> bool {
        if !is_sighting(finding.kind) {
            return false;
        }
        let new = self.side(finding);
        let presses = self.by_key.iter().filter(|(key, _)| key.starts_with("press/"));
        let found = presses
            .map(|(_, id)| id)
            .chain(&self.near)
            .filter_map(|id| {
                let live = self.live.get(id).filter(|live| is_open(live))?;
                let has_capacity = live.incident.sources.len() < SOURCES_MAX;
                let (rule, apart_m) = fusion::joins(&new, &self.side_of(live))?;
                (has_capacity && self.may(rule)).then_some((*id, rule, apart_m))
            })
            // A press goes before all others, then the nearest.
            .min_by(|a, b| {
                let press = |rule| rule != Join::ButtonAndEye;
                press(a.1).cmp(&press(b.1)).then(a.2.total_cmp(&b.2))
            });
        let Some((id, rule, apart_m)) = found else { return false };
        let info = self.source(&finding.source);
        let sees = matches!(info.kind, SourceKind::Camera | SourceKind::Drone);
        if info.kind == SourceKind::Drone {
            self.flights.opened(&info.id, &id.to_string());
        }
        self.ended_by_key.remove(&finding.key);
        self.by_key.insert(finding.key.clone(), id);
        let Some(live) = self.live.get_mut(&id) else { return false };
        live.open_keys.insert(finding.key.clone());
        live.take_in(rule, SourceRef { id: info.id, kind: info.kind, name: info.name }, apart_m);
        if sees && live.incident.kind == Kind::EmergencyButton && live.clips == 0 {
            live.film(now, finding.source.clone());
        }
        let newcomers = live.take_things(now, finding);
        film_things(&self.directory, live, now, &newcomers);
        picture_things(&mut self.ids, live, now, finding, effects);
        let rose = live.absorb(finding);
        if rose && live.reported {
            effects.entries.push(live.updated(now));
        }
        true
    }

    /// What becomes part of an incident that this finding opens, and what makes it more urgent.
    pub(super) fn fused(&self, finding: &mut Finding) -> Fused {
        let mut fused = Fused::default();
        if self.near.is_empty() {
            return fused;
        }
        let new = self.side(finding);
        if self.may(Join::ButtonAndEye) {
            let near = |id: &IncidentId| {
                let live = self.live.get(id).filter(|live| is_open(live))?;
                Some((*id, fusion::folds(&new, &self.side_of(live))?))
            };
            fused.folded = self.near.iter().filter_map(near).take(SOURCES_MAX - 1).collect();
        }
        if self.may(Join::RainAndWater) && finding.severity > Severity::ALERT {
            let rains = |id: &&IncidentId| {
                self.live.get(id).is_some_and(|live| {
                    live.incident.active && fusion::raises(&self.side_of(live), &new)
                })
            };
            fused.raised_by = self.near.iter().find(rains).copied();
            if fused.raised_by.is_some() {
                finding.severity = Severity::ALERT;
            }
        }
        fused
    }

    /// To be called before the first record of `live`, so that the record shows what it is made of. The
    /// incidents that become part of it end, with `joined_to`.
    pub(super) fn fuse(&mut self, now: Now, fused: Fused, live: &mut Live, effects: &mut Effects) {
        let id = live.incident.id;
        if let Some(rain) = fused.raised_by {
            live.raised(Join::RainAndWater, rain);
        }
        for (other, apart_m) in fused.folded {
            let Some(folded) = self.live.get_mut(&other) else { continue };
            for source in &folded.incident.sources {
                live.take_in(Join::ButtonAndEye, source.clone(), apart_m);
            }
            live.count(&folded.incident.objects);
            if live.clips == 0 {
                live.film(now, folded.incident.sources[0].id.clone());
            }
            live.open_keys.append(&mut folded.open_keys);
            if folded.hold_until_ms.is_some() {
                effects.entries.push(folded.record(now, What::Opened));
            }
            effects.entries.extend(folded.tell_news(now));
            live.things.join(&mut folded.things);
            folded.end(now, folded.last_at.max(folded.incident.began_at));
            folded.incident.detail.insert("joined_to".into(), id.to_string().into());
            effects.entries.push(folded.record(now, What::Ended));
            for owner in self.by_key.values_mut().filter(|owner| **owner == other) {
                *owner = id;
            }
        }
    }

    /// Rain or high water that is new, or more urgent than before, makes incidents of persons at the
    /// water of its grid more urgent.
    pub(super) fn raise_others(&mut self, now: Now, id: IncidentId, effects: &mut Effects) {
        let water = self.live.get(&id).filter(|live| is_water(live.incident.kind));
        let Some(water) = water.filter(|_| self.may(Join::RainAndWater)) else { return };
        let water = self.side_of(water);
        let milder = |id: &&IncidentId| {
            self.live.get(id).is_some_and(|live| {
                let mild = is_open(live) && live.incident.severity > Severity::ALERT;
                mild && fusion::raises(&water, &self.side_of(live))
            })
        };
        let raised: Vec<IncidentId> = self.near.iter().filter(milder).copied().collect();
        for person in raised {
            let Some(live) = self.live.get_mut(&person) else { continue };
            live.raised(Join::RainAndWater, id);
            if live.raise(Severity::ALERT) && live.reported {
                effects.entries.push(live.updated(now));
            }
        }
    }

    /// The incident has ended: a later finding under its key makes a new one. `many`: findings of other
    /// sources were joined, so their keys are freed too.
    pub(super) fn forget_keys(&mut self, id: IncidentId, key: &str, many: bool) {
        if self.by_key.get(key) == Some(&id) {
            self.by_key.remove(key);
        }
        if many {
            self.by_key.retain(|_, owner| *owner != id);
        }
    }

    /// Adds the incident to those with which later ones may be joined, and drops those that are over.
    pub(super) fn keep_near(&mut self, id: IncidentId) {
        let live = &self.live;
        let active = |id: &IncidentId| live.get(id).is_some_and(|live| live.incident.active);
        let kind = live.get(&id).map(|live| live.incident.kind);
        if active(&id) && kind.is_some_and(|kind| is_sighting(kind) || is_water(kind)) {
            self.near.retain(active);
            self.near.insert(id);
        }
    }

    fn side(&self, finding: &Finding) -> Side {
        let info = self.source(&finding.source);
        let (place, grid) = self.place(finding, &info);
        let has_place = info.kind == SourceKind::Drone || self.directory.placed.contains(&info.id);
        Side {
            kind: finding.kind,
            severity: finding.severity,
            source_kind: info.kind,
            sources: vec![info.id],
            place: position(place.as_ref()).filter(|_| has_place),
            error_m: error_m(finding.detail.get("ground")),
            grid: code(grid.as_ref()),
            began_at: finding.began_at,
            last_at: finding.at,
            person: finding.objects.iter().any(|object| object.label == "person"),
        }
    }

    fn side_of(&self, live: &Live) -> Side {
        let incident = &live.incident;
        let first = &incident.sources[0];
        let has_place =
            first.kind == SourceKind::Drone || self.directory.placed.contains(&first.id);
        Side {
            kind: incident.kind,
            severity: incident.severity,
            source_kind: first.kind,
            sources: incident.sources.iter().map(|source| source.id.clone()).collect(),
            place: position(incident.place.as_ref()).filter(|_| has_place),
            error_m: error_m(incident.detail.get("ground"))
                .filter(|_| first.kind == SourceKind::Drone),
            grid: code(incident.grid.as_ref()),
            began_at: incident.began_at,
            last_at: live.last_at,
            person: incident.objects.iter().any(|object| object.label == "person"),
        }
    }
}

fn is_sighting(kind: Kind) -> bool {
    matches!(kind, Kind::Intrusion | Kind::Loiter | Kind::Waterside)
}

fn is_water(kind: Kind) -> bool {
    matches!(kind, Kind::Rain | Kind::WaterLevel)
}

fn is_open(live: &Live) -> bool {
    live.incident.active && !live.is_closed()
}

fn position(place: Option<&Place>) -> Option<[f64; 2]> {
    place.map(|place| [place.lon, place.lat])
}

fn code(grid: Option<&Grid>) -> Option<String> {
    grid.map(|grid| grid.code.clone())
}

fn error_m(ground: Option<&Value>) -> Option<f64> {
    ground?.get("error_m")?.as_f64()
}

impl Live {
    /// One clip shows it, from its beginning on.
    pub(super) fn film(&mut self, now: Now, source: SourceId) {
        self.clips += 1;
        let began_at = clip_from(self.incident.began_at, self.incident.opened_at);
        let began_ms = now.mono_of(began_at);
        self.due_clips.push(DueClip { source, began_at, began_ms, shows: Vec::new() });
    }

    /// Another source is part of it, by this rule.
    fn take_in(&mut self, rule: Join, source: SourceRef, apart_m: f64) {
        if self.incident.sources.iter().any(|one| one.id == source.id) {
            return;
        }
        self.list(json!({ "rule": rule, "source": source.id, "apart_m": apart_m.round() }));
        self.incident.sources.push(source);
    }

    /// Another incident made it more urgent.
    fn raised(&mut self, rule: Join, by: IncidentId) {
        self.list(json!({ "rule": rule, "incident": by }));
    }

    fn list(&mut self, what: Value) {
        let detail = &mut self.incident.detail;
        let before = fusion::sentences(detail).len();
        let fusion = detail.entry("fusion".into()).or_insert_with(|| json!([]));
        if let Some(list) = fusion.as_array_mut() {
            list.push(what);
        }
        for sentence in fusion::sentences(detail).into_iter().skip(before) {
            self.incident.why = format!("{}; {sentence}", self.incident.why);
        }
        self.dirty = true;
    }
}
