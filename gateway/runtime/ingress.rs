//! Where devices and people come in: brokers, the intake, stations, the web; each starts and stops on its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use super::{
    camera_stills::CameraStills,
    console_backend::{ConsoleBackend, ReloadAsked},
    resident_reports::{KnownReports, ReportDoor, listed_places},
    shared::Shared,
    site_facts::SiteFacts,
};
use crate::{
    base::{OwnRuntime, Sync, Task, stopped, write_whole},
    config::Config,
    console::{self, Console, ConsoleKeys, LinkPages, LinksConfig, LogIns, reports::Reports},
    domain::{
        Body, Clock, DeviceReport, DeviceStatus, Envelope, EventContext, Fault, Kind, Meter,
        Observation,
    },
    sources::{
        intake::{self, Intake},
        mqtt,
        sl651::{self, Stations},
    },
};

/// Between two tries to write where it listens.
const ADDRESSES_AGAIN: Duration = Duration::from_secs(5);

/// A listener that is open.
struct Listener {
    task: Task,
    socket: Arc<TcpListener>,
}

impl Listener {
    fn address(&self) -> Option<String> {
        self.socket.local_addr().ok().map(|at| at.to_string())
    }
}

/// Listeners that are bound and not served yet: binding can fail, serving cannot.
#[derive(Default)]
pub(super) struct BoundListeners {
    /// The console.
    pub(super) web: Option<Console>,
    /// `Some(None)`: it is to be closed.
    pub(super) intake: Option<Option<Intake>>,
    /// As `intake`.
    pub(super) sl651: Option<Option<Stations>>,
    /// As `intake`.
    pub(super) reports: Option<Option<Reports>>,
    pub(super) links: Option<Option<LinkPages>>,
}

/// All listeners and brokers that are open.
pub(super) struct Ingress {
    /// Who asks for figures and lists again and again takes nothing from presses. It stays as long as
    /// the gateway runs: the answer to a reload goes out on it.
    web_thread: OwnRuntime,
    /// Whoever floods the public page takes nothing from anybody else.
    reports_thread: Option<OwnRuntime>,
    known_reports: Arc<KnownReports>,
    /// Strangers of the internet take nothing from those who have the token; none before it is needed.
    links_thread: Option<OwnRuntime>,
    web: Option<Listener>,
    reports: Option<Listener>,
    /// Who is logged in stays so over a reload.
    log_ins: LogIns,
    /// By which certificates are made.
    clock: Arc<dyn Clock>,
    /// What the page says of the site itself.
    site_facts: watch::Sender<Arc<SiteFacts>>,
    intake: Option<Listener>,
    sl651: Option<Listener>,
    links: Option<Listener>,
    stills: CameraStills,
    brokers: BTreeMap<String, Task>,
    /// Writes `run.json`, as long as that fails.
    addresses: Option<Task>,
}

