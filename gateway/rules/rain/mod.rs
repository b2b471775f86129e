//! Rain, water and posture: readings by their own time become sums, grades, thresholds and incidents. Pure.

mod amounts;
mod config;
mod counter;
mod event;
mod fallen;
mod gauge;
mod health;
mod ladder;
mod level;
mod limits;
mod posture;
mod series;
mod supervise;
mod text;
mod view;
mod water;

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use self::{
    event::{Group, Measures},
    fallen::Fallen,
    gauge::Gauge,
    ladder::Ladder,
    level::LevelBand,
    posture::{Postures, Requests},
    text::WINDOWS,
};
use crate::domain::{
    Body, Finding, GaugeReport, Kind, Now, Observation, Posture, Record, SeenReport, SourceId,
    SourceInfo, Stamp,
};

pub use config::{Amount, Colour, Config, GaugeConfig, GaugeKind, Signal, TellFrom};
pub(crate) use posture::SOURCE as POSTURE_SOURCE;
pub use posture::{Config as PostureConfig, FloodByRain, Period};

/// Gauges that are remembered, configured or not, so that a faulty station that invents addresses
/// fills no memory.
const GAUGES_MAX: usize = 2_000;
/// Sums are compared this often while no report comes, and with each report.
const CHECK_EVERY_MS: i64 = 10_000;

/// No reading is dated further ahead of our clock than ten minutes; this is a little more.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(11);
/// What a configuration says of gauges, rain and postures.
#[derive(Clone, Default)]
pub struct Site {
    /// With the name, place and grid that was found for each.
    pub gauges: Vec<(GaugeConfig, SourceInfo)>,
    /// `[rain]`.
    pub rain: Config,
    /// `[posture]`.
    pub posture: PostureConfig,
}

/// Gauges, the rain of each grid, and the postures of the site.
pub struct Rain {
    config: Config,
    signals: Ladder,
    moving: Ladder,
    gauges: BTreeMap<SourceId, Gauge>,
    groups: BTreeMap<String, Group>,
    postures: Postures,
    checked_ms: Option<i64>,
}

impl Default for Rain {
    fn default() -> Self {
        let config = Config::default();
        Self {
            signals: Ladder::of_rain(&config),
            moving: Ladder::of_moving(&config),
            config,
            gauges: BTreeMap::new(),
            groups: BTreeMap::new(),
            postures: Postures::new(PostureConfig::default(), TimeZone::UTC),
            checked_ms: None,
        }
    }
}

impl Rain {
    /// Takes another configuration. Gauges that stay keep their readings; incidents of places where no
    /// gauge measures any more end.
    pub fn configure(
        &mut self,
        site: Site,
        zone: &TimeZone,
        now: Now,
        findings: &mut Vec<Finding>,
    ) {
        let Site { gauges, rain, posture } = site;
        (self.signals, self.moving) = (Ladder::of_rain(&rain), Ladder::of_moving(&rain));
        self.config = rain;
        self.postures.configure(posture, zone.clone());
        let stamp = Stamp::of_gateway(now);
        let mut old = std::mem::take(&mut self.gauges);
        let mut groups = std::mem::take(&mut self.groups);
        for (config, info) in gauges {
            let id = SourceId::from(config.id.as_str());
            let (code, name) = info.grid.as_ref().map_or_else(
                || (config.id.clone(), info.name.clone()),
                |grid| (grid.code.clone(), grid.name.clone()),
            );
            if !self.groups.contains_key(&code) {
                let before = groups.remove(&code);
                let mut group = before.unwrap_or_else(|| Group::new(code.clone(), name.clone()));
                group.name = name;
                self.groups.insert(code.clone(), group);
            }
            let config = config.believing(self.config.hardest_mm_per_min());
            let mut gauge = Gauge::new(id.clone(), info.name, code, config, true, now.mono());
            if let Some(before) = old.remove(&id) {
                gauge.go_on(before);
            }
            self.gauges.insert(id, gauge);
        }
        // Stations that were never configured stay; those that were configured before are removed.
        for (id, gauge) in old {
            if gauge.known {
                gauge.retire(stamp, findings);
            } else {
                self.groups.extend(groups.remove_entry(&gauge.group));
                self.gauges.insert(id, gauge);
            }
        }
        groups.into_values().for_each(|group| group.retire(stamp, findings));
    }

