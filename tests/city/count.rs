//! The figures counted by another hand: from each record as the journal got it, one small story a case.

use std::collections::{BTreeMap, HashMap};

use gridpost::domain::{AskFor, GATEWAY, IncidentId, LimitStep, Record, ReplyTo, Stage, What};
use jiff::Timestamp;

use crate::world::{Change, Counted, StepCount};

/// All that became of one case.
struct Story {
    township: usize,
    opened_at: Timestamp,
    accepted: Option<Timestamp>,
    sent: Option<Timestamp>,
    handled: Option<Timestamp>,
    verified: Option<Timestamp>,
    over: Option<(Timestamp, What)>,
    by_itself: bool,
    finish_by: Option<Timestamp>,
    first_department: Option<String>,
    misdispatched: bool,
    self_handled: bool,
    /// Handled, or a step that comes after it.
    done: bool,
    stage: Stage,
    asked: Option<AskFor>,
    suspended: Option<Timestamp>,
    suspended_s: i64,
    sums: [u16; 8],
    limits: StepCount,
}

/// What [`Story::sums`] are of.
const SUMS: [&str; 8] = [
    "transfers",
    "rework",
    "reopened",
    "give_backs_asked",
    "give_backs",
    "extensions",
    "suspensions",
    "rework_cases",
];

#[derive(Default)]
pub(super) struct Count {
    stories: HashMap<IncidentId, Story>,
}

