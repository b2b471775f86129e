//! What figures need of a case, as one short line: no pictures, no names of persons, no telephones. Pure.
//!
//! It is made of an incident's latest state alone, so that whoever makes it again gets the same. A line
//! of a case that is over outlives the journal's record of it (`store/case_files.rs`).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    AskFor, CaseStep, DismissReason, GATEWAY, Incident, IncidentId, Kind, Life, LimitStep, Now,
    ReplyTo, RuleId, Severity, SourceId, SourceKind, Stage, Tier,
};

/// A case as the figures count it. Fields that a newer or older gateway did not write are at their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseLine {
    /// Of the incident.
    pub id: IncidentId,
    /// Of the incident; of two lines of one case the higher one counts.
    pub revision: u32,
    /// As in the incident.
    pub kind: Kind,
    /// As in the incident.
    pub severity: Severity,
    /// As in the incident.
    pub stage: Stage,
    /// Of the source that opened it; its name is left out, since it may be a person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    /// What sort of device that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<SourceKind>,
    /// The rule that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// Code of the grid that answers for the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// Name of that grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid_name: Option<String>,
    /// 社区.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub community: Option<String>,
    /// 乡镇、街道.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub township: Option<String>,
    /// Its limits' class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Source time at which it began.
    pub began_at: Timestamp,
    /// Source time at which it was found.
    pub opened_at: Timestamp,
    /// The first time of it that can be right, where `opened_at` cannot: the clock of the box had not been
    /// set yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted_at: Option<Timestamp>,
    /// Source time at which what it reports was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When a person first took it on, ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// When somebody was first sent, or a department first had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched_at: Option<Timestamp>,
    /// When it was last handled, since it was opened or last reopened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_at: Option<Timestamp>,
    /// When that was last verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// When it was closed or dismissed, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_at: Option<Timestamp>,
    /// As the case has it now: extensions and suspensions have moved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_by: Option<Timestamp>,
    /// As `accept_by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_by: Option<Timestamp>,
    /// Closed by the gateway, since nobody did.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auto_closed: bool,
    /// 并案: part of another case, which is counted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub merged: bool,
    /// 自处理: handled with nobody sent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub self_handled: bool,
    /// 演练: never counted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub drill: bool,
    /// 漏报: a resident reported what the site's own sources should have told.
    #[serde(default, skip_serializing_if = "is_false")]
    pub missed: bool,
    /// Why it was dismissed, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DismissReason>,
    /// The department of the first dispatch that named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_department: Option<String>,
    /// The one that has it, or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// The first dispatch was not the right one: given back, transferred, or sent to another later.
    #[serde(default, skip_serializing_if = "is_false")]
    pub misdispatched: bool,
    /// 申请回退.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub give_backs_asked: u32,
    /// 回退: those that were granted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub give_backs: u32,
    /// 转办.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub transfers: u32,
    /// 返工: found not handled by whoever verified.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rework: u32,
    /// 重新打开.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reopened: u32,
    /// 延时: those that were granted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extensions: u32,
    /// 挂账: those that were granted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suspensions: u32,
    /// Seconds of the suspensions that are over.
    #[serde(default, skip_serializing_if = "is_zero_i64")]
    pub suspended_s: i64,
    /// It is suspended since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<Timestamp>,
    /// Of more than 100 steps, so many are not counted here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_left_out: u32,
    /// Which steps were due by limits of their own, and in time.
    #[serde(default, skip_serializing_if = "StepLimits::is_empty")]
    pub step_limits: StepLimits,
    /// The step that is to be taken now, and when that is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_due: Option<(LimitStep, Timestamp)>,
}

/// Of each step: none, it was never due; else whether it was in time, each time that it was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLimits {
    /// 受理.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<bool>,
    /// 派遣.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<bool>,
    /// 处置.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<bool>,
    /// 核查.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
}

