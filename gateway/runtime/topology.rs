//! All channels, tasks and capacities of a running gateway, on one screen.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Health, RealClock, Registry,
    backend::Backend,
    eyes::Eyes,
    junction::Junction,
    middle::{self, Middle},
    outbox::StoreOutbox,
    presence,
    report::Reporter,
};
use crate::{
    config::Config,
    console::{self, Console},
    domain::{
        Body, Clock, Envelope, EventContext, Fault, Kind, Meter, Observation, Receipt, SinkId,
        SourceId, Stamp, StopFlag,
    },
    sinks::{Circuit, Courier, EvidenceCourier, Lane, Report},
    sources::{intake::Intake, mqtt},
    store::{self, Opened, Store},
};

/// Observations between sources and the junction. Full, a source waits, and so does its device.
const ENVELOPES_MAX: usize = 256;
/// Everything must be down within 5 s of SIGTERM; the rest is for the process itself.
const STOP_WITHIN: Duration = Duration::from_millis(4_500);
/// Snapshots and clips that wait for the evidence worker.
const JOBS_MAX: usize = 64;
/// Old evidence is looked for this often.
const TIDY_EVERY: Duration = Duration::from_secs(300);

/// What every part is given.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) registry: Arc<Registry>,
    pub(super) health: Health,
    pub(super) context: EventContext,
    envelopes: mpsc::Sender<Envelope>,
    pub(super) stop: watch::Receiver<bool>,
}

