//! gridpost 网格哨所: the edge gateway of a community police room.
//!
//! One process on one small box. It watches cameras and drones, answers emergency buttons, reads
//! rain and water gauges, decides on the spot what is an incident, and hands each incident to the
//! grid event platform so that none is lost. It needs nothing upstream to start or to go on.
//!
//! ```text
//!  cameras, drones ─► sources ─packets─► media ─► camera ─looks─► vision ─tracks─┐
//!  buttons, gauges ─► sources ────────────────observations───────────────────────┼─► rules ─findings─► incident
//!  replies ─► sources, console ───────────────observations───────────────────────┘        │ effects
//!                                            the grid ◄─ sinks ◄─records─ store ◄─────────┘
//! ```
//!
//! The modules below stand in the order in which data flows through them. Data goes one way; what
//! travels backwards is a value, the [`domain::Receipt`] of an observation, which releases the
//! device's acknowledgement once the journal has been synced.
//!
//! Three places to begin reading:
//! - a press: [`sources::intake`], then `runtime/junction.rs`, [`incident`], [`store`], [`sinks`];
//! - a picture: [`camera`], then [`vision`], [`rules`];
//! - a key of the configuration: [`config`], then the `Config` of the part that owns it.
//!
//! `gateway/README.md` is the map of the code, `gateway/docs/contract.md` says what others may rely
//! on, `gateway/docs/invariants.md` what holds inside and which test holds it. This crate is the
//! library behind the program `gridpost`; its types are for the program and its tests, and may
//! change with any release.

// The order is that of the data, not of the alphabet.
/// The nouns: pure data that every other room speaks in.
pub mod domain;

/// What every room that runs needs: clock, readiness, figures, progress, tasks, threads.
pub mod base;

/// What sources, sinks and the console share of the network: MQTT client, TLS, back-off.
pub mod wire;

/// The outside → observations: brokers, the intake, stations, cameras' own events, device dialects.
pub mod sources;

/// Packets → pictures, clips and snapshots; FFmpeg and the ring.
pub mod media;

/// Pictures → what changed, what is there, and what is the same thing over time.
pub mod vision;

/// When and how a camera is looked at: from its packets to looks, from looks to tracks.
pub mod camera;

/// Observations → findings.
pub mod rules;

/// Findings → changes of incidents; the one owner of live incidents.
pub mod incident;

/// Lines of cases → what a district counts of them.
pub mod figures;

/// The point of no loss: journal, index, evidence, ledger.
pub mod store;

/// Records → the grid.
pub mod sinks;

/// The web API.
pub mod console;

/// What was typed → what is checked; the only reader of the environment.
pub mod config;

/// The only place that knows everyone: channels, start, stop, reload.
pub mod runtime;

/// One file a subcommand.
pub mod cli;
