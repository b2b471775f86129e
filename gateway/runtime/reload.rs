//! A change without a restart: read, compare, prepare what can fail, then touch only what differs.
//!
//! **I6** A reload reads the file, compares (`config/diff.rs`), prepares everything that can fail,
//! and only then touches what differs: each camera, sink, broker and listener is started and
//! stopped on its own. Rules keep what they have seen. A record or a piece that a stopped courier
//! held is due again, and what a removed sink is owed stays pending. The lanes, the evidence and
//! the presence of a sink start and stop together, with a goodbye; the heartbeat of the run goes
//! on, and so does its count.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::json;
use tokio::{
    signal::unix::Signal,
    sync::{mpsc, oneshot, watch},
};

use super::{
    applied,
    cameras_run::Cameras,
    console_backend::ReloadAsked,
    couriers::{Couriers, subscribers},
    from_config::{dialects, event_context},
    ingress::{BoundListeners, Ingress, warn_if_plain},
    junction::NewConfig,
    links, presence,
    shared::Shared,
    systemd::Systemd,
};
use crate::{
    base::lock,
    config::{Config, ConfigChange, Difference, Problem},
    console::Reloaded,
    domain::{EventContext, Meter, Metric},
    sources::codecs::Codecs,
};

/// Reads and checks the configuration anew.
pub type Reread = Box<dyn Fn() -> (Option<Config>, Vec<Problem>) + Send + Sync>;

/// How often it is asked whether a camera's thread hangs.
const HUNG_EVERY: Duration = Duration::from_secs(1);

/// Owns every part that can be started and stopped on its own.
pub(super) struct RunningGateway {
    /// The configuration that runs now.
    pub(super) config: Arc<Config>,
    /// What every part is given.
    pub(super) shared: Shared,
    /// To the sinks.
    pub(super) couriers: Couriers,
    /// Listeners and brokers.
    pub(super) ingress: Ingress,
    /// Cameras and drones.
    pub(super) cameras: Cameras,
    /// To the junction.
    pub(super) configs: mpsc::Sender<NewConfig>,
    /// What rendering an event needs; watched by the console.
    pub(super) context: watch::Sender<EventContext>,
    /// How devices are read; watched by the sources.
    pub(super) dialects: watch::Sender<Arc<Codecs>>,
    /// To this task, for the console.
    pub(super) reloads: mpsc::Sender<ReloadAsked>,
    /// Told of each reload.
    pub(super) systemd: Arc<Systemd>,
    /// Reads the file anew; none without a file.
    pub(super) reread: Option<Reread>,
}

/// A section that changed but could not be applied: its part goes on as before.
#[derive(Debug, Serialize)]
struct KeptSection {
    section: &'static str,
    why: String,
}

/// A reload for which everything that can fail has been done, and nothing has been changed yet.
struct Prepared {
    context: EventContext,
    bound: BoundListeners,
    kept: Vec<KeptSection>,
}

impl RunningGateway {
    /// Serves reloads, one after the other, for ever; and sets up the streams that cameras name.
    pub(super) async fn serve_reloads(
        &mut self,
        mut asked: mpsc::Receiver<ReloadAsked>,
        mut hang_up: Option<Signal>,
    ) {
        loop {
            let asked = tokio::select! {
                Some(asked) = asked.recv() => Some(asked),
                Some((camera, found)) = self.cameras.next_found() => {
                    self.cameras.take_found(&self.config, &camera, found);
                    continue;
                }
                () = tokio::time::sleep(HUNG_EVERY) => {
                    self.cameras.replace_hung(&self.config);
                    continue;
                }
                () = next(&mut hang_up) => None,
            };
            self.systemd.reloading();
            let confirmed = asked.as_ref().is_some_and(|asked| asked.confirmed);
            let reloaded = self.reload(confirmed).await;
            self.systemd.ready();
            applied::note_all(&self.shared, &self.config.data.path).await;
            let outcome = match &reloaded {
                Reloaded::Done(_) => "done",
                Reloaded::Wrong(_) => "wrong",
                Reloaded::Refused(_) | Reloaded::Stopping => "refused",
            };
            self.shared.registry.add(Metric::ConfigReloads, outcome, 1);
            if let Some(asked) = asked {
                let _ = asked.answer.send(reloaded);
            }
        }
    }

