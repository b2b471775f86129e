//! Limits 时限 of a case: what runs from when to when, what passes, and who is told of it. Pure.
//!
//! Each open case has a limit of the step that is to be taken, one of the whole, and while something is
//! asked one of the answer. All are part of the incident, and so of each of its records: what the journal
//! holds is what runs. Of each limit exactly one thing is next. It is done by one record, which also says
//! what is next after it, so that it is never done twice and, over a restart, never forgotten. A step by
//! which the limit ends takes what was next with it, in the same record.
//!
//! Times of a limit are on the clock that noted its beginning. While the process runs they are held
//! against the monotonic clock ([`Anchors`]), so that a clock that is set moves no limit.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    config::{Config, Contact, LimitRow},
    lengths::{Lengths, by_tier, tier_of},
    whom::{Whom, whom},
};
use crate::domain::{
    Calendar, CaseStep, Deadline, Escalation, GATEWAY, Incident, Kind, Level, Light, LimitEvent,
    LimitRun, LimitSpan, LimitStep, Now, Posture, ReplyTo, Stage, Tier, What,
};

/// Two clocks of one box run apart by less.
const CLOCK_IS_SET: SignedDuration = SignedDuration::from_mins(1);

/// What the site says of limits.
#[derive(Clone, Debug)]
pub struct Limits {
    rows: Vec<LimitRow>,
    contacts: Vec<Contact>,
    urges: Vec<String>,
    calendar: Calendar,
    zone: TimeZone,
    /// Nobody is told of anything: a recording has no officers.
    silent: bool,
}

impl Default for Limits {
    /// Of no site: nobody is told of anything.
    fn default() -> Self {
        let mut limits = Self::new(&Config::default(), Calendar::default(), TimeZone::UTC);
        limits.be_silent();
        limits
    }
}

/// Where the limits that run began, on the monotonic clock of this process.
#[derive(Default)]
pub(in crate::incident) struct Anchors {
    begun: Vec<(LimitStep, Timestamp, i64)>,
    /// When a suspension began, monotonic milliseconds.
    stands_ms: Option<i64>,
}

impl Anchors {
    /// Takes over the limits of an incident: those that began since, or before this process.
    pub(in crate::incident) fn keep(&mut self, incident: &Incident, now: Now) {
        let runs = incident.deadline.iter().flat_map(|deadline| &deadline.runs);
        let begun = runs.map(|run| {
            let known = self.begun.iter().find(|(step, since, _)| (*step, *since) == key(run));
            (run.step, run.since, known.map_or_else(|| now.mono_of(run.since), |known| known.2))
        });
        self.begun = begun.collect();
        let since = incident.life.suspended.map(|(since, _)| since);
        self.stands_ms = since.map(|since| self.stands_ms.unwrap_or_else(|| now.mono_of(since)));
    }

    /// What the clock of this limit says at this moment of the monotonic clock.
    fn own(&self, run: &LimitRun, mono_ms: i64) -> Timestamp {
        let begun = self.begun.iter().find(|(step, since, _)| (*step, *since) == key(run));
        let age_ms = begun.map_or(0, |(.., begun)| mono_ms.saturating_sub(*begun));
        run.since.saturating_add(SignedDuration::from_millis(age_ms)).unwrap_or(Timestamp::MAX)
    }

    /// When the next of them is due, monotonic milliseconds.
    pub(in crate::incident) fn due_ms(&self, incident: &Incident) -> Option<i64> {
        let deadline = incident.deadline.as_ref()?;
        if incident.life.suspended.is_some() {
            return None;
        }
        deadline.runs.iter().filter_map(|run| self.due_of(run)).min()
    }

    fn due_of(&self, run: &LimitRun) -> Option<i64> {
        let begun = self.begun.iter().find(|(step, since, _)| (*step, *since) == key(run))?.2;
        let after_ms = run.at?.duration_since(run.since).as_millis();
        Some(begun.saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX)))
    }

    /// Whether the limit of the whole case has passed.
    pub(in crate::incident) fn finish_has_passed(&self, incident: &Incident, now: Now) -> bool {
        let finish = incident.deadline.as_ref().and_then(Deadline::finish);
        finish.is_none_or(|run| self.own(run, now.mono()) >= run.by)
    }
}

