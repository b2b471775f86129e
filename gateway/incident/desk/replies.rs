//! The grid's answers: each moves a case one step of the table, the same one twice has one effect.

use jiff::Timestamp;

use super::{
    super::life::{Case, Limits, Move, asks_for, next},
    Desk, Directory, Effects, Live,
    resident_reports::mark,
};
use crate::domain::{
    Answer, AskFor, Asked, CaseStep, DismissReason, Entry, Evidence, Incident, IncidentId, Kind,
    Life, Mark, Now, Persons, Posture, Record, Reply, ReplyTo, Stage, What, clean_cut, name_key,
    plain_name,
};

impl Desk {
    /// Whether a reply to this incident can be answered here.
    pub fn knows(&self, incident: IncidentId) -> bool {
        self.live.contains_key(&incident)
    }

    /// A case that was forgotten here, as the store has it: somebody replies to it.
    pub fn recall(&mut self, now: Now, record: Record) {
        let id = record.incident.id;
        if self.knows(id) {
            return;
        }
        let live = super::resumed(record.incident, now);
        let closed = live.is_closed();
        self.live.insert(id, live);
        if closed {
            self.retire(id);
        }
    }

    /// A reply of the grid: the case moves one step, or the answer says why not.
    pub(super) fn reply(&mut self, now: Now, reply: &Reply, effects: &mut Effects) {
        let Some(live) = self.live.get(&reply.incident) else {
            effects.answer = Answer::NoSuchIncident;
            return;
        };
        if self.is_repeated(live, reply) {
            effects.answer = Answer::Changed(Box::new(live.incident.clone()));
            if !self.is_known(live, reply) {
                self.mark_alone(now, reply, effects);
            }
            return;
        }
        let config = &self.directory.life;
        let case = case(&live.incident, &self.directory.persons);
        let found = self
            .may_merge(&live.incident, reply)
            .and_then(|()| self.may_mark(&live.incident, reply))
            .and_then(|()| nothing_since(&live.incident, reply))
            .and_then(|()| next(&case, reply, now.wall, config))
            .and_then(|step| self.may_grant(reply).map(|()| step));
        match found {
            Err(reason) => effects.answer = Answer::Refused(reason),
            Ok(step) => self.take_step(now, reply, step, effects),
        }
    }

    /// The same one twice: by its id; without one, by what it asks for.
    fn is_repeated(&self, live: &Live, reply: &Reply) -> bool {
        if reply.id.is_some() {
            return self.is_known(live, reply);
        }
        let (life, by) = (&live.incident.life, plain_name(&reply.by));
        let last = life.last_taken();
        let is_last = last.is_some_and(|last| {
            let again = step_of(reply, last.at, last.revision);
            let again = CaseStep {
                self_handled: last.self_handled,
                until: again.until.or(last.until),
                reason: again.reason.or(last.reason),
                department: again.department.clone().or_else(|| last.department.clone()),
                via: again.via.or(last.via),
                claimed_through: again.claimed_through.clone().or(last.claimed_through.clone()),
                evidence: again.evidence.or(last.evidence),
                due: last.due,
                ..again
            };
            *last == again
        });
        // Whoever says which revision was shown to him, and is second, hears who was first.
        let is_first = reply.revision.is_none() || last.is_none_or(|last| last.by == by);
        is_last || (is_first && stage_of(reply.to) == Some(live.incident.stage))
    }

    /// A reply of this id was taken.
    fn is_known(&self, live: &Live, reply: &Reply) -> bool {
        let is_taken = |id: &String| {
            self.replies.contains(&mark_of(reply.incident, id)) || live.incident.life.has(id)
        };
        reply.id.as_ref().is_some_and(is_taken)
    }

    /// Where a case is to go on as part of another one: that one is there, open, and as urgent.
    fn may_merge(&self, incident: &Incident, reply: &Reply) -> Result<(), String> {
        if reply.to != ReplyTo::Merged {
            return Ok(());
        }
        let Some(into) = reply.into else {
            return Err("`merged` needs `into`, the id of the case that goes on".into());
        };
        if into == incident.id {
            return Err("it cannot be merged into itself".into());
        }
        match self.live.get(&into) {
            Some(other) if other.incident.is_drill() != incident.is_drill() => {
                Err("a drill and what is real are never one case".into())
            }
            Some(other) if other.is_closed() => Err(format!("{into} is closed: reopen it first")),
            Some(other) if other.incident.severity > incident.severity => {
                Err(format!("{into} is less urgent: merge that one into this"))
            }
            Some(_) => Ok(()),
            None => Err(format!("`into`: no open incident {into}")),
        }
    }

