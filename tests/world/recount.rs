//! The figures counted a second time and in another way: by plain loops over the events that a receiver got.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{Change, StepCount};

/// What was counted, by the names that the API has.
pub(crate) type Counted = BTreeMap<&'static str, i64>;

/// All that became of one case.
#[derive(Default)]
struct CaseStory {
    opened_at: Option<Timestamp>,
    accepted: Option<Timestamp>,
    sent: Option<Timestamp>,
    handled: Option<Timestamp>,
    verified: Option<Timestamp>,
    over: Option<Timestamp>,
    /// The step that ended it.
    end: String,
    by_itself: bool,
    finish_by: Option<Timestamp>,
    first_department: Option<String>,
    misdispatched: bool,
    self_handled: bool,
    stage: String,
    suspended: Option<Timestamp>,
    suspended_s: i64,
    asked: Option<String>,
    sums: Counted,
    limits: StepCount,
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

impl CaseStory {
    fn add(&mut self, key: &'static str) {
        *self.sums.entry(key).or_default() += 1;
    }

    /// The limit that runs, as this event has it.
    fn hear_limits(&mut self, event: &Value) {
        let data = &event["data"];
        let step = data["steps"].as_array().and_then(|steps| steps.last());
        let step = step.filter(|step| step["revision"] == data["revision"]);
        let runs = &data["deadline"]["step"];
        self.limits.hear(&Change {
            what: data["what"].as_str().unwrap(),
            stage: data["stage"].as_str().unwrap(),
            by_gateway: step.is_some_and(|step| step["by"] == "gridpost"),
            at: time(&event["time"]),
            running: runs["for"].as_str().map(|step| (step, time(&runs["by"]))),
            suspended: data["suspended_until"].is_string(),
        });
    }

    /// The next event of the case.
    fn hear(&mut self, event: &Value) {
        self.hear_limits(event);
        let data = &event["data"];
        let at = time(&event["time"]);
        let what = data["what"].as_str().unwrap();
        let by_itself = data["detail"]["by"] == "gridpost";
        self.opened_at = Some(time(&data["opened_at"]));
        self.finish_by = data["deadline"]["finish_by"].as_str().map(|by| by.parse().unwrap());
        let takes_on = ["accepted", "dispatched", "handled", "verified", "closed"];
        if takes_on.contains(&what) && !by_itself && self.accepted.is_none() {
            self.accepted = Some(at);
        }
        match what {
            "dispatched" | "transferred" => {
                let again = self.sent.is_some();
                self.sent.get_or_insert(at);
                if what == "transferred" {
                    self.add("transfers");
                }
                let named =
                    data["steps"].as_array().unwrap().last().unwrap()["department"].as_str();
                if let Some(named) = named {
                    if again && self.first_department.as_deref() != Some(named) {
                        self.misdispatched = true;
                    }
                    self.first_department.get_or_insert_with(|| named.to_owned());
                }
            }
            "handled" => self.handled = Some(at),
            "verified" => self.verified = Some(at),
            "sent-back" => self.add("rework"),
            "reopened" => {
                self.add("reopened");
                (self.handled, self.verified, self.over) = (None, None, None);
            }
            "asked" if data["asked"]["what"] == "give-back" => self.add("give_backs_asked"),
            "granted" => match self.asked.as_deref() {
                Some("give-back") => {
                    self.add("give_backs");
                    self.misdispatched = true;
                }
                Some("extend") => self.add("extensions"),
                Some("suspend") => self.add("suspensions"),
                other => panic!("granted: {other:?}"),
            },
            _ => {}
        }
        // Nobody was sent on the way there.
        let ahead = ["handled", "verified", "closed"].contains(&what) && !by_itself;
        self.self_handled |= ahead && ["opened", "accepted"].contains(&self.stage.as_str());
        self.self_handled &= what != "reopened";
        self.stage = data["stage"].as_str().unwrap().to_owned();
        if ["closed", "dismissed", "merged"].contains(&what) {
            (self.over, self.end, self.by_itself) = (Some(at), what.to_owned(), by_itself);
        }
        self.asked = data["asked"]["what"].as_str().map(str::to_owned);
        match (self.suspended, data["suspended_until"].is_string()) {
            (None, true) => self.suspended = Some(at),
            (Some(since), false) => {
                self.suspended_s += at.duration_since(since).as_secs().max(0);
                self.suspended = None;
            }
            _ => {}
        }
    }

