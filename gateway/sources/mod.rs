//! Devices, brokers and stations: their bytes become observations. And what is known of cameras and
//! drones outside their packets, which the camera engine reads: their settings and their events.

mod accept;
mod arrival;
pub mod camera;
pub mod codecs;
pub mod drone;
pub mod intake;
mod limit;
pub mod mqtt;
pub mod onvif;
pub mod presence;
pub mod reconnect;
pub mod recorded;
mod refused;
mod rights;
pub mod sl651;
mod topic_filter;

use std::sync::Arc;

use tokio::sync::watch;

/// The codecs of the latest configuration.
pub type Dialects = watch::Receiver<Arc<codecs::Codecs>>;
