//! `[[gauge]]` and `[rain]`: what an installer types, and what is wrong with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Datum, Severity};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GaugeKind {
    /// Rain; a station that measures both is `rain` with `warning_m`.
    #[default]
    Rain,
    /// Water level.
    Level,
}

/// `[[gauge]]`: a rain gauge, a level gauge, or a station with both.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GaugeConfig {
    pub id: String,
    /// Name for people. Default: the id.
    #[serde(default)]
    pub name: String,
    /// Default rain.
    #[serde(default)]
    pub kind: GaugeKind,
    /// As it names itself: station address of SL 651 (ten digits), devEui, `model-id` of rtl_433,
    /// or the last level of its topic. Default: the id.
    #[serde(default)]
    pub device: Option<String>,
    /// `[lon, lat]`, degrees.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// What `place` refers to. Default: as `[site] datum`.
    #[serde(default)]
    pub datum: Option<Datum>,
    /// Code of its grid, where the place is not known or lies outside.
    #[serde(default)]
    pub grid: Option<String>,
    /// Millimetres of rain a tip of the bucket, where it reports tips. Default 0.2.
    #[serde(default = "tip_mm")]
    pub tip_mm: f64,
    /// Tips at which its counter begins at 0 again. Default: 65536 or 4294967296, as fits.
    #[serde(default)]
    pub counter_wraps_at: Option<u64>,
    /// Millimetres in a minute beyond which a reading is not believed. Default 10.
    #[serde(default = "max_mm_per_min")]
    pub max_mm_per_min: f64,
    /// Silent for so many seconds, it is an incident. Default 7800: two hourly reports and 10 min.
    #[serde(default = "silent_after_s")]
    pub silent_after_s: u64,
    /// Metres above datum of the device's own zero, added to each level. Default 0.
    #[serde(default)]
    pub zero_m: f64,
    /// Warning level 警戒水位, metres above datum.
    #[serde(default)]
    pub warning_m: Option<f64>,
    /// Guarantee level 保证水位, metres above datum.
    #[serde(default)]
    pub guarantee_m: Option<f64>,
    /// A level falls back when it is so many metres below. Default 0.1.
    #[serde(default = "level_hysteresis_m")]
    pub level_hysteresis_m: f64,
    /// Metres in a minute by which a level can change; more is not believed until it is said
    /// twice. Default 1.
    #[serde(default = "max_m_per_min")]
    pub max_m_per_min: f64,
}

fn tip_mm() -> f64 {
    0.2
}
fn max_mm_per_min() -> f64 {
    10.0
}
fn silent_after_s() -> u64 {
    7_800
}
fn level_hysteresis_m() -> f64 {
    0.1
}
fn max_m_per_min() -> f64 {
    1.0
}

impl GaugeConfig {
    /// The configuration of a station that is not configured.
    pub(super) fn unknown(id: &str) -> Self {
        Self {
            id: id.into(),
            name: String::new(),
            kind: GaugeKind::Rain,
            device: None,
            place: None,
            datum: None,
            grid: None,
            tip_mm: tip_mm(),
            counter_wraps_at: None,
            max_mm_per_min: max_mm_per_min(),
            silent_after_s: silent_after_s(),
            zero_m: 0.0,
            warning_m: None,
            guarantee_m: None,
            level_hysteresis_m: level_hysteresis_m(),
            max_m_per_min: max_m_per_min(),
        }
    }

    /// What is believed by default is never less than what the site alarms on, mm in a minute.
    pub(super) fn believing(mut self, alarms_at: f64) -> Self {
        if self.max_mm_per_min.total_cmp(&max_mm_per_min()).is_eq() {
            self.max_mm_per_min = self.max_mm_per_min.max(alarms_at);
        }
        self
    }

