//! How the site is, for Home Assistant at a broker: gathered from store, tables and figures.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::shared::Shared;
use crate::{
    base::{OwnRuntime, lock, supervised},
    domain::{Kind, Metric, Severity, Stage},
    sinks::{self, GatherHome, HomeAssistant, HomeDevice, HomeFacts, HomeSink},
};

/// Open cases that are counted.
const CASES_MAX: usize = 2_000;
/// A broker that does not answer holds up no stop.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// Devices that are shown.
const DEVICES_MAX: usize = 1_000;

/// Home Assistant at one sink, at work.
pub(super) struct HomeTask {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl HomeTask {
    /// On the thread of that sink.
    pub(super) fn start(sink: &sinks::Config, (shared, own): (&Shared, &OwnRuntime)) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (parts, sink) = (shared.clone(), sink.clone());
        let readiness = shared.readiness.clone();
        let data = lock(&shared.running).data.path.clone();
        let home = move |_| {
            let home = HomeAssistant {
                site: parts.site.clone(),
                client_ids: parts.client_ids.clone(),
                data: data.clone(),
                gather: gather(&parts),
                changed: parts.store.change_position(),
                stop: stopped.clone(),
            };
            home.run(sink.clone())
        };
        let task = async move { supervised("home assistant at a sink", &readiness, home).await };
        Self { task: own.spawn(task), stop }
    }

    /// Begins its goodbye.
    pub(super) fn leave(&self) {
        self.stop.send_replace(true);
    }

    /// Returns when it has ended, or was given up: the last will tells it then.
    pub(super) async fn gone(mut self) {
        if timeout(GOODBYE_WITHIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

fn gather(shared: &Shared) -> GatherHome {
    let shared = shared.clone();
    Arc::new(move || {
        let open = shared.store.open_cases(CASES_MAX).records;
        let open: Vec<_> = open.iter().map(|record| &record.incident).collect();
        let is_posture = |kind: Kind| kind == Kind::Posture;
        let cases = || open.iter().filter(|incident| !is_posture(incident.kind));
        let devices = shared.devices.borrow().clone();
        let ledger = shared.store.ledger();
        let running = lock(&shared.running).clone();
        HomeFacts {
            open: cases().count(),
            unaccepted: cases().filter(|incident| incident.stage == Stage::Opened).count(),
            emergencies: cases()
                .filter(|incident| incident.severity == Severity::EMERGENCY)
                .count(),
            postures: open
                .iter()
                .filter(|incident| is_posture(incident.kind) && incident.active)
                .map(|incident| incident.title.zh.clone())
                .collect(),
            devices: devices
                .devices
                .iter()
                .take(DEVICES_MAX)
                .map(|device| HomeDevice {
                    id: device.id.clone(),
                    name: device.name.clone(),
                    battery: device.battery,
                    fine: device.ailments.is_empty(),
                })
                .collect(),
            sinks: running
                .sinks
                .iter()
                .map(|sink| HomeSink {
                    id: sink.id().to_string(),
                    up: shared.registry.get(Metric::SinkUp, sink.id().as_str()) > 0.0,
                    pending: ledger.of(&sink.id()).pending,
                })
                .collect(),
        }
    })
}
