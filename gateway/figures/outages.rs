//! How long each source was not heard, as far as incidents tell. Pure.

use std::{cmp::Reverse, collections::BTreeMap};

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::{CaseLine, SourceId, SourceKind, seconds};

/// The time within the days that were asked for in which a source was not heard. Sources that are not
/// here had no incident of silence: they were heard, or nobody watches them for silence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outages {
    /// Which.
    pub source: SourceId,
    /// What sort of device it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<SourceKind>,
    /// How often it was silent, begun before those days or in them.
    pub outages: u64,
    /// For how long together.
    pub offline_s: i64,
    /// Part of one of the time that was asked for and is over.
    pub offline_share: Option<f64>,
}

/// Stretches of time.
type Spans = Vec<(Timestamp, Timestamp)>;

/// Of all lines of silence that there are, whenever they were opened.
pub(super) fn outages<'c>(
    lines: impl Iterator<Item = &'c CaseLine>,
    (from, until): (Timestamp, Timestamp),
    as_of: Timestamp,
) -> Vec<Outages> {
    let end = until.min(as_of);
    let mut sources: BTreeMap<&SourceId, (Option<SourceKind>, Spans)> = BTreeMap::new();
    for line in lines.filter(|line| line.kind.is_silence() && !line.drill && !line.merged) {
        let Some(source) = &line.source else { continue };
        let (began, ended) = (line.began_at.max(from), line.ended_at.unwrap_or(as_of).min(end));
        if began < ended {
            let entry = sources.entry(source).or_insert((line.source_kind, Vec::new()));
            entry.1.push((began, ended));
        }
    }
    let window = seconds(from, end);
    let of = |(source, (kind, mut spans)): (&SourceId, (_, Spans))| {
        let outages = spans.len() as u64;
        let offline_s = together(&mut spans);
        let share = (window > 0).then(|| offline_s as f64 / window as f64);
        let offline_share = share.map(|share| (share.min(1.0) * 10_000.0).round() / 10_000.0);
        Outages { source: source.clone(), kind, outages, offline_s, offline_share }
    };
    let mut all: Vec<Outages> = sources.into_iter().map(of).collect();
    all.sort_by_key(|one| Reverse(one.offline_s));
    all
}

/// Seconds of stretches of time that may overlap.
fn together(spans: &mut [(Timestamp, Timestamp)]) -> i64 {
    spans.sort_unstable();
    let (mut sum, mut covered) = (0, Timestamp::MIN);
    for &mut (began, ended) in spans {
        if ended > covered {
            sum += seconds(began.max(covered), ended);
            covered = ended;
        }
    }
    sum
}
