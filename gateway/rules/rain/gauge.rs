//! One gauge: its readings, whether it is silent, and whether its readings are plausible.
//!
//! **R3** A reading that rain hardly makes is set aside, reported at once (`device-fault`, severity 2,
//! `doubtful`) and counted when two more readings agree or another gauge of the grid does; one that
//! no rain ever made is reported and never counted. What a station tests counts nowhere. A device's clock that is wrong (before 2020, or more than 10 min
//! ahead) is not believed: the reading is dated by its arrival. Readings older than 25 h count
//! nowhere (`domain/gauge.rs`).

use jiff::{SignedDuration, Timestamp};

use super::{
    config::{GaugeConfig, GaugeKind},
    health::Health,
    level::{Level, LevelLimits},
    limits::Doubt,
    series::{Scale, Series, mm},
};
use crate::domain::{GaugeReport, Measure, SourceId, Stamp};

/// So far above its highest mark a first level is believed, and so far below its lowest, mm: a river
/// in flood, and a dry bed.
const ABOVE_MARKS_MM: i64 = 30_000;
const BELOW_MARKS_MM: i64 = 100_000;

/// A gauge and everything that is known of it.
pub(super) struct Gauge {
    /// Its id.
    pub(super) id: SourceId,
    /// For people.
    pub(super) name: String,
    /// The code of its grid, or its own id.
    pub(super) group: String,
    /// Its section of the configuration.
    pub(super) config: GaugeConfig,
    /// Whether it is in the configuration, and so supervised.
    pub(super) known: bool,
    /// Rain.
    pub(super) series: Series,
    /// Water.
    pub(super) level: Level,
    /// When its last report came, on our own clock, milliseconds.
    pub(super) heard_ms: i64,
    /// What is not well with it.
    pub(super) health: Health,
    /// Its last test report: when it came, and what it said.
    pub(super) test: Option<(Timestamp, String)>,
}

impl Gauge {
    /// Nothing was heard of it yet.
    pub(super) fn new(
        id: SourceId,
        name: String,
        group: String,
        config: GaugeConfig,
        known: bool,
        mono_ms: i64,
    ) -> Self {
        Self {
            id,
            name,
            group,
            config,
            known,
            series: Series::default(),
            level: Level::default(),
            heard_ms: mono_ms,
            health: Health::default(),
            test: None,
        }
    }

    /// Takes over readings and state of the same gauge before a change of the configuration.
    pub(super) fn go_on(&mut self, before: Self) {
        let Self { series, level, heard_ms, health, test, .. } = before;
        (self.series, self.level, self.heard_ms) = (series, level, heard_ms);
        (self.health, self.test) = (health, test);
        self.series.add_up(self.scale());
    }

    fn scale(&self) -> Scale {
        Scale {
            tip_um: self.config.tip_mm * 1000.0,
            wraps_at: self.config.counter_wraps_at,
            most_um_per_min: (self.config.max_mm_per_min * 1000.0).round() as i64,
        }
    }

    /// Takes a report; returns the time of its latest reading, where there is one. Sums are current
    /// after [`Self::add_up`].
    pub(super) fn take(
        &mut self,
        stamp: Stamp,
        mono_ms: i64,
        report: &GaugeReport,
    ) -> Option<Timestamp> {
        self.heard_ms = self.heard_ms.max(mono_ms);
        if report.test {
            // Poured in by the people who mend it: it is shown, and counts nowhere.
            let said: Vec<String> =
                report.readings.iter().map(|one| format!("{:?}", one.measure)).collect();
            self.test = Some((stamp.gateway, said.join(", ")));
            return None;
        }
        for reading in &report.readings {
            match reading.measure {
                Measure::LevelMm(mm) => {
                    let mm = mm.saturating_add(self.config.zero_mm());
                    self.level.insert(reading.at, mm, self.config.level_limits());
                }
                measure => {
                    self.series.insert(reading.at, measure);
                }
            }
        }
        if !report.readings.is_empty() {
            self.health.unreadable = None;
        } else if report.doubt.is_some() {
            self.health.unreadable.clone_from(&report.doubt);
        }
        if let Some(why) = &report.doubt {
            let (at, why) = (stamp.gateway, why.clone());
            self.health.note(Doubt { at, why, doubtful: false });
        }
        report.readings.iter().map(|reading| reading.at).max()
    }

    /// Computes all sums anew from the readings.
    pub(super) fn add_up(&mut self) {
        self.series.add_up(self.scale());
    }

    /// Whether it is a rain gauge.
    pub(super) fn measures_rain(&self) -> bool {
        self.config.kind == GaugeKind::Rain
    }

    /// Why it seems stuck, if it does: it reports no rain, while another gauge of its grid has collected
    /// `other_um` in 3 h.
    pub(super) fn stuck_dry(
        &self,
        now_at: Timestamp,
        other_um: i64,
        stuck_um: i64,
    ) -> Option<String> {
        let window = SignedDuration::from_hours(3);
        let own = self.series.sum(now_at, window);
        let heard = self.series.last().is_some_and(|last| now_at.duration_since(last) < window / 2);
        let stuck = self.measures_rain() && heard && own == 0 && other_um >= stuck_um;
        stuck.then(|| {
            format!("dry for 3 h, while {:.1} mm fell beside it: stuck or blocked", mm(other_um))
        })
    }
}

impl GaugeConfig {
    fn zero_mm(&self) -> i64 {
        (self.zero_m * 1000.0).round() as i64
    }

    /// What of a level is believed at once. The range is around the marks, so that no level which
    /// passes one is outside for that; without marks no level alarms.
    fn level_limits(&self) -> LevelLimits {
        let mm = |metres: f64| (metres * 1000.0).round() as i64;
        let marks = || self.warning_m.into_iter().chain(self.guarantee_m).map(mm);
        let lowest = marks().min().map_or(i64::MIN, |mark| mark - BELOW_MARKS_MM);
        let highest = marks().max().map_or(i64::MAX, |mark| mark + ABOVE_MARKS_MM);
        let most_mm_per_min = mm(self.max_m_per_min);
        LevelLimits { lowest_mm: lowest, highest_mm: highest, most_mm_per_min }
    }
}
