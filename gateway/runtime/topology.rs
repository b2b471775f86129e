//! All channels, tasks and capacities of a running gateway, on one screen.
//!
//! **P6** Nothing upstream is needed to start: not the network, a camera, a broker or the model,
//! nor the tokens and certificates of sinks and brokers. Those are read when a connection is made,
//! and again when they change (`wire/file_stamp.rs`). A part that cannot work yet says so in
//! `/readyz` and tries again for ever.

use std::{
    future::Future,
    sync::{Arc, Mutex, mpsc::SyncSender},
    time::Duration,
};

use rustix::{fs::Mode, process::umask};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    account_notes, applied, camera_table,
    cameras_run::Cameras,
    console_backend::ReloadAsked,
    core::Core,
    couriers::{Couriers, subscribers},
    device_table,
    disk_watch::DiskWatch,
    from_config::{dialects, event_context, wake_plan},
    heart::{Heart, HeartEnded},
    heartbeat::Heartbeats,
    ingress::{BoundListeners, Ingress, warn_if_plain},
    junction::Junction,
    links,
    plate_seals::PlateSeals,
    platform_doors::Platforms,
    presence,
    reload::{Reread, RunningGateway},
    shared::{Shared, StreamUrlsByCamera},
    standing_table,
    systemd::{self, Systemd},
    track_feed::TrackFeed,
};
use crate::{
    base::ClientIds,
    base::{Progress, Readiness, RealClock, Registry, handles, supervised},
    camera::{LiveFeeds, WakeRouter},
    config::{Config, env::Environment},
    domain::{Clock, DeviceTable, EventContext, IdMint, Meter, Now},
    incident::{Effects, EvidenceJob},
    media::{leave, tune_allocator},
    sources::presence::PresenceTally,
    store::{self, Opened, Restored, Store},
};

/// Observations between sources and the junction. When it is full, a source waits, and its device too.
const ENVELOPES_MAX: usize = 256;
/// Snapshots and clips that wait for the evidence worker.
const JOBS_MAX: usize = 64;
/// Requests for a reload that wait for the one before them.
const RELOADS_MAX: usize = 4;
/// Configurations on their way to the junction: a reload waits until it has taken one.
const CONFIGS_MAX: usize = 1;
/// Requests for what the rules know of rain that wait.
const ASKS_MAX: usize = 16;
/// Everything must have ended within 5 s of SIGTERM; this leaves some time for the process itself.
const STOP_WITHIN: Duration = Duration::from_millis(4_500);
/// A feed checks every 100 ms whether it should end; a decoder finishes its picture.
const FEEDS_CLOSE_WITHIN: Duration = Duration::from_millis(3_000);
/// The junction ticks four times a second; it may wait for the disk, which is watched itself.
const JUNCTION_STUCK_AFTER: Duration = Duration::from_secs(20);

