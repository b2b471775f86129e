//! How to write a test, and the daemon as a black box: one test binary with modules, so that linking is paid once.
//!
//! # Which layer
//! Take the first that can hold what you have to say; each costs about ten times the one before.
//! 1. **Unit table**, beside the code in `gateway/`: a function or a state without I/O; time is an
//!    argument. Milliseconds. Rules, boxes, codecs, schedules, configuration keys.
//! 2. **A room's bench** (`Bench`, `World` in the `tests` modules of `gateway/`): one room with its
//!    neighbours played, such as the desk with a journal in memory, or a courier with an outbox.
//! 3. **Replay**, [`world::Replay`]: the binary on a clip and a file of signals, by a clock of its
//!    own. The same input gives the same events: choose it for what is seen and decided over time.
//! 4. **The whole gateway**, [`world::Gateway`]: real broker, real RTSP, real HTTP receiver, real
//!    disk. For promises, wires, restarts, reloads, and what people and devices see.
//!
//! # The fourth, in fifteen lines
//! As it stands in `tests/camera.rs`. A new file needs a line `mod NAME;` below, or it is not compiled.
//! ```ignore
//! use crate::world::{Gateway, Receiver, RtspServer, Site, is_of, street};
//!
//! #[tokio::test(flavor = "multi_thread")]
//! async fn p7_a_press_is_heard_while_a_camera_is_away() {
//!     let server = RtspServer::start(0, &street("h264"));
//!     let receiver = Receiver::start().await;
//!     let site = Site::demo().camera("gate", &server).short_clips().walkers().http(&receiver);
//!     let mut gateway = Gateway::start(&site).await;
//!     drop(server);
//!     gateway.camera_is("gridpost_camera_up", "gate", |up| up == 0.0).await;
//!     gateway.press("btn-1", "1");
//!     receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
//!     gateway.must_stop_sound().await;
//! }
//! ```
//! No TOML and no helper of its own: [`world::Site`] says each section by a word and each key by
//! `set`. Only where the text itself is the point (`gridpost check`) is it written out, in `r#""#`.
//! [`world::Launch`] starts a gateway with an environment, in a folder that has files, on a faulty
//! disk or a small one. A message to an intake or a broker is [`world::Message`], or `press` and
//! `publish`. What two files need goes to `world/`; test modules do not import from each other.
//!
//! # Names
//! A name is a sentence that is true when the test passes: `a_reload_changes_…_and_no_other_loses_…`.
//! A test of a promise begins with its number, `p4_…`, of an invariant with its, `v5_…`: by these
//! names `gateway/docs/contract.md` and `gateway/docs/invariants.md` point at them, and
//! `architecture/pages.rs` checks the latter. A bug that was mended leaves a test of its own.
//!
//! # Waiting
//! Wait for facts, never for time: `receiver.wait`, `gateway.metric_is`, `camera_is`, `logs`,
//! `readiness`, or [`world::wait_for`]. Each gives up after [`world::PATIENCE`] and says what for.
//! A `sleep` is right only where nothing must happen, and then a sentence says why so long.
//! What must be *fast* is measured against something that the same machine does at the same time.
//!
//! # Ports, seeds, logs
//! - Ports are the system's choice (0); [`world::free_port`] where a server cannot choose itself.
//! - Chance comes from [`world::seed`], which is printed; `GRIDPOST_SEED=n` plays it again.
//! - A test that fails prints the last lines of its gateway's log, and of whatever else it started.
//!   `cargo nextest run -E 'test(name)' --no-capture` shows it all, `GRIDPOST_LOG=debug` more.
//! - Each test has its folder, and its processes end with it. Which tests want the machine for
//!   themselves, and how long one may take, is in `.config/nextest.toml`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests say what they expect by failing"
)]

mod accelerate;
mod accounts;
mod api_tokens;
mod architecture;
mod bad_streams;
mod behind_proxy;
mod broker;
mod button;
mod button_added;
mod buttons_answers;
mod buttons_dialects;
mod buttons_field;
mod buttons_flood;
mod buttons_story;
mod camera;
mod camera_added;
mod city;
mod configs;
mod console;
mod console_cameras;
mod console_doors;
mod console_pages;
mod deb;
mod doctor;
mod doors_brokers;
mod doors_intake;
mod doors_web;
mod drill;
mod drone;
mod drone_telemetry;
mod duty_roles;
mod engine;
mod engine_live;
mod evidence_packages;
mod fallen;
mod figures;
mod flat;
mod foreign_pictures;
mod full_disk;
mod fusion;
mod fuzz;
mod gate;
mod home_assistant;
mod hostile;
mod key_frames;
mod kill;
mod life;
mod limits;
mod links;
mod links_hostile;
mod links_pictures;
mod live;
#[allow(dead_code, reason = "`make bench` uses all of it")]
#[path = "bench/machine.rs"]
mod machine;
mod metric_names;
mod models;
mod models_fetch;
mod onvif_discover;
mod onvif_streams;
mod pictures;
mod pictures_recorded;
mod platform_faults;
mod playback;
mod power_cut;
mod presence;
mod priorities;
mod profiles;
mod profiles_check;
#[path = "bench/proofs.rs"]
mod proofs;
mod rain;
mod rain_cases;
mod rain_night;
mod reload;
mod reload_doors;
mod replay;
mod reports;
mod reports_hostile;
#[allow(dead_code, reason = "`make bench` uses all of it")]
#[path = "bench/results.rs"]
mod results;
mod routing;
mod rules;
mod rules_tried;
mod seeing;
mod sinks_evidence;
mod sinks_evidence_live;
mod sinks_http;
mod sinks_mqtt;
mod sinks_presence;
mod soak;
mod speaks_for;
mod store_commands;
mod story_district;
mod story_police_room;
mod sub_stream;
mod systemd;
mod things;
mod tls;
mod two_streams;
mod update;
mod upstream;
mod vehicles;
mod voice;
mod wakes;
mod wakes_replay;
mod world;
