//! The only place that knows everyone: makes the channels, starts the parts, stops them.

mod camera_events;
mod camera_figures;
mod camera_table;
mod cameras_run;
mod console_backend;
mod core;
mod couriers;
mod device_table;
mod disk_watch;
mod drones;
mod evidence_worker;
mod from_config;
mod heartbeat;
mod ingress;
mod junction;
mod outbox;
mod reload;
mod replay;
mod retry_request;
mod shared;
mod systemd;
mod topology;

pub use crate::sources::recorded::{Recorded, RecordedMessage};
pub use camera_table::{CameraState, CameraTable, SignState, camera_table};
pub use device_table::{device_models, device_table};
pub use reload::Reread;
pub use replay::{Played, Replay, ReplayOutput, TrackedLook, replay};
pub use retry_request::ask_for_retry;
pub use topology::run;
