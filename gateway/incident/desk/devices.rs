//! What devices say of themselves, at the desk: their health, a press that was only a try, a call taken back.

use super::{
    super::{presses, supervise},
    Desk, Effects,
};
use crate::domain::{
    Ailment, Detail, DeviceReport, DeviceStatus, DeviceTable, Finding, Kind, Now, Phase, Press,
    Severity, SourceId, Stamp, What,
};

/// Who presses again within this time means it, also while buttons are tried.
const INSISTS_WITHIN_S: f64 = 60.0;
/// Devices are looked at so often.
const LOOK_EVERY_MS: u64 = 1_000;

impl Desk {
    /// Takes up what an earlier process knew of its devices.
    pub fn restore_devices(&mut self, now: Now, table: DeviceTable) {
        self.fleet.restore(now, table);
        self.list_devices(now);
    }

    pub(super) fn list_devices(&mut self, now: Now) {
        self.fleet.list(now, &known(&self.directory));
    }

    /// All devices, listed or not, as they are now.
    pub fn devices(&self, now: Now) -> DeviceTable {
        self.fleet.table(now, &self.directory.watch)
    }

    pub(super) fn report(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        report: &DeviceReport,
        effects: &mut Effects,
    ) {
        match report.word {
            // An old retained word takes nothing back and tries nothing.
            DeviceStatus::Test if !report.retained => {
                self.tried(now, source, stamp, report, effects)
            }
            DeviceStatus::Cancel if !report.retained => self.taken_back(now, source, effects),
            _ => {}
        }
        self.fleet.report(now, source, report, &self.directory.watch);
        self.judge_device(now, source, effects);
    }

    fn tried(
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
        };
        self.test_press(now, source, stamp, &press, effects);
    }

    /// On disk and in the table of devices; nobody is called.
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

    /// Whether this press only tries the button.
    pub(super) fn is_try(&self, now: Now, source: &SourceId) -> bool {
        let info = self.directory.sources.get(source);
        let grid = info.and_then(|info| info.grid.as_deref()).map(|grid| grid.code.as_str());
        let insists = self
            .fleet
            .tested_at(source)
            .is_some_and(|at| now.wall.duration_since(at).abs().as_secs_f64() < INSISTS_WITHIN_S);
        !insists && self.directory.watch.tries(source.as_str(), grid, now.wall)
    }

    /// The happening ends; the case stays with the grid until a person closes it.
    fn taken_back(&mut self, now: Now, source: &SourceId, effects: &mut Effects) {
        let key = format!("press/{source}");
        let Some(live) = self.by_key.get(&key).and_then(|id| self.live.get_mut(id)) else { return };
        live.incident.detail.insert("cancelled_by".into(), "device".into());
        live.incident.why = format!("{source} took its call back, on the device");
        live.end(now, now.wall.max(live.incident.began_at));
        effects.entries.push(live.record(now, What::Ended));
        self.by_key.remove(&key);
    }

    pub(super) fn watch_devices(&mut self, now: Now, effects: &mut Effects) {
        if now.mono_ms.saturating_sub(self.looked_ms) >= LOOK_EVERY_MS {
            self.looked_ms = now.mono_ms;
            let verdicts = self.fleet.tick(now, &self.directory.watch);
            self.tell_verdicts(now, verdicts, effects);
        }
    }

    pub(super) fn judge_device(&mut self, now: Now, source: &SourceId, effects: &mut Effects) {
        let verdicts = self.fleet.look_at(now, source, &self.directory.watch);
        self.tell_verdicts(now, verdicts, effects);
    }

    fn tell_verdicts(
        &mut self,
        now: Now,
        verdicts: Vec<supervise::Verdict>,
        effects: &mut Effects,
    ) {
        for verdict in verdicts {
            let (kind, severity) = match verdict.ailment {
                Ailment::Silent => (Kind::DeviceSilent, Severity::NOTICE),
                Ailment::Battery => (Kind::DeviceBattery, Severity::MINOR),
                Ailment::Tamper => (Kind::DeviceTamper, Severity::NOTICE),
                Ailment::Weak => (Kind::DeviceWeak, Severity::MINOR),
            };
            let stamp = Stamp::of_gateway(now);
            let finding = Finding {
                phase: if verdict.broken { Phase::Begins } else { Phase::Ends },
                severity,
                detail: self.for_the_visitor(&verdict.source),
                ..Finding::of_a_part(&verdict.source, stamp, kind, &verdict.why)
            };
            self.finding(now, finding, effects);
        }
    }

    /// Who lives there, whom to call, what to know: for whoever goes there.
    pub(super) fn for_the_visitor(&self, source: &SourceId) -> Detail {
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

pub(super) fn known(directory: &super::Directory) -> supervise::Known<'_> {
    supervise::Known { infos: &directory.devices, sources: &directory.sources }
}
