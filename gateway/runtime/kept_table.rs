//! A table of the junction on disk, for the next start: no truth, and of no harm if it is lost.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{sync::watch, time::timeout};

use crate::base::{Sync, write_whole};

/// How often it is written: a crash loses at most this much.
const WRITE_EVERY: Duration = Duration::from_secs(30);

/// Writes the table now and then where it has changed, and once more when the junction has ended.
/// `what`: as the log calls it.
pub(super) async fn keep_table<T>(
    path: PathBuf,
    mut seen: watch::Receiver<Arc<T>>,
    what: &'static str,
) where
    T: Serialize + PartialEq + Send + std::marker::Sync + 'static,
{
    let mut written: Option<Arc<T>> = None;
    loop {
        let ended =
            timeout(WRITE_EVERY, async { while seen.changed().await.is_ok() {} }).await.is_ok();
        let table = seen.borrow().clone();
        if written.as_ref() != Some(&table) {
            let (path, latest) = (path.clone(), table.clone());
            let write = move || -> std::io::Result<()> {
                write_whole(&path, &serde_json::to_vec(&*latest)?, Sync::Yes)
            };
            match tokio::task::spawn_blocking(write).await {
                Ok(Err(error)) => tracing::warn!(%error, "{what} could not be written"),
                _ => written = Some(table),
            }
        }
        if ended {
            return;
        }
    }
}