    async fn reload(&mut self, confirmed: bool) -> Reloaded {
        let Some(reread) = &self.reread else {
            let error = "there is no configuration file to read: this gateway was started by `gridpost watch`";
            tracing::error!("reload: {error}");
            return Reloaded::Refused(json!({ "applied": false, "error": error }));
        };
        // Blocks for the time of reading a few small files.
        let (config, problems) = tokio::task::block_in_place(reread);
        let Some(mut new) = config else { return wrong(problems) };
        for problem in &problems {
            tracing::warn!("reload: {problem}");
        }
        let difference = Difference::between(&self.config, &new);
        let frozen = difference.frozen();
        if !frozen.is_empty() {
            for sentence in &frozen {
                tracing::error!("reload: {sentence}");
            }
            tracing::error!("reload: refused; everything goes on as it was");
            return Reloaded::Refused(
                json!({ "applied": false, "error": frozen.join("; "), "difference": difference }),
            );
        }
        let losses = self.config.losses(&new);
        if !losses.is_empty() && !confirmed {
            return needs_a_second_word(&losses, &difference);
        }
        let prepared = self.prepare(&mut new, &difference).await;
        let kept = self.apply(new, prepared, &difference).await;
        if difference.is_empty() {
            tracing::info!("reload: nothing differs");
        }
        difference.0.iter().for_each(|item| tracing::info!("reload: {item}"));
        kept.iter().for_each(|kept| {
            tracing::error!("reload: {} goes on as it was: {}", kept.section, kept.why);
        });
        let warnings = problems;
        Reloaded::Done(
            json!({ "applied": true, "difference": difference, "kept": kept, "warnings": warnings }),
        )
    }

    /// Listeners: one that cannot be bound stays the old one, and `new` says so.
    async fn prepare(&mut self, new: &mut Config, difference: &Difference) -> Prepared {
        let mut kept = Vec::new();
        let mut bound = BoundListeners::default();
        if difference.of("web").next().is_some() {
            match self.ingress.bind_web(Some(&self.config), new).await {
                Ok(console) => bound.web = Some(console),
                Err(why) => {
                    new.keep_web(&self.config);
                    kept.push(KeptSection { section: "web", why });
                }
            }
        }
        if difference.of("intake").next().is_some() {
            let old = self.config.intake.as_ref();
            match &new.intake {
                None => bound.intake = Some(None),
                Some(config) => match self.ingress.bind_intake(old, config, &self.shared).await {
                    Ok(intake) => bound.intake = Some(Some(intake)),
                    Err(why) => {
                        new.keep_intake(&self.config);
                        kept.push(KeptSection { section: "intake", why });
                    }
                },
            }
        }
        if difference.of("sl651").next().is_some() {
            let old = self.config.weather.sl651.as_ref();
            match &new.weather.sl651 {
                None => bound.sl651 = Some(None),
                Some(config) => match self.ingress.bind_sl651(old, config, &self.shared).await {
                    Ok(stations) => bound.sl651 = Some(Some(stations)),
                    Err(why) => {
                        new.keep_sl651(&self.config);
                        kept.push(KeptSection { section: "sl651", why });
                    }
                },
            }
        }
        // Its list of places is made of the grids.
        let places = difference.changed("site", "", "grids")
            || difference.changed("site", "", "grids (its content)")
            || difference.changed("site", "", "name");
        if difference.of("reports").next().is_some() || (places && new.reports.is_some()) {
            match self.ingress.bind_reports(Some(&self.config), new).await {
                Ok(reports) => bound.reports = Some(reports),
                Err(why) => {
                    new.keep_reports(&self.config);
                    kept.push(KeptSection { section: "reports", why });
                }
            }
        }
        if difference.of("links").next().is_some() {
            let old = self.config.links.as_ref();
            match &new.links {
                None => bound.links = Some(None),
                Some(config) => match self.ingress.bind_links(old, config).await {
                    Ok(pages) => bound.links = Some(Some(pages)),
                    Err(why) => {
                        new.keep_links(&self.config);
                        kept.push(KeptSection { section: "links", why });
                    }
                },
            }
        }
        Prepared { context: event_context(new), bound, kept }
    }

