//! Rain and water: what `[[gauge]]`, `[rain]`, `[posture]` and `[sl651]` say together.

use std::collections::HashSet;

use super::{read::Document, sections::Items};
use crate::{
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

/// Two gauges that one device would report for.
pub(super) fn check(document: &mut Document<'_>, gauges: &Items<GaugeConfig>) {
    let mut devices = HashSet::new();
    for (index, gauge) in gauges {
        if !devices.insert(gauge.device()) {
            let message = format!("`{}` is the device of two gauges", gauge.device());
            document.problem(&["gauge", index, "device"], message, None);
        }
    }
}
