//! The heart: the parts without which the gateway is none. When one ends unasked, so does the process.
//!
//! Junction, the store's writer and heartbeats. A process that goes on without them acknowledges
//! nothing, or writes nothing, or looks dead to the grid; nobody would start it again. So it ends,
//! with a word and an exit code that is not 0, and systemd starts it anew on what is on disk. What
//! the junction had in hand then is remembered (`in_hand.rs`), so that no input makes a loop of it.

use std::future::Future;

use tokio::{sync::mpsc, task::JoinHandle};

use crate::{base::caught, store::Store};

/// Ends that are told at once; the first one counts.
const ENDS_MAX: usize = 4;

/// To each part of the heart.
#[derive(Clone)]
pub(super) struct Heart(mpsc::Sender<String>);

/// Where the first end is read.
pub(super) struct HeartEnded(mpsc::Receiver<String>);

impl Heart {
    /// Nothing runs yet.
    pub(super) fn new() -> (Self, HeartEnded) {
        let (ends, ended) = mpsc::channel(ENDS_MAX);
        (Self(ends), HeartEnded(ended))
    }

    /// Starts a part. That it ends is only news while nobody stops the gateway.
    pub(super) fn start(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let ends = self.0.clone();
        tokio::spawn(async move {
            let why = match caught(work).await {
                Ok(()) => format!("{name} has ended"),
                Err(why) => format!("{name} has ended by a fault inside: {why}"),
            };
            let _ = ends.try_send(why);
        })
    }
}

impl Heart {
    /// The store's writer is a thread of its own.
    pub(super) fn watch_writer(&self, store: &Store) {
        let store = store.clone();
        drop(self.start("the store's writer", async move { store.writer_ended().await }));
    }
}

impl HeartEnded {
    /// Which part has ended, and why; for ever while all of them run.
    pub(super) async fn first(&mut self) -> String {
        match self.0.recv().await {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_of_the_heart_that_ends_is_told_by_name_and_cause() {
        let (heart, mut ended) = Heart::new();
        let _lives = heart.start("the other", std::future::pending());
        let _ = heart.start("the junction", async { panic!("as a bug would") }).await;
        assert_eq!(ended.first().await, "the junction has ended by a fault inside: as a bug would");
        let _ = heart.start("heartbeats", async {}).await;
        assert_eq!(ended.first().await, "heartbeats has ended");
    }
}
