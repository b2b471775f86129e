//! What can be asked of a data folder without running: is it sound, and does the ledger's sum hold.

use std::path::Path;

use crate::store;

/// Sound or not, and what was found, a sentence each.
pub fn store_check(data: &Path) -> (bool, Vec<String>) {
    let report = store::check(data);
    (report.sound, report.lines)
}

/// One line a sink and kind, and whether the sum holds.
pub fn store_ledger(data: &Path) -> Result<Vec<String>, String> {
    let ledger = store::read_ledger(data).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for (sink, kinds) in &ledger.sinks {
        for (kind, sums) in kinds {
            lines.push(format!(
                "{sink} {}: accepted {} = delivered {} + pending {} + dead-lettered {} + shed {} + lost {}",
                kind.as_str(),
                sums.accepted,
                sums.delivered,
                sums.pending,
                sums.dead,
                sums.shed,
                sums.lost
            ));
        }
    }
    lines.push(if ledger.holds() { "the sums hold".into() } else { "THE SUMS DO NOT HOLD".into() });
    Ok(lines)
}