fn key(run: &LimitRun) -> (LimitStep, Timestamp) {
    (run.step, run.since)
}

impl Limits {
    /// Of this configuration, with the calendar that it names.
    pub fn new(config: &Config, calendar: Calendar, zone: TimeZone) -> Self {
        Self {
            rows: config.limit.clone(),
            contacts: config.contact.clone(),
            urges: config.urges.to_vec(),
            calendar,
            zone,
            silent: false,
        }
    }

    /// From now on nobody is told of a limit.
    pub(in crate::incident) fn be_silent(&mut self) {
        self.silent = true;
    }

    /// The last day of the calendar, if it is over.
    pub(in crate::incident) fn calendar_ended(&self, now: Timestamp) -> Option<jiff::civil::Date> {
        let today = self.zone.to_datetime(now).date();
        self.calendar.through().filter(|through| Now::is_plausible(now) && *through < today)
    }

    fn lengths(&self, incident: &Incident, tier: Tier, postures: &[Posture]) -> Lengths {
        let usual = by_tier(tier, incident.kind);
        let any = |wanted: &[Posture]| postures.iter().any(|one| wanted.contains(one));
        let fits = |row: &&LimitRow| {
            (row.kinds.is_empty() || row.kinds.contains(&incident.kind))
                && (row.severities.is_empty() || row.severities.contains(&incident.severity))
                && (row.tiers.is_empty() || row.tiers.contains(&tier))
                && (row.postures.is_empty() || any(&row.postures))
        };
        let Some(row) = self.rows.iter().find(fits) else { return usual };
        let accept = row.accept.unwrap_or(usual.accept);
        Lengths {
            accept,
            dispatch: row.dispatch.unwrap_or(usual.dispatch),
            handle: row.handle.unwrap_or(usual.handle),
            verify: row.verify.unwrap_or(usual.verify),
            finish: row.finish.unwrap_or(usual.finish),
            answer: row.answer.unwrap_or(usual.answer),
            escalate: row.escalate.or(row.accept).unwrap_or(usual.escalate),
            escalates: row.escalates.unwrap_or(usual.escalates),
        }
    }

    fn later(&self, from: Timestamp, span: LimitSpan) -> Timestamp {
        match span {
            LimitSpan::Seconds(seconds) => from
                .saturating_add(SignedDuration::from_secs(seconds.into()))
                .unwrap_or(Timestamp::MAX),
            LimitSpan::Days(days) => self.calendar.after(&self.zone, from, days),
        }
    }

    /// A limit that begins. Where nobody is to be told, nothing of it is ever next.
    fn run(
        &self,
        lengths: &Lengths,
        step: LimitStep,
        since: Timestamp,
        span: LimitSpan,
    ) -> LimitRun {
        let by = self.later(since, span);
        let mut run = LimitRun::new(step, since, by, matches!(span, LimitSpan::Days(_)));
        run.at = lengths.escalates.then(|| self.warns_at(&run));
        run
    }

    /// When 80 % of it are over, of the time that it counts: by real time a limit in days would be yellow
    /// in a holiday, with nobody there to see it.
    fn warns_at(&self, run: &LimitRun) -> Timestamp {
        if !run.working_days {
            return run.warns_at();
        }
        let length = self.calendar.worked(&self.zone, run.since, run.by);
        // Nobody works before its end: a calendar without work, whose days are counted as real time.
        if length <= SignedDuration::ZERO {
            return run.warns_at();
        }
        self.calendar.add_worked(&self.zone, run.since, length * 4 / 5)
    }

    /// The case is opened, or opened again: all its limits begin.
    pub(in crate::incident) fn open(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        now: Timestamp,
    ) {
        let tier = tier_of(incident.kind, incident.severity);
        let lengths = self.lengths(incident, tier, postures);
        let accept = self.run(&lengths, LimitStep::Accept, now, lengths.accept);
        let finish = self.run(&lengths, LimitStep::Finish, now, lengths.finish);
        let reached = incident.deadline.as_ref().and_then(|deadline| deadline.reached);
        let (accept_by, finish_by) = (accept.by, finish.by);
        let runs = vec![accept, finish];
        let escalation = None;
        incident.deadline =
            Some(Deadline { tier, accept_by, finish_by, runs, reached, escalation });
    }