/// Runs until SIGINT or SIGTERM. The error is one sentence. Without `reread` there is no file,
/// and so no reload.
pub fn run(
    config: Config,
    reread: Option<Reread>,
    environment: &dyn Environment,
) -> Result<(), String> {
    tune_allocator();
    keep_files_private();
    presence::keep_memory_private(&config);
    let open_files = handles::raise();
    let clock = RealClock::start();
    let registry = Registry::new();
    let sinks = subscribers(&config.sinks);
    let meter: Arc<dyn Meter> = registry.clone();
    let systemd = Arc::new(Systemd::new(environment));
    tracing::debug!(open_files, "the bound of open files and sockets");
    // Before the store makes it: a box without a single record may have a session at a broker.
    let is_new = store::is_new(&config.data.path);
    let opened = store::open(&config.data, &sinks, meter).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let outcome = runtime.block_on(async {
        let signals = Signals::listen(reread.is_some())?;
        let parts =
            Parts::start(Arc::new(config), reread, systemd, (opened, is_new), clock, registry)
                .await?;
        parts.run_until_signal(signals).await
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// Whatever umask it was started with, nobody else on this box reads or writes what it makes; a group
/// that was let in by it may go on to read.
fn keep_files_private() {
    let before = umask(Mode::from_raw_mode(0o077));
    umask(before | Mode::from_raw_mode(0o027));
}

/// The signals that the process listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Without a file there is nothing to read anew: a closed terminal ends the process, as usual.
    hang_up: Option<Signal>,
}

impl Signals {
    fn listen(can_reload: bool) -> Result<Self, String> {
        let listen = |kind: SignalKind| {
            signal(kind).map_err(|error| format!("cannot listen for signals: {error}"))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: can_reload.then(|| listen(SignalKind::hangup())).transpose()?,
        })
    }
}

/// Everything that runs, and the channel by which it is stopped.
struct Parts {
    gateway: RunningGateway,
    reloads_asked: mpsc::Receiver<ReloadAsked>,
    stop: watch::Sender<bool>,
    junction: JoinHandle<()>,
    heart_ended: HeartEnded,
    /// The tables that are kept for the next start.
    books: [JoinHandle<()>; 2],
}

/// Writes the tables of the junction that the next start reads.
fn keep_books(
    config: &Config,
    devices: device_table::DeviceTableReader,
    junction: &Junction,
) -> [JoinHandle<()>; 2] {
    let data = config.data.path.clone();
    [
        tokio::spawn(standing_table::keep(data.clone(), junction.standing())),
        tokio::spawn(device_table::keep(data, devices)),
    ]
}

impl Parts {
    async fn start(
        config: Arc<Config>,
        reread: Option<Reread>,
        systemd: Arc<Systemd>,
        (opened, is_new): (Opened, bool),
        clock: Arc<RealClock>,
        registry: Arc<Registry>,
    ) -> Result<Self, String> {
        let Opened { store, restored, .. } = opened;
        let context = event_context(&config);
        let readiness = Readiness::default();
        let client_ids = ClientIds::open(&config.data.path, is_new, &readiness);
        let (core, begun) = core_as_before((&config, &store), &context, clock.now(), restored);

        let (stop_sender, stop) = watch::channel(false);
        let (envelopes, inbox) = mpsc::channel(ENVELOPES_MAX);
        let (jobs, work) = std::sync::mpsc::sync_channel(JOBS_MAX);
        let (configs, new_configs) = mpsc::channel(CONFIGS_MAX);
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let (reloads, reloads_asked) = mpsc::channel(RELOADS_MAX);
        let (context_sender, context_reader) = watch::channel(context.clone());
        let presence = PresenceTally::of(&config.presence, clock.now());
        let codecs = dialects(&config).with_presence(presence.clone());
        let (dialects_sender, dialects) = watch::channel(Arc::new(codecs));
        let (devices_sender, devices) = watch::channel(Arc::new(DeviceTable::default()));
        let shared = Shared {
            site: context.site.clone(),
            client_ids,
            store: store.clone(),
            clock: clock.clone(),
            registry: registry.clone(),
            readiness: readiness.clone(),
            envelopes,
            dialects,
            devices: devices.clone(),
            asks,
            progress: Progress::new(clock.clone()),
            stream_urls: StreamUrlsByCamera::default(),
            links: links::start(&config, &readiness),
            platforms: Platforms::at(&config.data.path, registry.clone(), readiness),
            running: Arc::new(Mutex::new(config.clone())),
            wakes: WakeRouter::new(wake_plan(&config), registry.clone()),
            live: LiveFeeds::default(),
            presence,
        };

        let track_feed = TrackFeed::start(&config, registry.clone(), clock.clone());
        let junction = with_services((core, jobs, clock), &shared, &config, devices_sender);
        let junction = junction.keeping_tracks(track_feed);
        let books = keep_books(&config, devices, &junction);
        let (heart, heart_ended) = Heart::new();
        let running = junction.run(begun, inbox, new_configs, asked, stop.clone());
        let junction = heart.start("the junction", running);
        heart.watch_writer(&shared.store);
        let heartbeats = Heartbeats::start(&config.site, &context, &shared, &heart);
        let couriers = start_couriers(Couriers::new(heartbeats), &config, &shared, &context);
        let mut ingress = ingress(&config, &shared, &context_reader, &reloads).await?;
        let cameras = Cameras::start(&shared, &config, work)?;
        start_watches(&shared, &config, &systemd, &stop);
        say_applied(&shared, &config, &reloads);
        ingress.write_addresses(&config);
        tracing::info!(site = %shared.site, "gateway runs");
        systemd.ready();

        let gateway = RunningGateway {
            config,
            shared,
            couriers,
            ingress,
            cameras,
            configs,
            context: context_sender,
            dialects: dialects_sender,
            reloads,
            systemd,
            reread,
        };
        Ok(Self { gateway, reloads_asked, stop: stop_sender, junction, heart_ended, books })
    }

    /// Serves reloads until SIGINT or SIGTERM; then all parts stop, those that take in first. The error
    /// is that the heart has ended by itself: which part, and why.
    async fn run_until_signal(mut self, signals: Signals) -> Result<(), String> {
        let Signals { mut terminate, mut interrupt, hang_up } = signals;
        let broken = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            () = self.gateway.serve_reloads(self.reloads_asked, hang_up) => None,
            why = self.heart_ended.first() => Some(why),
        };
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            leave(1);
        });
        match &broken {
            None => tracing::info!("stopping; a second signal stops at once"),
            Some(why) => tracing::error!(why, "THE GATEWAY ENDS, to be started anew"),
        }
        let RunningGateway { config, shared, couriers, ingress, cameras, systemd, .. } =
            self.gateway;
        systemd.stopping();
        let _ = self.stop.send(true);
        ingress.close();
        cameras.stop();
        couriers.leave();
        let store = shared.store.clone();
        let graceful = async {
            let _ = self.junction.await;
            for book in self.books {
                let _ = book.await;
            }
            couriers.close().await;
            store.close().await
        };
        let (closed, ()) =
            tokio::join!(timeout(STOP_WITHIN, graceful), cameras.closed(FEEDS_CLOSE_WITHIN));
        match closed {
            Ok(Ok(())) if broken.is_none() => {
                tracing::info!("stopped; everything acknowledged is on disk");
            }
            Ok(Ok(())) => tracing::error!("ended; what was in hand was not acknowledged"),
            Ok(Err(error)) => tracing::error!(%error, "stopped, but the store could not write"),
            Err(_) => tracing::error!("stopped after {STOP_WITHIN:?} with work unfinished"),
        }
        let _ = std::fs::remove_file(config.data.path.join("run.json"));
        broken.map_or(Ok(()), Err)
    }
}

