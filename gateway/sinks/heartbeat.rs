//! Heartbeats: one an interval, the same for all sinks; the newest replaces the one before.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use uuid::Uuid;

use crate::domain::{Clock, EventContext, HeartbeatFacts};

/// Gives what only the runtime knows, at each heartbeat. It must not block.
pub type GatherFacts = Arc<dyn Fn() -> HeartbeatFacts + Send + Sync>;

/// One heartbeat, ready to be sent.
#[derive(Clone, Debug, Default)]
pub struct EncodedHeartbeat {
    pub seq: u64,
    pub event_id: String,
    /// CloudEvents, structured JSON.
    pub body: Bytes,
}

/// What may change while heartbeats go on.
#[derive(Clone)]
pub struct HeartbeatSettings {
    pub context: EventContext,
    /// None: no heartbeats.
    pub every: Option<Duration>,
}

/// Makes the heartbeats. Not journaled: a late one is worth nothing.
pub struct HeartbeatSource {
    /// Of this process; `seq` counts on whatever the settings become.
    pub run: Uuid,
    pub settings: watch::Receiver<HeartbeatSettings>,
    pub clock: Arc<dyn Clock>,
    pub facts: GatherFacts,
}

impl HeartbeatSource {
    /// The newest heartbeat, and the work that makes them; the first comes after one interval. The
    /// work ends when nobody listens.
    pub fn start(
        mut self,
    ) -> (watch::Receiver<EncodedHeartbeat>, impl Future<Output = ()> + Send + 'static) {
        let (newest, receiver) = watch::channel(EncodedHeartbeat::default());
        let work = async move {
            let mut every = self.settings.borrow_and_update().every;
            let mut ticks = every.map(ticks);
            let mut seq = 0;
            loop {
                tokio::select! {
                    () = next(&mut ticks) => {}
                    changed = self.settings.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let new = self.settings.borrow_and_update().every;
                        if every != new {
                            (every, ticks) = (new, new.map(self::ticks));
                        }
                        continue;
                    }
                    () = newest.closed() => return,
                }
                seq += 1;
                match self.encode(seq) {
                    Ok(heartbeat) => drop(newest.send(heartbeat)),
                    Err(error) => tracing::error!(%error, "heartbeat cannot be written"),
                }
            }
        };
        (receiver, work)
    }

    fn encode(&self, seq: u64) -> Result<EncodedHeartbeat, serde_json::Error> {
        let context = self.settings.borrow().context.clone();
        let event = context.heartbeat(self.run, seq, self.clock.now(), (self.facts)());
        Ok(EncodedHeartbeat { seq, body: serde_json::to_vec(&event)?.into(), event_id: event.id })
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + every, every);
    // After the box slept, one heartbeat of now is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// For ever where there are none.
async fn next(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}
