//! The only place that knows everyone: makes the channels, starts the parts, stops them.

mod backend;
mod camera;
mod clock;
mod exhibits;
mod eyes;
mod health;
mod junction;
mod metrics;
mod middle;
mod offline;
mod outbox;
mod player;
mod presence;
mod replay;
mod report;
mod sight;
mod slot;
mod topology;

pub use crate::sources::recorded::Recorded;
pub use clock::{RealClock, SimulatedClock};
pub use health::Health;
pub use metrics::Registry;
pub use offline::{models_list, models_verify, store_check, store_ledger};
pub use replay::{Played, Replay, Told, replay};
pub use slot::Slots;
pub use topology::run;
