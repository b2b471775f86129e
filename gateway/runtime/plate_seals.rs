//! Between rules and desk: what a finding says of vehicles becomes part of its detail, each plate masked and sealed.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    config::{Config, Vehicles},
    domain::{AccessEvent, AccessNote, Entry, Finding, VehicleReport, VehicleStanding},
    store::Store,
};

/// A plate in an incident is sealed once and not at each look; so many are remembered.
const REMEMBERED_MAX: usize = 1_000;
/// A vehicle that is looked for is noted once while it is there.
const NOTED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// What seals plates, and what it has sealed.
#[derive(Default)]
pub(super) struct PlateSeals {
    store: Option<Store>,
    vehicles: Option<Vehicles>,
    sealed: BTreeMap<(String, u32, jiff::civil::Date), Arc<str>>,
    noted: BTreeMap<(String, String), Timestamp>,
}

impl PlateSeals {
    /// Under keys of this store.
    pub(super) fn of(store: &Store, config: &Config) -> Self {
        let (store, vehicles) = (Some(store.clone()), config.vehicles.clone());
        Self { store, vehicles, ..Self::default() }
    }

    /// The days for which plates are kept are others now.
    pub(super) fn configure(&mut self, config: &Config) {
        self.vehicles.clone_from(&config.vehicles);
    }

    /// Takes the vehicles out of these findings and puts them into their details, without a whole plate; and
    /// notes for the audit who was seen by an order.
    pub(super) fn seal(&mut self, findings: &mut [Finding]) -> Vec<Entry> {
        let mut notes = Vec::new();
        for finding in findings.iter_mut().filter(|one| !one.things.vehicles.is_empty()) {
            let vehicles = std::mem::take(&mut finding.things.vehicles);
            notes.extend(vehicles.iter().filter_map(|one| self.note(one, finding)));
            let told: Vec<Value> =
                vehicles.iter().map(|one| self.detail(one, finding.at)).collect();
            finding.detail.insert("vehicles".into(), told.into());
        }
        notes
    }

    fn detail(&mut self, vehicle: &VehicleReport, at: Timestamp) -> Value {
        let mut told = json!({
            "thing": vehicle.thing,
            "class": &*vehicle.class,
            "colour": vehicle.colour,
        });
        if let Some(plate) = &vehicle.plate {
            told["plate"] = plate.masked().into();
            if let Some(sealed) = self.sealed(plate.whole(), vehicle.standing, at) {
                told["sealed"] = (*sealed).into();
            }
        }
        if let Some(standing) = vehicle.standing {
            told["standing"] = standing.as_str().into();
        }
        if let Some((order, author)) = &vehicle.order {
            told["order"] = json!({ "reference": order, "author": author });
        }
        if vehicle.wrong_way {
            told["wrong_way"] = true.into();
        }
        told
    }

    /// None: it cannot be sealed, so it is kept masked alone.
    fn sealed(
        &mut self,
        plate: &str,
        standing: Option<VehicleStanding>,
        at: Timestamp,
    ) -> Option<Arc<str>> {
        let days = self.vehicles.as_ref()?.keep_days(standing);
        let key = (plate.to_owned(), days, at.to_zoned(jiff::tz::TimeZone::UTC).date());
        if let Some(known) = self.sealed.get(&key) {
            return Some(known.clone());
        }
        match self.store.as_ref()?.seal_plate(plate, at, days) {
            Ok(sealed) => {
                let sealed: Arc<str> = sealed.into();
                if self.sealed.len() >= REMEMBERED_MAX {
                    self.sealed.pop_first();
                }
                self.sealed.insert(key, sealed.clone());
                Some(sealed)
            }
            Err(why) => {
                tracing::error!(why, "a plate cannot be sealed: it is kept masked alone");
                None
            }
        }
    }

    /// One line of the audit a hit: the masked plate, the rule that found it, by which order and whose.
    fn note(&mut self, vehicle: &VehicleReport, finding: &Finding) -> Option<Entry> {
        let (plate, (order, author)) = (vehicle.plate.as_ref()?, vehicle.order.as_ref()?);
        self.noted.retain(|_, at| finding.at.duration_since(*at).abs() < NOTED_FOR);
        let by = finding.key.clone();
        let before = self.noted.insert((plate.whole().to_owned(), by.clone()), finding.at);
        before.is_none().then(|| {
            Entry::Access(AccessNote {
                what: AccessEvent::AttentionHit,
                who: plate.masked(),
                by,
                from: None,
                detail: format!("{order}; {author}"),
                at: finding.at,
            })
        })
    }
}

#[cfg(test)]
#[path = "tests_plate_seals.rs"]
mod tests;
