//! A thing that fulfils a rule: who an incident is of, and what a finding says of them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Bbox, RuleId, SourceId, VehicleReport};

/// One person, vehicle or animal that fulfilled a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing {
    /// Of its track: unique within a source, until the gateway starts anew.
    pub id: u64,
    /// Who sees it.
    pub source: SourceId,
    /// As the detector names it.
    pub label: Arc<str>,
    /// When it came to where the rule looks, source time.
    pub first_at: Timestamp,
    /// When it was last seen there, source time.
    pub last_at: Timestamp,
    /// Best score of its detections, 0..1.
    pub score: f32,
    /// It has not moved for long: a parked car, a guard.
    pub standing: bool,
}

/// What a finding says of things.
#[derive(Clone, Debug, Default)]
pub struct ThingReport {
    /// The things of the happening, as they are now.
    pub things: Vec<Thing>,
    /// Ids of those that newly fulfil the rule.
    pub news: Vec<u64>,
    /// The happening begins within the cool-down of the one before: it goes on with that one's
    /// incident, where the case is still open.
    pub resumes: bool,
    /// The happening begins with things that were told before, lost from sight, and found where they
    /// stood: where their case was closed, they are no news.
    pub returned: bool,
    /// It was closed before the gateway stopped.
    pub closed: bool,
    /// What is known of the vehicles among them, where plates are read; they are taken out of it before it
    /// comes to the desk.
    pub vehicles: Vec<VehicleReport>,
}

/// A thing that stands where a rule looks, and was told: kept for the next start, so that a parked
/// car is not told anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandingThing {
    /// Who sees it.
    pub camera: SourceId,
    /// The rule that told it.
    pub rule: RuleId,
    /// Its id in the incident that told it.
    pub id: u64,
    /// As the detector names it.
    pub label: Arc<str>,
    /// Where it stands.
    pub bbox: Bbox,
    /// When it came, source time.
    pub first_at: Timestamp,
    /// Since when it has not moved, source time.
    pub stands_since: Timestamp,
    /// When it was last seen, source time.
    pub last_at: Timestamp,
    /// Best score of its detections, 0..1.
    pub score: f32,
    /// The case that told it was closed meanwhile.
    #[serde(default)]
    pub closed: bool,
}
