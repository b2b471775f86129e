//! The world around the gateway, made of the real things: the binary itself, a receiver, a broker, an RTSP server.

pub(crate) mod backlog;
mod broker;
mod certs;
mod devices;
mod disk_log;
mod fault;
mod gateway;
mod load;
mod night;
mod onvif;
mod receiver;
mod robot;
mod rtsp;
mod shelf;
mod va;

use std::{
    future::Future,
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

pub(crate) use backlog::waiting;
pub(crate) use broker::{Broker, Grid, Listener, press, publish};
pub(crate) use certs::certificates;
pub(crate) use devices::{Devices, play};
pub(crate) use disk_log::{Disk, library};
pub(crate) use fault::{Fault, Mode};
pub(crate) use gateway::{Gateway, gridpost};
pub(crate) use load::Load;
pub(crate) use night::{End, House};
pub(crate) use onvif::Onvif;
pub(crate) use receiver::{Receiver, acceptor};
pub(crate) use robot::Robot;
pub(crate) use rtsp::RtspServer;
pub(crate) use shelf::Trouble;
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

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A port that was free a moment ago, for servers that cannot choose one themselves.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

/// The walkers of vtest as a clip in this codec (`h264`, `h265`); made once.
pub(crate) fn street(codec: &str) -> PathBuf {
    let output =
        std::process::Command::new(root().join("tests/rig/clip.sh")).arg(codec).output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// A made scene of `tests/rig/scenes.py`, and what happens when in it; made once.
#[allow(dead_code, reason = "for the tests of the engine that looks only now and then")]
pub(crate) fn scene(name: &str) -> (PathBuf, serde_json::Value) {
    let script = root().join("tests/rig/scenes.py");
    let output = std::process::Command::new("/usr/bin/python3").arg(script).arg(name).output();
    let clip = PathBuf::from(String::from_utf8(output.unwrap().stdout).unwrap().trim());
    let truth = std::fs::read(format!("{}.json", clip.display())).unwrap();
    (clip, serde_json::from_slice(&truth).unwrap())
}

/// A number from the environment, for seeds and for how long a proof runs.
pub(crate) fn env_number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Of this run, or the one to be replayed.
pub(crate) fn seed() -> u64 {
    env_number("GRIDPOST_SEED").unwrap_or_else(rand::random)
}
