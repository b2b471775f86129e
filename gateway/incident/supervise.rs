//! Supervision of devices: when each was last heard, its battery and reception, and what of that is an incident. Pure.
//!
//! A device that is silent, low, open or badly received is an incident of its own; twenty and more
//! behind one hub are one incident of the hub. Silence is counted in time in which the device could
//! have been heard. The gateway's own absence does not count, nor that of the broker or coordinator
//! between it and the device; a restart takes the count up where it was
//! (`runtime/device_table.rs`).
//!
//! Gauges are not judged here but in `rules/rain/gauge.rs`. No name is both a gauge's and a
//! button's, and neither is ever read as the other (`sources/codecs/mod.rs`).

mod device;
mod unclear;

use std::collections::{BTreeMap, HashMap};

use super::config::Config;
use crate::domain::{
    Ailment, DeviceInfo, DeviceReport, DeviceStatus, DeviceTable, Now, SourceId, SourceInfo,
};
use device::{Device, Hub, hub_of, new};

/// Devices that no configuration knows are kept and shown, at most these: the quietest go first.
const UNKNOWN_DEVICES_MAX: usize = 1_000;
/// A broker or coordinator may be gone for so long: it restarts, and is updated.
const HUB_GONE_MS: i64 = 60_000;
/// After our own absence, or a hub's, no device is called silent before so long (or its own
/// allowance, if that is less), because nobody could hear what it sent meanwhile.
const GRACE_MS: i64 = 30 * 60_000;
/// When so many devices, and at least half of those behind one hub, are silent, the hub counts as
/// broken: one incident instead of many.
const MASS_DEVICES_MIN: usize = 20;
/// Bad readings in a row that make weak reception; a single one may be a bus that passed by.
const WEAK_READINGS_MIN: u32 = 3;
/// A battery is well again at so much above the limit, percent.
const BATTERY_HYSTERESIS_PERCENT: u8 = 5;
/// The hub of devices that have never been heard.
const NOWHERE: &str = "devices";

/// Something that became wrong with a device, or right again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AilmentChange {
    /// The device, or the hub.
    pub(super) source: SourceId,
    /// What is wrong.
    pub(super) ailment: Ailment,
    /// False: it is right again.
    pub(super) broken: bool,
    /// For people.
    pub(super) why: String,
}

/// All devices, and the hubs that they are behind.
#[derive(Default)]
pub(super) struct Fleet {
    devices: BTreeMap<SourceId, Device>,
    hubs: HashMap<SourceId, Hub>,
    unknown: usize,
    started_ms: i64,
}

/// What the configuration says of devices and sources.
pub(super) struct DeviceListing<'k> {
    /// Listed devices.
    pub(super) infos: &'k HashMap<SourceId, DeviceInfo>,
    /// Names and places.
    pub(super) sources: &'k HashMap<SourceId, SourceInfo>,
}

impl Fleet {
    /// Takes over what an earlier process wrote down.
    pub(super) fn restore(&mut self, now: Now, table: DeviceTable) {
        self.started_ms = now.mono();
        for state in table.devices.into_iter().filter(|state| !state.id.is_empty()) {
            let heard_ms = now.mono() - i64::try_from(state.silent_ms).unwrap_or(i64::MAX / 2);
            let id = SourceId::from(state.id.as_str());
            self.devices.insert(id, Device::resumed(state, heard_ms));
        }
    }

    /// Every listed device is supervised from now on, whether it was ever heard or not.
    pub(super) fn list(&mut self, now: Now, listing: &DeviceListing<'_>) {
        for (id, device) in &mut self.devices {
            device.state.known = listing.infos.contains_key(id);
        }
        for id in listing.infos.keys() {
            let device = self.devices.entry(id.clone()).or_insert_with(|| new(id, now));
            device.state.known = true;
        }
        for (id, device) in &mut self.devices {
            let Some(info) = listing.infos.get(id) else { continue };
            if info.silent_after_s.is_some() {
                device.state.silent_after_s = info.silent_after_s;
            }
            device.state.model = info.model.clone().or(device.state.model.take());
            if let Some(source) = listing.sources.get(id) {
                device.state.name.clone_from(&source.name);
                device.state.grid = source.grid.as_ref().map(|grid| grid.code.clone());
            }
        }
        self.unknown = self.devices.values().filter(|device| !device.state.known).count();
    }