    /// The address or id by which it names itself.
    pub fn device(&self) -> &str {
        self.device.as_deref().unwrap_or(&self.id)
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.id.is_empty() {
            problems.push(("id", "is empty".into()));
        }
        let bounds = [
            ("tip_mm", self.tip_mm, 0.001, 10.0, "millimetres a tip"),
            ("max_mm_per_min", self.max_mm_per_min, 0.1, 100.0, "millimetres in a minute"),
            ("level_hysteresis_m", self.level_hysteresis_m, 0.0, 10.0, "metres"),
            ("max_m_per_min", self.max_m_per_min, 0.001, 100.0, "metres in a minute"),
            ("zero_m", self.zero_m, -500.0, 9_000.0, "metres above datum"),
        ];
        for (key, value, least, most, unit) in bounds {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value}: expected {least} to {most} {unit}")));
            }
        }
        if !(60..=604_800).contains(&self.silent_after_s) {
            let message = format!("{}: expected seconds, 60 to 604800", self.silent_after_s);
            problems.push(("silent_after_s", message));
        }
        if self.counter_wraps_at.is_some_and(|at| at < 16) {
            problems.push(("counter_wraps_at", "expected a number of tips, 16 or more".into()));
        }
        match (self.warning_m, self.guarantee_m) {
            (Some(warning), Some(guarantee)) if guarantee <= warning => {
                let message = format!(
                    "{guarantee}: the guarantee level 保证水位 lies above warning_m {warning}"
                );
                problems.push(("guarantee_m", message));
            }
            (None, None) if self.kind == GaugeKind::Level => {
                problems.push(("warning_m", "a level gauge needs warning_m or guarantee_m".into()));
            }
            _ => {}
        }
        problems
    }
}

/// So much rain in so long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// Hours, up to 24; half an hour is 0.5.
    pub window_h: f64,
    /// Millimetres.
    pub mm: f64,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    Blue,
    Yellow,
    Orange,
    Red,
}

/// A criterion of the rainstorm signals of the weather service. The gateway says that the observed
/// amount meets it; only the authority issues a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    pub colour: Colour,
    /// Any one of them is enough.
    pub amounts: Vec<Amount>,
    /// 1 emergency, 2 alert, 3 and 4 notice.
    pub severity: Severity,
}

/// Grades of rain by GB/T 28592-2012 that can open an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TellFrom {
    /// 中雨.
    Moderate,
    /// 大雨.
    #[default]
    Heavy,
    /// 暴雨.
    Rainstorm,
    /// Only signals and thresholds.
    Never,
}

/// `[rain]`: when rain is an incident. One is open per grid from the first threshold until the
/// last is no longer held.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The grade (GB/T 28592-2012, 12 or 24 h) from which an incident of severity 4 is opened.
    /// Default heavy 大雨.
    #[serde(default)]
    pub tell_from: TellFrom,
    /// Criteria of the rainstorm signals, as your province has them. Default: the national ones,
    /// blue 50 mm in 12 h, yellow 50 in 6 h, orange 50 in 3 h, red 100 in 3 h.
    #[serde(default = "signals")]
    pub signals: Vec<Signal>,
    /// Prepare to move 准备转移: severity 2. Set per village; default none.
    #[serde(default)]
    pub prepare: Vec<Amount>,
    /// Move at once 立即转移: severity 1. Set per village; default none.
    #[serde(default)]
    pub move_now: Vec<Amount>,
    /// A threshold is given up when less than this share of it is left. Default 0.8.
    #[serde(default = "hysteresis")]
    pub hysteresis: f64,
    /// After so many seconds without rain it is over, whatever the long sums say. Default 21600.
    #[serde(default = "dry_s")]
    pub dry_s: u64,
    /// A gauge that stays dry while another one of its grid collects so many millimetres in 3 h
    /// is stuck. Default 15.
    #[serde(default = "stuck_mm")]
    pub stuck_mm: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tell_from: TellFrom::default(),
            signals: signals(),
            prepare: Vec::new(),
            move_now: Vec::new(),
            hysteresis: hysteresis(),
            dry_s: dry_s(),
            stuck_mm: stuck_mm(),
        }
    }
}

