//! The only place that knows everyone: makes the channels, starts the parts, stops them.

mod align;
mod backend;
mod camera;
mod cameras;
mod clock;
mod couriers;
mod devices;
mod doors;
mod drone;
mod drones;
mod ears;
mod exhibits;
mod eyes;
mod health;
mod junction;
mod lookers;
mod lookout;
mod metrics;
mod middle;
mod offline;
mod outbox;
mod player;
mod presence;
mod progress;
mod reload;
mod replay;
mod report;
mod room;
mod rota;
mod sight;
mod slept;
mod slot;
mod storeroom;
mod strain;
mod systemd;
mod topology;
mod wakes;

pub use crate::sources::recorded::Recorded;
pub use cameras::{CameraState, CameraTable, SignState, camera_table};
pub use clock::{RealClock, SimulatedClock};
pub use devices::{device_models, device_table};
pub use health::Health;
pub use metrics::Registry;
pub use offline::{models_bench, models_list, models_verify};
pub use replay::{Played, Replay, Told, replay};
pub use slot::Slots;
pub use storeroom::{
    Listed, store_backup, store_check, store_ledger, store_list, store_restore, store_retry,
};
pub use topology::{Reread, run};
