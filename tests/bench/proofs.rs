//! Rows of `RESULTS.md` for what `make prove` finds after each kind of crash.

use crate::{
    results::{Row, grouped},
    world::CrashReport,
};

/// What must not happen at all.
fn none(what: &str, count: usize) -> Row {
    Row::new(what, grouped(count as f64)).goal("0", count == 0)
}

/// A run in which nothing may be lost; `what` ended the lives.
pub(crate) fn crashes(what: &str, report: &CrashReport) -> Vec<Row> {
    let count = |what: &str, count: usize| Row::new(what, grouped(count as f64));
    let mut rows = vec![count(what, report.crashes)];
    if report.operations > 0 {
        rows.push(count("writes, syncs and renames of the disk", report.operations));
    }
    rows.extend([
        count("presses acknowledged", report.acknowledged),
        count("closed cases acknowledged", report.closed),
        count("readings of a gauge acknowledged", report.readings as usize),
        none("lost", report.lost),
        none("doubled in effect", report.doubled),
        none("out of order", report.disordered),
        none("folder unsound", report.unsound),
        count("segments that left by retention", report.retired),
        count("pictures that left by retention", report.removed),
    ]);
    rows
}

/// A run with syncs that do nothing, in which something must be lost.
pub(crate) fn unsynced(what: &str, report: &CrashReport) -> Vec<Row> {
    vec![
        Row::new(what, grouped(report.crashes as f64)),
        Row::new("lost", grouped(report.lost as f64)).goal("> 0", report.lost > 0),
        Row::new("folder unsound", grouped(report.unsound as f64)),
    ]
}
