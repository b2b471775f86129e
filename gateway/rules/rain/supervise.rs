//! Whether a gauge is well: silent, low, open, at fault, unreadable, or saying what can hardly be.

use jiff::{SignedDuration, Timestamp};

use super::{gauge::Gauge, health::Told, limits::Doubt, text::part};
use crate::domain::{Detail, Finding, Kind, Phase, Severity, Stamp, StationStatus, Title};

/// At or below this a battery should be changed, percent.
const BATTERY_LOW_PERCENT: u8 = 15;
/// A doubt stands at least so long after what caused it.
const DOUBT_STANDS: SignedDuration = SignedDuration::from_hours(1);

impl Gauge {
    /// Whether it has become silent, or is heard again.
    pub(super) fn supervise(&mut self, stamp: Stamp, mono_ms: i64, out: &mut Vec<Finding>) {
        let quiet_ms = mono_ms - self.heard_ms;
        let after_ms = i64::try_from(self.config.silent_after_s * 1000).unwrap_or(i64::MAX);
        let silent = self.known && quiet_ms > after_ms;
        if silent == self.health.silent {
            return;
        }
        self.health.silent = silent;
        let why = match silent {
            true => format!("nothing from {} for {} min", self.id, quiet_ms / 60_000),
            false => format!("{} speaks again", self.id),
        };
        out.push(part(&self.id, stamp, Kind::DeviceSilent, silent, &why));
    }

    /// Its battery, by its own figure or by its status, and the door of its box.
    pub(super) fn state(
        &mut self,
        stamp: Stamp,
        percent: Option<u8>,
        status: Option<StationStatus>,
        out: &mut Vec<Finding>,
    ) {
        let health = &mut self.health;
        if let Some(percent) = percent {
            health.percent_low = percent <= BATTERY_LOW_PERCENT;
        }
        if let Some(status) = status {
            health.status = Some(status);
            health.was_closed |= !status.door_open();
        }
        let low = health.percent_low || health.status.is_some_and(StationStatus::battery_low);
        if low != health.battery_low {
            health.battery_low = low;
            let why = match percent {
                Some(percent) => format!("battery of {} at {percent} %", self.id),
                None if low => format!("{} says that its battery is low", self.id),
                None => format!("the battery of {} is well again", self.id),
            };
            out.push(Finding {
                severity: Severity::MINOR,
                ..part(&self.id, stamp, Kind::DeviceBattery, low, &why)
            });
        }
        let open = health.status.is_some_and(StationStatus::door_open);
        if open != health.door_open {
            health.door_open = open;
            let said = if open { "open" } else { "closed" };
            // Some have no switch at the door and always say open.
            let severity = if health.was_closed { Severity::NOTICE } else { Severity::MINOR };
            let why = format!("{} says that the door of its box is {said}", self.id);
            let detail = [("door".to_owned(), said.into())].into();
            let finding = part(&self.id, stamp, Kind::DeviceTamper, open, &why);
            out.push(Finding { severity, detail, ..finding });
        }
    }

    /// Whether its readings have become implausible, or plausible again; `stuck`: why it seems stuck, if
    /// it does.
    pub(super) fn doubt(
        &mut self,
        now_at: Timestamp,
        stamp: Stamp,
        stuck: Option<String>,
        out: &mut Vec<Finding>,
    ) {
        let silent_after = i64::try_from(self.config.silent_after_s).unwrap_or(i64::MAX);
        let stands = DOUBT_STANDS.max(SignedDuration::from_secs(silent_after));
        let over = |doubt: &Doubt| now_at.duration_since(doubt.at) > stands;
        if self.health.doubt.as_ref().is_some_and(over) {
            self.health.doubt = None;
        }
        let of_rain = self.series.doubts.iter().rfind(|doubt| !over(doubt)).cloned();
        let of_level = self.level.doubt();
        let doubtful = of_level.is_some() || of_rain.as_ref().is_some_and(|one| one.doubtful);
        let status = self.health.status.unwrap_or_default();
        let known = self.health.status.is_some();
        let broken = status.faults().into_iter().chain(status.alarms()).filter(|_| known);
        let broken: Vec<(&str, &str)> = broken.collect();
        let mut whys: Vec<String> = stuck.into_iter().collect();
        whys.extend(of_level);
        whys.extend(of_rain.map(|doubt| doubt.why));
        whys.extend(self.health.doubt.as_ref().map(|doubt| doubt.why.clone()));
        let doubts = !whys.is_empty();
        whys.extend(broken.iter().map(|(_, en)| format!("it says: {en}")));
        let severity = if doubtful { Severity::ALERT } else { Severity::NOTICE };
        let bits = if known { status.0 & 0x97D } else { 0 };
        let told = Told { severity, what: (doubts, doubtful, bits) };
        let told = (!whys.is_empty()).then_some(told);
        if told == self.health.told {
            return;
        }
        let before = std::mem::replace(&mut self.health.told, told);
        let why = whys.join("; ");
        let text = match whys.is_empty() {
            true => format!("{} says what can be again", self.id),
            false => format!("{}: {why}", self.id),
        };
        let zh: Vec<&str> = broken.iter().map(|(zh, _)| *zh).collect();
        let mut detail = Detail::new();
        if !whys.is_empty() {
            detail.insert("doubt".into(), why.into());
            detail.insert("doubtful".into(), doubtful.into());
            if !zh.is_empty() {
                detail.insert("status".into(), zh.clone().into());
            }
        }
        let title = doubtful.then(|| Title {
            zh: format!("{}：读数可疑，待核实", self.name),
            en: format!("{}: a doubtful reading, to be checked", self.name),
        });
        let finding = part(&self.id, stamp, Kind::DeviceFault, !whys.is_empty(), &text);
        let phase =
            if before.is_some() && !whys.is_empty() { Phase::Continues } else { finding.phase };
        out.push(Finding { detail, severity, title, phase, notable: true, ..finding });
    }

    /// The gauge was removed from the configuration: its faults are over.
    pub(super) fn retire(self, stamp: Stamp, out: &mut Vec<Finding>) {
        for (is, kind) in [
            (self.health.silent, Kind::DeviceSilent),
            (self.health.told.is_some(), Kind::DeviceFault),
            (self.health.battery_low, Kind::DeviceBattery),
            (self.health.door_open, Kind::DeviceTamper),
        ] {
            if is {
                let why = "gone from the configuration";
                out.push(Finding { phase: Phase::Ends, ..part(&self.id, stamp, kind, false, why) });
            }
        }
    }
}