    /// Whether this device is listed or was heard.
    pub(super) fn has(&self, id: &SourceId) -> bool {
        self.devices.contains_key(id)
    }

    /// A press of a device: it was heard.
    pub(super) fn pressed(
        &mut self,
        now: Now,
        id: &SourceId,
        via: &str,
        retained: bool,
        test: bool,
    ) {
        let device = self.device(now, id);
        device.state.messages += 1;
        device.state.via = via.into();
        if !retained {
            device.heard(now);
        }
        match test {
            true => device.state.tested_at = Some(now.wall),
            false => device.state.pressed_at = Some(now.wall),
        }
    }

    /// When the button was last tried, if that was by this process's clock.
    pub(super) fn tested_at(&self, id: &SourceId) -> Option<jiff::Timestamp> {
        self.devices.get(id).and_then(|device| device.state.tested_at)
    }

    /// A press carried this battery level.
    pub(super) fn battery(&mut self, now: Now, id: &SourceId, percent: Option<u8>) {
        if percent.is_some() {
            self.device(now, id).state.battery = percent;
        }
    }

    /// A report of a device, or of a hub.
    pub(super) fn report(
        &mut self,
        now: Now,
        id: &SourceId,
        report: &DeviceReport,
        config: &Config,
    ) {
        if report.hub {
            return self.hub(now, id, report);
        }
        let device = self.device(now, id);
        let state = &mut device.state;
        state.messages += 1;
        state.via.clone_from(&report.via);
        state.through.clone_from(&report.through);
        state.model = report.model.clone().or(state.model.take());
        state.silent_after_s = match state.known && state.silent_after_s.is_some() {
            true => state.silent_after_s,
            false => report.silent_after_s.or(state.silent_after_s),
        };
        state.battery = report.battery.or(state.battery);
        state.battery_low = report.battery_low.or(state.battery_low);
        state.tampered = report.tampered.or(state.tampered);
        if let Some(link) = report.link {
            state.link = Some(link);
            let weak = link <= config.weak_link_percent;
            state.weak_readings = if weak { state.weak_readings.saturating_add(1) } else { 0 };
        }
        match report.word {
            DeviceStatus::Offline => state.online = Some(false),
            DeviceStatus::Online => state.online = Some(true),
            _ if !report.retained && state.online.is_some() => state.online = Some(true),
            _ => {}
        }
        if !report.retained && report.word != DeviceStatus::Offline {
            device.heard(now);
        }
        if let Some(calling) = report.calling {
            device.calls(now, calling);
        }
        device.not_understood(now, &report.unknown);
    }

    /// A broker or coordinator went away or came back. Time in which it is away does not count as
    /// silence of its devices.
    fn hub(&mut self, now: Now, id: &SourceId, report: &DeviceReport) {
        let hub = self.hubs.entry(id.clone()).or_default();
        hub.reason.clone_from(&report.reason);
        match (&report.word, hub.down_ms) {
            (DeviceStatus::Offline, None) => hub.down_ms = Some(now.mono()),
            (DeviceStatus::Online, Some(since)) => {
                hub.down_ms = None;
                hub.up_ms = now.mono();
                let behind = self.devices.values_mut().filter(|device| device.is_behind(id));
                for device in behind {
                    device.heard_ms += now.mono() - since.max(device.heard_ms);
                }
            }
            _ => {}
        }
    }

