//! A tokio task with a stop channel of its own.

use std::{future::Future, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use super::OwnRuntime;

/// Runs until it is told to stop, or ends by itself.
pub struct Task {
    stop: watch::Sender<bool>,
    handle: JoinHandle<()>,
}

impl Task {
    /// Starts it. `work` is given the receiver of the stop; [`stopped`] waits on that.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        Self { stop, handle: tokio::spawn(work(stopping)) }
    }

    /// As [`Self::start`], on a thread of its own.
    pub fn start_on<F: Future<Output = ()> + Send + 'static>(
        own: &OwnRuntime,
        work: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        Self { stop, handle: own.spawn(work(stopping)) }
    }

    /// Tells it to stop, and does not wait.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Tells it to stop, and waits until it has.
    pub async fn end(self) {
        self.stop();
        let _ = self.handle.await;
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits until all of these have ended, or so long; whether they have.
    pub async fn all_finished(tasks: impl Fn() -> bool, within: Duration) -> bool {
        let finished = async {
            while !tasks() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(within, finished).await.is_ok()
    }
}

/// Returns when the stop has come, or can no longer come. Holds no lock of the channel.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
