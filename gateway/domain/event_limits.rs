//! Limits of a case as an event shows them: the light, the step that runs, what comes next. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Detail, EventContext, Incident, Light, LimitEvent, LimitRun, LimitStep, ReplyTo, Stage, Tier,
};

/// By when the grid should answer, and how far that is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventDeadline {
    pub tier: Tier,
    pub accept_by: String,
    pub finish_by: String,
    /// The worst of all limits that run; `green` where none does.
    #[serde(default)]
    pub light: Light,
    /// The step that is to be taken now, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<EventStepLimit>,
    /// What the gateway tells next if nobody acts, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<EventNextLimit>,
}

/// The limit of one step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventStepLimit {
    #[serde(rename = "for")]
    pub for_step: LimitStep,
    pub by: String,
}

/// What comes next if nobody acts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventNextLimit {
    pub what: LimitEvent,
    pub for_step: LimitStep,
    pub at: String,
}

impl LimitRun {
    /// What happens at `at`.
    pub fn next(&self, incident: &Incident) -> LimitEvent {
        if self.light == Light::Green {
            return LimitEvent::Limit;
        }
        let lapses = self.step == LimitStep::Dispatch
            && incident.stage == Stage::Accepted
            && incident.life.asked.is_none();
        if lapses { LimitEvent::Lapsed } else { LimitEvent::Escalated }
    }
}

impl EventContext {
    /// The deadline of an incident, with times as the site writes them.
    pub(super) fn deadline(&self, incident: &Incident) -> Option<EventDeadline> {
        let deadline = incident.deadline.as_ref()?;
        let step = deadline.of_step();
        let next = match incident.life.suspended {
            Some((_, until)) => {
                let for_step = step.map_or(LimitStep::Finish, |run| run.step);
                Some((LimitEvent::Resumed, for_step, until))
            }
            None if incident.has_mended() => None,
            None => deadline.next().and_then(|run| Some((run.next(incident), run.step, run.at?))),
        };
        Some(EventDeadline {
            tier: deadline.tier,
            accept_by: self.time(deadline.accept_by),
            finish_by: self.time(deadline.finish_by),
            light: deadline.light(),
            step: step.map(|run| EventStepLimit { for_step: run.step, by: self.time(run.by) }),
            next: next.map(|(what, for_step, at)| EventNextLimit {
                what,
                for_step,
                at: self.time(at),
            }),
        })
    }
}

/// `detail`, with the latest escalation until somebody acts; and who closed the case, if it was the
/// gateway: figures count that apart.
pub(super) fn detail_with_escalation(incident: &Incident, context: &EventContext) -> Detail {
    let mut detail = incident.detail.clone();
    without_seals(&mut detail);
    // A time for people, as all others of the event.
    let until = detail.get("drill_until").and_then(|until| until.as_str());
    if let Some(until) = until.and_then(|until| until.parse().ok()) {
        detail.insert("drill_until".into(), context.time(until).into());
    }
    let escalation = incident.deadline.as_ref().and_then(|deadline| deadline.escalation.as_ref());
    if let Some(escalation) = escalation {
        detail.insert("escalation".into(), json!(escalation));
    }
    let last = incident.life.steps.last().filter(|_| incident.stage == Stage::Closed);
    if last.is_some_and(|step| step.step == ReplyTo::Closed && step.by == super::GATEWAY) {
        detail.insert("closed_by".into(), "auto".into());
    }
    detail
}

/// A sealed plate is for who has its key: events carry it masked.
fn without_seals(detail: &mut Detail) {
    let vehicles = detail.get_mut("vehicles").and_then(|told| told.as_array_mut());
    for vehicle in vehicles.into_iter().flatten() {
        vehicle.as_object_mut().map(|told| told.remove("sealed"));
    }
}