    /// An open case of an earlier version, of which nothing runs: what would run now begins.
    pub(in crate::incident) fn adopt(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        now: Timestamp,
    ) {
        let is_new = incident.deadline.as_ref().is_none_or(|deadline| deadline.runs.is_empty());
        // Nobody has to take on what was said.
        let is_said = incident.kind == Kind::Announcement;
        if incident.stage.is_over() || !is_new || is_said {
            return;
        }
        let old = incident.deadline.clone();
        self.open(incident, postures, now);
        let stage = incident.stage;
        if stage != Stage::Opened {
            self.begin_step(incident, postures, now, stage);
        }
        if let (Some(old), Some(deadline)) = (old, &mut incident.deadline) {
            (deadline.accept_by, deadline.finish_by) = (old.accept_by, old.finish_by);
        }
    }

    /// It became more urgent: its limits are those of its new severity, counted from now, where these end
    /// earlier. True where one does.
    pub(in crate::incident) fn hurry(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        now: Timestamp,
    ) -> bool {
        let tier = tier_of(incident.kind, incident.severity);
        let before = incident.deadline.as_ref().map(|deadline| deadline.tier);
        if incident.stage.is_over() || before.is_none_or(|before| before <= tier) {
            return false;
        }
        let lengths = self.lengths(incident, tier, postures);
        let Some(deadline) = &mut incident.deadline else { return false };
        deadline.tier = tier;
        for run in &mut deadline.runs {
            let span = match run.step {
                LimitStep::Accept => lengths.accept,
                LimitStep::Dispatch => lengths.dispatch,
                LimitStep::Handle => lengths.handle,
                LimitStep::Verify => lengths.verify,
                LimitStep::Finish => lengths.finish,
                LimitStep::Answer => lengths.answer,
            };
            let sooner = self.run(&lengths, run.step, now, span);
            if run.light == Light::Red {
                let next = self.later(now, lengths.escalate);
                // Also where all levels were told already: then it was no emergency.
                let told = run.at.map_or(next, |at| at.min(next));
                run.at = lengths.escalates.then_some(told);
            } else if sooner.by < run.by {
                *run = sooner;
            }
        }
        deadline.note_times();
        true
    }

    /// A step was taken: limits that it ends are gone, and those that it begins run. `before`: the stage
    /// that the case had.
    pub(in crate::incident) fn stepped(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        (now, anchors): (Now, &Anchors),
        (step, before): (ReplyTo, Stage),
    ) {
        let stage = incident.stage;
        self.go_on(incident, (now, anchors));
        note_due(incident, (now, anchors), (step, before));
        if let Some(deadline) = &mut incident.deadline {
            deadline.escalation = None;
            if stage.is_over() {
                deadline.runs.clear();
                return;
            }
        }
        if step == ReplyTo::Reopened {
            return self.open(incident, postures, now.wall);
        }
        if step == ReplyTo::Granted {
            self.light_anew(incident, (now, anchors));
        }
        // While something was asked nobody lapsed: what has told everybody begins again.
        let is_spent = |run: &LimitRun| run.step == LimitStep::Dispatch && run.at.is_none();
        let runs = incident.deadline.as_ref().map_or(&[][..], |deadline| &deadline.runs);
        let anew = matches!(step, ReplyTo::Transferred | ReplyTo::SentBack | ReplyTo::Lapsed)
            || (step == ReplyTo::Refused && runs.iter().any(is_spent));
        if stage != before || anew {
            self.begin_step(incident, postures, now.wall, stage);
        }
        self.ask(incident, postures, now.wall);
        self.keep_telling(incident, postures, (now, anchors));
    }

