//! Whether a sink is up, over all its lanes, and what of its records waits aside: told as it is now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::domain::{Meter, Metric, SinkId, clean_cut};

/// After this many failed tries in a row a lane, and with it the sink, counts as down.
pub(super) const TRIES_UNTIL_DOWN: u32 = 3;
/// Of a reason that people read.
const REASON_CHARS_MAX: usize = 200;

/// How a sink stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkHealth {
    /// A lane is down, or an emergency is refused: why. The gateway is not ready.
    pub bad: Option<String>,
    /// Others than emergencies are set aside: how many, and why the last of them.
    pub note: Option<String>,
}

/// Tells the rest of the gateway how the sink stands, whenever that has changed.
pub type Report = Arc<dyn Fn(&SinkHealth) + Send + Sync>;

#[derive(Default)]
struct Trouble {
    /// Lanes that are down, and why.
    down: BTreeMap<&'static str, String>,
    /// Records of emergencies, and all else, that are refused or fail while others pass.
    aside: (usize, usize),
    aside_why: String,
    told: SinkHealth,
}

impl Trouble {
    fn health(&self) -> SinkHealth {
        let (emergencies, others) = self.aside;
        let why = &self.aside_why;
        let lane = self.down.values().next().cloned();
        let refused = (emergencies > 0).then(|| {
            format!("{emergencies} records of emergencies wait that it does not take: {why} (gridpost store retry asks at once)")
        });
        let bad: Vec<String> = lane.into_iter().chain(refused).collect();
        SinkHealth {
            bad: (!bad.is_empty()).then(|| bad.join("; ")),
            note: (others > 0).then(|| {
                format!("{others} records or files are set aside, because they fail while others pass: {why}")
            }),
        }
    }
}

/// One for each sink, shared by its lanes. The sink is up only when no lane is down, so that a lane
/// that works does not call off the alarm of another.
pub struct Circuit {
    sink: SinkId,
    meter: Arc<dyn Meter>,
    report: Report,
    trouble: Mutex<Trouble>,
    /// Emergencies that are being delivered at this moment.
    urgent: watch::Sender<usize>,
}

impl Circuit {
    pub fn new(sink: SinkId, meter: Arc<dyn Meter>, report: Report) -> Arc<Self> {
        meter.set(Metric::SinkUp, sink.as_str(), 1.0);
        meter.set(Metric::SinkSetAside, sink.as_str(), 0.0);
        Arc::new(Self {
            sink,
            meter,
            report,
            trouble: Mutex::default(),
            urgent: watch::Sender::new(0),
        })
    }

    /// A lane of it; it counts as working until it fails.
    pub(super) fn lane(self: &Arc<Self>, name: &'static str) -> LaneCircuit {
        LaneCircuit { circuit: self.clone(), name, failures: 0 }
    }

    /// An emergency is under way until this is dropped: evidence leaves the line to it (P3), for
    /// on a thin uplink a clip would fill every queue on the way.
    pub fn urgent(self: &Arc<Self>) -> Urgent {
        self.urgent.send_modify(|under_way| *under_way += 1);
        Urgent(self.clone())
    }

    /// Tells how many emergencies are under way.
    pub(super) fn watch(&self) -> watch::Receiver<usize> {
        self.urgent.subscribe()
    }

    /// So many records of emergencies, and so many other things, are set aside now.
    pub(super) fn set_aside(&self, aside: (usize, usize)) {
        self.change(|trouble| trouble.aside = aside);
    }

    /// Why the last one was set aside.
    pub(super) fn last_reason(&self, why: &str) {
        let why = clean_cut(why, REASON_CHARS_MAX);
        self.change(|trouble| trouble.aside_why = why);
    }