    /// Takes over what the journal holds: reports of the last 25 h, and the incidents that are open.
    pub fn restore(
        &mut self,
        now: Now,
        reports: &[SeenReport],
        live: &[Record],
        findings: &mut Vec<Finding>,
    ) {
        for SeenReport { source, stamp, report } in reports {
            self.hear(source, *stamp, now.mono_of(stamp.gateway), report);
        }
        self.gauges.values_mut().for_each(Gauge::add_up);
        let codes: Vec<String> = self.groups.keys().cloned().collect();
        codes.iter().for_each(|code| self.agree(code));
        for record in live.iter().filter(|record| record.incident.active) {
            self.resume(now, record, findings);
        }
    }

    fn resume(&mut self, now: Now, record: &Record, findings: &mut Vec<Finding>) {
        let incident = &record.incident;
        let Some(source) = incident.sources.first().map(|source| source.id.clone()) else { return };
        let text = |key: &str| incident.detail.get(key).and_then(|value| value.as_str());
        let stamp = Stamp::of_gateway(now);
        match incident.kind {
            Kind::Rain => {
                let code = incident.key.strip_prefix("rain/").unwrap_or_default();
                let place = |ladder: &Ladder, key| text(key).map_or(0, |name| ladder.place(name));
                let places = (place(&self.signals, "level"), place(&self.moving, "moving"));
                let peak = place(&self.signals, "peak");
                match self.groups.get_mut(code) {
                    Some(group) => group.resume(incident.began_at, source, places, peak, now),
                    None => findings.push(event::ended(code, source, incident.began_at, stamp)),
                }
            }
            Kind::WaterLevel => {
                let mark = match text("mark") {
                    Some("guarantee") => LevelBand::Guarantee,
                    _ => LevelBand::Warning,
                };
                match self.gauges.get_mut(&source) {
                    Some(gauge) => gauge.level.resume(mark, incident.began_at),
                    None => findings.push(Finding {
                        key: water::key(source.as_str()),
                        ..text::part(
                            &source,
                            stamp,
                            Kind::WaterLevel,
                            false,
                            "its gauge is not configured any more",
                        )
                    }),
                }
            }
            Kind::Posture => {
                for posture in Posture::ALL {
                    if text("posture") == Some(posture.as_str()) {
                        let (at, detail) = (incident.began_at, &incident.detail);
                        self.postures.resume(posture, at, detail, now.mono());
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes a report of a gauge or an order for a posture; other observations are ignored.
    pub fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        let stamp = observation.stamp;
        let mono_ms = i64::try_from(stamp.mono_ms).unwrap_or(i64::MAX);
        match &observation.body {
            Body::Gauge(report) => {
                let Some(group) = self.hear(&observation.source, stamp, mono_ms, report) else {
                    return;
                };
                if let Some(gauge) = self.gauges.get_mut(&observation.source) {
                    gauge.add_up();
                    if !report.test {
                        gauge.state(stamp, report.battery, report.status, findings);
                    }
                    gauge.supervise(stamp, mono_ms, findings);
                }
                self.agree(&group);
                for gauge in self.gauges.values_mut().filter(|gauge| gauge.group == group) {
                    gauge.compare(stamp, findings);
                }
                self.compare(&group, stamp, mono_ms, findings);
                self.review(stamp, mono_ms, findings);
            }
            Body::Unreadable(unreadable) => {
                let Some(gauge) = self.gauges.get_mut(&observation.source) else { return };
                gauge.heard_ms = gauge.heard_ms.max(mono_ms);
                gauge.health.cannot_read(stamp.gateway, &unreadable.reason);
                gauge.supervise(stamp, mono_ms, findings);
                let group = gauge.group.clone();
                self.compare(&group, stamp, mono_ms, findings);
            }
            Body::Posture(order) => {
                self.postures.order(&order.clone().bounded(stamp.gateway));
                self.review(stamp, mono_ms, findings);
            }
            _ => {}
        }
    }

    /// To be called every second or so: compares sums, which fall with time, looks for silent gauges, and
    /// reads the calendar.
    pub fn tick(&mut self, now: Now, findings: &mut Vec<Finding>) {
        let mono_ms = now.mono();
        if self.checked_ms.is_some_and(|checked| mono_ms - checked < CHECK_EVERY_MS) {
            return;
        }
        self.checked_ms = Some(mono_ms);
        let stamp = Stamp::of_gateway(now);
        for gauge in self.gauges.values_mut() {
            gauge.supervise(stamp, mono_ms, findings);
        }
        let codes: Vec<String> = self.groups.keys().cloned().collect();
        for code in codes {
            self.compare(&code, stamp, mono_ms, findings);
        }
        self.review(stamp, mono_ms, findings);
    }

    /// Gauges of which nothing can be read, and why: for people who ask whether all is well.
    pub fn unreadable(&self) -> Vec<String> {
        let of =
            |gauge: &Gauge| Some(format!("{}: {}", gauge.id, gauge.health.unreadable.as_ref()?));
        self.gauges.values().filter_map(of).collect()
    }

    /// Whether this posture holds now.
    pub fn holds(&self, posture: Posture) -> bool {
        self.postures.holds(posture)
    }

    /// Takes a report; returns the group of the gauge. `None`: there are too many gauges.
    fn hear(
        &mut self,
        source: &SourceId,
        stamp: Stamp,
        mono_ms: i64,
        report: &GaugeReport,
    ) -> Option<String> {
        if !self.gauges.contains_key(source) {
            if self.gauges.len() >= GAUGES_MAX {
                return None;
            }
            let (name, code) = (source.to_string(), source.to_string());
            let config = GaugeConfig::unknown(source.as_str());
            let gauge =
                Gauge::new(source.clone(), name.clone(), code.clone(), config, false, mono_ms);
            self.gauges.insert(source.clone(), gauge);
            self.groups.entry(code.clone()).or_insert_with(|| Group::new(code, name));
        }
        let gauge = self.gauges.get_mut(source)?;
        // If our wall clock was years ahead for a while, readings dated then must not hide those that
        // come after it was set right (P9).
        if Now::is_plausible(stamp.gateway) {
            let limit = stamp.gateway + AHEAD_MAX;
            gauge.series.forget_after(limit);
            gauge.level.forget_after(limit);
            if let Some(group) = self.groups.get_mut(&gauge.group) {
                group.forget_after(limit, mono_ms);
            }
        }
        let latest = gauge.take(stamp, mono_ms, report);
        let group = gauge.group.clone();
        if let (Some(at), Some(group)) = (latest, self.groups.get_mut(&group)) {
            group.hear(at, mono_ms);
        }
        Some(group)
    }

    fn compare(&mut self, code: &str, stamp: Stamp, mono_ms: i64, findings: &mut Vec<Finding>) {
        let Some(group) = self.groups.get_mut(code) else { return };
        let Some(now_at) = group.now_at(mono_ms) else {
            // No reading has come yet, but perhaps something that nobody can read.
            return self.doubt(code, stamp.gateway, stamp, findings);
        };
        let (signals, moving, config) = (&self.signals, &self.moving, &self.config);
        {
            let of = self.gauges.values().filter(|gauge| gauge.group == code);
            let rain: Vec<&Gauge> = of.filter(|gauge| gauge.measures_rain()).collect();
            let with = Measures { signals, moving, config };
            group.compare(&rain, &with, stamp, mono_ms, findings);
        }
        self.doubt(code, now_at, stamp, findings);
    }

    /// What is doubtful of one gauge is believed where another one of its grid agrees.
    fn agree(&mut self, code: &str) {
        /// Clocks and reports of two gauges differ by so much.
        const AROUND: SignedDuration = SignedDuration::from_mins(10);
        /// A share of the amount beside it is enough: a cloudburst is narrow.
        const SHARE: i64 = 4;
        let of = || self.gauges.values().filter(|gauge| gauge.group == code);
        let others = |id: &SourceId| of().filter(|gauge| gauge.id != *id).collect::<Vec<_>>();
        let mut believed: Vec<(SourceId, Vec<Fallen>, bool)> = Vec::new();
        for gauge in of() {
            let others = others(&gauge.id);
            let level = others.iter().any(|other| gauge.level.is_confirmed_by(&other.level));
            let agrees = |held: &&Fallen| {
                let (from, to) = (held.from - AROUND, held.to + AROUND);
                let in_time = |one: &&Fallen| one.to > from && one.from < to;
                others.iter().any(|other| {
                    let fell = other.series.sum(to, to.duration_since(from));
                    let held_too = other.series.held.iter().filter(in_time).map(|one| one.um);
                    fell.max(held_too.sum()) >= held.um / SHARE
                })
            };
            let amounts: Vec<_> = gauge.series.held.iter().filter(agrees).copied().collect();
            if level || !amounts.is_empty() {
                believed.push((gauge.id.clone(), amounts, level));
            }
        }
        for (id, amounts, level) in believed {
            let Some(gauge) = self.gauges.get_mut(&id) else { continue };
            gauge.series.believe(|held| amounts.contains(held));
            if level {
                gauge.level.believe();
            }
        }
    }

    /// Compares the gauges of one grid with each other, to find one that is stuck.
    fn doubt(&mut self, code: &str, now_at: Timestamp, stamp: Stamp, findings: &mut Vec<Finding>) {
        let stuck_um = (self.config.stuck_mm * 1000.0).round() as i64;
        let of = self.gauges.values().filter(|gauge| gauge.group == code);
        let most =
            |window| of.clone().map(|gauge| gauge.series.sum(now_at, window)).max().unwrap_or(0);
        let three = most(WINDOWS[2].1);
        let stuck: HashMap<SourceId, String> = of
            .clone()
            .filter_map(|gauge| {
                let why = gauge
                    .stuck_dry(now_at, three, stuck_um)
                    .or_else(|| gauge.level.stuck(now_at, most))?;
                Some((gauge.id.clone(), why))
            })
            .collect();
        for gauge in self.gauges.values_mut().filter(|gauge| gauge.group == code) {
            gauge.doubt(now_at, stamp, stuck.get(&gauge.id).cloned(), findings);
        }
    }

    fn review(&mut self, stamp: Stamp, mono_ms: i64, findings: &mut Vec<Finding>) {
        let from = match self.postures.flood_by_rain() {
            FloodByRain::Never => usize::MAX,
            FloodByRain::Any => 1,
            FloodByRain::Blue => self.signals.place("blue"),
            FloodByRain::Yellow => self.signals.place("yellow"),
            FloodByRain::Orange => self.signals.place("orange"),
            FloodByRain::Red => self.signals.place("red"),
        };
        let from = from.max(1);
        let rain = self.groups.values().find(|group| group.place >= from || group.moving > 0);
        let rain = rain.filter(|_| from != usize::MAX).map(|group| {
            let name = self.signals.at(group.place).map_or("moving", |rung| rung.name);
            format!("{name} at {}", group.name)
        });
        let high = self.gauges.values().find(|gauge| gauge.level.mark > LevelBand::Below);
        let level = high.map(|gauge| format!("warning level at {}", gauge.name));
        let level = level.filter(|_| self.postures.flood_by_level());
        self.postures.review(stamp, mono_ms, &Requests { rain, level }, findings);
    }
}

#[cfg(test)]
mod tests;
