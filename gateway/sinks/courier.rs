//! The courier of one lane of one sink: next → deliver → settle, or back into the store until its time.
//!
//! **P3** Each sink has two lanes with a connection each: one for emergencies, and one for
//! everything else. All pending records of an incident travel in the highest class that it ever
//! had. In flight are at most one record a lane and one piece of evidence. Nothing waits here: what
//! failed or was refused goes back into the store with its time (`base/lane_queue.rs` says whose
//! turn it is), so that it takes no place from what can succeed. A lane that fails three times in a
//! row opens the sink's circuit (`circuit.rs`: `gridpost_sink_up` is 0, `/readyz` says so, an
//! incident `sink-down` begins). An open circuit only reports: trying goes on. The sink is up again
//! when none of its lanes is down.

use std::sync::Arc;

use super::{
    circuit::{Circuit, LaneCircuit},
    levels,
    link_for::SinkLinks,
    outbox::{Due, Outbox},
    roles,
    sink::{DeliverError, Delivery, Lane, Sink},
};
use crate::{
    base::NotYet,
    domain::{Clock, DutyRole, EventContext, Level, Meter, Metric, Outcome, Settled, SinkId},
    wire::backoff::{BACKOFF_MS_MAX, backoff},
};

/// The first wait between tries; see [`crate::wire::backoff`].
pub(super) const BACKOFF_MS_FIRST: u64 = 250;
/// Everything one lane needs. In flight is at most one delivery a lane (P11): two a sink, and one
/// piece of evidence beside them.
pub struct Courier<S, O> {
    pub sink: SinkId,
    pub lane: Lane,
    pub connection: S,
    pub outbox: O,
    pub context: EventContext,
    pub clock: Arc<dyn Clock>,
    pub meter: Arc<dyn Meter>,
    pub circuit: Arc<Circuit>,
    /// Only cases that were taken to one of these; empty: all.
    pub levels: Vec<Level>,
    /// Only cases for which somebody of these was on duty; empty: all.
    pub roles: Vec<DutyRole>,
    /// It may have whole plates.
    pub send_plates: bool,
    /// For sinks whose texts have one.
    pub links: Option<SinkLinks>,
}

/// What became of a try that ended.
enum Done {
    /// The other end has answered for good; the ledger gets this outcome.
    Told(Outcome),
    /// The sink passed it over: delivered in the ledger, and no sign of whether the sink is up.
    Passed,
}

/// Why it is not settled.
struct NotTaken {
    reason: String,
    why: NotYet,
}

impl<S: Sink, O: Outbox> Courier<S, O> {
    /// Runs until it is dropped; whatever was in flight then is in the store still.
    pub async fn run(mut self) {
        let mut circuit = self.circuit.lane(self.lane.name());
        loop {
            let due = self.outbox.next_due(&self.sink, self.lane).await;
            match self.attempt(&due).await {
                Ok(Done::Passed) => self.settle(&due, Outcome::Delivered, Metric::SinkPassed).await,
                Ok(Done::Told(outcome)) => {
                    let taken = outcome == Outcome::Delivered;
                    let expired = matches!(outcome, Outcome::Expired { .. });
                    let metric = match &outcome {
                        Outcome::Delivered => Metric::Delivered,
                        Outcome::Expired { .. } => Metric::Expired,
                        Outcome::Dead { .. } | Outcome::Shed { .. } | Outcome::Superseded => {
                            Metric::DeadLettered
                        }
                    };
                    self.settle(&due, outcome, metric).await;
                    // That the time is over says nothing of the lane.
                    if !expired {
                        circuit.works();
                    }
                    // The sink takes again: what waited for that leaves now, oldest first.
                    if taken {
                        self.outbox.passed(&self.sink, Some(self.lane));
                    }
                }
                Err(not_taken) => self.failed(&due, not_taken, &mut circuit),
            }
            self.circuit.set_aside(self.outbox.set_aside(&self.sink));
        }
    }

    fn failed(&self, due: &Due, NotTaken { reason, why }: NotTaken, circuit: &mut LaneCircuit) {
        self.meter.add(Metric::DeliveryFailures, self.sink.as_str(), 1);
        match why {
            // It answers: the lane is not down, though this one is not taken.
            NotYet::Refused => circuit.works(),
            // What fails while others pass says nothing of the lane.
            _ if due.tried.is_aside() => {}
            _ => circuit.failed(&reason),
        }
        if self.outbox.later(&self.sink, due.seq, why) {
            let event = due.record.event_id();
            tracing::error!(sink = %self.sink, event, reason, "set aside: it is refused, or fails while others pass; still owed, and tried now and then");
            self.circuit.last_reason(&reason);
        }
    }

    /// Ok: how it is settled.
    async fn attempt(&mut self, due: &Due) -> Result<Done, NotTaken> {
        let record = &due.record;
        if !levels::is_meant(&self.levels, record) || !roles::is_meant(&self.roles, record) {
            return Ok(Done::Passed);
        }
        let mut event = self.context.event(&due.record);
        if self.send_plates {
            event.data.with_plates(&due.record.incident, |sealed| self.outbox.open_plate(sealed));
        }
        let back_off = || {
            let wait = backoff(BACKOFF_MS_FIRST, due.tried.tries);
            NotYet::Failed { wait_ms: u64::try_from(wait.as_millis()).unwrap_or(BACKOFF_MS_MAX) }
        };
        let body = serde_json::to_vec(&event).map_err(|error| NotTaken {
            reason: format!("event cannot be written: {error}"),
            why: back_off(),
        })?;
        let kind = due.record.incident.kind.as_str();
        let at = self.clock.now().wall;
        let link = self.links.as_ref().and_then(|links| links.of(&event.data, at));
        let rule = due.record.incident.rule.clone();
        let delivery = Delivery { event_id: event.id, kind, rule, at, body: body.into(), link };
        let urgent = (self.lane == Lane::Emergency).then(|| self.circuit.urgent());
        let answer = self.connection.deliver(&delivery).await;
        drop(urgent);
        match answer {
            Ok(()) => Ok(Done::Told(Outcome::Delivered)),
            Err(DeliverError::Passed { why }) => {
                tracing::debug!(sink = %self.sink, event = delivery.event_id, why, "passed over");
                Ok(Done::Passed)
            }
            Err(DeliverError::Expired { why }) => {
                tracing::warn!(sink = %self.sink, event = delivery.event_id, why, "not spoken in time, and never will be");
                Ok(Done::Told(Outcome::Expired { reason: why }))
            }
            Err(DeliverError::Reject { answer }) if due.emergency => Err(NotTaken {
                reason: format!("refuses an emergency: {answer}"),
                why: NotYet::Refused,
            }),
            Err(DeliverError::Reject { answer }) => {
                tracing::error!(sink = %self.sink, event = delivery.event_id, answer, "refused for good; dead-lettered");
                Ok(Done::Told(Outcome::Dead { answer }))
            }
            Err(DeliverError::Retry { reason, after_ms }) => {
                tracing::debug!(sink = %self.sink, event = delivery.event_id, reason, "not delivered; again later");
                let asked = after_ms.map(|ms| NotYet::Asked { wait_ms: ms.min(BACKOFF_MS_MAX) });
                Err(NotTaken { reason, why: asked.unwrap_or_else(back_off) })
            }
        }
    }

    async fn settle(&mut self, due: &Due, outcome: Outcome, metric: Metric) {
        self.meter.add(metric, self.sink.as_str(), 1);
        let at = self.clock.now().wall;
        self.outbox.settle(Settled { sink: self.sink.clone(), change: due.seq, outcome, at }).await;
    }
}