impl Ingress {
    /// Nothing is open yet.
    pub(super) fn of(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            web_thread: OwnRuntime::start("web"),
            reports_thread: None,
            known_reports: Arc::default(),
            links_thread: None,
            web: None,
            reports: None,
            log_ins: LogIns::at(&config.data.path, clock.clone()),
            clock,
            site_facts: watch::Sender::new(Arc::new(SiteFacts::of(config))),
            intake: None,
            sl651: None,
            links: None,
            stills: CameraStills::default(),
            brokers: BTreeMap::new(),
            addresses: None,
        }
    }

    /// Who has an account.
    pub(super) fn accounts(&self) -> console::Accounts {
        self.log_ins.accounts().clone()
    }

    /// Binds the console. If the address is the same, the open socket is used again, without a gap.
    pub(super) async fn bind_web(
        &self,
        old: Option<&Config>,
        new: &Config,
    ) -> Result<Console, String> {
        let default = new.data.path.join("token");
        let token = console::load_or_make_token(new.web.token_file.as_ref().unwrap_or(&default))?;
        let keys = ConsoleKeys { token, data: &new.data.path, now: self.clock.now().wall };
        let same = old.is_some_and(|old| old.web.listen == new.web.listen);
        match self.web.as_ref().filter(|_| same) {
            Some(listener) => Console::on(listener.socket.clone(), &new.web, keys),
            None => Console::bind(&new.web, keys).await,
        }
    }

    /// Binds `[intake]`, if it is configured and differs.
    pub(super) async fn bind_intake(
        &self,
        old: Option<&intake::Config>,
        new: &intake::Config,
        shared: &Shared,
    ) -> Result<Intake, String> {
        let given = intake::Given {
            dialects: shared.dialects.clone(),
            envelopes: shared.envelopes.clone(),
            clock: shared.clock.clone(),
            meter: shared.registry.clone(),
            readiness: shared.readiness.clone(),
        };
        let same = old.is_some_and(|old| old.listen == new.listen);
        match self.intake.as_ref().filter(|_| same) {
            Some(listener) => Intake::on(listener.socket.clone(), new, given),
            None => Intake::bind(new, given).await,
        }
    }

    /// Binds `[sl651]`, if it is configured and differs.
    pub(super) async fn bind_sl651(
        &self,
        old: Option<&sl651::Config>,
        new: &sl651::Config,
        shared: &Shared,
    ) -> Result<Stations, String> {
        let meter: Arc<dyn Meter> = shared.registry.clone();
        let (envelopes, clock) = (shared.envelopes.clone(), shared.clock.clone());
        let same = old.is_some_and(|old| old.listen == new.listen);
        match self.sl651.as_ref().filter(|_| same) {
            Some(listener) => {
                Ok(Stations::on(listener.socket.clone(), new, envelopes, clock, meter))
            }
            None => Stations::bind(new, envelopes, clock, meter).await,
        }
    }

    /// Binds the public page of `[reports]`, if it is configured.
    pub(super) async fn bind_reports(
        &self,
        old: Option<&Config>,
        new: &Config,
    ) -> Result<Option<Reports>, String> {
        let Some(config) = &new.reports else { return Ok(None) };
        let (places, name) = (listed_places(new), new.site.name.as_str());
        let listened = old.and_then(|old| old.reports.as_ref()).map(|old| old.listen);
        match self.reports.as_ref().filter(|_| listened == Some(config.listen)) {
            Some(listener) => Reports::on(listener.socket.clone(), config, name, places),
            None => Reports::bind(config, name, places).await,
        }
        .map(Some)
    }

    /// Binds `[links]`, if it is configured and differs.
    pub(super) async fn bind_links(
        &self,
        old: Option<&LinksConfig>,
        new: &LinksConfig,
    ) -> Result<LinkPages, String> {
        let same = old.is_some_and(|old| old.listen == new.listen);
        match self.links.as_ref().filter(|_| same) {
            Some(listener) => LinkPages::on(listener.socket.clone(), new),
            None => LinkPages::bind(new).await,
        }
    }

    /// The page speaks of the site as this configuration does from now on.
    pub(super) fn tell_site(&self, config: &Config) {
        self.site_facts.send_replace(Arc::new(SiteFacts::of(config)));
    }

    /// Opens the new listeners, then closes the old ones; devices connect anew and send again what was
    /// not acknowledged.
    pub(super) async fn open(
        &mut self,
        bound: BoundListeners,
        shared: &Shared,
        context: &watch::Receiver<EventContext>,
        reloads: &mpsc::Sender<ReloadAsked>,
    ) {
        if let Some(intake) = bound.intake {
            let new = intake.map(|intake| Listener {
                socket: intake.listener(),
                task: Task::start(|stop| intake.serve(stop)),
            });
            if let Some(old) = std::mem::replace(&mut self.intake, new) {
                old.task.end().await;
            }
        }
        if let Some(stations) = bound.sl651 {
            let new = stations.map(|stations| Listener {
                socket: stations.listener(),
                task: Task::start(|stop| stations.serve(stop)),
            });
            if let Some(old) = std::mem::replace(&mut self.sl651, new) {
                old.task.end().await;
            }
        }
        if let Some(reports) = bound.reports {
            self.open_reports(reports, shared, context).await;
        }
        let backend = ConsoleBackend {
            store: shared.store.clone(),
            readiness: shared.readiness.clone(),
            registry: shared.registry.clone(),
            context: context.clone(),
            devices: shared.devices.clone(),
            envelopes: shared.envelopes.clone(),
            clock: shared.clock.clone(),
            reloads: reloads.clone(),
            running: shared.running.clone(),
            asks: shared.asks.clone(),
            platforms: shared.platforms.clone(),
            links: shared.links.clone(),
            step_pictures: Arc::default(),
            site_facts: self.site_facts.subscribe(),
            live: shared.live.clone(),
            presence: shared.presence.clone(),
            stills: self.stills.clone(),
            stream_urls: shared.stream_urls.clone(),
            looked: Arc::default(),
        };
        if let Some(pages) = bound.links {
            let (backend, readiness) = (backend.clone(), shared.readiness.clone());
            let thread = &mut self.links_thread;
            let new = pages.map(|pages| {
                let own = thread.get_or_insert_with(|| OwnRuntime::start("links"));
                let socket = pages.listener();
                let task = Task::start_on(own, |stop| pages.serve(backend, readiness, stop));
                Listener { task, socket }
            });
            if let Some(old) = std::mem::replace(&mut self.links, new) {
                old.task.stop();
            }
        }
        if let Some(console) = bound.web {
            let socket = console.listener();
            let readiness = shared.readiness.clone();
            let log_ins = self.log_ins.clone();
            let task = Task::start_on(&self.web_thread, |stop| {
                console.serve(backend, log_ins, readiness, stop)
            });
            // Not waited for: a connection of it may be the one that asked for this.
            if let Some(old) = self.web.replace(Listener { task, socket }) {
                old.task.stop();
            }
        }
    }

    /// Opens the page anew, or closes it; its thread is there from the first page on.
    async fn open_reports(
        &mut self,
        reports: Option<Reports>,
        shared: &Shared,
        context: &watch::Receiver<EventContext>,
    ) {
        let new = reports.map(|reports| {
            let thread = self.reports_thread.get_or_insert_with(|| OwnRuntime::start("reports"));
            let (socket, readiness) = (reports.listener(), shared.readiness.clone());
            let door = ReportDoor::open(shared, context, &self.known_reports);
            let task = Task::start_on(thread, |stop| reports.serve(door, readiness, stop));
            Listener { task, socket }
        });
        if let Some(old) = std::mem::replace(&mut self.reports, new) {
            old.task.end().await;
        }
    }

    /// Connects to a broker that devices use.
    pub(super) fn start_broker(&mut self, config: &mqtt::Config, shared: &Shared) {
        self.connect(config, shared, false);
    }

    fn connect(&mut self, config: &mqtt::Config, shared: &Shared, sensors: bool) {
        let source = mqtt::Source {
            config: config.clone(),
            site: shared.site.clone(),
            client_ids: shared.client_ids.clone(),
            dialects: shared.dialects.clone(),
            envelopes: shared.envelopes.clone(),
            clock: shared.clock.clone(),
            meter: shared.registry.clone(),
            readiness: shared.readiness.clone(),
            sensors,
        };
        self.brokers.insert(config.id.clone(), Task::start(|stop| source.run(stop)));
    }

    /// Connects once more to each broker at which Wi-Fi sensors speak.
    pub(super) fn start_sensors(&mut self, config: &Config, shared: &Shared) {
        for broker in &config.mqtt {
            let of_broker =
                config.presence.iter().filter(|place| place.broker.as_ref() == Some(&broker.id));
            let topics: Vec<String> = of_broker.flat_map(|place| place.topics.clone()).collect();
            if !topics.is_empty() {
                self.connect(&broker.for_sensors(topics), shared, true);
            }
        }
    }

    /// Disconnects from them; nothing waits for us there.
    pub(super) async fn stop_sensors(&mut self, old: &Config, shared: &Shared) {
        for broker in &old.mqtt {
            self.stop_broker(&mqtt::sensors_of(&broker.id), shared).await;
        }
    }

    /// Disconnects from a broker. The session there stays: what was not acknowledged comes again later.
    /// What was said of it is taken back.
    pub(super) async fn stop_broker(&mut self, id: &str, shared: &Shared) {
        let Some(task) = self.brokers.remove(id) else { return };
        task.end().await;
        shared.readiness.clear(&mqtt::part(id));
        shared.readiness.clear(&mqtt::set_aside_part(id));
        shared.readiness.clear(&mqtt::claims_part(id));
        let there = DeviceReport {
            word: DeviceStatus::Online,
            hub: true,
            via: id.into(),
            ..DeviceReport::default()
        };
        let text = format!("broker {id}: its configuration changed");
        let right = Fault { kind: Kind::DeviceFault, broken: false, text };
        for body in [Body::Device(there), Body::Fault(right)] {
            let said = Observation::of_gateway(id.into(), shared.clock.now(), body);
            let _ = shared.envelopes.send(Envelope::unacknowledged(said)).await;
        }
    }

    /// Tells all to stop, and does not wait.
    pub(super) fn close(&self) {
        let all = [&self.web, &self.reports, &self.links, &self.intake, &self.sl651];
        let ingress = all.into_iter().flatten().map(|listener| &listener.task);
        ingress.chain(self.brokers.values()).chain(&self.addresses).for_each(Task::stop);
    }

    /// Writes `run.json` into the data folder: where the running gateway listens. It is removed when the
    /// gateway stops.
    pub(super) fn write_addresses(&mut self, config: &Config) {
        let (web, intake) = (
            self.web.as_ref().and_then(Listener::address),
            self.intake.as_ref().and_then(Listener::address),
        );
        let sl651 = self.sl651.as_ref().and_then(Listener::address);
        let reports = self.reports.as_ref().and_then(Listener::address);
        let links = self.links.as_ref().and_then(Listener::address);
        tracing::info!(site = config.site.id, ?web, ?intake, ?sl651, ?reports, ?links, "listens");
        let addresses = json!({
            "pid": std::process::id(), "web": web, "intake": intake, "sl651": sl651,
            "reports": reports, "links": links,
        });
        let path = config.data.path.join("run.json");
        self.addresses.take().iter().for_each(Task::stop);
        if let Err(error) = write_whole(&path, addresses.to_string().as_bytes(), Sync::No) {
            tracing::warn!(%error, "run.json could not be written; tried until it can");
            // On a disk that is full there will be room again.
            let written = move |mut stop| async move {
                let again = async {
                    let text = addresses.to_string();
                    while write_whole(&path, text.as_bytes(), Sync::No).is_err() {
                        tokio::time::sleep(ADDRESSES_AGAIN).await;
                    }
                };
                tokio::select! { () = again => {}, () = stopped(&mut stop) => {} }
            };
            self.addresses = Some(Task::start(written));
        }
    }
}

/// Warns about plain HTTP beyond loopback, which the configuration asks for.
pub(super) fn warn_if_plain(config: &Config) {
    let web = &config.web;
    if web.is_plain() && !web.listen.ip().is_loopback() {
        tracing::warn!(listen = %web.listen, "web: PLAIN HTTP BEYOND LOOPBACK, as configured; the token can be read on the way");
    }
    let plain = |reports: &&console::reports::Config| reports.tls_cert_file.is_none();
    let reports = config.reports.as_ref().filter(plain);
    if let Some(reports) = reports.filter(|reports| !reports.listen.ip().is_loopback()) {
        tracing::warn!(listen = %reports.listen, "reports: PLAIN HTTP BEYOND LOOPBACK, as configured; reports can be read on the way");
    }
}