    fn device(&mut self, now: Now, id: &SourceId) -> &mut Device {
        if !self.devices.contains_key(id) {
            self.unknown += 1;
            if self.unknown > UNKNOWN_DEVICES_MAX {
                let quiet = self.devices.iter().filter(|(_, device)| !device.state.known);
                let quietest = quiet.min_by_key(|(_, device)| device.heard_ms);
                if let Some(id) = quietest.map(|(id, _)| id.clone()) {
                    self.devices.remove(&id);
                    self.unknown -= 1;
                }
            }
        }
        self.devices.entry(id.clone()).or_insert_with(|| new(id, now))
    }

    /// What has changed since this was last called.
    pub(super) fn tick(&mut self, now: Now, config: &Config) -> Vec<AilmentChange> {
        let mut changes = Vec::new();
        let counts = self.counts(now);
        for id in
            counts.keys().filter(|id| !self.hubs.contains_key(*id)).cloned().collect::<Vec<_>>()
        {
            self.hubs.insert(id, Hub::default());
        }
        for (id, hub) in &mut self.hubs {
            let (silent, of) = counts.get(id).copied().unwrap_or_default();
            hub.count(now, silent, of);
            let gone = hub.down_ms.is_some_and(|since| now.mono() - since > HUB_GONE_MS);
            let broken = gone || hub.mass;
            if broken != hub.reported {
                hub.reported = broken;
                let why = match (gone, broken) {
                    (true, _) => {
                        let reason = hub.reason.as_ref().map(|reason| format!(" ({reason})"));
                        let reason = reason.unwrap_or_default();
                        format!("{id} is gone{reason}: none of the devices behind it can be heard")
                    }
                    (_, true) => format!(
                        "{silent} of {of} devices behind {id} are silent: look at {id} first"
                    ),
                    _ => format!(
                        "{id} is there again, {silent} of {of} devices behind it are silent"
                    ),
                };
                let (source, ailment) = (id.clone(), Ailment::Silent);
                changes.push(AilmentChange { source, ailment, broken, why });
            }
        }
        let (hubs, started_ms) = (&self.hubs, self.started_ms);
        let devices = self.devices.iter_mut();
        devices.for_each(|(id, device)| {
            device.report_changes(id, now, config, hubs, started_ms, &mut changes)
        });
        changes
    }

    /// As [`Self::tick`], for one device that has just sent something.
    pub(super) fn check_device(
        &mut self,
        now: Now,
        id: &SourceId,
        config: &Config,
    ) -> Vec<AilmentChange> {
        let mut changes = Vec::new();
        if let Some(device) = self.devices.get_mut(id) {
            device.report_changes(id, now, config, &self.hubs, self.started_ms, &mut changes);
        }
        changes
    }

    /// Behind each hub: how many of the supervised devices are silent, and how many there are.
    fn counts(&self, now: Now) -> BTreeMap<SourceId, (usize, usize)> {
        let mut counts: BTreeMap<SourceId, (usize, usize)> = BTreeMap::new();
        let mut supervised = 0;
        for device in self.devices.values().filter(|device| device.state.known) {
            let judged = device.silent(now, &self.hubs, self.started_ms);
            let Some(silent) = judged else { continue };
            supervised += 1;
            let count = counts.entry(hub_of(&device.state)).or_default();
            count.0 += usize::from(silent);
            count.1 += 1;
        }
        // A device that was never heard might be behind any of them.
        counts.entry(NOWHERE.into()).and_modify(|count| count.1 = supervised);
        counts
    }

    /// All devices as they are now.
    pub(super) fn table(&self, now: Now, config: &Config) -> DeviceTable {
        let row = |device: &Device| {
            let mut state = device.state.clone();
            state.silent_ms = u64::try_from(device.silent_for(now, &self.hubs)).unwrap_or(0);
            let ails = |ailment: &Ailment| {
                device.judge(now, *ailment, config, &self.hubs, self.started_ms) == Some(true)
            };
            state.ailments = Ailment::ALL.into_iter().filter(ails).collect();
            state
        };
        DeviceTable { at: Some(now.wall), devices: self.devices.values().map(row).collect() }
    }
}