    /// A step answers whoever was told last. Where all levels were told before it, and it began no limit,
    /// nothing would ever be told of the case again: the last level is, after another of its times.
    fn keep_telling(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        (now, anchors): (Now, &Anchors),
    ) {
        let Some(tier) = incident.deadline.as_ref().map(|deadline| deadline.tier) else { return };
        let lengths = self.lengths(incident, tier, postures);
        let Some(deadline) = &mut incident.deadline else { return };
        if !lengths.escalates || deadline.runs.iter().any(|run| run.at.is_some()) {
            return;
        }
        let finish = deadline.runs.iter_mut().find(|run| run.step == LimitStep::Finish);
        if let Some(finish) = finish {
            finish.at = Some(self.later(anchors.own(finish, now.mono()), lengths.escalate));
        }
    }

    fn begin_step(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        now: Timestamp,
        stage: Stage,
    ) {
        let Some(tier) = incident.deadline.as_ref().map(|deadline| deadline.tier) else { return };
        let lengths = self.lengths(incident, tier, postures);
        let next = match stage {
            Stage::Opened => Some((LimitStep::Accept, lengths.accept)),
            Stage::Accepted => Some((LimitStep::Dispatch, lengths.dispatch)),
            Stage::Dispatched => Some((LimitStep::Handle, lengths.handle)),
            Stage::Handled => Some((LimitStep::Verify, lengths.verify)),
            // Only the whole case has a limit then.
            Stage::Verified | Stage::Closed | Stage::Dismissed => None,
        };
        let run = next.map(|(step, span)| self.run(&lengths, step, now, span));
        let Some(deadline) = &mut incident.deadline else { return };
        let others = [LimitStep::Finish, LimitStep::Answer];
        deadline.runs.retain(|run| others.contains(&run.step));
        deadline.runs.extend(run);
        deadline.note_times();
    }

    /// What is asked has a limit of its own, until it is answered.
    fn ask(&self, incident: &mut Incident, postures: &[Posture], now: Timestamp) {
        let Some(tier) = incident.deadline.as_ref().map(|deadline| deadline.tier) else { return };
        let lengths = self.lengths(incident, tier, postures);
        let asked = incident.life.asked.is_some();
        let Some(deadline) = &mut incident.deadline else { return };
        let runs = deadline.runs.iter().any(|run| run.step == LimitStep::Answer);
        match (asked, runs) {
            (true, false) => {
                deadline.runs.push(self.run(&lengths, LimitStep::Answer, now, lengths.answer))
            }
            (false, true) => deadline.runs.retain(|run| run.step != LimitStep::Answer),
            _ => {}
        }
    }

    /// More time was granted: the whole case, and the step that is to be taken, have until then. When each
    /// warns depends on the calendar: the step that grants it says that, by [`Self::stepped`].
    pub(in crate::incident) fn extend(deadline: &mut Deadline, until: Timestamp) {
        for run in deadline.runs.iter_mut().filter(|run| run.step != LimitStep::Answer) {
            run.by = run.by.max(until);
        }
        deadline.note_times();
    }

    /// The lights of the limits that were just extended: what was told and is still true is not told again.
    fn light_anew(&self, incident: &mut Incident, (now, anchors): (Now, &Anchors)) {
        let granted = incident.life.steps.last().filter(|step| step.step == ReplyTo::Granted);
        let Some(until) = granted.and_then(|step| step.until) else { return };
        // A suspension that is granted has an end too, and extends no limit.
        if incident.life.suspended.is_some_and(|(_, end)| end == until) {
            return;
        }
        let Some(deadline) = &mut incident.deadline else { return };
        let extended = |run: &&mut LimitRun| run.by == until && run.step != LimitStep::Answer;
        for run in deadline.runs.iter_mut().filter(extended) {
            let warns_at = self.warns_at(run);
            let is_late = anchors.own(run, now.mono()) >= warns_at;
            run.escalations = 0;
            (run.light, run.at) = match run.light {
                // Where nobody is to be told, nothing is next.
                Light::Green => (Light::Green, run.at.map(|_| warns_at)),
                Light::Yellow | Light::Red if is_late => (Light::Yellow, Some(until)),
                Light::Yellow | Light::Red => (Light::Green, Some(warns_at)),
            };
        }
    }

