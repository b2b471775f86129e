//! The courier of one lane of one sink: next → deliver → settle; retries for ever, never out of order in bulk.
//!
//! **P3** Each sink has two lanes with a connection each: one for emergencies, and one for
//! everything else. All pending records of an incident travel in the highest class that it ever
//! had. In flight are at most one record a lane and one piece of evidence. A lane that fails three
//! times in a row opens the sink's circuit (`circuit.rs`: `gridpost_sink_up` is 0, `/readyz` says
//! so, an incident `sink-down` begins). An open circuit only reports: trying goes on. The sink is
//! up again when none of its lanes is down.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{
    circuit::Circuit,
    outbox::{Due, Outbox},
    sink::{DeliverError, Delivery, Lane, Sink},
};
use crate::{
    domain::{Clock, EventContext, Meter, Metric, Outcome, Settled, SinkId},
    wire::backoff::{BACKOFF_MS_MAX, backoff},
};

/// The first wait between tries; see [`crate::wire::backoff`].
pub(super) const BACKOFF_MS_FIRST: u64 = 250;
/// An emergency that the other end refuses is asked for again this often.
const REFUSED_EMERGENCY_EVERY: Duration = Duration::from_secs(3600);
/// Emergencies that wait for their next try while newer ones are tried at once. More wait in
/// the store, where they are not lost.
const WAITING_MAX: usize = 256;

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
}

/// What became of a try that ended.
enum Done {
    /// The other end has answered for good; the ledger gets this outcome.
    Told(Outcome),
    /// The sink passed it over: delivered in the ledger, and no sign of whether the sink is up.
    Passed,
}

/// One that failed and is tried again at its time.
struct Waiting {
    due: Due,
    tries: u32,
    at: Instant,
    /// Refused, and asked again hourly: nothing queues behind it.
    refused: bool,
}

/// When a try is due, the oldest record goes (P2), and the one whose turn it was takes the oldest's
/// turn.
fn due_now(waiting: &mut Vec<Waiting>, at: Instant) -> Option<Waiting> {
    let fired = waiting.iter().position(|one| one.at == at)?;
    if waiting[fired].refused {
        return Some(waiting.remove(fired));
    }
    let in_line = waiting.iter().enumerate().filter(|(_, one)| !one.refused);
    let (oldest, _) = in_line.min_by_key(|(_, one)| one.due.seq)?;
    let turn = (waiting[fired].at, waiting[fired].tries);
    (waiting[fired].at, waiting[fired].tries) = (waiting[oldest].at, waiting[oldest].tries);
    (waiting[oldest].at, waiting[oldest].tries) = turn;
    Some(waiting.remove(oldest))
}

/// A new one goes at once, unless an older one of its incident waits: then that one does, and
/// the new one right after it.
fn in_turn(waiting: &mut [Waiting], due: Due) -> Waiting {
    let new = Waiting { due, tries: 0, at: Instant::now(), refused: false };
    let incident = new.due.record.incident.id;
    let older = waiting
        .iter()
        .enumerate()
        .filter(|(_, one)| !one.refused && one.due.record.incident.id == incident)
        .min_by_key(|(_, one)| one.due.seq)
        .map(|(at, _)| at);
    match older {
        Some(older) => std::mem::replace(&mut waiting[older], new),
        None => new,
    }
}

impl<S: Sink, O: Outbox> Courier<S, O> {
    /// Runs until it is dropped; whatever was in flight then is in the store still.
    pub async fn run(mut self) {
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut circuit = self.circuit.lane(self.lane.name());
        // Bulk keeps its order: nothing is taken while one waits for its next try.
        let waiting_max = if self.lane == Lane::Emergency { WAITING_MAX } else { 1 };
        loop {
            let next_try = waiting.iter().map(|one| one.at).min();
            let Waiting { due, tries, .. } = tokio::select! {
                // A new emergency is tried at once, whatever older ones wait for.
                due = self.outbox.next_due(&self.sink, self.lane), if waiting.len() < waiting_max => in_turn(&mut waiting, due),
                () = sleep_until(next_try.unwrap_or_else(far)), if next_try.is_some() => {
                    match next_try.and_then(|at| due_now(&mut waiting, at)) {
                        Some(one) => one,
                        None => continue,
                    }
                }
            };
            match self.attempt(&due).await {
                Ok(Done::Passed) => self.settle(&due, Outcome::Delivered, Metric::SinkPassed).await,
                Ok(Done::Told(outcome)) => {
                    let metric = match outcome {
                        Outcome::Delivered => Metric::Delivered,
                        _ => Metric::DeadLettered,
                    };
                    self.settle(&due, outcome, metric).await;
                    // The sink takes again: what waited for that leaves now, oldest first.
                    if circuit.works() {
                        let in_line = waiting.iter_mut().filter(|one| !one.refused);
                        in_line.for_each(|one| one.at = Instant::now());
                    }
                }
                Err((reason, after)) => {
                    self.meter.add(Metric::DeliveryFailures, self.sink.as_str(), 1);
                    circuit.failed(&reason);
                    let wait = after.unwrap_or_else(|| backoff(BACKOFF_MS_FIRST, tries));
                    waiting.push(Waiting {
                        due,
                        tries: tries.saturating_add(1),
                        at: Instant::now() + wait,
                        refused: after == Some(REFUSED_EMERGENCY_EVERY),
                    });
                }
            }
        }
    }

    /// Ok: how it is settled. Err: why it is not, and when to try again if the back-off does not decide that.
    async fn attempt(&mut self, due: &Due) -> Result<Done, (String, Option<Duration>)> {
        let event = self.context.event(&due.record);
        let body = serde_json::to_vec(&event)
            .map_err(|error| (format!("event cannot be written: {error}"), None))?;
        let kind = due.record.incident.kind.as_str();
        let at = self.clock.now().wall;
        let delivery = Delivery { event_id: event.id, kind, at, body: body.into() };
        let urgent = (self.lane == Lane::Emergency).then(|| self.circuit.urgent());
        let answer = self.connection.deliver(&delivery).await;
        drop(urgent);
        match answer {
            Ok(()) => Ok(Done::Told(Outcome::Delivered)),
            Err(DeliverError::Passed { why }) => {
                tracing::debug!(sink = %self.sink, event = delivery.event_id, why, "passed over");
                Ok(Done::Passed)
            }
            Err(DeliverError::Reject { answer }) if due.emergency => {
                tracing::error!(sink = %self.sink, event = delivery.event_id, answer, "an EMERGENCY was refused; asked again hourly");
                Err((format!("refuses an emergency: {answer}"), Some(REFUSED_EMERGENCY_EVERY)))
            }
            Err(DeliverError::Reject { answer }) => {
                tracing::error!(sink = %self.sink, event = delivery.event_id, answer, "refused for good; dead-lettered");
                Ok(Done::Told(Outcome::Dead { answer }))
            }
            Err(DeliverError::Retry { reason, after_ms }) => {
                tracing::debug!(sink = %self.sink, event = delivery.event_id, reason, "not delivered; again later");
                Err((reason, after_ms.map(|ms| Duration::from_millis(ms.min(BACKOFF_MS_MAX)))))
            }
        }
    }

    async fn settle(&mut self, due: &Due, outcome: Outcome, metric: Metric) {
        self.meter.add(metric, self.sink.as_str(), 1);
        let at = self.clock.now().wall;
        self.outbox.settle(Settled { sink: self.sink.clone(), change: due.seq, outcome, at }).await;
    }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}
