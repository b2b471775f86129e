//! Threads that belong together: stopped by one flag, waited for together.

use std::thread::{self, JoinHandle};

use crate::domain::StopFlag;

/// A named thread; the error says which one the system has no room for.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| format!("thread {name} cannot start: {error}"))
}

/// The threads of one source, or of one worker; bounded by who starts them.
#[derive(Default)]
pub struct ThreadGroup {
    pub stop: StopFlag,
    threads: Vec<JoinHandle<()>>,
}

impl ThreadGroup {
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

    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}