    /// Who grants or refuses is somebody whom the site names, or whose name this gateway itself has made sure of;
    /// where the site names nobody, whoever gives a name.
    fn may_grant(&self, reply: &Reply) -> Result<(), String> {
        let Directory { people, life, .. } = &self.directory;
        let answers = matches!(reply.to, ReplyTo::Granted | ReplyTo::Refused);
        let is_known = reply.via.is_some() || people.contains(&name_key(&reply.by));
        if !answers || !life.named_grants || people.is_empty() || is_known {
            return Ok(());
        }
        let by = clean_cut(&reply.by, 100);
        Err(format!(
            "{by} is unknown here: who grants or refuses is named in the duty list, in [[life.contact]], in [routing] or in a grid, or is logged in"
        ))
    }

    fn take_step(&mut self, now: Now, reply: &Reply, step: Move, effects: &mut Effects) {
        let postures = self.postures();
        let Some(live) = self.live.get_mut(&reply.incident) else { return };
        if live.hold_until_ms.is_some() {
            effects.entries.push(live.record(now, What::Opened));
        }
        effects.entries.extend(live.tell_news(now));
        live.incident.detail.insert("by".into(), reply.by.clone().into());
        if let Some(note) = &reply.note {
            live.incident.detail.insert("note_of_reply".into(), note.clone().into());
        }
        mark(&mut live.incident, reply, now);
        // More than these are presses that nobody has answered: a page rings for them.
        if let Some(presses) = live.incident.detail.get("presses").cloned() {
            live.incident.detail.insert("presses_known".into(), presses);
        }
        if let Some(picture) = &reply.picture {
            let (incident, evidence) = (reply.incident, Evidence::clone(picture));
            live.incident.evidence.push(evidence.clone());
            effects.entries.push(Entry::Evidence { incident, evidence });
        }
        live.step(now, reply, step, &postures, &self.directory.limits);
        // A press is over when a person says so; what a camera sees ends by itself.
        let over = live.is_closed();
        if over && live.incident.active && live.incident.kind == Kind::EmergencyButton {
            live.end(now, now.wall.max(live.incident.began_at));
        }
        effects.entries.push(Entry::Reply { reply: reply.clone(), at: now.wall });
        effects.entries.push(live.record(now, step.what));
        effects.answer = Answer::Changed(Box::new(live.incident.clone()));
        if over && !live.incident.active {
            let (key, many) = (live.incident.key.clone(), live.incident.sources.len() > 1);
            self.forget_keys(reply.incident, &key, many);
            self.retire(reply.incident);
        }
        if let Some(id) = &reply.id {
            self.remember_reply(reply.incident, id);
        }
    }

    /// Remembers the id of a reply, so that the same one has one effect.
    pub(super) fn remember_reply(&mut self, incident: IncidentId, id: &str) {
        let mark = mark_of(incident, id);
        if self.replies.insert(mark) {
            self.reply_order.push_back(mark);
        }
        while self.reply_order.len() > self.directory.remembers.replies {
            if let Some(old) = self.reply_order.pop_front() {
                self.replies.remove(&old);
            }
        }
    }

    /// A closed case is kept for a while, for replies that come late, and then forgotten here (the
    /// store still has it).
    pub(super) fn retire(&mut self, id: IncidentId) {
        self.closed.push_back(id);
        while self.closed.len() > self.directory.remembers.closed {
            let Some(old) = self.closed.pop_front() else { break };
            let still_closed = self.live.get(&old).is_some_and(|live| live.is_closed());
            if still_closed {
                self.live.remove(&old);
            }
        }
    }
}

impl Live {
    /// Takes a step of the table; the record that tells it comes next.
    pub(super) fn step(
        &mut self,
        now: Now,
        reply: &Reply,
        step: Move,
        postures: &[Posture],
        limits: &Limits,
    ) {
        let before = self.incident.stage;
        let incident = &mut self.incident;
        let mut taken = step_of(reply, now.wall, incident.revision + 1);
        taken.self_handled = step.self_handled;
        let life = &mut incident.life;
        if reply.to == ReplyTo::Dispatched && taken.department.is_none() {
            // Whose business it is by the list, unless just they gave it back.
            let was_asked = |step: &CaseStep| step.step == ReplyTo::AskGiveBack;
            let routed = incident.route.as_ref().map(|route| route.department.clone());
            taken.department = routed.filter(|_| !life.round().iter().any(was_asked));
        }
        match reply.to {
            ReplyTo::Granted => {
                let asked = life.asked.take();
                taken.until = asked.as_ref().and_then(|asked| asked.until);
                match (asked.map(|asked| asked.what), taken.until) {
                    (Some(AskFor::Extend), Some(until)) => {
                        if let Some(deadline) = &mut incident.deadline {
                            Limits::extend(deadline, until);
                        }
                    }
                    (Some(AskFor::Suspend), Some(until)) => {
                        life.suspended = Some((now.wall, until));
                    }
                    (Some(AskFor::GiveBack), _) => life.department = None,
                    (Some(AskFor::Withdraw), _) => taken.reason = Some(DismissReason::Withdrawn),
                    _ => {}
                }
            }
            ReplyTo::Refused => life.asked = None,
            ReplyTo::Dispatched | ReplyTo::Transferred if taken.department.is_some() => {
                life.department.clone_from(&taken.department);
            }
            to => {
                if let Some(what) = asks_for(to) {
                    let (by, until) = (taken.by.clone(), taken.until);
                    life.asked = Some(Asked { what, by, at: now.wall, until });
                }
            }
        }
        let moved = step.stage != incident.stage;
        let over = step.stage.is_over();
        let gives_back = |asked: &Asked| asked.what == AskFor::GiveBack;
        if over || (moved && life.asked.as_ref().is_some_and(gives_back)) {
            life.asked = None;
        }
        life.push(taken);
        incident.stage = step.stage;
        if moved || reply.to == ReplyTo::Resumed {
            incident.life.suspended = None;
        }
        limits.stepped(incident, postures, (now, &self.anchors), (reply.to, before));
        self.arm(now);
    }

