//! Rain over one grid: one happening from the first threshold until the last is given up.
//!
//! **R2** One rain over a grid is one incident. Each threshold is reached at once and given up with
//! hysteresis; the incident ends when all are given up, or when it was dry for `dry_s`. Rain, water
//! and posture go on over a restart. The gateway says that an observed amount *meets a criterion*;
//! only the weather authority issues a signal.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{
    config::Config,
    gauge::Gauge,
    ladder::{Ladder, grade},
    say::{shown, sums, window_en, window_zh},
};
use crate::domain::{
    ClockError, Detail, Finding, Kind, Now, Phase, Severity, SourceId, Stamp, Title,
};

/// Rain with a pause of this length is two rains, for when it began.
const PAUSE: SignedDuration = SignedDuration::from_hours(2);
/// So much more rain is worth an update, µm.
const NOTABLE_UM: i64 = 10_000;
/// Said with each signal: the gateway observes, it issues nothing.
const NOTE: &str = "观测雨量达到标准，预警信号以气象部门发布为准 (observed amount; only the weather authority issues signals)";

pub(super) struct Group {
    pub(super) code: String,
    pub(super) name: String,
    /// Source time, and our own clock when it was that.
    anchor: Option<(Timestamp, i64)>,
    pub(super) place: usize,
    pub(super) moving: usize,
    open: Option<Open>,
    /// Ended as dry; what fell before is told no more.
    dry_since: Option<Timestamp>,
}

struct Open {
    began_at: Timestamp,
    /// Whose incident it is: the gauge that reached the first threshold.
    source: SourceId,
    peak: usize,
    told_um: i64,
}

/// What rain is compared with.
pub(super) struct Measures<'m> {
    pub(super) signals: &'m Ladder,
    pub(super) moving: &'m Ladder,
    pub(super) config: &'m Config,
}

impl Group {
    pub(super) fn new(code: String, name: String) -> Self {
        Self { code, name, anchor: None, place: 0, moving: 0, open: None, dry_since: None }
    }

    /// A reading of this time came in; source time never goes back.
    pub(super) fn hear(&mut self, at: Timestamp, mono_ms: i64) {
        if self.now_at(mono_ms).is_none_or(|now_at| at > now_at) {
            self.anchor = Some((at, mono_ms));
        }
    }

    /// As [`super::series::Series::forget_after`].
    pub(super) fn forget_after(&mut self, limit: Timestamp, mono_ms: i64) {
        if self.now_at(mono_ms).is_some_and(|now_at| now_at > limit) {
            self.anchor = None;
            self.dry_since = None;
        }
    }

    /// Source time now: the latest reading's and what has passed since by our own clock.
    pub(super) fn now_at(&self, mono_ms: i64) -> Option<Timestamp> {
        let (at, then_ms) = self.anchor?;
        Some(at + SignedDuration::from_millis((mono_ms - then_ms).max(0)))
    }

    /// Its incident was left so before a restart.
    pub(super) fn resume(
        &mut self,
        began_at: Timestamp,
        source: SourceId,
        places: (usize, usize),
        peak: usize,
        now: Now,
    ) {
        // All its readings are older than a day: time goes on all the same, and it is over.
        self.anchor = self.anchor.or(Some((now.wall, now.mono())));
        (self.place, self.moving) = places;
        self.open = Some(Open { began_at, source, peak, told_um: 0 });
    }

    pub(super) fn key(&self) -> String {
        key(&self.code)
    }

    /// Compares the sums of its gauges with all thresholds.
    pub(super) fn compare(
        &mut self,
        gauges: &[&Gauge],
        with: &Measures<'_>,
        stamp: Stamp,
        mono_ms: i64,
        out: &mut Vec<Finding>,
    ) {
        let Some(now_at) = self.now_at(mono_ms) else { return };
        let hysteresis = with.config.hysteresis;
        let step = |ladder: &Ladder, before: usize| {
            let places = gauges.iter().map(|gauge| {
                (ladder.step(before, hysteresis, |w| gauge.series.sum(now_at, w)), *gauge)
            });
            let day = SignedDuration::from_hours(24);
            places.max_by_key(|(place, gauge)| (*place, gauge.series.sum(now_at, day)))
        };
        let Some((mut place, top)) = step(with.signals, self.place) else { return };
        let (mut moving, top) = match step(with.moving, self.moving) {
            Some((moving, gauge)) if moving > 0 => (moving, gauge),
            _ => (0, top),
        };
        let last_rain = gauges.iter().filter_map(|gauge| gauge.series.last_rain()).max();
        let dry_s = i64::try_from(with.config.dry_s).unwrap_or(i64::MAX);
        let dry = last_rain.is_none_or(|last| now_at.duration_since(last).as_secs() >= dry_s);
        if dry && self.open.is_some() {
            self.dry_since = last_rain;
        }
        let old_rain = self.dry_since.is_some() && last_rain <= self.dry_since;
        if dry || old_rain {
            (place, moving) = (0, 0);
        } else {
            self.dry_since = None;
        }
        let before = (self.place, self.moving);
        (self.place, self.moving) = (place, moving);
        let begins = self.open.is_none();
        if begins {
            if (place, moving) == (0, 0) {
                return;
            }
            let began_at = top.series.began(PAUSE).unwrap_or(now_at).min(now_at);
            let source = top.id.clone();
            self.open = Some(Open { began_at, source, peak: place, told_um: 0 });
        }
        let Some(open) = &mut self.open else { return };
        open.peak = open.peak.max(place);
        let since = now_at.duration_since(open.began_at);
        let fell = top.series.sum(now_at, since.min(SignedDuration::from_hours(24)));
        let notable = before != (place, moving) || fell - open.told_um >= NOTABLE_UM;
        if notable {
            open.told_um = fell;
        }
        let ends = (place, moving) == (0, 0);
        let finding = self.finding(gauges, top, with, stamp, now_at, fell);
        out.extend(finding.map(|finding| Finding {
            phase: match (begins, ends) {
                (true, _) => Phase::Begins,
                (false, true) => Phase::Ends,
                (false, false) => Phase::Continues,
            },
            notable,
            ..finding
        }));
        if ends {
            self.open = None;
        }
    }

