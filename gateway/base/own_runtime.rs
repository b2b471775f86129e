//! A thread of its own for what strangers may keep busy: never one of those that acknowledge presses.

use std::future::Future;

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};

/// One thread with its timers and sockets. What is spawned on it ends when this is dropped, at the
/// next point where it waits.
pub struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    /// `name` is that of its thread. Where none can be had, it shares the one it is made on, and says so.
    pub fn start(name: &str) -> Self {
        let own = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build()
            .inspect_err(|error| tracing::error!(%error, name, "no thread of its own; it shares"));
        Self(own.ok())
    }

    /// Starts work on it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        match &self.0 {
            Some(own) => own.spawn(work),
            None => Handle::current().spawn(work),
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        // It may be dropped where others wait, and must not wait itself.
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn p7_what_spins_on_it_holds_up_nobody_else() {
        let own = OwnRuntime::start("spins");
        let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
        let spins = own.spawn(async move {
            let _ = stopped.recv();
        });
        // On this thread all goes on: were it shared, nobody would ever come here.
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(!spins.is_finished());
        drop(stop);
        spins.await.unwrap();
        let waits = own.spawn(std::future::pending());
        drop(own);
        assert!(waits.await.unwrap_err().is_cancelled());
    }
}
