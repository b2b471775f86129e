//! The outside becomes packets or observations.

pub mod camera;
pub mod codecs;
pub mod drone;
pub mod intake;
mod limit;
pub mod mqtt;
pub mod onvif;
pub mod reconnect;
pub mod recorded;
pub mod sl651;
mod taken;

use std::sync::Arc;

use tokio::sync::watch;

/// The codecs of the latest configuration.
pub type Dialects = watch::Receiver<Arc<codecs::Codecs>>;