    /// A suspension is over: each limit has as much time left as it had, of the kind that it counts.
    fn go_on(&self, incident: &mut Incident, (now, anchors): (Now, &Anchors)) {
        let (None, Some(stands_ms)) = (incident.life.suspended, anchors.stands_ms) else { return };
        let Some(deadline) = &mut incident.deadline else { return };
        for run in &mut deadline.runs {
            let [stood, own] = [stands_ms, now.mono()].map(|mono_ms| anchors.own(run, mono_ms));
            // A step that began meanwhile has lost only what has passed since.
            let stood = stood.max(run.since);
            let by = run.by;
            let by_the_clock = |at: Timestamp| {
                at.saturating_add(own.duration_since(stood)).unwrap_or(Timestamp::MAX)
            };
            let moved = |at: Timestamp| match run.working_days {
                true => {
                    let left = self.calendar.worked(&self.zone, stood, at);
                    self.calendar.add_worked(&self.zone, own, left).max(own)
                }
                false => by_the_clock(at),
            };
            // What had passed before it was suspended has passed.
            if by > stood {
                run.by = moved(by);
            }
            // From one level to the next it is real time, also where the limit counts working days.
            run.at = match run.light {
                Light::Red => run.at.map(by_the_clock),
                Light::Green | Light::Yellow => run.at.map(moved),
            };
        }
        deadline.note_times();
    }

    /// Whether anybody is to be told of the limits of this case.
    pub(in crate::incident) fn tells(&self, incident: &Incident, postures: &[Posture]) -> bool {
        let tier = incident.deadline.as_ref().map(|deadline| deadline.tier);
        !self.silent
            && !incident.has_mended()
            && !incident.stage.is_over()
            && tier.is_some_and(|tier| self.lengths(incident, tier, postures).escalates)
    }

    /// Does what is due: a light, another level, or the case is open again. The record that tells it comes
    /// next.
    pub(in crate::incident) fn fire(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        (now, anchors): (Now, &Anchors),
    ) -> Option<What> {
        let deadline = incident.deadline.as_ref()?;
        let is_due = |run: &LimitRun| anchors.due_of(run).is_some_and(|due| due <= now.mono());
        let mut due: Vec<LimitRun> =
            deadline.runs.iter().filter(|run| is_due(run)).cloned().collect();
        due.sort_by_key(|run| anchors.due_of(run));
        let run = due.first()?;
        // Also where it has passed unseen: the light before it is not told any more.
        let warns =
            |run: &LimitRun| run.light == Light::Green && anchors.own(run, now.mono()) < run.by;
        let lapses = |run: &LimitRun| !warns(run) && lapses_now(run, incident);
        if lapses(run) {
            return Some(self.lapse(incident, postures, (now, anchors)));
        }
        if warns(run) {
            due.retain(warns);
            for same in incident.deadline.as_mut()?.runs.iter_mut() {
                if due.iter().any(|one| key(one) == key(same)) {
                    (same.light, same.at) = (Light::Yellow, Some(same.by));
                }
            }
            return Some(What::Limit);
        }
        due.retain(|run| !warns(run) && !lapses(run));
        self.escalate(incident, postures, &due, (now, anchors))
    }

    /// Accepted, and nobody was sent: the case is open again, with a limit of its own.
    fn lapse(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        (now, anchors): (Now, &Anchors),
    ) -> What {
        let before = incident.stage;
        let step = CaseStep::new(ReplyTo::Lapsed, GATEWAY, now.wall, incident.revision + 1);
        incident.life.push(step);
        incident.stage = Stage::Opened;
        self.stepped(incident, postures, (now, anchors), (ReplyTo::Lapsed, before));
        What::Lapsed
    }