/// Rules and desk, with what the journal and the tables beside it know; and what they do first.
fn core_as_before(
    (config, store): (&Config, &Store),
    context: &EventContext,
    now: Now,
    restored: Restored,
) -> (Core, Effects) {
    let mut core = Core::new(config, context, now, IdMint::new(rand::random()));
    core.seals = PlateSeals::of(store, config);
    core.desk.restore_devices(now, device_table::read(&config.data.path));
    core.rules.restore_standing(now.wall, &standing_table::read(&config.data.path));
    let begun = core.restore(now, restored);
    (core, begun)
}

/// What takes in, at work: listeners, and connections to brokers.
async fn ingress(
    config: &Config,
    shared: &Shared,
    context: &watch::Receiver<EventContext>,
    reloads: &mpsc::Sender<super::console_backend::ReloadAsked>,
) -> Result<Ingress, String> {
    let mut ingress = Ingress::of(config, shared.clock.clone());
    let (accounts, own) = (ingress.accounts(), shared.clone());
    watched(shared, "accounts", move |_| account_notes::keep(accounts.clone(), own.clone()));
    let bound = bind_all(&ingress, config, shared).await?;
    ingress.open(bound, shared, context, reloads).await;
    config.mqtt.iter().for_each(|broker| ingress.start_broker(broker, shared));
    ingress.start_sensors(config, shared);
    Ok(ingress)
}

