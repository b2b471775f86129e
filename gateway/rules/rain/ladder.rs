//! Thresholds in order of urgency: reached at once, given up with hysteresis. And the grades of GB/T 28592-2012.

use jiff::SignedDuration;

use super::config::{Amount, Colour, Config, TellFrom};
use crate::domain::Severity;

/// One step: any of its amounts reaches it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rung {
    /// As in `detail.level`.
    pub(super) name: &'static str,
    /// For people, Chinese.
    pub(super) zh: &'static str,
    /// For people, English.
    pub(super) en: &'static str,
    /// Of an incident at this step.
    pub(super) severity: Severity,
    /// Window and µm.
    amounts: Vec<(SignedDuration, i64)>,
}

/// Rungs, the least urgent first; 0 is below the first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    rungs: Vec<Rung>,
}

impl Ladder {
    /// The grade from which an incident is opened, then the signals.
    pub(super) fn of_rain(config: &Config) -> Self {
        let grade = |name, zh, en, mm_12, mm_24| Rung {
            name,
            zh,
            en,
            severity: Severity::MINOR,
            amounts: vec![
                (SignedDuration::from_hours(12), mm_12),
                (SignedDuration::from_hours(24), mm_24),
            ],
        };
        let mut rungs: Vec<Rung> = match config.tell_from {
            TellFrom::Moderate => vec![grade("moderate", "中雨", "moderate rain", 5_000, 10_000)],
            TellFrom::Heavy => vec![grade("heavy", "大雨", "heavy rain", 15_000, 25_000)],
            TellFrom::Rainstorm => vec![grade("rainstorm", "暴雨", "rainstorm", 30_000, 50_000)],
            TellFrom::Never => Vec::new(),
        };
        rungs.extend(config.signals.iter().map(|signal| {
            let (name, zh, en) = words(signal.colour);
            let amounts = signal.amounts.iter().map(amount).collect();
            Rung { name, zh, en, severity: signal.severity, amounts }
        }));
        Self { rungs }
    }

    /// The thresholds to move people: 准备转移, 立即转移.
    pub(super) fn of_moving(config: &Config) -> Self {
        let rung = |name, zh, en, severity, amounts: &[Amount]| Rung {
            name,
            zh,
            en,
            severity,
            amounts: amounts.iter().map(amount).collect(),
        };
        Self {
            rungs: vec![
                rung(
                    "prepare",
                    "达到准备转移雨量",
                    "rain reaches the threshold to prepare to move",
                    Severity::ALERT,
                    &config.prepare,
                ),
                rung(
                    "move-now",
                    "达到立即转移雨量",
                    "rain reaches the threshold to move at once",
                    Severity::EMERGENCY,
                    &config.move_now,
                ),
            ],
        }
    }

    /// The place that the sums reach, after `before`: up at once, down only when every amount has fallen
    /// below the share `hysteresis` of its threshold.
    pub(super) fn step(
        &self,
        before: usize,
        hysteresis: f64,
        sum_um: impl Fn(SignedDuration) -> i64,
    ) -> usize {
        let holds = |place: usize| {
            self.rungs[place - 1].amounts.iter().any(|&(window, um)| {
                let limit =
                    if place <= before { (um as f64 * hysteresis).round() as i64 } else { um };
                sum_um(window) >= limit
            })
        };
        (1..=self.rungs.len()).rev().find(|place| holds(*place)).unwrap_or(0)
    }

    /// Which amount holds this place: window and µm, the one that is exceeded most.
    pub(super) fn reason(
        &self,
        place: usize,
        sum_um: impl Fn(SignedDuration) -> i64,
    ) -> Option<(SignedDuration, i64)> {
        let amounts = &self.at(place)?.amounts;
        let by = |&&(window, um): &&(SignedDuration, i64)| sum_um(window) * 1000 / um.max(1);
        amounts.iter().max_by_key(by).copied()
    }

    /// The step at this place; `None` below the first.
    pub(super) fn at(&self, place: usize) -> Option<&Rung> {
        self.rungs.get(place.checked_sub(1)?)
    }

    /// The place of this name; 0 where there is none.
    pub(super) fn place(&self, name: &str) -> usize {
        self.rungs.iter().position(|rung| rung.name == name).map_or(0, |at| at + 1)
    }

    /// All amounts, for curves: name, window in hours, millimetres.
    pub(super) fn lines(&self) -> Vec<(&Rung, f64, f64)> {
        let of = |rung: &'_ Rung| rung.amounts.clone();
        self.rungs
            .iter()
            .flat_map(|rung| {
                of(rung).into_iter().map(move |(window, um)| {
                    (rung, window.as_secs_f64() / 3600.0, um as f64 / 1000.0)
                })
            })
            .collect()
    }
}