    /// The first of these tells its next level. Others that would tell the same level at this moment are
    /// named with it: nobody is called twice at once for one case.
    fn escalate(
        &self,
        incident: &mut Incident,
        postures: &[Posture],
        due: &[LimitRun],
        (now, anchors): (Now, &Anchors),
    ) -> Option<What> {
        let deadline = incident.deadline.as_ref()?;
        let lengths = self.lengths(incident, deadline.tier, postures);
        let run = due.first()?;
        // Who was told before it was reopened was told of another round.
        let before = incident.life.told(deadline.reached);
        let rung = rung_of(run, before);
        let level = *Level::LADDER.get(rung)?;
        let reached = deadline.reached.max(Some(level));
        let so_far = before.max(Some(level));
        let same = |one: &&LimitRun| key(one) == key(run) || rung_of(one, so_far) == rung;
        let told: Vec<&LimitRun> = due.iter().filter(same).collect();
        let steps: Vec<&str> = told.iter().map(|run| run.step.zh()).collect();
        let urge = self.urges.get(rung).cloned().unwrap_or_default();
        let Whom { name, phone, nobody } = whom(&self.contacts, level, incident);
        let mut step = CaseStep::new(ReplyTo::Escalated, GATEWAY, now.wall, incident.revision + 1);
        let meant = match (&name, &nobody) {
            (None, Some(nobody)) => nobody.clone(),
            (name, _) => format!("{} {}", level.zh(), name.as_deref().unwrap_or_default()),
        };
        let note = format!("{urge}：{meant}，{}超时", steps.join("、"));
        step = step.with_note(Some(&note));
        step.level = Some(level);
        incident.life.push(step);
        let deadline = incident.deadline.as_mut()?;
        deadline.reached = reached;
        let also_for = told.iter().skip(1).map(|run| run.step).collect();
        let for_step = run.step;
        let escalation = Escalation { level, urge, name, phone, nobody, for_step, also_for };
        deadline.escalation = Some(escalation);
        let more = rung + 1 < Level::LADDER.len();
        for place in &mut deadline.runs {
            if !told.iter().any(|one| key(one) == key(place)) {
                continue;
            }
            let own = anchors.own(place, now.mono());
            place.light = Light::Red;
            place.escalations = u8::try_from(rung + 1).unwrap_or(u8::MAX);
            place.at = more.then(|| self.later(own, lengths.escalate));
        }
        Some(What::Escalated)
    }
}

/// With the step that was just taken goes by when it was due, where a limit of a step ends with it: figures
/// count by that.
fn note_due(
    incident: &mut Incident,
    (now, anchors): (Now, &Anchors),
    (step, before): (ReplyTo, Stage),
) {
    let ends = incident.stage != before
        || matches!(step, ReplyTo::Transferred | ReplyTo::SentBack | ReplyTo::Lapsed);
    let run = incident.deadline.as_ref().and_then(|deadline| deadline.of_step());
    let (true, Some(run)) = (ends, run) else { return };
    // The clock that noted its beginning may have been set since.
    let set_by = now.wall.duration_since(anchors.own(run, now.mono()));
    let is_set = set_by.abs() > CLOCK_IS_SET;
    let by = if is_set { run.by.saturating_add(set_by).unwrap_or(run.by) } else { run.by };
    let due = (run.step, by);
    if let Some(last) = incident.life.steps.last_mut() {
        last.due = Some(due);
    }
}

/// How far up the ladder a limit is told next. The whole case goes on where its steps have come to; it does
/// not begin at the foot again.
fn rung_of(run: &LimitRun, told: Option<Level>) -> usize {
    let told = told.and_then(|told| Level::LADDER.iter().position(|level| *level == told));
    let told = told.filter(|_| run.step == LimitStep::Finish).unwrap_or(0);
    usize::from(run.escalations).max(told).min(Level::LADDER.len() - 1)
}

/// A dispatch that was due before its light was told.
fn lapses_now(run: &LimitRun, incident: &Incident) -> bool {
    let late = LimitRun { light: Light::Yellow, ..run.clone() };
    late.next(incident) == LimitEvent::Lapsed
}

impl Deadline {
    /// The times that are shown are those that run.
    fn note_times(&mut self) {
        for run in &self.runs {
            match run.step {
                LimitStep::Accept => self.accept_by = run.by,
                LimitStep::Finish => self.finish_by = run.by,
                _ => {}
            }
        }
    }
}
