//! The event the grid receives: CloudEvents 1.0, rendered from a record by a pure function.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::{
    Detail, EventContext, EventLife, Evidence, EvidenceId, Grid, HeartbeatData, Incident,
    IncidentId, Kind, ObjectCount, Place, PreRollLimit, Record, Route, Severity, SiteId, SourceRef,
    Stage, Title, What, clean,
    event_limits::{EventDeadline, detail_with_escalation},
};

/// A CloudEvents 1.0 event in structured JSON.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// `<incident id>.<revision>`: the same change always has the same id.
    pub id: String,
    /// `urn:gridpost:<site id>`.
    pub source: String,
    /// `io.gridpost.incident.<what>.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The incident's id.
    pub subject: String,
    /// When the change happened, RFC 3339 with offset.
    pub time: String,
    /// Always `application/json`.
    pub datacontenttype: String,
    #[schemars(with = "AnyData")]
    pub data: EventData,
}

/// What the feed carries, by the event's `type`: an incident's state, or a heartbeat
/// (`io.gridpost.heartbeat.v1`, id `<run>.<seq>`, subject the run).
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "the shape for the schema")]
enum AnyData {
    Incident(Box<EventData>),
    Heartbeat(HeartbeatData),
}

/// The incident's whole state after the change. What is absent is absent, never null.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventData {
    pub incident: IncidentId,
    pub revision: u32,
    pub what: What,
    pub stage: Stage,
    pub active: bool,
    pub kind: Kind,
    pub severity: Severity,
    pub title: Title,
    pub site: SiteId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    pub began_at: String,
    pub opened_at: String,
    pub changed_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    pub sources: Vec<SourceRef>,
    pub objects: Vec<ObjectCount>,
    pub evidence: Vec<EventEvidence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<EventDeadline>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    #[serde(flatten)]
    pub life: EventLife,
    pub clock: EventClock,
    pub why: String,
    #[serde(default, skip_serializing_if = "Detail::is_empty")]
    pub detail: Detail,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventEvidence {
    pub id: EvidenceId,
    pub media_type: String,
    pub sha256: String,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_roll_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_roll_limit: Option<PreRollLimit>,
    /// It is the original of this blurred picture: kept sealed at the site, without an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_of: Option<EvidenceId>,
    /// The file is sent to nobody: its camera shows what is private.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept_here: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventClock {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    pub gateway: String,
    pub error_ms: u64,
}

impl EventData {
    /// Puts whole plates in the place of masked ones, of this record: for who may have them. One whose days are
    /// over stays masked.
    pub fn with_plates(&mut self, incident: &Incident, open: impl Fn(&str) -> Option<String>) {
        let sealed = incident.detail.get("vehicles").and_then(|told| told.as_array());
        let told = self.detail.get_mut("vehicles").and_then(|told| told.as_array_mut());
        let pairs = sealed.into_iter().flatten().zip(told.into_iter().flatten());
        for (sealed, told) in pairs {
            let sealed = sealed.get("sealed").and_then(|sealed| sealed.as_str());
            if let (Some(plate), Some(told)) = (sealed.and_then(&open), told.as_object_mut()) {
                told.insert("plate".into(), plate.into());
            }
        }
    }

    /// The plates that it tells, each of them once.
    pub fn plates(&self) -> Vec<&str> {
        let told = self.detail.get("vehicles").and_then(|told| told.as_array());
        let of = |one: &'_ serde_json::Value| one.get("plate").is_some();
        let told = told.into_iter().flatten().filter(|one| of(one));
        let mut plates: Vec<&str> = told.filter_map(|one| one["plate"].as_str()).collect();
        let mut known = std::collections::BTreeSet::new();
        plates.retain(|plate| known.insert(*plate));
        plates
    }

