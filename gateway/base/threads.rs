//! Threads that belong together: stopped by one flag, waited for together.

use std::thread::{self, JoinHandle};

use crate::domain::StopFlag;

/// Starts a named thread; the error names the one that the system could not start.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| format!("thread {name} cannot start: {error}"))
}

/// The threads of one source, or of one worker; whoever starts them bounds their number.
#[derive(Default)]
pub struct ThreadGroup {
    /// Raised when they are to end; cloned into each.
    pub stop: StopFlag,
    threads: Vec<JoinHandle<()>>,
}

impl ThreadGroup {
    /// Adds a thread; the error names the one that the system could not start.
    pub fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), String> {
        self.threads.push(spawn(name, work)?);
        Ok(())
    }

    /// Tells all of them to stop, and does not wait.
    pub fn stop(&self) {
        self.stop.raise();
    }

    /// Tells all of them to stop, and waits until they have. One that panicked has ended too.
    pub fn end(self) {
        self.stop();
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
    }

    /// Whether all have ended.
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}
