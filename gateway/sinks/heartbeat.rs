//! The pulse of the gateway: one heartbeat an interval for all sinks; the newest replaces the one before.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use uuid::Uuid;

use crate::domain::{Clock, EventContext, HeartbeatFacts};

/// What only the runtime knows, asked for at each beat. It must not block.
pub type Facts = Arc<dyn Fn() -> HeartbeatFacts + Send + Sync>;

/// One heartbeat, ready to be sent.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    pub seq: u64,
    pub event_id: String,
    /// CloudEvents, structured JSON.
    pub body: Bytes,
}

/// What may change while the pulse goes on.
#[derive(Clone)]
pub struct Rhythm {
    pub context: EventContext,
    /// None: no heartbeats.
    pub every: Option<Duration>,
}

/// Makes the heartbeats. Not journaled: a late one is worth nothing.
pub struct Pulse {
    /// Of this process; `seq` counts on whatever its rhythm becomes.
    pub run: Uuid,
    pub rhythm: watch::Receiver<Rhythm>,
    pub clock: Arc<dyn Clock>,
    pub facts: Facts,
}

impl Pulse {
    /// The newest heartbeat; the first comes after one interval. Ends when nobody listens.
    pub fn start(mut self) -> watch::Receiver<Beat> {
        let (tell, told) = watch::channel(Beat::default());
        tokio::spawn(async move {
            let mut every = self.rhythm.borrow_and_update().every;
            let mut ticks = every.map(ticks);
            let mut seq = 0;
            loop {
                tokio::select! {
                    () = next(&mut ticks) => {}
                    changed = self.rhythm.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let new = self.rhythm.borrow_and_update().every;
                        if every != new {
                            (every, ticks) = (new, new.map(self::ticks));
                        }
                        continue;
                    }
                    () = tell.closed() => return,
                }
                seq += 1;
                match self.beat(seq) {
                    Ok(beat) => drop(tell.send(beat)),
                    Err(error) => tracing::error!(%error, "heartbeat cannot be written"),
                }
            }
        });
        told
    }

    fn beat(&self, seq: u64) -> Result<Beat, serde_json::Error> {
        let context = self.rhythm.borrow().context.clone();
        let event = context.heartbeat(self.run, seq, self.clock.now(), (self.facts)());
        Ok(Beat { seq, body: serde_json::to_vec(&event)?.into(), event_id: event.id })
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
