//! Reports of devices at the desk: their health, a press that only tested the button, a call that was cancelled.

use super::{
    super::{presses, supervise},
    Desk, Effects,
};
use crate::domain::{
    Ailment, Detail, DeviceReport, DeviceStatus, DeviceTable, Entry, Finding, Kind, Now, Phase,
    Press, Quarantined, Severity, SourceId, Stamp, Unreadable, What,
};

/// A second press within this time is a call, also while buttons are tested.
const INSISTS_WITHIN_S: f64 = 60.0;
/// Devices are checked so often.
const CHECK_EVERY_MS: u64 = 1_000;

impl Desk {
    /// Takes over the device table of an earlier process.
    pub fn restore_devices(&mut self, now: Now, table: DeviceTable) {
        self.fleet.restore(now, table);
        self.list_devices(now);
    }

    /// Supervises the devices of the current configuration.
    pub(super) fn list_devices(&mut self, now: Now) {
        self.fleet.list(now, &listing(&self.directory));
        self.presses.list(self.directory.devices.keys().cloned());
    }

    /// All devices, listed or not, as they are now.
    pub fn devices(&self, now: Now) -> DeviceTable {
        self.fleet.table(now, &self.directory.watch)
    }

    /// A report of a device.
    pub(super) fn report(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        report: &DeviceReport,
        effects: &mut Effects,
    ) {
        match report.word {
            // An old retained message cancels nothing and tests nothing.
            DeviceStatus::Test if !report.retained => {
                self.test_reported(now, source, stamp, report, effects)
            }
            DeviceStatus::Cancel if !report.retained => self.cancelled(now, source, effects),
            _ => {}
        }
        if let Some(kept) = &report.kept {
            effects.entries.push(quarantined(now, kept));
        }
        self.fleet.report(now, source, report, &self.directory.watch);
        self.judge_device(now, source, effects);
    }

    /// A payload that nobody could read.
    pub(super) fn unreadable(
        &mut self,
        now: Now,
        source: &SourceId,
        unreadable: &Unreadable,
        effects: &mut Effects,
    ) {
        self.fleet.unreadable(now, source, &unreadable.reason);
        effects.entries.push(quarantined(now, unreadable));
        self.judge_device(now, source, effects);
    }

    fn test_reported(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        report: &DeviceReport,
        effects: &mut Effects,
    ) {
        let press = Press {
            id: None,
            at: stamp.device,
            battery: report.battery,
            retained: report.retained,
            via: report.via.clone(),
            ..Press::default()
        };
        self.test_press(now, source, stamp, &press, effects);
    }

    /// A press that only tests the button: it is written down and shown in the device table, and calls
    /// nobody.
    pub(super) fn test_press(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        effects: &mut Effects,
    ) {
        self.fleet.pressed(now, source, &press.via, press.retained, true);
        effects.entries.push(presses::entry(
            source,
            stamp,
            press,
            presses::RememberedPress::Test,
            None,
        ));
    }

    /// Whether a press now only tests the button.
    pub(super) fn is_test(&self, now: Now, source: &SourceId) -> bool {
        let info = self.directory.sources.get(source);
        let grid = info.and_then(|info| info.grid.as_deref()).map(|grid| grid.code.as_str());
        let insists = self
            .fleet
            .tested_at(source)
            .is_some_and(|at| now.wall.duration_since(at).abs().as_secs_f64() < INSISTS_WITHIN_S);
        !insists && self.directory.watch.tries(source.as_str(), grid, now.wall)
    }

    /// The device cancels its call. The incident is no longer active; the case stays open until a
    /// person closes it.
    fn cancelled(&mut self, now: Now, source: &SourceId, effects: &mut Effects) {
        let key = format!("press/{source}");
        self.presses.taken_back(source);
        let Some(live) = self.by_key.get(&key).and_then(|id| self.live.get_mut(id)) else { return };
        let is_often = self.taken_back.note(now, source, live.incident.id);
        live.incident.detail.insert("cancelled_by".into(), "device".into());
        live.incident.why = format!("{source} took its call back, on the device");
        live.end(now, now.wall.max(live.incident.began_at));
        (live.end_due, live.dirty) = (is_often, is_often);
        if !is_often || live.may_update(now) {
            effects.entries.push(live.record(now, What::Ended));
        }
        self.by_key.remove(&key);
    }

