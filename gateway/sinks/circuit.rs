//! Whether a sink is up, over all its lanes: after three failures in a row it is down, and that is reported once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::domain::{Meter, Metric, SinkId};

/// After this many failed tries in a row a lane, and with it the sink, counts as down.
pub(super) const TRIES_UNTIL_DOWN: u32 = 3;

/// Tells the rest of the gateway: `Some(why)` when the sink is down, `None` when it is up again.
pub type Report = Arc<dyn Fn(Option<String>) + Send + Sync>;

/// One for each sink, shared by its lanes. The sink is up only when no lane is down, so that a lane
/// that works does not call off the alarm of another.
pub struct Circuit {
    sink: SinkId,
    meter: Arc<dyn Meter>,
    report: Report,
    down: Mutex<BTreeMap<&'static str, String>>,
    /// Emergencies that are being delivered at this moment.
    urgent: watch::Sender<usize>,
}

impl Circuit {
    pub fn new(sink: SinkId, meter: Arc<dyn Meter>, report: Report) -> Arc<Self> {
        meter.set(Metric::SinkUp, sink.as_str(), 1.0);
        Arc::new(Self {
            sink,
            meter,
            report,
            down: Mutex::default(),
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

    fn change(&self, lane: &'static str, why: Option<&str>) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let was_down = !down.is_empty();
        match why {
            Some(why) => down.insert(lane, why.to_owned()),
            None => down.remove(lane),
        };
        let is_down = !down.is_empty();
        self.meter.set(Metric::SinkUp, self.sink.as_str(), if is_down { 0.0 } else { 1.0 });
        // Told under the lock, so that two lanes cannot tell in the wrong order.
        match (was_down, is_down) {
            (false, true) => {
                let reason = why.unwrap_or_default();
                tracing::warn!(sink = %self.sink, lane, reason, "sink: down; trying for ever");
                (self.report)(Some(reason.to_owned()));
            }
            (true, false) => {
                tracing::info!(sink = %self.sink, "sink: works again");
                (self.report)(None);
            }
            (true, true) if why.is_some() => {
                let reason = why.unwrap_or_default();
                tracing::warn!(sink = %self.sink, lane, reason, "sink: this lane is down too");
            }
            _ => {}
        }
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
    pub(super) fn failed(&mut self, why: &str) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == TRIES_UNTIL_DOWN {
            self.circuit.change(self.name, Some(why));
        }
    }

    /// Whether the try before this one had failed.
    pub(super) fn works(&mut self) -> bool {
        if self.failures >= TRIES_UNTIL_DOWN {
            self.circuit.change(self.name, None);
        }
        std::mem::take(&mut self.failures) > 0
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
        let report: Report = Arc::new(move |why| heard.lock().unwrap().push(why));
        let circuit = Circuit::new("grid".into(), Arc::new(NoMeter), report);
        let (mut bulk, mut emergency) = (circuit.lane("bulk"), circuit.lane("emergency"));
        for _ in 0..2 {
            bulk.failed("hangs");
        }
        assert!(said.lock().unwrap().is_empty(), "two failures are no alarm");
        for _ in 0..5 {
            bulk.failed("hangs");
            emergency.failed("refused");
        }
        emergency.works();
        assert_eq!(*said.lock().unwrap(), [Some("hangs".into())], "told once, bulk is down still");
        bulk.works();
        assert_eq!(*said.lock().unwrap(), [Some("hangs".into()), None]);
        bulk.failed("hangs");
        bulk.works();
        assert_eq!(said.lock().unwrap().len(), 2, "the count began anew");
    }
}
