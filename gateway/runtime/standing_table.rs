//! What stands where a rule looks, on disk for the next start: a parked car is not told anew.
//!
//! `standing.json` in the data folder is no truth. Lost, what stands there is told once more.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;

use super::kept_table::keep_table;
use crate::domain::StandingThing;

fn path(data: &Path) -> PathBuf {
    data.join("standing.json")
}

/// What the last process wrote; nothing, with a log line, if that cannot be read.
pub(super) fn read(data: &Path) -> Vec<StandingThing> {
    let path = path(data);
    let Ok(bytes) = std::fs::read(&path) else { return Vec::new() };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "what stood before the cameras cannot be read; it is told anew");
        Vec::new()
    })
}

/// Writes it now and then, and once more when the junction has ended.
pub(super) async fn keep(data: PathBuf, seen: watch::Receiver<Arc<Vec<StandingThing>>>) {
    keep_table(path(&data), seen, "what stands before the cameras").await;
}