fn signals() -> Vec<Signal> {
    let one = |colour, window_h, mm, severity| Signal {
        colour,
        amounts: vec![Amount { window_h, mm }],
        severity,
    };
    vec![
        one(Colour::Blue, 12.0, 50.0, Severity::NOTICE),
        one(Colour::Yellow, 6.0, 50.0, Severity::NOTICE),
        one(Colour::Orange, 3.0, 50.0, Severity::ALERT),
        one(Colour::Red, 3.0, 100.0, Severity::EMERGENCY),
    ]
}
fn hysteresis() -> f64 {
    0.8
}
fn dry_s() -> u64 {
    21_600
}
fn stuck_mm() -> f64 {
    15.0
}

impl Config {
    /// The hardest rain that a threshold asks for, mm in a minute.
    pub(super) fn hardest_mm_per_min(&self) -> f64 {
        let signals = self.signals.iter().flat_map(|signal| &signal.amounts);
        let all = signals.chain(&self.prepare).chain(&self.move_now);
        all.map(|amount| amount.mm / (amount.window_h * 60.0)).fold(0.0, f64::max)
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut colours: Vec<Colour> = self.signals.iter().map(|signal| signal.colour).collect();
        let sorted = colours.is_sorted();
        colours.dedup();
        if !sorted || colours.len() != self.signals.len() {
            problems.push(("signals", "expected each colour once, blue first, red last".into()));
        }
        let all = self.signals.iter().map(|signal| ("signals", &signal.amounts));
        for (key, amounts) in all.chain([("prepare", &self.prepare), ("move_now", &self.move_now)])
        {
            for Amount { window_h, mm } in amounts {
                if !(0.05..=24.0).contains(window_h) || !(0.1..=5_000.0).contains(mm) {
                    let message =
                        format!("{mm} mm in {window_h} h: expected 0.1 to 5000 mm in 0.05 to 24 h");
                    problems.push((key, message));
                }
            }
        }
        if self.signals.iter().any(|signal| signal.amounts.is_empty()) {
            problems.push(("signals", "a signal without `amounts` is never met".into()));
        }
        if !(0.1..=1.0).contains(&self.hysteresis) {
            problems
                .push(("hysteresis", format!("{}: expected a share, 0.1 to 1", self.hysteresis)));
        }
        if !(600..=172_800).contains(&self.dry_s) {
            problems.push(("dry_s", format!("{}: expected seconds, 600 to 172800", self.dry_s)));
        }
        if !(1.0..=1_000.0).contains(&self.stuck_mm) {
            problems.push(("stuck_mm", format!("{}: expected 1 to 1000 mm", self.stuck_mm)));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_by_key() {
        let gauge: GaugeConfig = toml::from_str(
            "id = \"g\"\nkind = \"level\"\ntip_mm = 0\nsilent_after_s = 1\nwarning_m = 30.0\nguarantee_m = 29.0\n",
        )
        .unwrap();
        let keys: Vec<_> = gauge.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["tip_mm", "silent_after_s", "guarantee_m"]);
        let rain: Config = toml::from_str(
            "hysteresis = 2.0\nprepare = [{ window_h = 48.0, mm = 1.0 }]\nsignals = [{ colour = \"red\", amounts = [], severity = 1 }, { colour = \"blue\", amounts = [{ window_h = 1.0, mm = 5.0 }], severity = 3 }]\n",
        )
        .unwrap();
        let keys: Vec<_> = rain.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["signals", "prepare", "signals", "hysteresis"]);
        assert_eq!(Config::default().problems(), []);
        // A threshold of 60 mm in 3 min: what it alarms on is believed, unless the site says otherwise.
        let steep: Config = toml::from_str("move_now = [{ window_h = 0.05, mm = 60.0 }]").unwrap();
        let most = |text: &str| {
            let gauge: GaugeConfig = toml::from_str(text).unwrap();
            gauge.believing(steep.hardest_mm_per_min()).max_mm_per_min
        };
        assert!((most("id = \"g\"") - 20.0).abs() < 1e-9);
        assert!((most("id = \"g\"\nmax_mm_per_min = 5.0") - 5.0).abs() < 1e-9);
    }
}
