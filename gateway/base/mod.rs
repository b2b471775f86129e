//! What every room that runs needs: the clock, readiness, figures, signs of progress, tasks and threads, files written whole.

mod bucket;
mod client_ids;
mod clock;
mod cpu_time;
mod files;
pub mod handles;
mod lane_queue;
mod load;
mod lock;
mod own_runtime;
mod progress;
mod rarely;
mod readiness;
mod registry;
mod report;
mod supervise;
mod task;
mod threads;
mod trial;
mod turns_of_incidents;
mod wiping_heap;

pub use bucket::Bucket;
pub use client_ids::ClientIds;
pub use clock::{RealClock, SimulatedClock};
pub use cpu_time::thread_cpu_time;
pub use files::{
    Sync, give_to_owner_of, lock_file, write_for_owner, write_whole, write_whole_secret,
};
pub use lane_queue::{LaneOrder, LaneQueue, NotYet, REFUSED_EVERY_MS, Tried, Turn};
pub use load::{load_1m, processors};
pub use lock::lock;
pub use own_runtime::OwnRuntime;
pub use progress::{Beat, BeatWatch, Progress};
pub use rarely::Rarely;
pub use readiness::Readiness;
pub use registry::{Registry, escape_label, resident_bytes};
pub use report::{Reporter, ask};
pub use supervise::{caught, panic_text, supervised};
pub use task::{Task, stopped};
pub use threads::{ThreadGroup, spawn};
pub use trial::{Trial, trial};
pub use wiping_heap::{wipe_freed_memory, wipe_stack};