    /// The case is suspended, and its time has come.
    pub(super) fn suspension_is_over(&self, now: Now) -> bool {
        self.incident.life.suspended.is_some_and(|(_, until)| until <= now.wall)
    }

    /// A step that the gateway takes itself.
    pub(super) fn step_of_gateway(
        &mut self,
        now: Now,
        to: ReplyTo,
        postures: &[Posture],
        limits: &Limits,
    ) -> Entry {
        let reply = Reply::new(self.incident.id, to, crate::domain::GATEWAY);
        let stage = if to == ReplyTo::Closed { Stage::Closed } else { self.incident.stage };
        let step = Move { stage, what: to.what(), self_handled: false };
        self.step(now, &reply, step, postures, limits);
        self.record(now, step.what)
    }

    /// Nobody has to be waited for: it is neither suspended nor waits for an answer.
    pub(super) fn is_left_alone(&self) -> bool {
        let Life { asked, suspended, .. } = &self.incident.life;
        asked.is_none() && suspended.is_none()
    }
}

/// As what a reply is remembered.
fn mark_of(incident: IncidentId, id: &str) -> Mark {
    Mark::of(&["reply", &incident.to_string(), id])
}

fn case<'c>(incident: &'c Incident, persons: &'c Persons) -> Case<'c> {
    let deadline = incident.deadline.as_ref();
    Case {
        stage: incident.stage,
        severity: incident.severity,
        tier: deadline.map(|deadline| deadline.tier),
        finish_by: deadline.map(|deadline| deadline.finish_by),
        life: &incident.life,
        persons,
    }
}

/// A step was taken since the revision that was shown: whoever answers has not seen it.
fn nothing_since(incident: &Incident, reply: &Reply) -> Result<(), String> {
    let Some(shown) = reply.revision else { return Ok(()) };
    if shown > incident.revision {
        let now_at = incident.revision;
        return Err(format!("revision {shown} has not been shown to anybody: it is at {now_at}"));
    }
    // That another level was told changes nothing of what he has seen.
    let taken = incident.life.steps.iter().filter(|step| step.step != ReplyTo::Escalated);
    match taken.into_iter().find(|step| step.revision > shown) {
        Some(step) => Err(format!(
            "since revision {shown} {} has taken a step ({}): look at it again",
            step.by,
            step.step.what().as_str()
        )),
        None => Ok(()),
    }
}

fn step_of(reply: &Reply, at: Timestamp, revision: u32) -> CaseStep {
    let mut step = CaseStep::new(reply.to, &reply.by, at, revision)
        .with_note(reply.note.as_deref())
        .with_id(reply.id.as_deref());
    let foreign = reply.through.as_ref().filter(|through| !through.speaks_for);
    step = step.claimed_through(foreign.map(|through| through.sender.as_str()));
    step.via = reply.via;
    step.evidence = reply.picture.as_ref().map(|picture| picture.id);
    match reply.to {
        ReplyTo::Dismissed | ReplyTo::AskGiveBack | ReplyTo::AskWithdraw => {
            step.reason = reply.reason;
        }
        ReplyTo::Merged => step.into = reply.into,
        ReplyTo::Dispatched | ReplyTo::Transferred => {
            step = step.with_department(reply.department.as_deref());
        }
        ReplyTo::AskExtend | ReplyTo::AskSuspend => step.until = reply.until,
        _ => {}
    }
    step
}

/// The stage that a case has after this reply, of those replies that name one.
fn stage_of(to: ReplyTo) -> Option<Stage> {
    match to {
        ReplyTo::Accepted => Some(Stage::Accepted),
        ReplyTo::Dispatched => Some(Stage::Dispatched),
        ReplyTo::Handled => Some(Stage::Handled),
        ReplyTo::Verified => Some(Stage::Verified),
        ReplyTo::Closed => Some(Stage::Closed),
        ReplyTo::Dismissed => Some(Stage::Dismissed),
        _ => None,
    }
}
