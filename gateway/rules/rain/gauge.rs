//! One gauge: its readings, whether it is silent, and whether its readings are plausible.
//!
//! **R3** A reading that no rain makes is set aside, reported (`device-fault`) and not counted, until
//! the next one confirms it. A device's clock that is wrong (before 2020, or more than 10 min
//! ahead) is not believed: the reading is dated by its arrival. Readings older than 25 h count
//! nowhere (`domain/gauge.rs`).

use jiff::{SignedDuration, Timestamp};

use super::{
    config::{GaugeConfig, GaugeKind},
    level::Level,
    series::{Scale, Series, mm},
    text::part,
};
use crate::domain::{Finding, GaugeReport, Kind, Measure, Phase, Severity, SourceId, Stamp};

/// A doubt stands for so long after the last reading that caused it.
const DOUBT_STANDS: SignedDuration = SignedDuration::from_hours(1);
/// At or below this a battery should be changed, percent.
const BATTERY_LOW_PERCENT: u8 = 15;

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
    heard_ms: i64,
    /// Silence was reported.
    pub(super) silent: bool,
    /// When the latest implausible reading came, and what was wrong with it.
    doubt: Option<(Timestamp, String)>,
    /// A doubt was reported.
    pub(super) doubtful: bool,
    battery_low: bool,
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
            silent: false,
            doubt: None,
            doubtful: false,
            battery_low: false,
        }
    }

    /// Takes over readings and state of the same gauge before a change of the configuration.
    pub(super) fn go_on(&mut self, before: Self) {
        let Self { series, level, heard_ms, silent, doubt, doubtful, battery_low, .. } = before;
        (self.series, self.level, self.heard_ms) = (series, level, heard_ms);
        (self.silent, self.doubt) = (silent, doubt);
        (self.doubtful, self.battery_low) = (doubtful, battery_low);
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
        for reading in &report.readings {
            match reading.measure {
                Measure::LevelMm(mm) => {
                    let zero = (self.config.zero_mm(), self.config.most_mm_per_min());
                    if let Some(why) = self.level.insert(reading.at, mm + zero.0, zero.1) {
                        self.doubt = Some((reading.at, why));
                    }
                }
                measure => {
                    self.series.insert(reading.at, measure);
                }
            }
        }
        if let Some(why) = &report.doubt {
            self.doubt = Some((stamp.gateway, why.clone()));
        }
        report.readings.iter().map(|reading| reading.at).max()
    }

    /// Computes all sums anew from the readings.
    pub(super) fn add_up(&mut self) {
        self.series.add_up(self.scale());
        if let Some((at, why)) = self.series.doubts.last() {
            let newer = self.doubt.as_ref().is_none_or(|(before, _)| before <= at);
            if newer {
                self.doubt = Some((*at, why.clone()));
            }
        }
    }

    /// Whether it is a rain gauge.
    pub(super) fn measures_rain(&self) -> bool {
        self.config.kind == GaugeKind::Rain
    }

    /// Reports a battery that has become low, or well again.
    pub(super) fn battery(&mut self, stamp: Stamp, percent: Option<u8>, out: &mut Vec<Finding>) {
        let Some(percent) = percent else { return };
        let low = percent <= BATTERY_LOW_PERCENT;
        if low != self.battery_low {
            self.battery_low = low;
            let why = format!("battery of {} at {percent} %", self.id);
            out.push(Finding {
                severity: Severity::MINOR,
                ..part(&self.id, stamp, Kind::DeviceBattery, low, &why)
            });
        }
    }

    /// Whether it has become silent, or is heard again.
    pub(super) fn supervise(&mut self, stamp: Stamp, mono_ms: i64, out: &mut Vec<Finding>) {
        let quiet_ms = mono_ms - self.heard_ms;
        let after_ms = i64::try_from(self.config.silent_after_s * 1000).unwrap_or(i64::MAX);
        let silent = self.known && quiet_ms > after_ms;
        if silent == self.silent {
            return;
        }
        self.silent = silent;
        let why = match silent {
            true => format!("nothing from {} for {} min", self.id, quiet_ms / 60_000),
            false => format!("{} speaks again", self.id),
        };
        out.push(part(&self.id, stamp, Kind::DeviceSilent, silent, &why));
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
        if self.doubt.as_ref().is_some_and(|(at, _)| now_at.duration_since(*at) > DOUBT_STANDS) {
            self.doubt = None;
        }
        let why = stuck.or_else(|| self.doubt.as_ref().map(|(_, why)| why.clone()));
        if why.is_some() == self.doubtful {
            return;
        }
        self.doubtful = why.is_some();
        let text = match &why {
            Some(why) => format!("{}: {why}; it is not counted", self.id),
            None => format!("{} says what can be again", self.id),
        };
        out.push(Finding {
            detail: why.into_iter().map(|why| ("doubt".into(), why.into())).collect(),
            ..part(&self.id, stamp, Kind::DeviceFault, self.doubtful, &text)
        });
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

    fn most_mm_per_min(&self) -> i64 {
        (self.max_m_per_min * 1000.0).round() as i64
    }
}

impl Gauge {
    /// The gauge was removed from the configuration: its faults are over.
    pub(super) fn retire(self, stamp: Stamp, out: &mut Vec<Finding>) {
        for (is, kind) in [
            (self.silent, Kind::DeviceSilent),
            (self.doubtful, Kind::DeviceFault),
            (self.battery_low, Kind::DeviceBattery),
        ] {
            if is {
                let why = "gone from the configuration";
                out.push(Finding { phase: Phase::Ends, ..part(&self.id, stamp, kind, false, why) });
            }
        }
    }
}