    fn finding(
        &self,
        gauges: &[&Gauge],
        top: &Gauge,
        with: &Measures<'_>,
        stamp: Stamp,
        now_at: Timestamp,
        fell_um: i64,
    ) -> Option<Finding> {
        let open = self.open.as_ref()?;
        let sum = |window| top.series.sum(now_at, window);
        let (signal, moving) = (with.signals.at(self.place), with.moving.at(self.moving));
        // The more urgent of the two speaks.
        let (rung, ladder, place) = match (signal, moving) {
            (Some(signal), Some(moving)) if signal.severity < moving.severity => {
                (Some(signal), with.signals, self.place)
            }
            (_, Some(moving)) => (Some(moving), with.moving, self.moving),
            (signal, None) => (signal, with.signals, self.place),
        };
        let reason = ladder.reason(place, sum);
        let (title, why) = match (rung, reason) {
            (Some(rung), Some((window, um))) => {
                let (fell, limit) = (shown(sum(window)), shown(um));
                let title = Title {
                    zh: format!("{}：{}（{}{fell}毫米）", self.name, rung.zh, window_zh(window)),
                    en: format!("{}: {} ({fell} mm in {})", self.name, rung.en, window_en(window)),
                };
                let why = format!(
                    "{}: {fell} mm in {}, threshold {} {limit} mm",
                    top.id,
                    window_en(window),
                    rung.name
                );
                (Some(title), why)
            }
            _ => (None, format!("{}: all thresholds are given up", self.code)),
        };
        let peak = with.signals.at(open.peak).map_or("none", |rung| rung.name);
        let all = sums(&top.series, now_at);
        let of = |name: &str| all.iter().find(|(known, _)| *known == name).map_or(0, |(_, um)| *um);
        let map: Map<String, Value> =
            all.iter().map(|(name, um)| ((*name).to_owned(), shown(*um).into())).collect();
        let mean = |window: SignedDuration| {
            let n = i64::try_from(gauges.len().max(1)).unwrap_or(1);
            shown(gauges.iter().map(|gauge| gauge.series.sum(now_at, window)).sum::<i64>() / n)
        };
        let detail = Detail::from([
            ("level".into(), signal.map_or("none", |rung| rung.name).into()),
            ("peak".into(), peak.into()),
            ("moving".into(), moving.map_or("none", |rung| rung.name).into()),
            ("gauge".into(), top.id.as_str().into()),
            ("gauge_name".into(), top.name.clone().into()),
            ("sums_mm".into(), map.into()),
            ("since_began_mm".into(), shown(fell_um).into()),
            ("grade_12h".into(), grade(of("12h"), false).0.into()),
            ("grade_24h".into(), grade(of("24h"), true).0.into()),
            ("grid_mean_1h_mm".into(), mean(SignedDuration::from_hours(1)).into()),
            ("grid_mean_24h_mm".into(), mean(SignedDuration::from_hours(24)).into()),
            ("grid_gauges".into(), gauges.len().into()),
            ("note".into(), NOTE.into()),
        ]);
        Some(Finding {
            key: self.key(),
            phase: Phase::Continues,
            rule: None,
            source: open.source.clone(),
            kind: Kind::Rain,
            severity: rung.map_or(Severity::MINOR, |rung| rung.severity),
            title,
            began_at: open.began_at,
            at: now_at,
            clock: ClockError::of(stamp),
            objects: Vec::new(),
            why,
            detail,
            shot: None,
            notable: false,
        })
    }

    /// Nobody measures here any more.
    pub(super) fn retire(self, stamp: Stamp, out: &mut Vec<Finding>) {
        let Some(open) = self.open else { return };
        out.push(ended(&self.code, open.source, open.began_at, stamp));
    }
}

/// The end of an incident whose gauges have left the configuration.
pub(super) fn ended(code: &str, source: SourceId, began_at: Timestamp, stamp: Stamp) -> Finding {
    Finding {
        key: key(code),
        phase: Phase::Ends,
        began_at,
        detail: Detail::from([("ended_by".into(), "reload".into())]),
        severity: Severity::MINOR,
        ..super::say::part(
            &source,
            stamp,
            Kind::Rain,
            false,
            "no gauge of it is configured any more",
        )
    }
}

/// Of the incident of one grid, or of a gauge without one.
pub(super) fn key(code: &str) -> String {
    format!("rain/{code}")
}
