//! A drone, played by `tests/devices/drone.py`: it flies over the real transport, and says where it is.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{Receiver, Site, grids, root, street, wait_for};

/// Where flights begin, in grid 1.
pub(crate) const GRID_1: &str = "113.9131,30.9220";
/// Where they end, in grid 3.
pub(crate) const GRID_3: &str = "113.9131,30.9265";

fn script() -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.arg(root().join("tests/devices/drone.py")).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// One flight; ended with the test.
pub(crate) struct Uav(Child);

impl Uav {
    /// From grid 1 to grid 3, its video with KLV in it to this address.
    pub(crate) fn fly(url: &str, film: &Path, seconds: u32) -> Self {
        Self::fly_badly(url, film, seconds, "")
    }

    /// The same with telemetry that has something wrong, see the script.
    pub(crate) fn fly_badly(url: &str, film: &Path, seconds: u32, bad: &str) -> Self {
        let mut command = script();
        command.args(["fly", "--url", url, "--video"]).arg(film);
        command.args(["--start", GRID_1, "--end", GRID_3, "--seconds", &seconds.to_string()]);
        if !bad.is_empty() {
            command.args(["--bad", bad]);
        }
        Self(command.spawn().unwrap())
    }

    /// Its video alone.
    pub(crate) fn push(url: &str, film: &Path) -> Self {
        Self(script().args(["push", "--url", url, "--video"]).arg(film).spawn().unwrap())
    }

    /// Where it is alone, as DJI says it at a broker.
    pub(crate) fn osd(port: u16, serial: &str, seconds: u32) -> Self {
        let mut command = script();
        command.args(["osd", "--port", &port.to_string(), "--serial", serial]);
        command.args(["--start", GRID_1, "--end", GRID_3, "--seconds", &seconds.to_string()]);
        Self(command.spawn().unwrap())
    }

    /// Whether it came to its end well.
    pub(crate) async fn landed(&mut self) -> bool {
        wait_for("the script to end", || {
            let ended = self.0.try_wait().unwrap();
            async move { ended }
        })
        .await
        .success()
    }
}

impl Drop for Uav {
    fn drop(&mut self) {
        // Its children end when their pipe does.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What it films: bare ground, then the street with its walkers.
pub(crate) fn film(folder: &Path, empty_s: u32, street_s: u32) -> PathBuf {
    let out = folder.join("film.ts");
    let status = script()
        .arg("video")
        .arg(&out)
        .args(["--empty", &empty_s.to_string(), "--street", &street_s.to_string(), "--clip"])
        .arg(street("h264"))
        .status();
    assert!(status.unwrap().success());
    out
}

/// Grids, a rule for these drones, a rule that names no camera, and the grid.
pub(crate) fn searched(receiver: &Receiver, drones: &[&str]) -> Site {
    Site::demo()
        .set("place", [113.9188, 30.9215])
        .set("grids", grids())
        .rule("search", "intrusion")
        .set("cameras", drones)
        .set("cooldown_s", 300)
        .rule("all-cameras", "crowd")
        .set("count", 1)
        .http(receiver)
}
