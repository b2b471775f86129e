//! That the gateway is there: one source for all, a presence at each sink, with the facts that only we know.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use super::{heart::Heart, shared::Shared};
use crate::{
    base::{OwnRuntime, Readiness, supervised},
    config::SiteConfig,
    domain::{EventContext, HeartbeatFacts, HeartbeatSums, IdMint},
    sinks::{self, EncodedHeartbeat, GatherFacts, HeartbeatSettings, HeartbeatSource, Presence},
    store::Store,
};

/// The source of this run. It goes on while sinks come and leave, and its count with it.
pub(super) struct Heartbeats {
    run: Uuid,
    settings: watch::Sender<HeartbeatSettings>,
    beats: watch::Receiver<EncodedHeartbeat>,
}

/// A presence at work.
pub(super) struct PresenceTask {
    task: JoinHandle<()>,
    stop: watch::Sender<Option<String>>,
}

impl Heartbeats {
    /// Starts the heartbeat of this process.
    pub(super) fn start(
        site: &SiteConfig,
        context: &EventContext,
        shared: &Shared,
        heart: &Heart,
    ) -> Self {
        let run = IdMint::new(rand::random()).uuid(shared.clock.now());
        let (settings, receiver) = watch::channel(settings(site, context));
        let source = HeartbeatSource {
            run,
            settings: receiver,
            clock: shared.clock.clone(),
            facts: facts(shared.store.clone(), shared.readiness.clone()),
        };
        let (beats, work) = source.start();
        drop(heart.start("heartbeats", work));
        Self { run, settings, beats }
    }

    /// Takes another configuration. If its interval is the same, the running one goes on; else a new one
    /// begins now.
    pub(super) fn change(&self, site: &SiteConfig, context: &EventContext) {
        self.settings.send_replace(settings(site, context));
    }

    /// Begins to tell one sink that the gateway is there, on the thread of that sink.
    pub(super) fn at(
        &self,
        sink: &sinks::Config,
        (shared, own): (&Shared, &OwnRuntime),
        context: &EventContext,
    ) -> PresenceTask {
        let (stop, stopped) = watch::channel(None);
        let (run, heartbeats) = (self.run, self.beats.clone());
        let (shared, context, sink) = (shared.clone(), context.clone(), sink.clone());
        let readiness = shared.readiness.clone();
        let presence = move |_| {
            let presence = Presence {
                client_ids: shared.client_ids.clone(),
                context: context.clone(),
                run,
                clock: shared.clock.clone(),
                meter: shared.registry.clone(),
                heartbeats: heartbeats.clone(),
                stop: stopped.clone(),
            };
            presence.run(sink.clone())
        };
        let task = async move { supervised("a presence at a sink", &readiness, presence).await };
        PresenceTask { task: own.spawn(task), stop }
    }
}

impl PresenceTask {
    /// Begins its goodbye, which says why.
    pub(super) fn leave(&self, why: &str) {
        self.stop.send_replace(Some(why.into()));
    }

    /// Returns within the time of a goodbye.
    pub(super) async fn gone(self) {
        let _ = self.task.await;
    }
}

fn settings(site: &SiteConfig, context: &EventContext) -> HeartbeatSettings {
    let every = Some(site.heartbeat_s).filter(|seconds| *seconds > 0).map(Duration::from_secs);
    HeartbeatSettings { context: context.clone(), every }
}

fn facts(store: Store, readiness: Readiness) -> GatherFacts {
    Arc::new(move || {
        let ledger = store.ledger();
        let mut faults = readiness.reasons();
        faults.extend(readiness.notes());
        faults.extend(store.is_available().err().map(|reason| format!("store: {reason}")));
        let sums = |sink| {
            let sums = ledger.of(sink);
            HeartbeatSums {
                accepted: sums.accepted,
                delivered: sums.delivered,
                pending: sums.pending,
                dead: sums.dead,
                shed: sums.shed,
                superseded: sums.superseded,
                expired: sums.expired,
                lost: sums.lost,
            }
        };
        HeartbeatFacts {
            ledger: ledger.sinks.keys().map(|sink| (sink.clone(), sums(sink))).collect(),
            faults,
        }
    })
}