    /// Once a second: reports what has become wrong or right by the passing of time.
    pub(super) fn watch_devices(&mut self, now: Now, effects: &mut Effects) {
        if now.mono_ms.saturating_sub(self.checked_ms) >= CHECK_EVERY_MS {
            self.checked_ms = now.mono_ms;
            let changes = self.fleet.tick(now, &self.directory.watch);
            self.report_changes(now, changes, effects);
        }
    }

    /// Reports what has changed with this device, which has just sent something.
    pub(super) fn judge_device(&mut self, now: Now, source: &SourceId, effects: &mut Effects) {
        let changes = self.fleet.check_device(now, source, &self.directory.watch);
        self.report_changes(now, changes, effects);
    }

    fn report_changes(
        &mut self,
        now: Now,
        changes: Vec<supervise::AilmentChange>,
        effects: &mut Effects,
    ) {
        for change in changes {
            let (kind, severity) = match change.ailment {
                Ailment::Silent => (Kind::DeviceSilent, Severity::NOTICE),
                Ailment::Battery => (Kind::DeviceBattery, Severity::MINOR),
                Ailment::Tamper => (Kind::DeviceTamper, Severity::NOTICE),
                Ailment::Weak => (Kind::DeviceWeak, Severity::MINOR),
                Ailment::Unclear | Ailment::Stuck => (Kind::DeviceFault, Severity::NOTICE),
            };
            let stamp = Stamp::of_gateway(now);
            let mut finding = Finding {
                phase: if change.broken { Phase::Begins } else { Phase::Ends },
                severity,
                detail: self.for_the_officer(&change.source),
                ..Finding::of_a_part(&change.source, stamp, kind, &change.why)
            };
            if kind == Kind::DeviceFault {
                // One device may have both.
                finding.key += &format!("/{}", change.ailment.as_str());
                finding.detail.insert("doubt".into(), change.why.clone().into());
                let samples = self.fleet.samples(&change.source);
                if change.ailment == Ailment::Unclear && !samples.is_empty() {
                    finding.detail.insert("samples".into(), samples.into());
                }
            }
            let stranger = change.broken && self.is_stranger(&change.source, None);
            // A hub is on no list either, and there are few of them.
            let stranger = stranger && change.ailment != Ailment::Silent;
            if stranger && self.states_are_many() {
                continue;
            }
            let key = finding.key.clone();
            self.finding(now, finding, effects);
            if let Some(id) = self.by_key.get(&key).filter(|_| stranger) {
                self.strangers.states.insert(*id);
            }
        }
    }

    /// Who lives there, whom to call and what to know, for the officer who goes there.
    pub(super) fn for_the_officer(&self, source: &SourceId) -> Detail {
        let mut detail = Detail::new();
        let mut put = |name: &str, text: Option<&str>| {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                detail.insert(name.into(), text.into());
            }
        };
        if let Some(source) = self.directory.sources.get(source) {
            put("contact", source.contact.as_deref());
            put("note", source.note.as_deref());
        }
        if let Some(info) = self.directory.devices.get(source) {
            put("person", self.directory.sources.get(source).map(|source| source.name.as_str()));
            put("address", info.address.as_deref());
            put("model", info.model.as_deref());
            put("device", info.device.as_deref());
        }
        detail
    }
}

fn quarantined(now: Now, unreadable: &Unreadable) -> Entry {
    Entry::Quarantine(Quarantined {
        origin: unreadable.origin.clone(),
        reason: unreadable.reason.clone(),
        text: String::from_utf8_lossy(&unreadable.payload).into_owned(),
        hex: unreadable.payload.iter().map(|byte| format!("{byte:02x}")).collect(),
        at: now.wall,
    })
}

/// What the configuration says of devices and sources.
pub(super) fn listing(directory: &super::Directory) -> supervise::DeviceListing<'_> {
    supervise::DeviceListing { infos: &directory.devices, sources: &directory.sources }
}
