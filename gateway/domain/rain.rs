//! What the API shows of rain and water: sums, grades and curves as they are now.

use std::collections::BTreeMap;

use serde::Serialize;

/// `GET /api/v1/rain`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RainView {
    pub at: String,
    /// Postures that hold now: `flood`, `key-period`; empty is normal.
    pub postures: Vec<&'static str>,
    pub gauges: Vec<GaugeView>,
    /// By grid; a gauge without one is a group of its own.
    pub grids: Vec<GridView>,
    /// What the site compares with.
    pub thresholds: Vec<ThresholdView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct GaugeView {
    pub id: String,
    pub name: String,
    /// Code or, without a grid, the gauge's id.
    pub grid: String,
    /// When its last reading was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
    pub silent: bool,
    pub doubtful: bool,
    /// Millimetres in `5min`, `1h`, `3h`, `6h`, `12h`, `24h`.
    pub sums_mm: BTreeMap<&'static str, f64>,
    pub grade_12h: Words,
    pub grade_24h: Words,
    /// Metres above datum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarantee_m: Option<f64>,
    /// The last 24 h in steps of 5 min, up to `at`.
    pub curve: Vec<PointView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PointView {
    /// End of the 5 min.
    pub at: String,
    pub mm: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct GridView {
    pub code: String,
    pub name: String,
    /// Over its rain gauges that speak, millimetres.
    pub mean_mm: BTreeMap<&'static str, f64>,
    pub most_mm: BTreeMap<&'static str, f64>,
    /// What holds now: `heavy`, `blue` …; absent is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<&'static str>,
    /// `prepare`, `move-now`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moving: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Words {
    pub zh: &'static str,
    pub en: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct ThresholdView {
    pub name: &'static str,
    pub zh: &'static str,
    pub window_h: f64,
    pub mm: f64,
}
