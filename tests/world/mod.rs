//! The world around the gateway, made of the real things: the binary itself, a receiver, a broker, an RTSP server.
//!
//! How a test is written with it stands at the head of `tests/main.rs`.

pub(crate) mod backlog;
mod broker;
mod button;
mod certs;
mod changes;
mod clips;
mod clock;
mod commands;
mod crash;
mod crash_report;
mod daemon;
mod devices;
mod disk_log;
mod district;
mod drone;
mod fault;
mod figures;
mod gateway;
mod hang;
mod listeners;
mod live;
mod load;
mod models;
mod odd_camera;
mod onvif;
mod phone;
mod platform;
mod receiver;
mod recount;
mod replay;
mod resident;
mod robot;
mod rtsp;
mod seat;
mod site;
mod speaker;
mod step_limits;
mod uploads;
mod va;

use std::{
    future::Future,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use backlog::waiting;
pub(crate) use broker::{Broker, Message, press, publish};
pub(crate) use button::Button;
pub(crate) use certs::certificates;
pub(crate) use changes::Changes;
pub(crate) use clips::{
    coded, duration_s, ffmpeg, in_a_row, joined, people, scene, street, street_of,
};
pub(crate) use clock::WrongClock;
pub(crate) use commands::{
    Output, check, check_in, gridpost, gridpost_command, gridpost_with_input, output, run,
    store_must_be_sound,
};
pub(crate) use crash::{Crash, CrashHarness, Life};
pub(crate) use crash_report::CrashReport;
pub(crate) use daemon::SmallDisk;
pub(crate) use devices::{Devices, play, station};
pub(crate) use disk_log::{Disk, library};
pub(crate) use district::District;
pub(crate) use drone::{Uav, film, searched};
pub(crate) use fault::{Fault, Mode};
pub(crate) use gateway::{Gateway, Launch};
pub(crate) use hang::HangingFile;
pub(crate) use listeners::{Grid, Listener};
pub(crate) use live::{Heard, NUMBERED_S, Viewer, is_key, numbered};
pub(crate) use load::Load;
pub(crate) use models::{SSD, fetched, models, models_of, only_the_ssd, plate_models};
pub(crate) use odd_camera::OddCamera;
pub(crate) use onvif::Onvif;
pub(crate) use phone::{Phone, Screen, form};
pub(crate) use platform::{Platform, Tongue, Trouble};
pub(crate) use receiver::{Receiver, acceptor};
pub(crate) use recount::{Counted, must_agree, recount, recount_in_time};
pub(crate) use replay::{Played, Replay, moment, seconds};
pub(crate) use resident::{Resident, Sent};
pub(crate) use robot::Robot;
pub(crate) use rtsp::RtspServer;
pub(crate) use seat::{Seat, said};
pub(crate) use site::{Site, Stream};
pub(crate) use speaker::{GroupListener, SipSpeaker, tone_wav};
pub(crate) use step_limits::{Change, StepCount};
pub(crate) use uploads::UploadFault;
pub(crate) use va::VaDevice;

/// How long a fact may take before a test gives up; generous, since machines here are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
pub(crate) async fn wait_for<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Seconds since 1970 by the real clock, by which the RTSP server tells when a clip began.
#[allow(clippy::disallowed_methods, reason = "the test is outside the gateway")]
pub(crate) fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A moment of a record in the same seconds.
pub(crate) fn time_s(text: &Value) -> f64 {
    let at: jiff::Timestamp = text.as_str().unwrap().parse().unwrap();
    at.as_microsecond() as f64 / 1e6
}

/// The clip among the evidence of a record.
pub(crate) fn clip_of(data: &Value) -> Option<&Value> {
    data["evidence"].as_array()?.iter().find(|piece| piece["media_type"] == "video/mp4")
}

/// Whether a record has its snapshot, and behind it its clip.
pub(crate) fn has_snapshot_and_clip(data: &Value) -> bool {
    data["evidence"][0]["media_type"] == "image/jpeg"
        && data["evidence"][1]["media_type"] == "video/mp4"
}

/// The first source of a record, which is who or what it is about.
pub(crate) fn is_of(data: &Value, kind: &str, source: &str) -> bool {
    data["kind"] == kind && data["sources"][0]["id"] == source
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Makes the library that a process preloads, of a source in `tests/rig`.
fn preloaded(source: &str, library: &Path) {
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(library)
        .arg(root().join("tests/rig").join(source))
        .arg("-lpthread")
        .status();
    assert!(built.unwrap().success(), "{source} does not build");
}

/// What is to be preloaded so that the process crashes if it runs the handlers of C libraries when it ends.
pub(crate) fn crash_at_exit(folder: &Path) -> [(&'static str, String); 1] {
    let library = folder.join("crash_at_exit.so");
    preloaded("crash_at_exit.c", &library);
    [("LD_PRELOAD", library.display().to_string())]
}

/// The grids of the shipped example.
pub(crate) fn grids() -> String {
    root().join("config/grids/community.geojson").display().to_string()
}

/// A port that was free a moment ago, for servers that cannot choose one themselves.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

/// A number from the environment, for seeds and for how long a proof runs.
pub(crate) fn env_number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Of this run, or the one to be replayed.
pub(crate) fn seed() -> u64 {
    env_number("GRIDPOST_SEED").unwrap_or_else(rand::random)
}