impl StepLimits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A limit that ended with a step. What ended it otherwise (dismissed, given back, lapsed) counts only
    /// where it had passed.
    fn take(&mut self, step: &CaseStep) {
        let Some((of, by)) = step.due else { return };
        let in_time = step.at <= by && step.step != ReplyTo::Lapsed;
        if step.fulfils(of) || !in_time {
            self.note(of, in_time);
        }
    }

    /// It was due once more.
    pub fn note(&mut self, of: LimitStep, in_time: bool) {
        let all = match of {
            LimitStep::Accept => &mut self.accept,
            LimitStep::Dispatch => &mut self.dispatch,
            LimitStep::Handle => &mut self.handle,
            LimitStep::Verify => &mut self.verify,
            LimitStep::Finish | LimitStep::Answer => return,
        };
        *all = Some(all.unwrap_or(true) && in_time);
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero_i64(count: &i64) -> bool {
    *count == 0
}

impl CaseLine {
    /// Of an incident as it is.
    pub fn of(incident: &Incident) -> Self {
        let life = &incident.life;
        let over = incident.stage.is_over();
        let end = life.round().last().filter(|_| over);
        let (source, grid) = (incident.sources.first(), incident.grid.as_ref());
        let deadline = incident.deadline.as_ref();
        let last = |steps: &[ReplyTo]| life.last_of(steps).map(|step| step.at);
        let mut line = Self {
            id: incident.id,
            revision: incident.revision,
            kind: incident.kind,
            severity: incident.severity,
            stage: incident.stage,
            source: source.map(|source| source.id.clone()),
            source_kind: source.map(|source| source.kind),
            rule: incident.rule.clone(),
            grid: grid.map(|grid| grid.code.clone()),
            grid_name: grid.map(|grid| grid.name.clone()),
            community: grid.and_then(|grid| grid.community.clone()),
            township: grid.and_then(|grid| grid.township.clone()),
            tier: deadline.map(|deadline| deadline.tier),
            began_at: incident.began_at,
            opened_at: incident.opened_at,
            noted_at: noted_at(incident),
            ended_at: incident.ended_at,
            accepted_at: life.steps.iter().find(|step| step.takes_on()).map(|step| step.at),
            dispatched_at: None,
            handled_at: last(&[ReplyTo::Handled, ReplyTo::SelfHandled]),
            verified_at: last(&[ReplyTo::Verified]),
            over_at: over.then(|| end.map_or(incident.changed_at, |step| step.at)),
            accept_by: deadline.map(|deadline| deadline.accept_by),
            finish_by: deadline.map(|deadline| deadline.finish_by),
            auto_closed: incident.stage == Stage::Closed
                && end.is_some_and(|step| step.by == GATEWAY),
            merged: end.is_some_and(|step| step.step == ReplyTo::Merged),
            self_handled: life.round().iter().any(|step| step.self_handled),
            drill: incident.is_drill(),
            missed: incident.detail.contains_key("missed"),
            reason: end.and_then(|step| step.reason).filter(|_| incident.stage == Stage::Dismissed),
            first_department: None,
            department: None,
            misdispatched: false,
            give_backs_asked: 0,
            give_backs: 0,
            transfers: 0,
            rework: 0,
            reopened: 0,
            extensions: 0,
            suspensions: 0,
            suspended_s: 0,
            suspended_since: life.suspended.map(|(since, _)| since),
            steps_left_out: life.steps_left_out,
            step_limits: StepLimits::default(),
            step_due: deadline
                .filter(|_| !over)
                .and_then(|deadline| deadline.of_step())
                .map(|run| (run.step, run.by)),
        };
        line.count_steps(life);
        line
    }

    fn count_steps(&mut self, life: &Life) {
        let mut walk = Walk { stage: Stage::Opened, asked: None, suspended: None };
        for step in &life.steps {
            match step.step {
                ReplyTo::Dispatched | ReplyTo::Transferred => self.dispatched(step),
                ReplyTo::SentBack => self.rework += 1,
                ReplyTo::Reopened => self.reopened += 1,
                ReplyTo::AskGiveBack => self.give_backs_asked += 1,
                ReplyTo::Granted => match walk.asked {
                    Some(AskFor::GiveBack) => {
                        self.give_backs += 1;
                        self.misdispatched = true;
                    }
                    Some(AskFor::Extend) => self.extensions += 1,
                    Some(AskFor::Suspend) => self.suspensions += 1,
                    Some(AskFor::Withdraw) | None => {}
                },
                _ => {}
            }
            self.step_limits.take(step);
            self.suspended_s = self.suspended_s.saturating_add(walk.take(step));
        }
        if let Some(department) = &life.department {
            self.department = Some(department.clone());
        }
    }

    fn dispatched(&mut self, step: &CaseStep) {
        self.transfers += u32::from(step.step == ReplyTo::Transferred);
        let again = self.dispatched_at.is_some();
        self.dispatched_at.get_or_insert(step.at);
        let Some(department) = &step.department else { return };
        let same = self.first_department.as_ref() == Some(department);
        self.misdispatched |= again && !same;
        self.department = Some(department.clone());
        self.first_department.get_or_insert_with(|| department.clone());
    }

    /// When it counts as opened; none: no time of it can be right.
    pub fn counted_at(&self) -> Option<Timestamp> {
        let opened = Some(self.opened_at).filter(|at| Now::is_plausible(*at));
        opened.or(self.noted_at.filter(|at| Now::is_plausible(*at)))
    }

    /// Accepted ever: 有效.
    pub fn is_valid(&self) -> bool {
        self.accepted_at.is_some()
    }

    /// Seconds of all its suspensions, the one that goes on included.
    pub fn suspended_s_at(&self, now: Timestamp) -> i64 {
        let open = self.suspended_since.map_or(0, |since| seconds(since, now).max(0));
        self.suspended_s.saturating_add(open)
    }
}

/// Of a case that was opened under a clock that cannot be right: the first of its times that can be, by its
/// arrival, its steps, and its latest change.
fn noted_at(incident: &Incident) -> Option<Timestamp> {
    if Now::is_plausible(incident.opened_at) {
        return None;
    }
    let steps = incident.life.steps.iter().map(|step| step.at);
    let times = [incident.clock.gateway].into_iter().chain(steps);
    let times = times.chain(incident.ended_at).chain([incident.changed_at]);
    times.into_iter().find(|at| Now::is_plausible(*at))
}

/// Lines of cases as they are on disk, one a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseLines {
    /// In no order.
    pub lines: Vec<CaseLine>,
    /// Lines and records that nobody can read.
    pub unreadable: u64,
}