/// Runs until SIGINT or SIGTERM. The error is one sentence.
pub fn run(config: Config) -> Result<(), String> {
    let clock = RealClock::start();
    let registry = Registry::new();
    let sinks: Vec<SinkId> = config.sinks.iter().map(|sink| sink.id()).collect();
    let meter: Arc<dyn Meter> = registry.clone();
    let opened = store::open(&config.data, &sinks, meter).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let outcome = runtime.block_on(live(config, opened, clock, registry));
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn live(
    config: Config,
    opened: Opened,
    clock: Arc<RealClock>,
    registry: Arc<Registry>,
) -> Result<(), String> {
    let Opened { store, restored, .. } = opened;
    let (stop_tell, stop) = watch::channel(false);
    let (envelopes, inbox) = mpsc::channel(ENVELOPES_MAX);
    let context = middle::context(&config);
    let mut middle = Middle::new(&config, &context);
    let begun =
        middle.desk.restore(clock.now(), restored.live, &restored.presses, restored.replies);
    let parts = Parts {
        config,
        store: store.clone(),
        clock: clock.clone(),
        registry,
        health: Health::default(),
        context,
        envelopes,
        stop: stop.clone(),
    };
    let (jobs, work) = std::sync::mpsc::sync_channel(JOBS_MAX);
    let junction = Junction::new(middle, Some(jobs), store.clone(), clock, parts.registry.clone());
    let junction = tokio::spawn(junction.run(begun, inbox, stop));
    let couriers = start_couriers(&parts);
    let presences = presence::start(&parts);
    let addresses = parts.start_doors().await?;
    let stop_threads = StopFlag::default();
    let eyes = Eyes {
        config: &parts.config,
        store: parts.store.clone(),
        registry: parts.registry.clone(),
        health: parts.health.clone(),
        clock: parts.clock.clone(),
        report: Reporter { envelopes: parts.envelopes.clone(), clock: parts.clock.clone() },
        stop: stop_threads.clone(),
    };
    eyes.start(work)?;
    start_tidy(&parts);
    write_addresses(&parts, &addresses);
    tracing::info!(site = %parts.context.site, web = ?addresses.web, intake = ?addresses.intake, "gateway runs");
    drop(parts.envelopes);

    wait_for_stop().await?;
    tracing::info!("stopping; a second signal stops at once");
    let _ = stop_tell.send(true);
    stop_threads.raise();
    let graceful = async {
        let _ = junction.await;
        couriers.iter().for_each(tokio::task::JoinHandle::abort);
        for presence in presences {
            let _ = presence.await;
        }
        store.close().await
    };
    let closed = timeout(STOP_WITHIN, graceful).await;
    match closed {
        Ok(Ok(())) => tracing::info!("stopped; everything acknowledged is on disk"),
        Ok(Err(error)) => tracing::error!(%error, "stopped, but the store could not write"),
        Err(_) => tracing::error!("stopped after {STOP_WITHIN:?} with work unfinished"),
    }
    let _ = std::fs::remove_file(parts.config.data.path.join("run.json"));
    Ok(())
}

/// Where the doors are, for people and tests.
struct Addresses {
    web: Option<String>,
    intake: Option<String>,
}

impl Parts {
    async fn start_doors(&self) -> Result<Addresses, String> {
        let web = &self.config.web;
        let default = self.config.data.path.join("token");
        let token = console::load_or_make_token(web.token_file.as_ref().unwrap_or(&default))?;
        let console = Console::bind(web, token).await?;
        let mut addresses =
            Addresses { web: console.local_addr().map(|at| at.to_string()), intake: None };
        if web.tls_cert_file.is_none() && !web.listen.ip().is_loopback() {
            tracing::warn!(listen = %web.listen, "web: PLAIN HTTP BEYOND LOOPBACK, as configured; the token can be read on the way");
        }
        let backend = Backend {
            store: self.store.clone(),
            health: self.health.clone(),
            registry: self.registry.clone(),
            context: self.context.clone(),
            envelopes: self.envelopes.clone(),
            clock: self.clock.clone(),
        };
        tokio::spawn(console.serve(backend, self.stop.clone()));
        for config in &self.config.mqtt {
            let source = mqtt::Source {
                config: config.clone(),
                site: self.context.site.clone(),
                envelopes: self.envelopes.clone(),
                clock: self.clock.clone(),
                meter: self.registry.clone(),
            };
            tokio::spawn(source.run(self.stop.clone()));
        }
        if let Some(config) = &self.config.intake {
            let site = self.context.site.clone();
            let meter: Arc<dyn Meter> = self.registry.clone();
            let intake =
                Intake::bind(config, site, self.envelopes.clone(), self.clock.clone(), meter)
                    .await?;
            addresses.intake = intake.local_addr().map(|at| at.to_string());
            tokio::spawn(intake.serve(self.stop.clone()));
        }
        Ok(addresses)
    }
}

fn start_couriers(parts: &Parts) -> Vec<tokio::task::JoinHandle<()>> {
    let mut couriers = Vec::new();
    for sink in &parts.config.sinks {
        let meter: Arc<dyn Meter> = parts.registry.clone();
        let circuit = Circuit::new(sink.id(), meter, sink_report(parts, sink.id()));
        for lane in [Lane::Emergency, Lane::Bulk] {
            let courier = Courier {
                sink: sink.id(),
                lane,
                connection: sink.build(&parts.context.site, lane),
                outbox: StoreOutbox(parts.store.clone()),
                context: parts.context.clone(),
                clock: parts.clock.clone(),
                meter: parts.registry.clone(),
                circuit: circuit.clone(),
            };
            couriers.push(tokio::spawn(courier.run()));
        }
        if let Some(connection) = sink.uploader() {
            let courier = EvidenceCourier {
                sink: sink.id(),
                connection,
                outbox: StoreOutbox(parts.store.clone()),
                clock: parts.clock.clone(),
                meter: parts.registry.clone(),
                circuit,
            };
            couriers.push(tokio::spawn(courier.run()));
        }
    }
    couriers
}

/// A sink that is down is an incident like any other, and a reason not to be ready.
fn sink_report(parts: &Parts, sink: SinkId) -> Report {
    let envelopes = parts.envelopes.downgrade();
    let (clock, health) = (parts.clock.clone(), parts.health.clone());
    Arc::new(move |why: Option<String>| {
        let part = format!("sink {sink}");
        match &why {
            Some(why) => health.bad(&part, why),
            None => health.good(&part),
        }
        let Some(envelopes) = envelopes.upgrade() else { return };
        let fault = Fault {
            kind: Kind::SinkDown,
            broken: why.is_some(),
            text: why.unwrap_or_else(|| "works again".into()),
        };
        let observation = Observation {
            source: SourceId::from(sink.as_str()),
            stamp: Stamp::of_gateway(clock.now()),
            body: Body::Fault(fault),
        };
        tokio::spawn(async move {
            let _ = envelopes.send(Envelope { observation, receipt: Receipt::none() }).await;
        });
    })
}

fn start_tidy(parts: &Parts) {
    let (store, clock) = (parts.store.clone(), parts.clock.clone());
    let mut stop = parts.stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(TIDY_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let (store, now) = (store.clone(), clock.now());
            match tokio::task::spawn_blocking(move || store.tidy(now)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "old evidence could not be removed"),
                Err(error) => tracing::error!(%error, "tidy ended badly"),
            }
        }
    });
}

/// `run.json` in the data folder says where a running gateway listens; gone when it stops.
fn write_addresses(parts: &Parts, addresses: &Addresses) {
    let said =
        json!({ "pid": std::process::id(), "web": addresses.web, "intake": addresses.intake });
    let path = parts.config.data.path.join("run.json");
    let whole = path.with_extension("json.new");
    let written =
        std::fs::write(&whole, said.to_string()).and_then(|()| std::fs::rename(&whole, &path));
    if let Err(error) = written {
        tracing::warn!(%error, "run.json could not be written");
    }
}

/// The first signal stops gracefully, the second at once.
async fn wait_for_stop() -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(1);
    });
    Ok(())
}
