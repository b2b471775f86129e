//! One entry of the journal that is written for itself, beside all cases.

use tokio::sync::oneshot;

use crate::{
    domain::{Answer, Entry, Receipt},
    store::{Batch, Store},
};

/// Writes it down; false: it is not on disk.
pub(super) async fn written(store: &Store, entry: Entry) -> bool {
    let (sender, answer) = oneshot::channel();
    let receipt = Receipt::new(move |answer| {
        let _ = sender.send(matches!(answer, Answer::Stored));
    });
    store.commit(Batch { entries: vec![entry], receipts: vec![(receipt, Answer::Stored)] }).await;
    answer.await.unwrap_or(false)
}
