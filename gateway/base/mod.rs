//! What every room that runs needs: the clock, readiness, figures, signs of progress, tasks and threads, files written whole.

mod clock;
mod cpu_time;
mod files;
pub mod handles;
mod lock;
mod progress;
mod rarely;
mod readiness;
mod registry;
mod report;
mod task;
mod threads;

pub use clock::{RealClock, SimulatedClock};
pub use cpu_time::thread_cpu_time;
pub use files::{Sync, write_whole};
pub use lock::lock;
pub use progress::{Beat, BeatWatch, Progress};
pub use rarely::Rarely;
pub use readiness::Readiness;
pub use registry::{Registry, escape_label};
pub use report::Reporter;
pub use task::{Task, stopped};
pub use threads::{ThreadGroup, spawn};