    /// Applies it. Only starting a thread can fail; that is reported as a section that was kept.
    async fn apply(
        &mut self,
        new: Config,
        prepared: Prepared,
        difference: &Difference,
    ) -> Vec<KeptSection> {
        let Prepared { context, bound, mut kept } = prepared;
        let new = Arc::new(new);
        links::configure(&self.shared.links, &new, &self.shared.readiness);
        // First of all: whatever happens from now on is owed to the sinks of the new file.
        if difference.of("sink").next().is_some() {
            self.shared.store.set_sinks(subscribers(&new.sinks)).await;
        }
        let (done, taken) = oneshot::channel();
        let _ = self.configs.send(NewConfig { config: new.clone(), done }).await;
        let _ = taken.await;
        self.context.send_replace(context.clone());
        self.ingress.tell_site(&new);
        // No connection is touched by it: the next message is read so.
        presence::configure(&self.shared, &self.config, &new);
        let codecs = dialects(&new).with_presence(self.shared.presence.clone());
        self.dialects.send_replace(Arc::new(codecs));
        for item in difference.of("sink").filter(|item| item.change == ConfigChange::Removed) {
            let why = "removed from the configuration; what it is owed stays pending";
            self.couriers.stop(&item.id.as_str().into(), &self.shared, why).await;
        }
        self.couriers.beat(&new.site, &context);
        // Events carry the zone and the address of evidence: a courier has them from its start.
        let all = difference.changed("site", "", "timezone")
            || self.config.web.public_url != new.web.public_url;
        for sink in &new.sinks {
            let id = sink.id();
            if all || difference.of("sink").any(|item| item.id == id.as_str()) {
                self.couriers.stop(&id, &self.shared, "its configuration changed").await;
                self.couriers.start(sink, &self.shared, &context);
            }
        }
        let sensors = (["mqtt", "presence"].iter()).any(|one| difference.of(one).next().is_some());
        if sensors {
            self.ingress.stop_sensors(&self.config, &self.shared).await;
            self.ingress.start_sensors(&new, &self.shared);
        }
        for item in difference.of("mqtt") {
            self.ingress.stop_broker(&item.id, &self.shared).await;
            if let Some(broker) = new.mqtt.iter().find(|broker| broker.id == item.id) {
                self.ingress.start_broker(broker, &self.shared);
            }
        }
        if let Err(why) = self.cameras.change(&new, difference) {
            kept.push(KeptSection { section: "camera", why });
        }
        let moved = bound.web.is_some()
            || bound.intake.is_some()
            || bound.sl651.is_some()
            || bound.reports.is_some()
            || bound.links.is_some();
        let context = self.context.subscribe();
        self.ingress.open(bound, &self.shared, &context, &self.reloads).await;
        if moved {
            self.ingress.write_addresses(&new);
            warn_if_plain(&new);
        }
        applied::say(&self.shared, &new).await;
        *lock(&self.shared.running) = new.clone();
        self.config = new;
        kept
    }
}

/// The next SIGHUP; for ever where none is listened for.
async fn next(hang_up: &mut Option<Signal>) {
    match hang_up {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// A file that was cut off looks like one that wants less: whole parts go only when that is said twice.
fn needs_a_second_word(losses: &[String], difference: &Difference) -> Reloaded {
    let error = format!(
        "this would take away {}: ask again by POST /api/v1/reload?confirm=true, or restart; everything goes on as it was",
        losses.join(", ")
    );
    tracing::error!("reload: {error}");
    Reloaded::Refused(json!({
        "applied": false, "error": error, "removes": losses, "difference": difference,
    }))
}

/// Every problem as `check` tells it, in the log and in the answer.
fn wrong(problems: Vec<Problem>) -> Reloaded {
    for problem in &problems {
        tracing::error!("reload: {problem}");
    }
    let errors = problems.iter().filter(|problem| !problem.warning).count();
    let error = format!("{errors} error(s) in the new configuration; everything goes on as it was");
    tracing::error!("reload: {error}");
    Reloaded::Wrong(json!({ "applied": false, "error": error, "problems": problems }))
}
