//! That the gateway is there: the pulse and the presence at each sink, with the facts that only we know.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Health, topology::Parts};
use crate::{
    domain::{HeartbeatFacts, HeartbeatSums},
    sinks::{Facts, Presence, Pulse},
    store::Store,
};

/// Each task ends by itself after the stop, within the time of its goodbye.
pub(super) fn start(parts: &Parts) -> Vec<JoinHandle<()>> {
    let run = Uuid::now_v7();
    let every = parts.config.site.heartbeat_s;
    let pulse = Pulse {
        context: parts.context.clone(),
        run,
        every: (every > 0).then(|| Duration::from_secs(every)),
        clock: parts.clock.clone(),
        facts: facts(parts.store.clone(), parts.health.clone()),
    };
    let beats = pulse.start();
    let at_sink = |sink: &crate::sinks::Config| {
        let presence = Presence {
            context: parts.context.clone(),
            run,
            clock: parts.clock.clone(),
            meter: parts.registry.clone(),
            beats: beats.clone(),
            stop: parts.stop.clone(),
        };
        tokio::spawn(presence.run(sink.clone()))
    };
    parts.config.sinks.iter().map(at_sink).collect()
}

fn facts(store: Store, health: Health) -> Facts {
    Arc::new(move || {
        let ledger = store.ledger();
        let mut faults = health.reasons();
        faults.extend(store.is_available().err().map(|reason| format!("store: {reason}")));
        let sums = |sink| {
            let sums = ledger.of(sink);
            HeartbeatSums {
                accepted: sums.accepted,
                delivered: sums.delivered,
                pending: sums.pending,
                dead: sums.dead,
                shed: sums.shed,
                lost: sums.lost,
            }
        };
        HeartbeatFacts {
            ledger: ledger.sinks.keys().map(|sink| (sink.clone(), sums(sink))).collect(),
            faults,
        }
    })
}
