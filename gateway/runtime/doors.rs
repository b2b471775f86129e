//! Where devices and people come in: brokers, the intake, the web; each starts and stops on its own.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    backend::{Backend, ReloadAsked},
    topology::Shared,
};
use crate::{
    config::Config,
    console::{self, Console},
    domain::{EventContext, Meter},
    sources::{
        intake::{self, Intake},
        mqtt,
        sl651::{self, Stations},
    },
};

/// A task with a word of its own to stop.
struct Task {
    stop: watch::Sender<bool>,
    handle: JoinHandle<()>,
}

impl Task {
    fn start<F: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        let (stop, told) = watch::channel(false);
        Self { stop, handle: tokio::spawn(work(told)) }
    }

    fn tell(&self) {
        self.stop.send_replace(true);
    }

    async fn end(self) {
        self.tell();
        let _ = self.handle.await;
    }
}

struct Door {
    task: Task,
    listener: Arc<TcpListener>,
}

impl Door {
    fn address(&self) -> Option<String> {
        self.listener.local_addr().ok().map(|at| at.to_string())
    }
}

/// What is new and bound, and not open yet: binding can fail, opening cannot.
#[derive(Default)]
pub(super) struct Bound {
    pub(super) web: Option<Console>,
    /// `Some(None)`: there is none any more.
    pub(super) intake: Option<Option<Intake>>,
    /// As `intake`.
    pub(super) sl651: Option<Option<Stations>>,
}

/// All doors that are open.
#[derive(Default)]
pub(super) struct Doors {
    web: Option<Door>,
    intake: Option<Door>,
    sl651: Option<Door>,
    brokers: BTreeMap<String, Task>,
}

impl Doors {
    /// On the listener that is there, if the address is the same: then there is no gap.
    pub(super) async fn bind_web(
        &self,
        old: Option<&Config>,
        new: &Config,
    ) -> Result<Console, String> {
        let default = new.data.path.join("token");
        let token = console::load_or_make_token(new.web.token_file.as_ref().unwrap_or(&default))?;
        let same = old.is_some_and(|old| old.web.listen == new.web.listen);
        match self.web.as_ref().filter(|_| same) {
            Some(door) => Console::on(door.listener.clone(), &new.web, token),
            None => Console::bind(&new.web, token).await,
        }
    }

    pub(super) async fn bind_intake(
        &self,
        old: Option<&intake::Config>,
        new: &intake::Config,
        shared: &Shared,
    ) -> Result<Intake, String> {
        let meter: Arc<dyn Meter> = shared.registry.clone();
        let (dialects, envelopes) = (shared.dialects.clone(), shared.envelopes.clone());
        let same = old.is_some_and(|old| old.listen == new.listen);
        match self.intake.as_ref().filter(|_| same) {
            Some(door) => {
                let listener = door.listener.clone();
                Intake::on(listener, new, dialects, envelopes, shared.clock.clone(), meter)
            }
            None => Intake::bind(new, dialects, envelopes, shared.clock.clone(), meter).await,
        }
    }

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
            Some(door) => Ok(Stations::on(door.listener.clone(), new, envelopes, clock, meter)),
            None => Stations::bind(new, envelopes, clock, meter).await,
        }
    }

    /// The new ones open first, then the old ones close; devices connect anew and send again
    /// what was not acknowledged.
    pub(super) async fn open(
        &mut self,
        bound: Bound,
        shared: &Shared,
        context: &watch::Receiver<EventContext>,
        reloads: &mpsc::Sender<ReloadAsked>,
    ) {
        if let Some(intake) = bound.intake {
            let new = intake.map(|intake| Door {
                listener: intake.listener(),
                task: Task::start(|stop| intake.serve(stop)),
            });
            if let Some(old) = std::mem::replace(&mut self.intake, new) {
                old.task.end().await;
            }
        }
        if let Some(stations) = bound.sl651 {
            let new = stations.map(|stations| Door {
                listener: stations.listener(),
                task: Task::start(|stop| stations.serve(stop)),
            });
            if let Some(old) = std::mem::replace(&mut self.sl651, new) {
                old.task.end().await;
            }
        }
        if let Some(console) = bound.web {
            let backend = Backend {
                store: shared.store.clone(),
                health: shared.health.clone(),
                registry: shared.registry.clone(),
                context: context.clone(),
                devices: shared.devices.clone(),
                envelopes: shared.envelopes.clone(),
                clock: shared.clock.clone(),
                reloads: reloads.clone(),
                asks: shared.asks.clone(),
            };
            let listener = console.listener();
            let task = Task::start(|stop| console.serve(backend, stop));
            // Not waited for: a connection of it may be the one that asked for this.
            if let Some(old) = self.web.replace(Door { task, listener }) {
                old.task.tell();
            }
        }
    }

    pub(super) fn start_broker(&mut self, config: &mqtt::Config, shared: &Shared) {
        let source = mqtt::Source {
            config: config.clone(),
            site: shared.site.clone(),
            dialects: shared.dialects.clone(),
            envelopes: shared.envelopes.clone(),
            clock: shared.clock.clone(),
            meter: shared.registry.clone(),
        };
        self.brokers.insert(config.id.clone(), Task::start(|stop| source.run(stop)));
    }

    /// Its session at the broker stays: what was not acknowledged comes again with the next one.
    pub(super) async fn stop_broker(&mut self, id: &str) {
        if let Some(task) = self.brokers.remove(id) {
            task.end().await;
        }
    }

    pub(super) fn close(&self) {
        let doors = self.web.iter().chain(&self.intake).chain(&self.sl651).map(|door| &door.task);
        doors.chain(self.brokers.values()).for_each(Task::tell);
    }

    /// `run.json` in the data folder says where a running gateway listens; gone when it stops.
    pub(super) fn write_addresses(&self, config: &Config) {
        let (web, intake) = (
            self.web.as_ref().and_then(Door::address),
            self.intake.as_ref().and_then(Door::address),
        );
        let sl651 = self.sl651.as_ref().and_then(Door::address);
        tracing::info!(site = config.site.id, ?web, ?intake, ?sl651, "listens");
        let said =
            json!({ "pid": std::process::id(), "web": web, "intake": intake, "sl651": sl651 });
        let path = config.data.path.join("run.json");
        let whole = path.with_extension("json.new");
        let written =
            std::fs::write(&whole, said.to_string()).and_then(|()| std::fs::rename(&whole, &path));
        if let Err(error) = written {
            tracing::warn!(%error, "run.json could not be written");
        }
    }
}
