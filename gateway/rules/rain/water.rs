//! Water level against warning and guarantee level 警戒/保证水位: reached at once, given up with hysteresis.

use jiff::Timestamp;

use super::{gauge::Gauge, level::LevelBand};
use crate::domain::{
    ClockError, Detail, Finding, Kind, Phase, Severity, Stamp, ThingReport, Title,
};

/// Another rise or fall of so much is worth an update, mm.
const NOTABLE_MM: i64 = 100;

impl Gauge {
    /// Compares the latest level with warning and guarantee level.
    pub(super) fn compare(&mut self, stamp: Stamp, out: &mut Vec<Finding>) {
        let Some((at, mm)) = self.level.last else { return };
        let (warning, guarantee) = (self.config.warning_m, self.config.guarantee_m);
        let slack = self.config.level_hysteresis_m;
        let level_m = mm as f64 / 1000.0;
        let before = self.level.mark;
        let reaches = |mark: Option<f64>, held: bool| {
            mark.is_some_and(|mark| level_m >= mark - if held { slack } else { 0.0 })
        };
        let mark = if reaches(guarantee, before >= LevelBand::Guarantee) {
            LevelBand::Guarantee
        } else if reaches(warning, before >= LevelBand::Warning) {
            LevelBand::Warning
        } else {
            LevelBand::Below
        };
        self.level.mark = mark;
        if (before, mark) == (LevelBand::Below, LevelBand::Below) {
            return;
        }
        if before == LevelBand::Below {
            (self.level.began_at, self.level.most_mm) = (Some(at), mm);
        }
        self.level.most_mm = self.level.most_mm.max(mm);
        let notable = mark != before || (mm - self.level.reported_mm).abs() >= NOTABLE_MM;
        if notable {
            self.level.reported_mm = mm;
        }
        out.push(self.finding(stamp, at, before, notable));
        if mark == LevelBand::Below {
            self.level.began_at = None;
        }
    }

    fn finding(&self, stamp: Stamp, at: Timestamp, before: LevelBand, notable: bool) -> Finding {
        let mark = self.level.mark;
        let level_m = self.level.last.map_or(0, |(_, mm)| mm) as f64 / 1000.0;
        let (name, zh, en, of) =
            match mark.max(if mark == LevelBand::Below { before } else { mark }) {
                LevelBand::Guarantee => {
                    ("guarantee", "保证水位", "guarantee level", self.config.guarantee_m)
                }
                _ => ("warning", "警戒水位", "warning level", self.config.warning_m),
            };
        let of = of.unwrap_or(level_m);
        let over = level_m - of;
        let title = (mark != LevelBand::Below).then(|| Title {
            zh: format!("{}：水位 {level_m:.2} 米，超{zh} {over:.2} 米", self.name),
            en: format!("{}: water at {level_m:.2} m, {over:.2} m above the {en}", self.name),
        });
        let detail = Detail::from([
            ("level_m".into(), level_m.into()),
            ("most_m".into(), (self.level.most_mm as f64 / 1000.0).into()),
            ("mark".into(), if mark == LevelBand::Below { "below" } else { name }.into()),
            ("mark_m".into(), of.into()),
        ]);
        Finding {
            key: key(self.id.as_str()),
            phase: match (before, mark) {
                (LevelBand::Below, _) => Phase::Begins,
                (_, LevelBand::Below) => Phase::Ends,
                _ => Phase::Continues,
            },
            rule: None,
            source: self.id.clone(),
            kind: Kind::WaterLevel,
            severity: if mark == LevelBand::Guarantee {
                Severity::EMERGENCY
            } else {
                Severity::ALERT
            },
            title,
            began_at: self.level.began_at.unwrap_or(at),
            at,
            clock: ClockError::of(stamp),
            objects: Vec::new(),
            why: format!("{} at {level_m:.3} m, {en} {of:.3} m", self.id),
            detail,
            things: ThingReport::default(),
            shot: None,
            notable,
        }
    }
}

/// The key of the incident of one gauge.
pub(super) fn key(gauge: &str) -> String {
    format!("water-level/{gauge}")
}