/// Every listener of the configuration; the first one that cannot be bound is the error.
async fn bind_all(
    ingress: &Ingress,
    config: &Config,
    shared: &Shared,
) -> Result<BoundListeners, String> {
    warn_if_plain(config);
    let intake = match &config.intake {
        Some(intake) => Some(Some(ingress.bind_intake(None, intake, shared).await?)),
        None => None,
    };
    let sl651 = match &config.weather.sl651 {
        Some(sl651) => Some(Some(ingress.bind_sl651(None, sl651, shared).await?)),
        None => None,
    };
    let reports = Some(ingress.bind_reports(None, config).await?);
    let links = match &config.links {
        Some(links) => Some(Some(ingress.bind_links(None, links).await?)),
        None => None,
    };
    let web = Some(ingress.bind_web(None, config).await?);
    Ok(BoundListeners { web, intake, sl651, reports, links })
}

/// All that goes to the sinks of the configuration.
fn start_couriers(
    mut couriers: Couriers,
    config: &Config,
    shared: &Shared,
    context: &EventContext,
) -> Couriers {
    config.sinks.iter().for_each(|sink| couriers.start(sink, shared, context));
    couriers
}

/// Starts the tasks that watch the others: disk, figures of cameras, the store's answers, progress.
fn start_watches(
    shared: &Shared,
    config: &Config,
    systemd: &Arc<Systemd>,
    stop: &watch::Receiver<bool>,
) {
    let data = &config.data.path;
    tokio::spawn(DiskWatch::new(shared, data.clone()).run(stop.clone()));
    let (own, folder, ending) = (shared.clone(), data.clone(), stop.clone());
    let table = move |_| camera_table::keep(own.clone(), folder.clone(), ending.clone());
    watched(shared, "the table of cameras", table);
    let own = shared.clone();
    watched(shared, "the keys of links", move |_| links::watch(own.clone()));
    let own = shared.clone();
    watched(shared, "the count of devices", move |_| presence::keep(own.clone()));
    let Shared { store, progress, .. } = shared.clone();
    let (asking, ending) = (progress.clone(), stop.clone());
    let ask = move |_| systemd::ask_store(store.clone(), asking.clone(), ending.clone());
    watched(shared, "the question to the store", ask);
    let (systemd, stop, readiness) = (systemd.clone(), stop.clone(), shared.readiness.clone());
    watched(shared, "the watch over progress", move |_| {
        let (systemd, progress) = (systemd.clone(), progress.clone());
        let (readiness, stop) = (readiness.clone(), stop.clone());
        async move { systemd::watch(&systemd, progress, readiness, stop).await }
    });
}

/// The junction, with all that it wakes, notes and remembers.
fn with_services(
    (core, jobs, clock): (Core, SyncSender<EvidenceJob>, Arc<RealClock>),
    shared: &Shared,
    config: &Config,
    devices: watch::Sender<Arc<DeviceTable>>,
) -> Junction {
    let beat = shared.progress.part("the junction", JUNCTION_STUCK_AFTER);
    let Shared { store, registry, .. } = shared.clone();
    Junction::new(core, Some(jobs), store, clock, registry, beat, devices)
        .remembering_faults(&config.data.path)
        .waking(shared.wakes.clone())
        .noting(shared.readiness.clone())
}

/// What of `site.d` counts, who applied it, and who asks for a reload because of it.
fn say_applied(shared: &Shared, config: &Arc<Config>, reloads: &mpsc::Sender<ReloadAsked>) {
    let (saying, config_said) = (shared.clone(), config.clone());
    tokio::spawn(async move {
        applied::say(&saying, &config_said).await;
        applied::note_all(&saying, &config_said.data.path).await;
    });
    let (reloads, data) = (reloads.clone(), config.data.path.clone());
    watched(shared, "requests for a reload", move |_| {
        applied::serve(data.clone(), reloads.clone())
    });
}

/// Starts a watch that is started again, and told, if it ends by a fault.
fn watched<F: Future<Output = ()> + Send + 'static>(
    shared: &Shared,
    name: &'static str,
    make: impl FnMut(u32) -> F + Send + 'static,
) {
    let readiness = shared.readiness.clone();
    tokio::spawn(async move { supervised(name, &readiness, make).await });
}
