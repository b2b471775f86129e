//! All channels, tasks and capacities of a running gateway, on one screen.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Health, RealClock, Registry, cameras,
    couriers::{Couriers, subscribers},
    devices,
    doors::{Bound, Doors},
    eyes::Eyes,
    junction::{Ask, Junction},
    middle::{self, Middle},
    presence::Heart,
    progress::Progress,
    reload::House,
    room::RoomWatch,
    systemd::{self, Systemd},
    wakes::Wakes,
};
use crate::{
    config::{Config, Problem, env::Environment},
    domain::{Clock, DeviceTable, Envelope, Meter, SiteId},
    media::lean_memory,
    sources::Dialects,
    store::{self, Opened, Store},
};

/// Observations between sources and the junction. Full, a source waits, and so does its device.
const ENVELOPES_MAX: usize = 256;
/// Snapshots and clips that wait for the evidence worker.
const JOBS_MAX: usize = 64;
/// Those who ask for a reload, and wait for the one before them.
const RELOADS_MAX: usize = 4;
/// Configurations on their way to the junction: a reload waits until it has taken one.
const CONFIGS_MAX: usize = 1;
/// People who ask what the rules know.
const ASKS_MAX: usize = 16;
/// Everything must be down within 5 s of SIGTERM; the rest is for the process itself.
const STOP_WITHIN: Duration = Duration::from_millis(4_500);
/// A feed looks every 100 ms whether it should end; a decoder finishes its picture.
const FEEDS_CLOSE_WITHIN: Duration = Duration::from_millis(3_000);
/// The junction ticks four times a second; it may wait for the disk, which is watched itself.
const JUNCTION_STUCK_AFTER: Duration = Duration::from_secs(20);

/// What every part is given.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) site: SiteId,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) registry: Arc<Registry>,
    pub(super) health: Health,
    pub(super) envelopes: mpsc::Sender<Envelope>,
    /// How the devices of the latest configuration are read.
    pub(super) dialects: Dialects,
    pub(super) devices: devices::Seen,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) progress: Progress,
    pub(super) wakes: Arc<Wakes>,
}

/// Reads and checks the configuration anew.
pub type Reread = Box<dyn Fn() -> (Option<Config>, Vec<Problem>) + Send + Sync>;

