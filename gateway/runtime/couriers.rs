//! What goes to each sink: two lanes, evidence and its presence, started and stopped together, without touching another sink's.

use std::{collections::BTreeMap, sync::Arc};

use tokio::task::JoinHandle;

use super::{
    heartbeat::{Heartbeats, PresenceTask},
    outbox::StoreOutbox,
    shared::Shared,
};
use crate::{
    config::SiteConfig,
    domain::{Body, Envelope, EventContext, Fault, Kind, Metric, Observation, SinkId, SourceId},
    sinks::{self, Circuit, Courier, EvidenceCourier, Lane, Report},
    store::Subscriber,
};

/// The sinks as the store sees them.
pub(super) fn subscribers(sinks: &[sinks::Config]) -> Vec<Subscriber> {
    let of = |sink: &sinks::Config| Subscriber { id: sink.id(), evidence: sink.carries_evidence() };
    sinks.iter().map(of).collect()
}

/// One courier at work.
struct CourierTask {
    task: JoinHandle<()>,
    outbox: StoreOutbox,
}

/// Everything that goes to one sink.
struct SinkTasks {
    couriers: Vec<CourierTask>,
    presence: PresenceTask,
}

/// All couriers by sink.
pub(super) struct Couriers {
    sinks: BTreeMap<SinkId, SinkTasks>,
    heartbeats: Heartbeats,
}

impl Couriers {
    /// No sinks yet.
    pub(super) fn new(heartbeats: Heartbeats) -> Self {
        Self { sinks: BTreeMap::new(), heartbeats }
    }

    /// Starts the couriers of a sink. It connects to nothing and so cannot fail.
    pub(super) fn start(
        &mut self,
        config: &sinks::Config,
        shared: &Shared,
        context: &EventContext,
    ) {
        let sink = config.id();
        let circuit = Circuit::new(sink.clone(), shared.registry.clone(), report(shared, &sink));
        let mut couriers = Vec::new();
        for lane in [Lane::Emergency, Lane::Bulk] {
            let outbox = StoreOutbox::new(shared.store.clone());
            let courier = Courier {
                sink: sink.clone(),
                lane,
                connection: config.build(&context.site, lane),
                outbox: outbox.clone(),
                context: context.clone(),
                clock: shared.clock.clone(),
                meter: shared.registry.clone(),
                circuit: circuit.clone(),
            };
            couriers.push(CourierTask { task: tokio::spawn(courier.run()), outbox });
        }
        if let Some(connection) = config.uploader() {
            let outbox = StoreOutbox::new(shared.store.clone());
            let courier = EvidenceCourier {
                sink: sink.clone(),
                connection,
                outbox: outbox.clone(),
                clock: shared.clock.clone(),
                meter: shared.registry.clone(),
                circuit,
            };
            couriers.push(CourierTask { task: tokio::spawn(courier.run()), outbox });
        }
        let presence = self.heartbeats.at(config, shared, context);
        self.sinks.insert(sink, SinkTasks { couriers, presence });
    }

    /// Stops the couriers of a sink. What they had in hand is due again. The sink's own fault is over,
    /// with the reason `why`, which is also the goodbye that the sink gets.
    pub(super) async fn stop(&mut self, sink: &SinkId, shared: &Shared, why: &str) {
        let Some(SinkTasks { couriers, presence }) = self.sinks.remove(sink) else { return };
        presence.leave(why);
        for CourierTask { task, outbox } in couriers {
            task.abort();
            let _ = task.await;
            outbox.give_back(sink);
        }
        shared.readiness.clear(&part(sink));
        shared.registry.forget(&[Metric::SinkUp], sink.as_str());
        let fault = Fault { kind: Kind::SinkDown, broken: false, text: why.into() };
        let _ = shared.envelopes.send(envelope(shared, sink, fault)).await;
        presence.gone().await;
    }

    /// Takes another configuration for heartbeats.
    pub(super) fn beat(&self, site: &SiteConfig, context: &EventContext) {
        self.heartbeats.change(site, context);
    }

    /// The gateway stops: goodbyes begin while the rest is finished.
    pub(super) fn leave(&self) {
        self.sinks.values().for_each(|sink| sink.presence.leave("stopped"));
    }

    /// Returns when the goodbyes are sent, or were given up.
    pub(super) async fn close(self) {
        let running = self.sinks.values().flat_map(|sink| &sink.couriers);
        running.for_each(|running| running.task.abort());
        for sink in self.sinks.into_values() {
            sink.presence.gone().await;
        }
    }
}

fn part(sink: &SinkId) -> String {
    format!("sink {sink}")
}

fn envelope(shared: &Shared, sink: &SinkId, fault: Fault) -> Envelope {
    let source = SourceId::from(sink.as_str());
    let now = shared.clock.now();
    Envelope::unacknowledged(Observation::of_gateway(source, now, Body::Fault(fault)))
}

/// A sink that is down is an incident like any other, and a reason not to be ready.
fn report(shared: &Shared, sink: &SinkId) -> Report {
    let (shared, sink) = (shared.clone(), sink.clone());
    Arc::new(move |why: Option<String>| {
        match &why {
            Some(why) => shared.readiness.not_ready(&part(&sink), why),
            None => shared.readiness.clear(&part(&sink)),
        }
        let fault = Fault {
            kind: Kind::SinkDown,
            broken: why.is_some(),
            text: why.unwrap_or_else(|| "works again".into()),
        };
        let (shared, envelope) = (shared.clone(), envelope(&shared, &sink, fault));
        tokio::spawn(async move {
            let _ = shared.envelopes.send(envelope).await;
        });
    })
}