    fn count(&self, now: Timestamp, out: &mut Counted, times: &mut BTreeMap<&str, Vec<i64>>) {
        let mut add = |key: &'static str, count: i64| *out.entry(key).or_default() += count;
        for (key, count) in &self.sums {
            add(key, *count);
        }
        let valid = self.accepted.is_some();
        let closed = self.over.is_some() && self.end == "closed" && !self.by_itself;
        let auto = self.over.is_some() && self.end == "closed" && self.by_itself;
        let until = self.suspended.map_or(now, |since| since.min(now));
        let late = self.finish_by.is_some_and(|by| by < until);
        add("reported", 1);
        add("valid", valid.into());
        add("open", self.over.is_none().into());
        add("overdue", (self.over.is_none() && late).into());
        add("dismissed", (self.over.is_some() && self.end == "dismissed").into());
        add("merged", (self.over.is_some() && self.end == "merged").into());
        add("auto_closed", auto.into());
        add("closed", closed.into());
        let in_time = self.over.zip(self.finish_by).is_none_or(|(over, by)| over <= by);
        add("closed_in_time", (closed && in_time).into());
        add("due", (valid && (closed || auto || (self.over.is_none() && late))).into());
        add("dispatched", self.sent.is_some().into());
        add("dispatched_right", (self.sent.is_some() && !self.misdispatched).into());
        add(
            "handled",
            (self.handled.or(self.verified).is_some() || self.self_handled || closed).into(),
        );
        add("self_handled", self.self_handled.into());
        add("rework_cases", self.sums.contains_key("rework").into());
        let open = self.suspended.map_or(0, |since| now.duration_since(since).as_secs().max(0));
        add("suspended_s", self.suspended_s + open);
        for (step, from, to) in [
            ("accept", self.opened_at, self.accepted),
            ("dispatch", self.accepted, self.sent),
            ("handle", self.sent.or(self.accepted), self.handled),
            ("verify", self.handled, self.verified),
            ("close", self.opened_at, self.over.filter(|_| closed)),
        ] {
            if let Some((from, to)) = from.zip(to).filter(|(from, to)| to >= from) {
                times.entry(step).or_default().push(to.duration_since(from).as_secs());
            }
        }
    }
}

/// Counts all events, in whatever order and however often they came, but for which steps were in time: that only who
/// knows how often the clock was set could count.
pub(crate) fn recount(events: &[Value], now: Timestamp) -> Counted {
    counted(events, now, |_, _| {})
}

/// The same, and which steps were in time, of a gateway whose clock nobody has set.
pub(crate) fn recount_in_time(events: &[Value], now: Timestamp) -> Counted {
    counted(events, now, |story, out| {
        story.limits.count(now, out);
        let of = |key: &str| out.get(key).copied().unwrap_or_default();
        let whole = [("close.due", of("due")), ("close.in_time", of("closed_in_time"))];
        out.extend(whole);
    })
}

fn counted(
    events: &[Value],
    now: Timestamp,
    limits: impl Fn(&mut CaseStory, &mut Counted),
) -> Counted {
    let mut seen = BTreeSet::new();
    let mut cases: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events {
        if seen.insert(event["id"].as_str().unwrap()) {
            cases.entry(event["subject"].as_str().unwrap()).or_default().push(event);
        }
    }
    let (mut counted, mut times) = (Counted::new(), BTreeMap::new());
    for mut events in cases.into_values() {
        events.sort_by_key(|event| event["data"]["revision"].as_u64());
        let mut story = CaseStory::default();
        events.iter().for_each(|event| story.hear(event));
        story.count(now, &mut counted, &mut times);
        limits(&mut story, &mut counted);
    }
    for (step, mut of) in times {
        of.sort_unstable();
        // Half of them, and nine in ten, took no longer.
        let no_longer = |tenths: usize| {
            of.iter().copied().find(|limit| {
                of.iter().filter(|time| *time <= limit).count() * 10 >= of.len() * tenths
            })
        };
        let (median, p90, count) = match step {
            "accept" => ("accept.median_s", "accept.p90_s", "accept.count"),
            "dispatch" => ("dispatch.median_s", "dispatch.p90_s", "dispatch.count"),
            "handle" => ("handle.median_s", "handle.p90_s", "handle.count"),
            "verify" => ("verify.median_s", "verify.p90_s", "verify.count"),
            _ => ("close.median_s", "close.p90_s", "close.count"),
        };
        counted.insert(median, no_longer(5).unwrap());
        counted.insert(p90, no_longer(9).unwrap());
        counted.insert(count, of.len() as i64);
    }
    counted
}

/// Each count is what the table says, and what the table counts beside it is nothing.
pub(crate) fn must_agree(table: &Value, counted: &Counted) {
    for (key, count) in counted {
        let told = key.split('.').fold(table, |value, key| &value[key]);
        assert_eq!(told.as_i64(), Some(*count), "{key}: counted {count}, the table: {table}");
    }
    for (key, told) in table.as_object().unwrap() {
        let known = counted.contains_key(key.as_str());
        assert!(known || !told.is_u64() || told == 0, "{key} = {told}: not counted");
        if !counted.contains_key("accept.due") {
            continue;
        }
        // Of each step how many took it, how many should have, and how many did so in time.
        for part in ["count", "due", "in_time"].into_iter().filter(|part| told[*part].is_u64()) {
            let name = format!("{key}.{part}");
            let known = counted.contains_key(name.as_str()) || told[part] == 0;
            assert!(known, "{name} = {}: not counted", told[part]);
        }
    }
}
