//! The couriers of each sink: two lanes, started and stopped together, without touching another sink's.

use std::{collections::BTreeMap, sync::Arc};

use tokio::task::JoinHandle;

use super::{outbox::StoreOutbox, topology::Shared};
use crate::{
    domain::{
        Body, Envelope, EventContext, Fault, Kind, Observation, Receipt, SinkId, SourceId, Stamp,
    },
    sinks::{self, AnySink, Courier, Lane, Report},
    store::Subscriber,
};

/// The sinks as the store sees them.
pub(super) fn subscribers(sinks: &[sinks::Config]) -> Vec<Subscriber> {
    sinks.iter().map(|sink| sink.id().into()).collect()
}

/// One lane at work.
struct Running {
    task: JoinHandle<()>,
    outbox: StoreOutbox,
}

/// A sink's connections, made and not used yet: making them can fail, starting them cannot.
pub(super) struct Built {
    sink: SinkId,
    connections: Vec<(Lane, AnySink)>,
}

impl Built {
    pub(super) fn sink(&self) -> &SinkId {
        &self.sink
    }

    /// The error names the sink.
    pub(super) fn new(config: &sinks::Config, context: &EventContext) -> Result<Self, String> {
        let sink = config.id();
        let build = |lane| Ok((lane, config.build(&context.site, lane)?));
        let connections = [Lane::Emergency, Lane::Bulk].into_iter().map(build).collect();
        let told = |error: String| format!("sink {sink}: {error}");
        Ok(Self { connections: Result::map_err(connections, told)?, sink })
    }
}

/// All couriers by sink.
#[derive(Default)]
pub(super) struct Couriers(BTreeMap<SinkId, Vec<Running>>);

impl Couriers {
    pub(super) fn start(&mut self, built: Built, shared: &Shared, context: &EventContext) {
        let Built { sink, connections } = built;
        let start = |(lane, connection)| {
            let outbox = StoreOutbox::new(shared.store.clone());
            let courier = Courier {
                sink: sink.clone(),
                lane,
                connection,
                outbox: outbox.clone(),
                context: context.clone(),
                clock: shared.clock.clone(),
                meter: shared.registry.clone(),
                report: report(shared, &sink),
            };
            Running { task: tokio::spawn(courier.run()), outbox }
        };
        let running = connections.into_iter().map(start).collect();
        self.0.insert(sink, running);
    }

    /// What the sink had in hand is due again; that it was down is over, with this reason.
    pub(super) async fn stop(&mut self, sink: &SinkId, shared: &Shared, why: &str) {
        for Running { task, outbox } in self.0.remove(sink).into_iter().flatten() {
            task.abort();
            let _ = task.await;
            outbox.give_back(sink);
        }
        shared.health.good(&part(sink));
        let fault = Fault { kind: Kind::SinkDown, broken: false, text: why.into() };
        let _ = shared.envelopes.send(envelope(shared, sink, fault)).await;
    }

    pub(super) fn abort(&self) {
        self.0.values().flatten().for_each(|running| running.task.abort());
    }
}

fn part(sink: &SinkId) -> String {
    format!("sink {sink}")
}

fn envelope(shared: &Shared, sink: &SinkId, fault: Fault) -> Envelope {
    let observation = Observation {
        source: SourceId::from(sink.as_str()),
        stamp: Stamp::of_gateway(shared.clock.now()),
        body: Body::Fault(fault),
    };
    Envelope { observation, receipt: Receipt::none() }
}

/// A sink that is down is an incident like any other, and a reason not to be ready.
fn report(shared: &Shared, sink: &SinkId) -> Report {
    let (shared, sink) = (shared.clone(), sink.clone());
    Arc::new(move |why: Option<String>| {
        match &why {
            Some(why) => shared.health.bad(&part(&sink), why),
            None => shared.health.good(&part(&sink)),
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