    fn change(&self, change: impl FnOnce(&mut Trouble)) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut trouble);
        let up = if trouble.down.is_empty() { 1.0 } else { 0.0 };
        self.meter.set(Metric::SinkUp, self.sink.as_str(), up);
        let aside = trouble.aside.0 + trouble.aside.1;
        self.meter.set(Metric::SinkSetAside, self.sink.as_str(), aside as f64);
        let health = trouble.health();
        if health == trouble.told {
            return;
        }
        // Told under the lock, so that two lanes cannot tell in the wrong order.
        match (&trouble.told.bad, &health.bad) {
            (None, Some(reason)) => {
                tracing::warn!(sink = %self.sink, reason, "sink: in trouble; trying for ever");
            }
            (Some(_), None) => tracing::info!(sink = %self.sink, "sink: works again"),
            _ => {}
        }
        trouble.told = health;
        (self.report)(&trouble.told);
    }
}

/// See [`Circuit::urgent`].
pub struct Urgent(Arc<Circuit>);

impl Drop for Urgent {
    fn drop(&mut self) {
        self.0.urgent.send_modify(|under_way| *under_way -= 1);
    }
}

/// The count of one lane.
pub(super) struct LaneCircuit {
    circuit: Arc<Circuit>,
    name: &'static str,
    failures: u32,
}

impl LaneCircuit {
    /// A try failed. Once it is down, the newest reason counts.
    pub(super) fn failed(&mut self, why: &str) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= TRIES_UNTIL_DOWN {
            let (name, why) = (self.name, clean_cut(why, REASON_CHARS_MAX));
            self.circuit.change(|trouble| drop(trouble.down.insert(name, why)));
        }
    }

    /// The other end has answered.
    pub(super) fn works(&mut self) {
        if std::mem::take(&mut self.failures) >= TRIES_UNTIL_DOWN {
            self.circuit.change(|trouble| drop(trouble.down.remove(self.name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::NoMeter;

    #[test]
    fn a_lane_that_works_does_not_call_off_the_alarm_of_one_that_does_not() {
        let said: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let heard = said.clone();
        let report: Report = Arc::new(move |now| heard.lock().unwrap().push(now.bad.clone()));
        let circuit = Circuit::new("grid".into(), Arc::new(NoMeter), report);
        let (mut bulk, mut emergency) = (circuit.lane("bulk"), circuit.lane("emergency"));
        for _ in 0..2 {
            bulk.failed("hangs");
        }
        assert!(said.lock().unwrap().is_empty(), "two failures are no alarm");
        for _ in 0..5 {
            bulk.failed("hangs");
            emergency.failed("hangs");
        }
        emergency.works();
        assert_eq!(*said.lock().unwrap(), [Some("hangs".into())], "told once, bulk is down still");
        bulk.failed("401");
        let now = [Some("hangs".into()), Some("401".into())];
        assert_eq!(*said.lock().unwrap(), now, "the reason is that of now");
        bulk.works();
        assert_eq!(said.lock().unwrap().last(), Some(&None));
        bulk.failed("hangs");
        bulk.works();
        assert_eq!(said.lock().unwrap().len(), 3, "the count began anew");
    }

    #[test]
    fn p3_a_sink_that_is_up_and_refuses_an_emergency_says_so_until_none_waits() {
        let said: Arc<Mutex<Vec<SinkHealth>>> = Arc::default();
        let heard = said.clone();
        let report: Report = Arc::new(move |now| heard.lock().unwrap().push(now.clone()));
        let circuit = Circuit::new("grid".into(), Arc::new(NoMeter), report);
        let mut emergency = circuit.lane("emergency");
        emergency.works();
        circuit.last_reason("422 no\nsuch device");
        circuit.set_aside((1, 0));
        emergency.works();
        let now = said.lock().unwrap().last().cloned().unwrap();
        assert!(
            now.bad
                .unwrap()
                .contains("1 records of emergencies wait that it does not take: 422 no␊such")
        );
        circuit.set_aside((0, 2));
        let now = said.lock().unwrap().last().cloned().unwrap();
        assert!(now.bad.is_none() && now.note.unwrap().starts_with("2 records"));
        circuit.set_aside((0, 0));
        assert_eq!(said.lock().unwrap().last(), Some(&SinkHealth::default()));
    }
}