    /// Writes each of its plates as this makes it.
    pub fn write_plates(&mut self, written: impl Fn(&str) -> String) {
        let told = self.detail.get_mut("vehicles").and_then(|told| told.as_array_mut());
        for one in told.into_iter().flatten().filter_map(|one| one.as_object_mut()) {
            if let Some(plate) = one.get("plate").and_then(|plate| plate.as_str()).map(&written) {
                one.insert("plate".into(), plate.into());
            }
        }
    }

    /// Evidence of which others are told by name and address: no originals.
    pub fn told_pieces(&self) -> impl Iterator<Item = &EventEvidence> {
        self.evidence.iter().filter(|one| one.original_of.is_none())
    }

    /// Who has the case; nobody said it yet: who is to have it by the list.
    pub fn department(&self) -> Option<&str> {
        let routed = self.route.as_ref().map(|route| route.department.as_str());
        self.life.department.as_deref().or(routed)
    }
}

impl EventContext {
    /// The event of a record. The same record always gives the same bytes.
    pub fn event(&self, record: &Record) -> Event {
        let incident = &record.incident;
        Event {
            specversion: "1.0".into(),
            id: record.event_id(),
            source: format!("urn:gridpost:{}", self.site),
            kind: format!("io.gridpost.incident.{}.v1", record.what.as_str()),
            subject: incident.id.to_string(),
            time: self.time(incident.changed_at),
            datacontenttype: "application/json".into(),
            data: self.data(record.what, incident),
        }
    }

    /// The `data` of an event; also what `GET /api/v1/incidents` lists.
    pub fn data(&self, what: What, incident: &Incident) -> EventData {
        EventData {
            incident: incident.id,
            revision: incident.revision,
            what,
            stage: incident.stage,
            active: incident.active,
            kind: incident.kind,
            severity: incident.severity,
            title: Title { zh: seen(&incident.title.zh), en: seen(&incident.title.en) },
            site: self.site.clone(),
            grid: incident.grid.clone(),
            place: incident.place.clone(),
            began_at: self.time(incident.began_at),
            opened_at: self.time(incident.opened_at),
            changed_at: self.time(incident.changed_at),
            ended_at: incident.ended_at.map(|at| self.time(at)),
            sources: incident.sources.iter().map(named).collect(),
            objects: incident.objects.clone(),
            evidence: incident.evidence.iter().map(|evidence| self.evidence(evidence)).collect(),
            deadline: self.deadline(incident),
            route: incident.route.clone(),
            life: self.life(incident),
            clock: EventClock {
                device: incident.clock.device.map(|at| self.time(at)),
                gateway: self.time(incident.clock.gateway),
                error_ms: incident.clock.error_ms,
            },
            why: seen(&incident.why),
            detail: detail_with_escalation(incident, self),
        }
    }

    fn evidence(&self, evidence: &Evidence) -> EventEvidence {
        EventEvidence {
            id: evidence.id,
            media_type: evidence.media_type.clone(),
            sha256: evidence.sha256.clone(),
            bytes: evidence.bytes,
            starts_at: evidence.starts_at.map(|at| self.time(at)),
            ends_at: evidence.ends_at.map(|at| self.time(at)),
            pre_roll_ms: evidence.pre_roll_ms,
            pre_roll_limit: evidence.pre_roll_limit,
            original_of: evidence.original_of,
            kept_here: evidence.kept_here,
            url: self.public_url.as_ref().filter(|_| evidence.original_of.is_none()).map(|base| {
                format!("{}/api/v1/evidence/{}", base.trim_end_matches('/'), evidence.id)
            }),
        }
    }
}

/// As people see it: an id is what a device calls itself, and stands in some sentences.
fn seen(text: &str) -> String {
    clean(text).into_owned()
}

/// The id stays what it is, for machines.
fn named(source: &SourceRef) -> SourceRef {
    SourceRef { name: seen(&source.name), ..source.clone() }
}

/// JSON Schema of the event, generated from the types above.
pub fn event_schema() -> Schema {
    schemars::schema_for!(Event)
}
