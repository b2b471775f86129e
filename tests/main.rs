//! The daemon as a black box: one test binary with modules, so that linking is paid once.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests say what they expect by failing"
)]

mod accelerate;
mod architecture;
mod bad_streams;
mod broker;
mod button;
mod buttons_answers;
mod buttons_dialects;
mod buttons_flood;
mod buttons_story;
mod camera;
mod configs;
mod drone;
mod engine;
mod engine_live;
mod full_disk;
mod fusion;
mod fuzz;
mod gate;
mod kill;
mod models;
mod playback;
mod power_cut;
mod priorities;
mod rain;
mod reload;
mod replay;
mod sinks_evidence;
mod sinks_http;
mod sinks_mqtt;
mod sinks_presence;
mod soak;
mod store_commands;
mod story_police_room;
mod sub_stream;
mod systemd;
mod tls;
mod upstream;
mod wakes;
mod world;
