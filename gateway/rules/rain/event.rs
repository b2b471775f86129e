//! Rain over one grid: one incident from the first threshold until the last is given up.
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
    ladder::{Ladder, Rung, grade},
    text::{shown, sums, window_en, window_zh},
};
use crate::domain::{
    ClockError, Detail, Finding, Kind, Now, Phase, Severity, SourceId, Stamp, ThingReport, Title,
};

/// After a pause of this length it counts as another rain, for when it began.
const PAUSE: SignedDuration = SignedDuration::from_hours(2);
/// So much more rain is worth an update, µm.
const NOTABLE_UM: i64 = 10_000;
/// In each incident: the gateway observes amounts and issues no signals.
const NOTE: &str = "观测雨量达到标准，预警信号以气象部门发布为准 (observed amount; only the weather authority issues signals)";

/// The gauges of one grid, or a gauge without one, and their incident.
pub(super) struct Group {
    /// Of the grid, or the gauge's id.
    pub(super) code: String,
    /// For people.
    pub(super) name: String,
    /// Source time, and our own clock when it was that.
    anchor: Option<(Timestamp, i64)>,
    /// Place on the ladder of signals; 0 is below the first.
    pub(super) place: usize,
    /// Place on the ladder of thresholds to move.
    pub(super) moving: usize,
    open: Option<OpenRain>,
    /// The incident ended because it was dry; rain up to this time opens no other.
    dry_since: Option<Timestamp>,
}

/// The incident that is open.
struct OpenRain {
    began_at: Timestamp,
    /// Whose incident it is: the gauge that reached the first threshold.
    source: SourceId,
    peak: usize,
    reported_um: i64,
}

/// What the sums are compared with.
pub(super) struct Measures<'m> {
    /// The grade and the signals.
    pub(super) signals: &'m Ladder,
    /// The thresholds to move people.
    pub(super) moving: &'m Ladder,
    /// `[rain]`.
    pub(super) config: &'m Config,
}

impl Group {
    /// Nothing was heard yet.
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

    /// Takes over the incident that was open before a restart.
    pub(super) fn resume(
        &mut self,
        began_at: Timestamp,
        source: SourceId,
        places: (usize, usize),
        peak: usize,
        now: Now,
    ) {
        // Where all readings are older than a day, there is no source time: our own clock stands in, so
        // that the incident can end.
        self.anchor = self.anchor.or(Some((now.wall, now.mono())));
        (self.place, self.moving) = places;
        self.open = Some(OpenRain { began_at, source, peak, reported_um: 0 });
    }

    /// The key of its incident.
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
        if self.is_dry(gauges, with.config, now_at) {
            (place, moving) = (0, 0);
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
            self.open = Some(OpenRain { began_at, source, peak: place, reported_um: 0 });
        }
        let Some(open) = &mut self.open else { return };
        open.peak = open.peak.max(place);
        let since = now_at.duration_since(open.began_at);
        let fell = top.series.sum(now_at, since.min(SignedDuration::from_hours(24)));
        let notable = before != (place, moving) || fell - open.reported_um >= NOTABLE_UM;
        if notable {
            open.reported_um = fell;
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

    /// Whether no rain has fallen for long, or none since the last incident ended for that.
    fn is_dry(&mut self, gauges: &[&Gauge], config: &Config, now_at: Timestamp) -> bool {
        let last_rain = gauges.iter().filter_map(|gauge| gauge.series.last_rain()).max();
        let dry_s = i64::try_from(config.dry_s).unwrap_or(i64::MAX);
        let dry = last_rain.is_none_or(|last| now_at.duration_since(last).as_secs() >= dry_s);
        if dry && self.open.is_some() {
            self.dry_since = last_rain;
        }
        let old_rain = self.dry_since.is_some() && last_rain <= self.dry_since;
        if !dry && !old_rain {
            self.dry_since = None;
        }
        dry || old_rain
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
        let (rung, title, why) = self.headline(top, with, now_at);
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
            detail: self.detail(open, gauges, top, with, now_at, fell_um),
            things: ThingReport::default(),
            shot: None,
            notable: false,
        })
    }

    /// The threshold that counts (the more urgent of the two ladders'), and title and reason by it.
    fn headline<'m>(
        &self,
        top: &Gauge,
        with: &Measures<'m>,
        now_at: Timestamp,
    ) -> (Option<&'m Rung>, Option<Title>, String) {
        let sum = |window| top.series.sum(now_at, window);
        let (signal, moving) = (with.signals.at(self.place), with.moving.at(self.moving));
        let (rung, ladder, place) = match (signal, moving) {
            (Some(signal), Some(moving)) if signal.severity < moving.severity => {
                (Some(signal), with.signals, self.place)
            }
            (_, Some(moving)) => (Some(moving), with.moving, self.moving),
            (signal, None) => (signal, with.signals, self.place),
        };
        let (Some(rung), Some((window, um))) = (rung, ladder.reason(place, sum)) else {
            return (rung, None, format!("{}: all thresholds are given up", self.code));
        };
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
        (Some(rung), Some(title), why)
    }

    /// The figures of the incident, as the contract lists them.
    fn detail(
        &self,
        open: &OpenRain,
        gauges: &[&Gauge],
        top: &Gauge,
        with: &Measures<'_>,
        now_at: Timestamp,
        fell_um: i64,
    ) -> Detail {
        let name = |rung: Option<&Rung>| rung.map_or("none", |rung| rung.name);
        let all = sums(&top.series, now_at);
        let of = |name: &str| all.iter().find(|(one, _)| *one == name).map_or(0, |(_, um)| *um);
        let map: Map<String, Value> =
            all.iter().map(|(name, um)| ((*name).to_owned(), shown(*um).into())).collect();
        let mean = |window: SignedDuration| {
            let n = i64::try_from(gauges.len().max(1)).unwrap_or(1);
            shown(gauges.iter().map(|gauge| gauge.series.sum(now_at, window)).sum::<i64>() / n)
        };
        Detail::from([
            ("level".into(), name(with.signals.at(self.place)).into()),
            ("peak".into(), name(with.signals.at(open.peak)).into()),
            ("moving".into(), name(with.moving.at(self.moving)).into()),
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
        ])
    }

    /// No gauge measures here any more: the incident ends.
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
        ..super::text::part(
            &source,
            stamp,
            Kind::Rain,
            false,
            "no gauge of it is configured any more",
        )
    }
}

/// The key of the incident of one grid, or of a gauge without one.
pub(super) fn key(code: &str) -> String {
    format!("rain/{code}")
}
