//! What the API shows of rain and water: sums, grades and curves as they are now.

use std::collections::BTreeMap;

use serde::Serialize;

/// `GET /api/v1/rain`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RainView {
    /// When it was made, RFC 3339 with offset.
    pub at: String,
    /// Postures that hold now: `flood`, `key-period`; empty is normal.
    pub postures: Vec<&'static str>,
    /// All gauges.
    pub gauges: Vec<GaugeView>,
    /// By grid; a gauge without one is a group of its own.
    pub grids: Vec<GridView>,
    /// What the site compares with.
    pub thresholds: Vec<ThresholdView>,
    /// Grades of rain by the sum of 24 h, from the least.
    pub grades_24h: Vec<GradeView>,
}

/// One gauge.
#[derive(Clone, Debug, Serialize)]
pub struct GaugeView {
    /// As in the configuration, or as it names itself.
    pub id: String,
    /// For people.
    pub name: String,
    /// Code or, without a grid, the gauge's id.
    pub grid: String,
    /// When its last reading was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
    /// Nothing comes from it.
    pub silent: bool,
    /// What comes from it is not plausible.
    pub doubtful: bool,
    /// The first reading of its counter that is known: that one tells no rain, the next ones do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts_from: Option<String>,
    /// When the day of `sums_mm.day` began: 08:00 Beijing time.
    pub day_began_at: String,
    /// Its last test report, which counts nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_test: Option<TestView>,
    /// Millimetres in `5min`, `1h`, `3h`, `6h`, `12h`, `24h`, and since 08:00 in `day`.
    pub sums_mm: BTreeMap<&'static str, f64>,
    /// Grade by the sum of 12 h.
    pub grade_12h: Words,
    /// Grade by the sum of 24 h.
    pub grade_24h: Words,
    /// Metres above datum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_m: Option<f64>,
    /// Warning level, metres above datum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning_m: Option<f64>,
    /// Guarantee level, metres above datum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarantee_m: Option<f64>,
    /// The last 24 h in steps of 5 min, up to `at`.
    pub curve: Vec<PointView>,
}

/// A point of a curve.
#[derive(Clone, Debug, Serialize)]
pub struct PointView {
    /// End of the 5 min.
    pub at: String,
    /// Rain in the five minutes before.
    pub mm: f64,
    /// Rain since 08:00; absent where that day is not wholly known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_mm: Option<f64>,
}

/// A test report of a station.
#[derive(Clone, Debug, Serialize)]
pub struct TestView {
    /// When it came.
    pub at: String,
    /// What it said.
    pub said: String,
}

/// The rain of one grid.
#[derive(Clone, Debug, Serialize)]
pub struct GridView {
    /// Of the grid, or a gauge without one.
    pub code: String,
    /// For people.
    pub name: String,
    /// Over its rain gauges that speak, millimetres.
    pub mean_mm: BTreeMap<&'static str, f64>,
    /// The most at one gauge, by window.
    pub most_mm: BTreeMap<&'static str, f64>,
    /// What holds now: `heavy`, `blue` …; absent is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<&'static str>,
    /// `prepare`, `move-now`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moving: Option<&'static str>,
}

/// A name in both languages.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Words {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

/// A grade of rain and where it begins.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GradeView {
    /// Its name.
    #[serde(flatten)]
    pub name: Words,
    /// Millimetres in 24 h.
    pub from_mm: f64,
}

/// An amount that reaches a threshold.
#[derive(Clone, Debug, Serialize)]
pub struct ThresholdView {
    /// Of the step.
    pub name: &'static str,
    /// For people.
    pub zh: &'static str,
    /// Hours.
    pub window_h: f64,
    /// Millimetres.
    pub mm: f64,
}
