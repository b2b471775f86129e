//! The outside becomes packets or observations.

pub mod codecs;
pub mod intake;
