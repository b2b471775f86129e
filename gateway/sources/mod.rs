//! The outside becomes packets or observations.

pub mod camera;
pub mod codecs;
pub mod intake;
pub mod mqtt;
pub mod reconnect;
pub mod recorded;
pub mod sl651;
