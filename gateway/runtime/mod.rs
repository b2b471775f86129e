//! The only place that knows everyone: makes the channels, starts the parts, stops them.

mod clock;
mod health;
mod metrics;
mod slot;

pub use clock::{RealClock, SimulatedClock};
pub use health::Health;
pub use metrics::Registry;
pub use slot::Slots;
