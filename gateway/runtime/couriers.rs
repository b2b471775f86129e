//! What goes to each sink: two lanes, evidence and its presence, started and stopped together, without touching another sink's.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::task::JoinHandle;

use super::{
    causes::StoredCauses,
    heartbeat::{Heartbeats, PresenceTask},
    home::HomeTask,
    outbox::StoreOutbox,
    platforms,
    shared::Shared,
};
use crate::{
    base::{OwnRuntime, supervised},
    config::SiteConfig,
    domain::{Body, Envelope, EventContext, Fault, Kind, Metric, Observation, SinkId, SourceId},
    sinks::{self, Circuit, Courier, EvidenceCourier, Floor, Lane, Report, SinkHealth, SinkLinks},
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
    /// A receiver may answer whatever it likes, and as much as it likes: reading that keeps nobody busy
    /// but the tasks of its own sink.
    own: OwnRuntime,
    couriers: Vec<CourierTask>,
    /// They take what its platform says.
    replies: Vec<JoinHandle<()>>,
    presence: PresenceTask,
    home: HomeTask,
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
        let floor = Floor::new(Arc::new(StoredCauses::new(shared)));
        let mut couriers = Vec::new();
        let own_thread = OwnRuntime::start(&format!("sink-{sink}"));
        let name = format!("a courier of sink {sink}");
        for lane in [Lane::Emergency, Lane::Bulk] {
            let outbox = StoreOutbox::new(shared.store.clone());
            let (own, sink, config) = (outbox.clone(), sink.clone(), config.clone());
            let (parts, context, circuit) = (shared.clone(), context.clone(), circuit.clone());
            let floor = floor.clone();
            let courier = move |ends| {
                own.begin(&sink, ends);
                let courier = Courier {
                    sink: sink.clone(),
                    lane,
                    connection: config.build(
                        (&context.site, &parts.client_ids),
                        lane,
                        (&parts.platforms.case_maps, &floor),
                    ),
                    outbox: own.clone(),
                    context: context.clone(),
                    clock: parts.clock.clone(),
                    meter: parts.registry.clone(),
                    circuit: circuit.clone(),
                    levels: config.levels().to_vec(),
                    roles: config.roles().to_vec(),
                    send_plates: config.sends_plates(),
                    links: config
                        .links()
                        .map(|link_for| SinkLinks { link_for, links: parts.links.clone() }),
                };
                courier.run()
            };
            couriers.push(CourierTask {
                task: start_again((shared, &own_thread), name.clone(), courier),
                outbox,
            });
        }
        if config.uploader().is_some() {
            let outbox = StoreOutbox::new(shared.store.clone());
            let (own, sink, config, parts) =
                (outbox.clone(), sink.clone(), config.clone(), shared.clone());
            let courier = move |ends| {
                own.begin(&sink, ends);
                let courier = config.uploader().map(|connection| EvidenceCourier {
                    sink: sink.clone(),
                    connection,
                    outbox: own.clone(),
                    clock: parts.clock.clone(),
                    meter: parts.registry.clone(),
                    circuit: circuit.clone(),
                });
                async move {
                    if let Some(courier) = courier {
                        courier.run().await;
                    }
                }
            };
            couriers.push(CourierTask {
                task: start_again((shared, &own_thread), name, courier),
                outbox,
            });
        }
        let presence = self.heartbeats.at(config, (shared, &own_thread), context);
        let home = HomeTask::start(config, (shared, &own_thread));
        let replies = platforms::start(config, (shared, &own_thread));
        self.sinks.insert(sink, SinkTasks { own: own_thread, couriers, replies, presence, home });
    }

    /// Stops the couriers of a sink. What they had in hand is due again. The sink's own fault is over,
    /// with the reason `why`, which is also the goodbye that the sink gets.
    pub(super) async fn stop(&mut self, sink: &SinkId, shared: &Shared, why: &str) {
        let Some(running) = self.sinks.remove(sink) else { return };
        let SinkTasks { own, couriers, replies, presence, home } = running;
        presence.leave(why);
        home.leave();
        platforms::stop(sink, shared);
        replies.iter().for_each(JoinHandle::abort);
        for CourierTask { task, outbox } in couriers {
            task.abort();
            let _ = task.await;
            outbox.give_back(sink);
        }
        shared.readiness.clear(&part(sink));
        shared.readiness.clear(&aside_part(sink));
        shared.registry.forget(&[Metric::SinkUp, Metric::SinkSetAside], sink.as_str());
        let fault = Fault { kind: Kind::SinkDown, broken: false, text: why.into() };
        let _ = shared.envelopes.send(envelope(shared, sink, fault)).await;
        presence.gone().await;
        home.gone().await;
        drop(own);
    }

    /// Takes another configuration for heartbeats.
    pub(super) fn beat(&self, site: &SiteConfig, context: &EventContext) {
        self.heartbeats.change(site, context);
    }

    /// The gateway stops: goodbyes begin while the rest is finished.
    pub(super) fn leave(&self) {
        self.sinks.values().for_each(|sink| {
            sink.presence.leave("stopped");
            sink.home.leave();
        });
    }

    /// Returns when the goodbyes are sent, or were given up.
    pub(super) async fn close(self) {
        let running = self.sinks.values().flat_map(|sink| &sink.couriers);
        running.for_each(|running| running.task.abort());
        for sink in self.sinks.into_values() {
            let SinkTasks { own: _own, presence, home, .. } = sink;
            presence.gone().await;
            home.gone().await;
        }
    }
}

/// A courier that ends by a fault is started again, and no other notices.
fn start_again<F: Future<Output = ()> + Send + 'static>(
    (shared, own): (&Shared, &OwnRuntime),
    name: String,
    courier: impl FnMut(u32) -> F + Send + 'static,
) -> JoinHandle<()> {
    let readiness = shared.readiness.clone();
    own.spawn(async move { supervised(&name, &readiness, courier).await })
}

fn part(sink: &SinkId) -> String {
    format!("sink {sink}")
}

fn aside_part(sink: &SinkId) -> String {
    format!("sink {sink}, set aside")
}

fn envelope(shared: &Shared, sink: &SinkId, fault: Fault) -> Envelope {
    let source = SourceId::from(sink.as_str());
    let now = shared.clock.now();
    Envelope::unacknowledged(Observation::of_gateway(source, now, Body::Fault(fault)))
}

/// A sink that is down, or does not take an emergency, is an incident like any other, from the first
/// reason to the last, and a reason not to be ready, which is always that of now.
fn report(shared: &Shared, sink: &SinkId) -> Report {
    let (shared, sink) = (shared.clone(), sink.clone());
    let broken = AtomicBool::new(false);
    Arc::new(move |health: &SinkHealth| {
        match &health.bad {
            Some(why) => shared.readiness.not_ready(&part(&sink), why),
            None => shared.readiness.clear(&part(&sink)),
        }
        match &health.note {
            Some(text) => shared.readiness.note(&aside_part(&sink), text),
            None => shared.readiness.clear(&aside_part(&sink)),
        }
        let is_broken = health.bad.is_some();
        if broken.swap(is_broken, Ordering::Relaxed) == is_broken {
            return;
        }
        let text = health.bad.clone().unwrap_or_else(|| "works again".into());
        let fault = Fault { kind: Kind::SinkDown, broken: is_broken, text };
        let (shared, envelope) = (shared.clone(), envelope(&shared, &sink, fault));
        tokio::spawn(async move {
            let _ = shared.envelopes.send(envelope).await;
        });
    })
}