fn township(record: &Record) -> usize {
    let name = record.incident.grid.as_ref().and_then(|grid| grid.township.as_deref());
    let digits = name.map(|name| name.trim_matches(|c: char| !c.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX)
}

impl Count {
    pub(super) fn cases(&self) -> u64 {
        self.stories.len() as u64
    }

    /// The next record, in the order of the journal.
    pub(super) fn hear(&mut self, record: &Record) {
        let incident = &record.incident;
        let story = self.stories.entry(incident.id).or_insert_with(|| Story {
            township: township(record),
            opened_at: incident.opened_at,
            accepted: None,
            sent: None,
            handled: None,
            verified: None,
            over: None,
            by_itself: false,
            finish_by: None,
            first_department: None,
            misdispatched: false,
            self_handled: false,
            done: false,
            stage: Stage::Opened,
            asked: None,
            suspended: None,
            suspended_s: 0,
            sums: [0; 8],
            limits: StepCount::default(),
        });
        story.hear(record);
        story.hear_limits(record);
    }

    /// By the names of the table; and how many cases each township had.
    pub(super) fn counted(&mut self, now: Timestamp) -> (Counted, BTreeMap<usize, u64>) {
        let (mut out, mut times) = (Counted::new(), BTreeMap::new());
        let mut townships = BTreeMap::new();
        for story in self.stories.values_mut() {
            story.count(now, &mut out, &mut times);
            *townships.entry(story.township).or_default() += 1;
        }
        for (step, mut of) in times {
            of.sort_unstable();
            // Half of them, and nine in ten, took no longer.
            let no_longer = |tenths: usize| of[(of.len() * tenths).div_ceil(10) - 1];
            let names = match step {
                "accept" => ["accept.median_s", "accept.p90_s", "accept.count"],
                "dispatch" => ["dispatch.median_s", "dispatch.p90_s", "dispatch.count"],
                "handle" => ["handle.median_s", "handle.p90_s", "handle.count"],
                "verify" => ["verify.median_s", "verify.p90_s", "verify.count"],
                _ => ["close.median_s", "close.p90_s", "close.count"],
            };
            let told = [no_longer(5), no_longer(9), of.len() as i64];
            out.extend(names.into_iter().zip(told));
        }
        (out, townships)
    }
}

impl Story {
    fn add(&mut self, what: &str) {
        let at = SUMS.iter().position(|name| *name == what).unwrap();
        self.sums[at] += 1;
    }

    fn hear(&mut self, record: &Record) {
        let (what, incident) = (record.what, &record.incident);
        let at = incident.changed_at;
        let step = incident.life.steps.iter().rfind(|step| step.revision == incident.revision);
        let by_gateway = step.is_some_and(|step| step.by == GATEWAY);
        self.finish_by = incident.deadline.as_ref().map(|deadline| deadline.finish_by);
        use What::{Accepted, Closed, Dispatched, Handled, Verified};
        let takes_on = matches!(what, Accepted | Dispatched | Handled | Verified | Closed);
        if takes_on && !by_gateway {
            self.accepted.get_or_insert(at);
        }
        match what {
            What::Dispatched | What::Transferred => self.dispatched(
                at,
                step.and_then(|step| step.department.as_deref()),
                what == What::Transferred,
            ),
            What::Handled => self.handled = Some(at),
            What::Verified => self.verified = Some(at),
            What::SentBack => {
                self.add("rework");
                self.sums[7] = 1;
            }
            What::Reopened | What::Lapsed => {
                if what == What::Reopened {
                    self.add("reopened");
                }
                (self.handled, self.verified, self.over) = (None, None, None);
                (self.self_handled, self.done) = (false, false);
            }
            What::Asked if step.is_some_and(|step| step.step == ReplyTo::AskGiveBack) => {
                self.add("give_backs_asked");
            }
            What::Granted => match self.asked {
                Some(AskFor::GiveBack) => {
                    self.add("give_backs");
                    self.misdispatched = true;
                }
                Some(AskFor::Extend) => self.add("extensions"),
                Some(AskFor::Suspend) => self.add("suspensions"),
                other => panic!("granted: {other:?}: {record:?}"),
            },
            _ => {}
        }
        let ahead = matches!(what, Handled | Verified | Closed) && !by_gateway;
        self.done |= ahead;
        // Nobody was sent on the way there.
        self.self_handled |= ahead && matches!(self.stage, Stage::Opened | Stage::Accepted);
        self.stage = incident.stage;
        if matches!(what, What::Closed | What::Dismissed | What::Merged) {
            (self.over, self.by_itself) = (Some((at, what)), by_gateway);
        }
        self.asked = incident.life.asked.as_ref().map(|asked| asked.what);
        match (self.suspended, incident.life.suspended.is_some()) {
            (None, true) => self.suspended = Some(at),
            (Some(since), false) => {
                self.suspended_s += at.duration_since(since).as_secs().max(0);
                self.suspended = None;
            }
            _ => {}
        }
    }

    /// The limit that runs, as this record has it: what becomes of it the next ones say.
    fn hear_limits(&mut self, record: &Record) {
        let (what, incident) = (record.what.as_str(), &record.incident);
        let step = incident.life.steps.iter().rfind(|step| step.revision == incident.revision);
        let runs = incident.deadline.iter().flat_map(|deadline| &deadline.runs);
        let mut running = runs.filter_map(|run| {
            let name = match run.step {
                LimitStep::Accept => "accept",
                LimitStep::Dispatch => "dispatch",
                LimitStep::Handle => "handle",
                LimitStep::Verify => "verify",
                LimitStep::Finish | LimitStep::Answer => return None,
            };
            Some((name, run.by))
        });
        self.limits.hear(&Change {
            what,
            stage: &format!("{:?}", incident.stage),
            by_gateway: step.is_some_and(|step| step.by == GATEWAY),
            at: incident.changed_at,
            running: running.next_back(),
            suspended: incident.life.suspended.is_some(),
        });
    }

    fn dispatched(&mut self, at: Timestamp, department: Option<&str>, transferred: bool) {
        let again = self.sent.is_some();
        self.sent.get_or_insert(at);
        if transferred {
            self.add("transfers");
        }
        if let Some(named) = department {
            self.misdispatched |= again && self.first_department.as_deref() != Some(named);
            self.first_department.get_or_insert_with(|| named.to_owned());
        }
    }

    fn count(&mut self, now: Timestamp, out: &mut Counted, times: &mut BTreeMap<&str, Vec<i64>>) {
        self.limits.count(now, out);
        let mut add = |key: &'static str, count: i64| *out.entry(key).or_default() += count;
        for (key, count) in SUMS.into_iter().zip(self.sums) {
            add(key, count.into());
        }
        let ended = |wanted: What| self.over.is_some_and(|(_, what)| what == wanted);
        let valid = self.accepted.is_some();
        let closed = ended(What::Closed) && !self.by_itself;
        let auto = ended(What::Closed) && self.by_itself;
        let until = self.suspended.map_or(now, |since| since.min(now));
        let open = self.over.is_none();
        let late = open && self.finish_by.is_some_and(|by| by < until);
        let over_at = self.over.map(|(at, _)| at);
        let in_time = over_at.zip(self.finish_by).is_none_or(|(over, by)| over <= by);
        add("reported", 1);
        add("valid", valid.into());
        add("open", open.into());
        add("overdue", late.into());
        add("dismissed", ended(What::Dismissed).into());
        add("merged", ended(What::Merged).into());
        add("auto_closed", auto.into());
        add("closed", closed.into());
        add("closed_in_time", (closed && in_time).into());
        add("due", (valid && (closed || auto || late)).into());
        add("close.due", (valid && (closed || auto || late)).into());
        add("close.in_time", (closed && in_time).into());
        add("dispatched", self.sent.is_some().into());
        add("dispatched_right", (self.sent.is_some() && !self.misdispatched).into());
        add("handled", self.done.into());
        add("self_handled", self.self_handled.into());
        let stands = self.suspended.map_or(0, |since| now.duration_since(since).as_secs().max(0));
        add("suspended_s", self.suspended_s + stands);
        for (step, from, to) in [
            ("accept", Some(self.opened_at), self.accepted),
            ("dispatch", self.accepted, self.sent),
            ("handle", self.sent.or(self.accepted), self.handled),
            ("verify", self.handled, self.verified),
            ("close", Some(self.opened_at), over_at.filter(|_| closed)),
        ] {
            if let Some((from, to)) = from.zip(to).filter(|(from, to)| to >= from) {
                times.entry(step).or_default().push(to.duration_since(from).as_secs());
            }
        }
    }
}
