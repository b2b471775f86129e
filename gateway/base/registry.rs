//! The registry behind the metric names of `domain`, and its Prometheus text.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::lock;
use crate::domain::{LABEL_BREAK, Meter, Metric, MetricKind, label_pair};

/// More label values than this of one metric are a mistake or an attack (unknown devices);
/// further ones are counted under `other`.
const LABELS_MAX: usize = 2_000;

/// Counts for the whole process.
#[derive(Default)]
pub struct Registry {
    values: Mutex<BTreeMap<Metric, BTreeMap<String, f64>>>,
}

impl Registry {
    /// No figures yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn change(&self, metric: Metric, label: &str, change: impl FnOnce(&mut f64)) {
        let mut values = lock(&self.values);
        let series = values.entry(metric).or_default();
        let label =
            if series.len() >= LABELS_MAX && !series.contains_key(label) { "other" } else { label };
        match series.get_mut(label) {
            Some(value) => change(value),
            None => change(series.entry(label.to_owned()).or_default()),
        }
    }

    /// What is gone has no figure any more: a camera that was removed is not down.
    pub fn forget(&self, metrics: &[Metric], label: &str) {
        let mut values = lock(&self.values);
        for metric in metrics {
            values.get_mut(metric).map(|series| series.remove(label));
        }
    }

    /// Likewise all that has a second label beside this first one.
    pub fn forget_pairs(&self, metric: Metric, first: &str) {
        let mut values = lock(&self.values);
        let is_other = |label: &String| label.split(LABEL_BREAK).next() != Some(first);
        if let Some(series) = values.get_mut(&metric) {
            series.retain(|label, _| is_other(label));
        }
    }

    /// One value, for readiness and tests; 0 where nothing was counted.
    pub fn get(&self, metric: Metric, label: &str) -> f64 {
        let values = lock(&self.values);
        values.get(&metric).and_then(|series| series.get(label)).copied().unwrap_or(0.0)
    }

    /// Label values that have a figure.
    pub fn labels(&self, metric: Metric) -> Vec<String> {
        let values = lock(&self.values);
        values.get(&metric).into_iter().flat_map(|series| series.keys().cloned()).collect()
    }

    /// Likewise of a metric with two labels, each split in its two.
    pub fn pairs(&self, metric: Metric) -> Vec<(String, String)> {
        let split = |label: String| {
            let (one, other) = label.split_once(LABEL_BREAK)?;
            Some((one.to_owned(), other.to_owned()))
        };
        self.labels(metric).into_iter().filter_map(split).collect()
    }

    /// Prometheus text exposition format 0.0.4.
    pub fn text(&self) -> String {
        self.set(Metric::MemoryBytes, "", resident_bytes());
        let values = lock(&self.values);
        let mut out = String::new();
        for metric in Metric::ALL {
            let kind = match metric.kind() {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            // Writing to a String cannot fail.
            let _ =
                writeln!(out, "# HELP {0} {1}\n# TYPE {0} {kind}", metric.name(), metric.help());
            for (label, value) in values.get(metric).into_iter().flatten() {
                let _ = if metric.label().is_empty() {
                    writeln!(out, "{} {value}", metric.name())
                } else {
                    let names = metric.label().split(',');
                    let pairs: Vec<String> = names
                        .zip(label.split(LABEL_BREAK))
                        .map(|(name, value)| format!("{name}=\"{}\"", escape_label(value)))
                        .collect();
                    writeln!(out, "{}{{{}}} {value}", metric.name(), pairs.join(","))
                };
            }
        }
        out
    }
}

impl Meter for Registry {
    fn add(&self, metric: Metric, label: &str, n: u64) {
        self.change(metric, label, |value| *value += n as f64);
    }
    fn set(&self, metric: Metric, label: &str, to: f64) {
        self.change(metric, label, |value| *value = to);
    }
    fn only(&self, metric: Metric, one: &str, other: &str) {
        self.forget_pairs(metric, one);
        self.set(metric, &label_pair(one, other), 1.0);
    }
    fn spend(&self, metric: Metric, label: &str, time: Duration) {
        self.change(metric, label, |value| *value += time.as_secs_f64());
    }
}

/// A label value as Prometheus text wants it.
pub fn escape_label(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Resident memory from /proc; 0 where there is none.
pub fn resident_bytes() -> f64 {
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<f64>().ok())
        .map_or(0.0, |pages| pages * rustix::param::page_size() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_prometheus_with_escaped_labels() {
        let registry = Registry::default();
        registry.add(Metric::CameraFrames, "a\"b", 2);
        registry.add(Metric::CameraFrames, "a\"b", 1);
        let text = registry.text();
        assert!(text.contains("gridpost_camera_frames_total{camera=\"a\\\"b\"} 3\n"), "{text}");
        assert!(text.contains("# TYPE gridpost_memory_bytes gauge\ngridpost_memory_bytes "));
    }

    #[test]
    fn of_two_labels_those_of_one_camera_are_forgotten_and_no_other() {
        let registry = Registry::default();
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        registry.only(Metric::CameraDecoding, "yard", "vaapi");
        registry.only(Metric::CameraDecoding, "yard-2", "software");
        registry.only(Metric::CameraDecoding, "yard", "software");
        let both = [pair("yard", "software"), pair("yard-2", "software")];
        assert_eq!(registry.pairs(Metric::CameraDecoding), both, "one of each, the latest");
        registry.forget_pairs(Metric::CameraDecoding, "yard");
        assert_eq!(registry.pairs(Metric::CameraDecoding), both[1..]);
    }

    #[test]
    fn labels_are_bounded() {
        let registry = Registry::default();
        for n in 0..LABELS_MAX + 10 {
            registry.add(Metric::SignalsDuplicate, &n.to_string(), 1);
        }
        assert_eq!(registry.get(Metric::SignalsDuplicate, "other"), 10.0);
    }
}
