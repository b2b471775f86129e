//! `[[gauge]]`, `[rain]`, `[posture]`, `[sl651]`: read, and what is wrong between them.

use std::collections::HashSet;

use super::{ButtonConfig, Grids, check::each, place::source, read::Document};
use crate::{
    domain::{SourceInfo, SourceKind},
    rules::rain::{Config as RainConfig, GaugeConfig, PostureConfig},
    sources::sl651,
};

/// What of a configuration is about rain and water.
#[derive(Default)]
pub struct Weather {
    pub gauges: Vec<GaugeConfig>,
    pub rain: RainConfig,
    pub posture: PostureConfig,
    /// Absent: stations come through brokers and the intake only.
    pub sl651: Option<sl651::Config>,
}

/// As typed; the gauges are checked further once the grids are known.
pub(super) fn read(document: &mut Document<'_>) -> (Weather, Vec<(String, GaugeConfig)>) {
    let gauges = each::<GaugeConfig>(document, "gauge");
    let rain = document.section::<RainConfig>(&["rain"], &[]).unwrap_or_default();
    let posture = document.section::<PostureConfig>(&["posture"], &[]).unwrap_or_default();
    let sl651 =
        document.has("sl651").then(|| document.section::<sl651::Config>(&["sl651"], &[])).flatten();
    for (section, problems) in [
        ("rain", rain.problems()),
        ("posture", posture.problems()),
        ("sl651", sl651.as_ref().map(sl651::Config::problems).unwrap_or_default()),
    ] {
        for (key, message) in problems {
            document.problem(&[section, key], message, None);
        }
    }
    let mut devices = HashSet::new();
    for (index, gauge) in &gauges {
        for (key, message) in gauge.problems() {
            document.problem(&["gauge", index, key], message, None);
        }
        if !devices.insert(gauge.device().to_owned()) {
            let message = format!("`{}` is the device of two gauges", gauge.device());
            document.problem(&["gauge", index, "device"], message, None);
        }
    }
    (Weather { gauges: Vec::new(), rain, posture, sl651 }, gauges)
}

/// Their names, places and grids.
pub(super) fn place(
    document: &mut Document<'_>,
    gauges: &[(String, GaugeConfig)],
    site: Option<[f64; 2]>,
    grids: &Grids,
    known: &mut HashSet<String>,
    sources: &mut Vec<SourceInfo>,
) {
    for (index, gauge) in gauges {
        if !known.insert(gauge.id.clone()) {
            let message =
                format!("`{}` is used twice; every source needs an id of its own", gauge.id);
            document.problem(&["gauge", index, "id"], message, None);
        }
        let place = ButtonConfig {
            id: gauge.id.clone(),
            name: gauge.name.clone(),
            place: gauge.place,
            grid: gauge.grid.clone(),
            ..ButtonConfig::default()
        };
        match source(&place, site, grids) {
            Ok(source) => sources.push(SourceInfo { kind: SourceKind::Gauge, ..source }),
            Err((key, message, hint)) => document.problem(&["gauge", index, key], message, hint),
        }
    }
}
