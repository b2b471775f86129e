//! Time passes over cases: suspensions end, limits are told, and old notices that nobody took on are closed.

use super::{Desk, Directory, Effects, Live};
use crate::domain::{Entry, GATEWAY, Kind, Now, Posture, Record, ReplyTo, Severity};

/// Of the incidents that an earlier process left: the postures that hold.
pub(super) fn postures_of(live: &[Record]) -> Vec<Posture> {
    let holds = |posture: &Posture| {
        live.iter().any(|record| {
            let incident = &record.incident;
            incident.active && incident.kind == Kind::Posture && incident.key == posture.key()
        })
    };
    Posture::ALL.into_iter().filter(holds).collect()
}

impl Desk {
    /// The postures that hold now.
    pub(super) fn postures(&self) -> Vec<Posture> {
        let holds = |posture: &Posture| self.by_key.contains_key(&posture.key());
        Posture::ALL.into_iter().filter(holds).collect()
    }

    /// From now on nobody is told of a limit: a recording has no officers.
    pub fn without_limits(&mut self) {
        self.directory.limits.be_silent();
    }

    /// The last day of the calendar of working days, if it is over.
    pub fn calendar_ended(&self, now: Now) -> Option<jiff::civil::Date> {
        self.directory.limits.calendar_ended(now.wall)
    }
}

/// What passed time does to a case; true when it closes it.
pub(super) fn pass(
    live: &mut Live,
    now: Now,
    directory: &Directory,
    postures: &[Posture],
    effects: &mut Effects,
) -> bool {
    let limits = &directory.limits;
    let suspended = live.incident.life.suspended.is_some();
    // What has become urgent is not suspended any more, whoever granted it.
    let urgent = suspended && live.incident.severity == Severity::EMERGENCY;
    if urgent || live.suspension_is_over(now) {
        effects.entries.push(live.step_of_gateway(now, ReplyTo::Resumed, postures, limits));
        return false;
    }
    if live.is_to_be_closed(now, directory.auto_close_after_s) {
        live.incident.detail.insert("by".into(), GATEWAY.into());
        effects.entries.push(live.step_of_gateway(now, ReplyTo::Closed, postures, limits));
        return true;
    }
    if live.reported && !suspended && limits.hurry(&mut live.incident, postures, now.wall) {
        live.arm(now);
        live.dirty = true;
    }
    effects.entries.extend(live.tell_limit(now, directory, postures));
    false
}

impl Live {
    /// Its limits changed, or it is new here: when the next of them is due.
    pub(super) fn arm(&mut self, now: Now) {
        self.anchors.keep(&self.incident, now);
        self.limit_due_ms = self.anchors.due_ms(&self.incident);
    }

    /// Nobody took it on, it is no more than a notice, it ended long ago, and all its time is over.
    fn is_to_be_closed(&self, now: Now, after_s: u64) -> bool {
        let incident = &self.incident;
        if let Some(after_ms) = super::announcements::closed_after_ms(incident) {
            let over = self.ended_ms.is_some_and(|ended| now.mono() - ended >= after_ms);
            return !incident.stage.is_over() && over;
        }
        if incident.stage.is_over()
            || incident.severity < Severity::NOTICE
            // A resident waits for the answer of a person.
            || incident.kind == Kind::Report
            || incident.life.was_accepted()
            || !self.is_left_alone()
        {
            return false;
        }
        let age_ms = i64::try_from(after_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        // Who reopens a case wants it open: it is left alone as long as after its end.
        let reopened = incident.life.steps.iter().rfind(|one| one.step == ReplyTo::Reopened);
        let since = self
            .ended_ms
            .map(|ended| reopened.map_or(ended, |step| ended.max(now.mono_of(step.at))));
        since.is_some_and(|since| now.mono() - since > age_ms)
            && self.anchors.finish_has_passed(incident, now)
    }

    /// What is due of its limits, one thing at a time.
    fn tell_limit(
        &mut self,
        now: Now,
        directory: &Directory,
        postures: &[Posture],
    ) -> Option<Entry> {
        let limits = &directory.limits;
        let due = self.limit_due_ms.is_some_and(|due| due <= now.mono());
        if !due || !self.reported || !limits.tells(&self.incident, postures) {
            return None;
        }
        let what = limits.fire(&mut self.incident, postures, (now, &self.anchors))?;
        self.arm(now);
        Some(self.record(now, what))
    }
}