/// Runs until SIGINT or SIGTERM. The error is one sentence. Without `reread` there is no file,
/// and so no reload.
pub fn run(
    config: Config,
    reread: Option<Reread>,
    environment: &dyn Environment,
) -> Result<(), String> {
    lean_memory();
    let clock = RealClock::start();
    let registry = Registry::new();
    let sinks = subscribers(&config.sinks);
    let meter: Arc<dyn Meter> = registry.clone();
    let systemd = Systemd::new(environment);
    let opened = store::open(&config.data, &sinks, meter).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let outcome = runtime.block_on(live(config, reread, systemd, opened, clock, registry));
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn live(
    config: Config,
    reread: Option<Reread>,
    systemd: Systemd,
    opened: Opened,
    clock: Arc<RealClock>,
    registry: Arc<Registry>,
) -> Result<(), String> {
    let Opened { store, restored, .. } = opened;
    let restored_at = clock.now();
    let context = middle::context(&config);
    let mut middle = Middle::new(&config, &context, restored_at);
    middle.desk.restore_devices(restored_at, devices::read(&config.data.path));
    let begun = middle.restore(restored_at, restored);

    let (stop_tell, stop) = watch::channel(false);
    let (envelopes, inbox) = mpsc::channel(ENVELOPES_MAX);
    let (jobs, work) = std::sync::mpsc::sync_channel(JOBS_MAX);
    let (configs, new_configs) = mpsc::channel(CONFIGS_MAX);
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (reloads, reloads_asked) = mpsc::channel(RELOADS_MAX);
    let (context_tell, context_told) = watch::channel(context.clone());
    let (dialects_tell, dialects) = watch::channel(Arc::new(middle::dialects(&config)));
    let (devices_tell, devices_seen) = watch::channel(Arc::new(DeviceTable::default()));
    let systemd = Arc::new(systemd);
    let shared = Shared {
        site: context.site.clone(),
        store: store.clone(),
        clock: clock.clone(),
        registry: registry.clone(),
        health: Health::default(),
        envelopes,
        dialects,
        devices: devices_seen.clone(),
        asks,
        progress: Progress::new(clock.clone()),
        wakes: Wakes::new(&config, registry.clone()),
    };

    let beat = shared.progress.part("the junction", JUNCTION_STUCK_AFTER);
    let junction =
        Junction::new(middle, Some(jobs), store.clone(), clock, registry, beat, devices_tell)
            .waking(shared.wakes.clone());
    let device_book = tokio::spawn(devices::keep(config.data.path.clone(), devices_seen));
    let junction = tokio::spawn(junction.run(begun, inbox, new_configs, asked, stop.clone()));
    let mut couriers = Couriers::new(Heart::start(&config.site, &context, &shared));
    config.sinks.iter().for_each(|sink| couriers.start(sink, &shared, &context));
    let mut doors = Doors::default();
    let intake = match &config.intake {
        Some(intake) => Some(Some(doors.bind_intake(None, intake, &shared).await?)),
        None => None,
    };
    let sl651 = match &config.weather.sl651 {
        Some(sl651) => Some(Some(doors.bind_sl651(None, sl651, &shared).await?)),
        None => None,
    };
    let bound = Bound { web: Some(doors.bind_web(None, &config).await?), intake, sl651 };
    doors.open(bound, &shared, &context_told, &reloads).await;
    config.mqtt.iter().for_each(|broker| doors.start_broker(broker, &shared));
    warn_if_plain(&config);
    let eyes = Eyes::start(&shared, &config, work)?;
    tokio::spawn(RoomWatch::new(&shared, config.data.path.clone()).run(stop.clone()));
    tokio::spawn(cameras::keep(shared.clone(), config.data.path.clone(), stop.clone()));
    start_watch(&shared, &systemd, stop);
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    // Without a file there is nothing to read anew: a closed terminal ends it, as usual.
    let hang_up = reread.as_ref().map(|_| listen(SignalKind::hangup())).transpose()?;
    doors.write_addresses(&config);
    tracing::info!(site = %shared.site, "gateway runs");
    systemd.ready();

    let mut house = House {
        config: Arc::new(config),
        shared,
        couriers,
        doors,
        eyes,
        configs,
        context: context_tell,
        dialects: dialects_tell,
        reloads,
        systemd: systemd.clone(),
        reread,
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = house.serve_reloads(reloads_asked, hang_up) => {}
    }
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(1);
    });
    tracing::info!("stopping; a second signal stops at once");
    systemd.stopping();
    let _ = stop_tell.send(true);
    house.doors.close();
    house.eyes.stop();
    house.couriers.leave();
    let graceful = async {
        let _ = junction.await;
        let _ = device_book.await;
        house.couriers.close().await;
        store.close().await
    };
    let (closed, ()) =
        tokio::join!(timeout(STOP_WITHIN, graceful), house.eyes.closed(FEEDS_CLOSE_WITHIN));
    match closed {
        Ok(Ok(())) => tracing::info!("stopped; everything acknowledged is on disk"),
        Ok(Err(error)) => tracing::error!(%error, "stopped, but the store could not write"),
        Err(_) => tracing::error!("stopped after {STOP_WITHIN:?} with work unfinished"),
    }
    let _ = std::fs::remove_file(house.config.data.path.join("run.json"));
    Ok(())
}

pub(super) fn warn_if_plain(config: &Config) {
    let web = &config.web;
    if web.tls_cert_file.is_none() && !web.listen.ip().is_loopback() {
        tracing::warn!(listen = %web.listen, "web: PLAIN HTTP BEYOND LOOPBACK, as configured; the token can be read on the way");
    }
}

fn start_watch(shared: &Shared, systemd: &Arc<Systemd>, stop: watch::Receiver<bool>) {
    let Shared { store, progress, health, .. } = shared.clone();
    tokio::spawn(systemd::ask_store(store, progress.clone(), stop.clone()));
    let systemd = systemd.clone();
    tokio::spawn(async move { systemd::watch(&systemd, progress, health, stop).await });
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("cannot listen for signals: {error}"))
}
