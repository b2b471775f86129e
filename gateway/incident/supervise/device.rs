//! One device and one hub as they are judged: silent, low, open, badly received; and the words for it.

use std::collections::HashMap;

use super::{
    AilmentChange, BATTERY_HYSTERESIS_PERCENT, Config, GRACE_MS, MASS_DEVICES_MIN, NOWHERE,
    WEAK_READINGS_MIN,
};
use crate::domain::{Ailment, DeviceState, Now, SourceId};

/// One device and what was reported of it.
pub(super) struct Device {
    /// As the device table shows it.
    pub(super) state: DeviceState,
    /// When it was last heard, monotonic milliseconds; moved on by the time in which its hub was away.
    pub(super) heard_ms: i64,
    /// What was last reported of each ailment.
    pub(super) reported: [Option<bool>; Ailment::ALL.len()],
    /// When it last said that it calls, monotonic milliseconds; of an earlier process nobody knows.
    pub(super) calling_said_ms: Option<i64>,
}

/// A broker or coordinator.
#[derive(Default)]
pub(super) struct Hub {
    /// Since when it is gone, monotonic milliseconds.
    pub(super) down_ms: Option<i64>,
    /// Why, where that is known.
    pub(super) reason: Option<String>,
    /// Since when it is there.
    pub(super) up_ms: i64,
    /// So many behind it are silent that it is one fault and not many.
    pub(super) mass: bool,
    /// Since when they are not so many any more.
    pub(super) fewer_ms: Option<i64>,
    /// Whether it was reported as broken.
    pub(super) reported: bool,
}

impl Hub {
    /// Decides whether silence is a fault of the hub. Its devices come back one after the other, so it
    /// stays one until none is silent, or few have been for a while.
    pub(super) fn count(&mut self, now: Now, silent: usize, of: usize) {
        let many = silent >= MASS_DEVICES_MIN && silent * 2 >= of;
        match (self.mass, many) {
            (_, true) => (self.mass, self.fewer_ms) = (true, None),
            (true, false) => {
                let since = *self.fewer_ms.get_or_insert(now.mono());
                self.mass = silent > 0 && now.mono() - since < GRACE_MS;
            }
            (false, false) => self.fewer_ms = None,
        }
    }
}

/// A device that was just seen, or listed, for the first time.
pub(super) fn new(id: &SourceId, now: Now) -> Device {
    let state = DeviceState { id: id.to_string(), name: id.to_string(), ..DeviceState::default() };
    Device::resumed(state, now.mono())
}

/// Its coordinator, else its broker, else [`NOWHERE`].
pub(super) fn hub_of(state: &DeviceState) -> SourceId {
    match (&state.through, state.via.as_str()) {
        (Some(through), _) => through.clone(),
        (None, "") => NOWHERE.into(),
        (None, via) => via.into(),
    }
}

impl Device {
    /// As it was left, or as it begins.
    pub(super) fn resumed(state: DeviceState, heard_ms: i64) -> Self {
        Self { state, heard_ms, reported: Default::default(), calling_said_ms: None }
    }

    /// It has just sent something.
    pub(super) fn heard(&mut self, now: Now) {
        self.heard_ms = now.mono();
        self.state.heard_at = Some(now.wall);
    }

    /// Whether it is reached through this hub.
    pub(super) fn is_behind(&self, hub: &SourceId) -> bool {
        self.state.through.as_ref() == Some(hub) || self.state.via == hub.as_str()
    }

