//! gridpost: the edge gateway of a community police room. Modules in the order data flows.

/// What every room that runs needs: clock, figures, tasks.
pub mod base;
/// When and how a camera is looked at.
pub mod camera;
/// One file a subcommand.
pub mod cli;
/// What was typed → what is checked.
pub mod config;
/// The web API.
pub mod console;
/// The nouns: pure data.
pub mod domain;
/// Findings → changes of incidents.
pub mod incident;
/// Packets → pictures and clips.
pub mod media;
/// Observations → findings.
pub mod rules;
/// The only place that knows everyone.
pub mod runtime;
/// Records → the grid.
pub mod sinks;
/// The outside → packets or observations.
pub mod sources;
/// The point of no loss.
pub mod store;
/// Pictures → tracks.
pub mod vision;
/// What sources and sinks share of the network.
pub mod wire;
