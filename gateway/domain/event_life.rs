//! A case's life as an event shows it: the steps, and when each stage was reached. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AskFor, CaseStep, DismissReason, EventContext, EvidenceId, Incident, IncidentId, Level,
    ReplyTo, ReplyVia, What,
};

/// What persons did with a case; each field is absent until it has happened. Times count from when the
/// case was opened or last reopened; `steps` has all of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EventLife {
    /// When a person took it on, and who: by accepting it, or by a later step at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<String>,
    /// When it was closed or dismissed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
    /// 自处理: handled with nobody sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_handled: bool,
    /// Who has the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// What waits to be granted or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<EventAsked>,
    /// 挂账: nobody is to act on it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_until: Option<String>,
    /// 并案: the case that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<IncidentId>,
    /// Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<EventStep>,
    /// Of more than 100 steps, so many after the first 20 are in their own records alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_left_out: Option<u32>,
}

/// What waits to be granted or refused.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventAsked {
    pub what: AskFor,
    pub by: String,
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventStep {
    pub step: ReplyTo,
    /// As claimed; `gridpost` for the gateway itself.
    pub by: String,
    pub at: String,
    /// Of the record that tells it.
    pub revision: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The sender's own id of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DismissReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<IncidentId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_handled: bool,
    /// Who was told, of an escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// How it came: `link` by the signed link of that person; absent, as claimed by whoever sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<ReplyVia>,
    /// The program by which it came, where the site lets that speak for others than `by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_through: Option<String>,
    /// The picture that came with it, one of the incident's `evidence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
}

impl ReplyTo {
    /// What the record of this step tells, where it is not that the case is over.
    pub fn what(self) -> What {
        match self {
            Self::Accepted => What::Accepted,
            Self::Dispatched => What::Dispatched,
            Self::Handled | Self::SelfHandled => What::Handled,
            Self::Verified => What::Verified,
            Self::Closed => What::Closed,
            Self::Dismissed => What::Dismissed,
            Self::Reopened => What::Reopened,
            Self::Merged => What::Merged,
            Self::Transferred => What::Transferred,
            Self::SentBack => What::SentBack,
            Self::AskExtend | Self::AskSuspend | Self::AskGiveBack | Self::AskWithdraw => {
                What::Asked
            }
            Self::Granted => What::Granted,
            Self::Refused => What::Refused,
            Self::Resumed => What::Resumed,
            Self::Escalated => What::Escalated,
            Self::Lapsed => What::Lapsed,
        }
    }
}

impl EventContext {
    /// The life of an incident, with times as the site writes them.
    pub fn life(&self, incident: &Incident) -> EventLife {
        let life = &incident.life;
        let at = |step: Option<&CaseStep>| step.map(|step| self.time(step.at));
        let last = |steps: &[ReplyTo]| at(life.last_of(steps));
        let over = incident.stage.is_over();
        let end = life.round().last().filter(|_| over);
        EventLife {
            accepted_at: at(life.accepted()),
            accepted_by: life.accepted().map(|step| step.by.clone()),
            dispatched_at: last(&[ReplyTo::Dispatched, ReplyTo::Transferred, ReplyTo::SentBack]),
            handled_at: last(&[ReplyTo::Handled, ReplyTo::SelfHandled]),
            handled_by: life.handler().map(str::to_owned),
            verified_at: last(&[ReplyTo::Verified]),
            closed_at: at(end),
            self_handled: life.round().iter().any(|step| step.self_handled),
            department: life.department.clone(),
            asked: life.asked.as_ref().map(|asked| EventAsked {
                what: asked.what,
                by: asked.by.clone(),
                at: self.time(asked.at),
                until: asked.until.map(|at| self.time(at)),
            }),
            suspended_until: life.suspended.map(|(_, until)| self.time(until)),
            merged_into: end.and_then(|step| step.into),
            steps: life.steps.iter().map(|step| self.step(step)).collect(),
            steps_left_out: Some(life.steps_left_out).filter(|count| *count > 0),
        }
    }

    fn step(&self, step: &CaseStep) -> EventStep {
        EventStep {
            step: step.step,
            by: step.by.clone(),
            at: self.time(step.at),
            revision: step.revision,
            note: step.note.clone(),
            id: step.id.clone(),
            reason: step.reason,
            department: step.department.clone(),
            until: step.until.map(|at| self.time(at)),
            into: step.into,
            self_handled: step.self_handled,
            level: step.level,
            via: step.via,
            claimed_through: step.claimed_through.clone(),
            evidence: step.evidence,
        }
    }
}