    /// The hubs between it and us.
    pub(super) fn hubs<'c>(
        &self,
        all: &'c HashMap<SourceId, Hub>,
    ) -> impl Iterator<Item = &'c Hub> {
        let via = SourceId::from(self.state.via.as_str());
        let through = self.state.through.as_ref().and_then(|through| all.get(through));
        all.get(&via).into_iter().chain(through)
    }

    /// For how long it could have been heard and was not, milliseconds.
    pub(super) fn silent_for(&self, now: Now, hubs: &HashMap<SourceId, Hub>) -> i64 {
        let down = self.hubs(hubs).filter_map(|hub| hub.down_ms).min();
        down.unwrap_or(now.mono()).saturating_sub(self.heard_ms).max(0)
    }

    /// Whether it is silent; `None` where that cannot be known now, or is not supervised.
    pub(super) fn silent(
        &self,
        now: Now,
        hubs: &HashMap<SourceId, Hub>,
        started_ms: i64,
    ) -> Option<bool> {
        if self.state.online == Some(false) {
            return Some(true);
        }
        let allowed_ms = i64::try_from(self.state.silent_after_s?.saturating_mul(1_000)).ok()?;
        if self.silent_for(now, hubs) <= allowed_ms {
            return Some(false);
        }
        let there = self.hubs(hubs).all(|hub| hub.down_ms.is_none());
        let up_ms = self.hubs(hubs).map(|hub| hub.up_ms).max().unwrap_or(0);
        let listened = now.mono() - up_ms.max(started_ms);
        (there && listened >= allowed_ms.min(GRACE_MS)).then_some(true)
    }

    /// Adds what has changed. A silence for which its hub is to blame is not reported yet.
    pub(super) fn report_changes(
        &mut self,
        id: &SourceId,
        now: Now,
        config: &Config,
        hubs: &HashMap<SourceId, Hub>,
        started_ms: i64,
        changes: &mut Vec<AilmentChange>,
    ) {
        for ailment in Ailment::ALL {
            let Some(broken) = self.judge(now, ailment, config, hubs, started_ms) else {
                continue;
            };
            if self.reported[ailment as usize] == Some(broken) {
                continue;
            }
            let mass = || hubs.get(&hub_of(&self.state)).is_some_and(|hub| hub.mass);
            if ailment == Ailment::Silent && broken && mass() {
                continue;
            }
            self.reported[ailment as usize] = Some(broken);
            let why = self.why(ailment, broken, now, hubs);
            changes.push(AilmentChange { source: id.clone(), ailment, broken, why });
        }
    }

    /// Whether this ailment is there now; `None` where that cannot be known.
    pub(super) fn judge(
        &self,
        now: Now,
        ailment: Ailment,
        config: &Config,
        hubs: &HashMap<SourceId, Hub>,
        started_ms: i64,
    ) -> Option<bool> {
        let state = &self.state;
        match ailment {
            // A device that is not listed may go away.
            Ailment::Silent | Ailment::Weak | Ailment::Unclear if !state.known => Some(false),
            Ailment::Silent => self.silent(now, hubs, started_ms),
            Ailment::Battery => match state.battery {
                // A device that calls its own battery low is believed, whatever the figure.
                _ if state.battery_low == Some(true) => Some(true),
                Some(percent) => {
                    let low = config.battery_low_percent;
                    let was = self.reported[ailment as usize] == Some(true);
                    let limit =
                        if was { low.saturating_add(BATTERY_HYSTERESIS_PERCENT) } else { low };
                    // Above the limit by the hysteresis is well; on it is still low.
                    Some(if was { percent < limit } else { percent <= limit })
                }
                None => state.battery_low,
            },
            Ailment::Tamper => state.tampered,
            Ailment::Weak => {
                state.link?;
                Some(state.weak_readings >= WEAK_READINGS_MIN)
            }
            Ailment::Unclear => Some(self.is_unclear(now)),
            Ailment::Stuck => self.is_stuck(now),
        }
    }

    /// The reason for people.
    pub(super) fn why(
        &self,
        ailment: Ailment,
        broken: bool,
        now: Now,
        hubs: &HashMap<SourceId, Hub>,
    ) -> String {
        let state = &self.state;
        let id = &state.id;
        let percent =
            |value: Option<u8>| value.map_or("low".to_owned(), |value| format!("at {value} %"));
        match (ailment, broken) {
            (Ailment::Silent, true) if state.online == Some(false) => {
                format!("{id} is gone, says {}", hub_of(state))
            }
            (Ailment::Silent, true) => format!(
                "{id} was not heard for {} (allowed {}){}",
                span(self.silent_for(now, hubs) / 1_000),
                span(i64::try_from(state.silent_after_s.unwrap_or(0)).unwrap_or(0)),
                if state.heard_at.is_none() { ", and has never been heard" } else { "" },
            ),
            (Ailment::Silent, false) => format!("{id} is heard again"),
            (Ailment::Battery, true) => format!("battery of {id} {}", percent(state.battery)),
            (Ailment::Battery, false) => {
                format!("battery of {id} {}, well again", percent(state.battery))
            }
            (Ailment::Tamper, true) => format!("{id} is open or torn off"),
            (Ailment::Tamper, false) => format!("{id} is closed again"),
            (Ailment::Weak, true) => format!(
                "{id} is badly received: {} % at its last {} words",
                state.link.unwrap_or(0),
                state.weak_readings
            ),
            (Ailment::Weak, false) => format!("{id} is well received again"),
            (Ailment::Unclear, true) => self.why_unclear(),
            (Ailment::Unclear, false) => {
                format!("nothing of {id} that nobody understood, for a day")
            }
            (Ailment::Stuck, true) => {
                let since = state.calling_since.map_or(0, |since| now.mono() - now.mono_of(since));
                format!(
                    "{id} says that it calls, for {} now, and never stops: a new press of it may not be told from that",
                    span(since / 1_000)
                )
            }
            (Ailment::Stuck, false) => format!("{id} no longer says that it calls"),
        }
    }
}

/// A span of time in the unit that a person would use.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        ..300 => format!("{seconds} s"),
        300..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}
