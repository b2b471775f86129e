//! The table of devices: out of the junction for everybody to see, and on disk for the next start.
//!
//! `devices.json` in the data folder is no truth: it holds for how long each device has been
//! silent, so that a restart takes the count up where it was. Lost, each device has its whole
//! allowance again. What is wrong with one is an incident, and those are in the journal.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;

use super::{from_config::directory, kept_table::keep_table};
use crate::{
    base::Registry,
    config::Config,
    domain::{DEVICE_STATES, DeviceState, DeviceTable, Meter, Metric},
};

/// The latest table, for everybody who shows it.
pub(super) type DeviceTableReader = watch::Receiver<Arc<DeviceTable>>;

fn path(data: &Path) -> PathBuf {
    data.join("devices.json")
}

/// The table that the last process wrote; an empty one, with a log line, if that cannot be read.
pub(super) fn read(data: &Path) -> DeviceTable {
    let path = path(data);
    let Ok(bytes) = std::fs::read(&path) else { return DeviceTable::default() };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "table of devices cannot be read; each device has its whole allowance again");
        DeviceTable::default()
    })
}

/// Writes the table now and then, and once more when the junction has ended.
pub(super) async fn keep(data: PathBuf, seen: DeviceTableReader) {
    keep_table(path(&data), seen, "table of devices").await;
}

/// Sets the figures of how many devices are in which state; one with two ailments counts in both.
pub(super) fn count(table: &DeviceTable, meter: &Registry) {
    let mut counts: BTreeMap<&str, u32> = DEVICE_STATES.iter().map(|state| (*state, 0)).collect();
    for state in table.devices.iter().flat_map(DeviceState::states) {
        *counts.entry(state).or_default() += 1;
    }
    counts.into_iter().for_each(|(state, n)| meter.set(Metric::Devices, state, f64::from(n)));
}

/// Listed devices and those that were heard, as of the last write of a gateway that runs or ran.
pub fn device_table(config: &Config) -> DeviceTable {
    let mut table = read(&config.data.path);
    let directory = directory(config);
    for (id, info) in &directory.devices {
        if !table.devices.iter().any(|device| device.id == id.as_str()) {
            let source = directory.sources.get(id);
            let name = source.map_or(id.as_str(), |source| &source.name);
            table.devices.push(DeviceState {
                id: id.to_string(),
                name: name.into(),
                known: true,
                grid: source.and_then(|source| Some(source.grid.as_ref()?.code.clone())),
                model: info.model.clone(),
                silent_after_s: info.silent_after_s,
                ..DeviceState::default()
            });
        }
    }
    table.devices.sort_by(|a, b| a.id.cmp(&b.id));
    table
}

/// Names of the built-in models and of those of the configuration, with how often they are heard.
pub fn device_models(config: &Config) -> Vec<(String, Option<u64>)> {
    use crate::sources::codecs::{built_in, silent_after_s};
    let own = config.device_models.iter().map(|model| model.id.as_str());
    let mut names: Vec<&str> = built_in().chain(own).collect();
    names.sort_unstable();
    names.dedup();
    let of = |name: &str| (name.to_owned(), silent_after_s(name, &config.device_models));
    names.into_iter().map(of).collect()
}