fn amount(amount: &Amount) -> (SignedDuration, i64) {
    let window = SignedDuration::from_secs((amount.window_h * 3600.0).round() as i64);
    (window, (amount.mm * 1000.0).round() as i64)
}

fn words(colour: Colour) -> (&'static str, &'static str, &'static str) {
    match colour {
        Colour::Blue => (
            "blue",
            "观测雨量达到暴雨蓝色预警标准",
            "the observed amount meets the blue rainstorm criterion",
        ),
        Colour::Yellow => (
            "yellow",
            "观测雨量达到暴雨黄色预警标准",
            "the observed amount meets the yellow rainstorm criterion",
        ),
        Colour::Orange => (
            "orange",
            "观测雨量达到暴雨橙色预警标准",
            "the observed amount meets the orange rainstorm criterion",
        ),
        Colour::Red => (
            "red",
            "观测雨量达到暴雨红色预警标准",
            "the observed amount meets the red rainstorm criterion",
        ),
    }
}

/// Where each grade of 24 h begins, micrometres.
const BOUNDS_24H: [i64; 6] = [100, 10_000, 25_000, 50_000, 100_000, 250_000];

/// Grades of 24 h with where each begins, micrometres.
pub(super) fn grades_24h() -> impl Iterator<Item = (i64, (&'static str, &'static str))> {
    BOUNDS_24H.into_iter().map(|bound| (bound, grade(bound, true)))
}

/// Chinese and English name of an amount in 12 h or 24 h, by GB/T 28592-2012.
pub(super) fn grade(um: i64, of_24_h: bool) -> (&'static str, &'static str) {
    let bounds: [i64; 6] = match of_24_h {
        true => BOUNDS_24H,
        false => [100, 5_000, 15_000, 30_000, 70_000, 140_000],
    };
    // The table has tenths of a millimetre: 9.95 is 10.0.
    let tenths = (um + 50) / 100 * 100;
    match bounds.iter().filter(|bound| tenths >= **bound).count() {
        0 if um > 0 => ("微量降雨", "trace"),
        0 => ("无雨", "no rain"),
        1 => ("小雨", "light rain"),
        2 => ("中雨", "moderate rain"),
        3 => ("大雨", "heavy rain"),
        4 => ("暴雨", "rainstorm"),
        5 => ("大暴雨", "severe rainstorm"),
        _ => ("特大暴雨", "extreme rainstorm"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_have_the_edges_of_the_standard() {
        for (mm, of_24_h, expected) in [
            (0.0, true, "无雨"),
            (0.04, true, "微量降雨"),
            (0.1, true, "小雨"),
            (9.9, true, "小雨"),
            (10.0, true, "中雨"),
            (24.9, true, "中雨"),
            (25.0, true, "大雨"),
            (49.9, true, "大雨"),
            (50.0, true, "暴雨"),
            (99.9, true, "暴雨"),
            (100.0, true, "大暴雨"),
            (249.9, true, "大暴雨"),
            (250.0, true, "特大暴雨"),
            (4.9, false, "小雨"),
            (5.0, false, "中雨"),
            (15.0, false, "大雨"),
            (30.0, false, "暴雨"),
            (70.0, false, "大暴雨"),
            (139.9, false, "大暴雨"),
            (140.0, false, "特大暴雨"),
        ] {
            let um = (mm * 1000.0_f64).round() as i64;
            assert_eq!(grade(um, of_24_h).0, expected, "{mm} mm");
        }
    }

    #[test]
    fn up_at_once_and_down_with_hysteresis() {
        let ladder = Ladder::of_rain(&Config::default());
        let hours = |window: SignedDuration| window.as_hours();
        // All the same amount in 3 h and longer.
        let mut at = 0;
        for (mm, expected) in [
            (10, ""),
            (20, "heavy"),
            (50, "orange"),
            (110, "red"),
            (81, "red"),
            (79, "orange"),
            (41, "orange"),
            (39, "heavy"),
            (13, "heavy"),
            (11, ""),
        ] {
            at = ladder.step(at, 0.8, |window| if hours(window) >= 3 { mm * 1000 } else { 0 });
            assert_eq!(ladder.at(at).map_or("", |rung| rung.name), expected, "{mm} mm");
        }
        // 60 mm that fell five hours ago: 6 h and 12 h, and no longer 3 h.
        let old = ladder.step(0, 0.8, |window| if hours(window) >= 6 { 60_000 } else { 0 });
        assert_eq!(ladder.at(old).unwrap().name, "yellow");
        let moving = Ladder::of_moving(&Config::default());
        assert_eq!(moving.step(0, 0.8, |_| 1_000_000), 0, "not configured");
    }
}
