//! The functional core: rules and desk as one value, an observation in, its effects out. Pure, but for the seal of a
//! plate.

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_things;

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::{
    from_config::{directory, event_context, gauges, masks, rules, vehicle_lists, weather},
    plate_seals::PlateSeals,
};
use crate::{
    config::Config,
    domain::{
        Body, EventContext, Finding, IdMint, Now, Observation, RainView, SourceId, StandingThing,
    },
    incident::{Desk, Effects},
    rules::{Rules, rule_key},
    store::Restored,
};

/// Owned by one task; no lock, no I/O.
pub(super) struct Core {
    /// Observations to findings.
    pub(super) rules: Rules,
    /// Findings to incidents.
    pub(super) desk: Desk,
    /// Ids of gauges by the name that each gives itself.
    devices: HashMap<SourceId, SourceId>,
    timezone: TimeZone,
    /// What stands between the two, for plates.
    pub(super) seals: PlateSeals,
}

impl Core {
    /// Empty, for this configuration.
    pub(super) fn new(config: &Config, context: &EventContext, now: Now, ids: IdMint) -> Self {
        let timezone = context.timezone.clone();
        let mut rules = Rules::new(&rules(config), &masks(config), &timezone);
        rules.rain.configure(weather(config), &timezone, now, &mut Vec::new());
        rules.lists = vehicle_lists(config);
        let (devices, seals) = (gauges(config), PlateSeals::default());
        Self { rules, desk: Desk::new(directory(config), ids), devices, timezone, seals }
    }

    /// Takes over what the journal holds: presses, replies, open incidents, and the rain of the last day.
    pub(super) fn restore(&mut self, now: Now, restored: Restored) -> Effects {
        let Restored { live, presses, older_presses, replies, reports, .. } = restored;
        let mut findings = Vec::new();
        self.rules.rain.restore(now, &reports, &live, &mut findings);
        self.desk.restore_reports(&reports);
        let mut effects = self.desk.restore(now, live, &presses, replies);
        if older_presses {
            self.desk.restored_in_part(now);
        }
        effects.entries.extend(self.desk.tick(now, findings).entries);
        effects
    }

    /// What stands where a rule looks, for the next start, and whose case was closed.
    pub(super) fn standing(&self) -> Vec<StandingThing> {
        let mut standing = self.rules.standing();
        for thing in &mut standing {
            let key = rule_key(&thing.rule, &thing.camera);
            thing.closed |= self.desk.is_case_closed(&key);
        }
        standing
    }

    /// Rain and water as the API shows them.
    pub(super) fn rain_view(&self, now: Now) -> RainView {
        self.rules.rain.view(now, &self.timezone)
    }

    /// Takes one observation; returns what is to be written, made and answered.
    pub(super) fn apply(&mut self, now: Now, observation: &Observation) -> Effects {
        let mut findings = Vec::new();
        // A gauge reports under its own name; rules and desk know it by the id in the configuration.
        let gauge = match &observation.body {
            Body::Gauge(_) | Body::Unreadable(_) => self.devices.get(&observation.source),
            _ => None,
        };
        let named = gauge.map(|id| Observation { source: id.clone(), ..observation.clone() });
        let observation = named.as_ref().unwrap_or(observation);
        self.rules.observe(observation, &mut findings);
        let notes = self.seals.seal(&mut findings);
        let mut effects = self.desk.apply(now, observation, findings);
        effects.entries.extend(notes);
        effects
    }

    /// Takes another configuration: its rules, masks, schedules and sources count from now on.
    pub(super) fn reload(&mut self, now: Now, config: &Config) -> Effects {
        let mut findings = Vec::new();
        let zone = event_context(config).timezone;
        self.rules.replace(&rules(config), &masks(config), &zone, &mut findings);
        self.rules.rain.configure(weather(config), &zone, now, &mut findings);
        self.desk.set_directory(now, directory(config));
        self.rules.lists = vehicle_lists(config);
        self.seals.configure(config);
        (self.devices, self.timezone) = (gauges(config), zone);
        self.ticked(now, findings)
    }

    /// To be called a few times a second: lets time pass for rules and desk.
    pub(super) fn tick(&mut self, now: Now) -> Effects {
        let mut findings = Vec::new();
        self.rules.tick(now, &mut findings);
        self.ticked(now, findings)
    }

    fn ticked(&mut self, now: Now, mut findings: Vec<Finding>) -> Effects {
        let notes = self.seals.seal(&mut findings);
        let mut effects = self.desk.tick(now, findings);
        effects.entries.extend(notes);
        effects
    }
}