/// Seconds from one time to another, below zero if the clock was set back between.
pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}

/// Where a case is between its steps, as far as asking and suspending need it.
struct Walk {
    stage: Stage,
    asked: Option<AskFor>,
    suspended: Option<Timestamp>,
}

impl Walk {
    /// Takes a step; the seconds of the suspension that ends with it.
    fn take(&mut self, step: &CaseStep) -> i64 {
        let asked = self.asked;
        let next = match step.step {
            ReplyTo::Accepted => Stage::Accepted,
            ReplyTo::Dispatched | ReplyTo::Transferred | ReplyTo::SentBack => Stage::Dispatched,
            ReplyTo::Handled | ReplyTo::SelfHandled => Stage::Handled,
            ReplyTo::Verified => Stage::Verified,
            ReplyTo::Closed | ReplyTo::Merged => Stage::Closed,
            ReplyTo::Dismissed => Stage::Dismissed,
            ReplyTo::Reopened | ReplyTo::Lapsed => Stage::Opened,
            ReplyTo::Granted if asked == Some(AskFor::GiveBack) => Stage::Accepted,
            ReplyTo::Granted if asked == Some(AskFor::Withdraw) => Stage::Dismissed,
            _ => self.stage,
        };
        match step.step {
            ReplyTo::AskExtend => self.asked = Some(AskFor::Extend),
            ReplyTo::AskSuspend => self.asked = Some(AskFor::Suspend),
            ReplyTo::AskGiveBack => self.asked = Some(AskFor::GiveBack),
            ReplyTo::AskWithdraw => self.asked = Some(AskFor::Withdraw),
            ReplyTo::Granted | ReplyTo::Refused => self.asked = None,
            _ => {}
        }
        let moved = next != self.stage;
        self.stage = next;
        if next.is_over() || (moved && self.asked == Some(AskFor::GiveBack)) {
            self.asked = None;
        }
        if step.step == ReplyTo::Granted && asked == Some(AskFor::Suspend) {
            self.suspended = Some(step.at);
            return 0;
        }
        if !moved && step.step != ReplyTo::Resumed {
            return 0;
        }
        let since = self.suspended.take();
        since.map_or(0, |since| step.at.duration_since(since).max(SignedDuration::ZERO).as_secs())
    }
}

#[cfg(test)]
#[path = "tests_case_line.rs"]
mod tests;
