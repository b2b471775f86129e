//! The pulse of the gateway: one heartbeat an interval for all sinks; the newest replaces the one before.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
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

/// Makes the heartbeats. Not journaled: a late one is worth nothing.
pub struct Pulse {
    pub context: EventContext,
    /// Of this process.
    pub run: Uuid,
    /// None: no heartbeats.
    pub every: Option<Duration>,
    pub clock: Arc<dyn Clock>,
    pub facts: Facts,
}

impl Pulse {
    /// The newest heartbeat; the first comes after one interval. Ends when nobody listens.
    pub fn start(self) -> watch::Receiver<Beat> {
        let (tell, told) = watch::channel(Beat::default());
        tokio::spawn(async move {
            let Some(every) = self.every else { return tell.closed().await };
            let mut ticks = interval_at(Instant::now() + every, every);
            // After the box slept, one heartbeat of now is enough.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut seq = 0;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
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
        let event = self.context.heartbeat(self.run, seq, self.clock.now(), (self.facts)());
        Ok(Beat { seq, body: serde_json::to_vec(&event)?.into(), event_id: event.id })
    }
}
