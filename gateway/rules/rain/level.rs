//! Water level against warning and guarantee level 警戒/保证水位: up at once, down with hysteresis.

use jiff::{SignedDuration, Timestamp};

use super::gauge::Gauge;
use crate::domain::{ClockError, Detail, Finding, Kind, Phase, Severity, Stamp, Title};

/// The same to the millimetre for so long while it rains: stuck.
const STUCK_AFTER: SignedDuration = SignedDuration::from_hours(6);
/// So much rain in that time moves any river, µm.
const STUCK_RAIN_UM: i64 = 30_000;
/// Another rise of so much is worth an update, mm.
const NOTABLE_MM: i64 = 100;

/// 0 below the warning level, 1 at or above it, 2 at or above the guarantee level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    #[default]
    Below,
    Warning,
    Guarantee,
}

#[derive(Default)]
pub(super) struct Level {
    /// Millimetres above datum, and when.
    pub(super) last: Option<(Timestamp, i64)>,
    aside: Option<(Timestamp, i64)>,
    same_since: Option<Timestamp>,
    pub(super) mark: Mark,
    began_at: Option<Timestamp>,
    told_mm: i64,
    most_mm: i64,
}

impl Level {
    /// Late readings change nothing: the latest counts. A jump is believed when it is said
    /// twice; the answer is why it is not yet.
    pub(super) fn insert(
        &mut self,
        at: Timestamp,
        mm: i64,
        most_mm_per_min: i64,
    ) -> Option<String> {
        let Some((before, was)) = self.last else {
            (self.last, self.same_since) = (Some((at, mm)), Some(at));
            return None;
        };
        if at <= before {
            return None;
        }
        let far = |from: (Timestamp, i64)| {
            let minutes = at.duration_since(from.0).as_millis().max(60_000);
            i128::from((mm - from.1).abs()) > i128::from(most_mm_per_min) * minutes / 60_000
        };
        if far((before, was)) && self.aside.is_none_or(far) {
            self.aside = Some((at, mm));
            return Some(format!(
                "water moved {:.2} m in {} s",
                (mm - was) as f64 / 1000.0,
                at.duration_since(before).as_secs()
            ));
        }
        self.aside = None;
        if mm != was {
            self.same_since = Some(at);
        }
        self.last = Some((at, mm));
        None
    }

    /// As [`super::series::Series::forget_after`].
    pub(super) fn forget_after(&mut self, limit: Timestamp) {
        if self.last.is_some_and(|(at, _)| at > limit) {
            (self.last, self.aside, self.same_since) = (None, None, None);
        }
    }

    /// The incident that is open was left so before a restart.
    pub(super) fn resume(&mut self, mark: Mark, began_at: Timestamp) {
        (self.mark, self.began_at) = (mark, Some(began_at));
    }

    pub(super) fn stuck(
        &self,
        now_at: Timestamp,
        rain_um: impl Fn(SignedDuration) -> i64,
    ) -> Option<String> {
        let (last, _) = self.last?;
        let same = last.duration_since(self.same_since?);
        let stuck = same >= STUCK_AFTER
            && now_at.duration_since(last) < STUCK_AFTER
            && rain_um(STUCK_AFTER) >= STUCK_RAIN_UM;
        stuck
            .then(|| format!("the same level for {} h while it rains hard: stuck", same.as_hours()))
    }
}

impl Gauge {
    /// Compares the latest level with the marks.
    pub(super) fn compare(&mut self, stamp: Stamp, out: &mut Vec<Finding>) {
        let Some((at, mm)) = self.level.last else { return };
        let (warning, guarantee) = (self.config.warning_m, self.config.guarantee_m);
        let slack = self.config.level_hysteresis_m;
        let level_m = mm as f64 / 1000.0;
        let before = self.level.mark;
        let reaches = |mark: Option<f64>, held: bool| {
            mark.is_some_and(|mark| level_m >= mark - if held { slack } else { 0.0 })
        };
        let mark = if reaches(guarantee, before >= Mark::Guarantee) {
            Mark::Guarantee
        } else if reaches(warning, before >= Mark::Warning) {
            Mark::Warning
        } else {
            Mark::Below
        };
        self.level.mark = mark;
        if (before, mark) == (Mark::Below, Mark::Below) {
            return;
        }
        if before == Mark::Below {
            (self.level.began_at, self.level.most_mm) = (Some(at), mm);
        }
        self.level.most_mm = self.level.most_mm.max(mm);
        let notable = mark != before || (mm - self.level.told_mm).abs() >= NOTABLE_MM;
        if notable {
            self.level.told_mm = mm;
        }
        out.push(self.finding(stamp, at, before, notable));
        if mark == Mark::Below {
            self.level.began_at = None;
        }
    }

    fn finding(&self, stamp: Stamp, at: Timestamp, before: Mark, notable: bool) -> Finding {
        let mark = self.level.mark;
        let level_m = self.level.last.map_or(0, |(_, mm)| mm) as f64 / 1000.0;
        let (name, zh, en, of) = match mark.max(if mark == Mark::Below { before } else { mark }) {
            Mark::Guarantee => {
                ("guarantee", "保证水位", "guarantee level", self.config.guarantee_m)
            }
            _ => ("warning", "警戒水位", "warning level", self.config.warning_m),
        };
        let of = of.unwrap_or(level_m);
        let over = level_m - of;
        let title = (mark != Mark::Below).then(|| Title {
            zh: format!("{}：水位 {level_m:.2} 米，超{zh} {over:.2} 米", self.name),
            en: format!("{}: water at {level_m:.2} m, {over:.2} m above the {en}", self.name),
        });
        let detail = Detail::from([
            ("level_m".into(), level_m.into()),
            ("most_m".into(), (self.level.most_mm as f64 / 1000.0).into()),
            ("mark".into(), if mark == Mark::Below { "below" } else { name }.into()),
            ("mark_m".into(), of.into()),
        ]);
        Finding {
            key: key(self.id.as_str()),
            phase: match (before, mark) {
                (Mark::Below, _) => Phase::Begins,
                (_, Mark::Below) => Phase::Ends,
                _ => Phase::Continues,
            },
            rule: None,
            source: self.id.clone(),
            kind: Kind::WaterLevel,
            severity: if mark == Mark::Guarantee { Severity::EMERGENCY } else { Severity::ALERT },
            title,
            began_at: self.level.began_at.unwrap_or(at),
            at,
            clock: ClockError::of(stamp),
            objects: Vec::new(),
            why: format!("{} at {level_m:.3} m, {en} {of:.3} m", self.id),
            detail,
            shot: None,
            notable,
        }
    }
}

/// Of the incident of one gauge.
pub(super) fn key(gauge: &str) -> String {
    format!("water-level/{gauge}")
}
