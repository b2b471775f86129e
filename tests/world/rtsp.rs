//! A real RTSP server with one looping camera and a user; ended with the test.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use super::root;

/// Turns that a test has not asked for.
const TURNS_MAX: usize = 1_000;

/// GStreamer's RTSP server, user `viewer`, password `s3cret`.
pub(crate) struct RtspServer {
    child: Child,
    url: String,
    turns: mpsc::Receiver<f64>,
}

impl RtspServer {
    pub(crate) fn start(port: u16, file: &Path) -> Self {
        Self::serve(port, &file.display().to_string(), &[])
    }

    /// At this moment (seconds since 1970) the file is at its beginning; each picture is sent so
    /// many seconds after its time.
    pub(crate) fn on_the_clock(port: u16, file: &Path, clock_s: f64, late_s: f64) -> Self {
        let (clock, late) = (clock_s.to_string(), late_s.to_string());
        let more = ["--clock", &clock, "--late", &late];
        Self::serve(port, &file.display().to_string(), &more)
    }

    /// Likewise, in an environment that changes its clock; `clock_s` is by that one.
    pub(crate) fn with_a_wrong_clock(
        file: &Path,
        clock_s: f64,
        late_s: f64,
        environment: &[(&str, String)],
    ) -> Self {
        let (clock, late) = (clock_s.to_string(), late_s.to_string());
        let more = ["--clock", &clock, "--late", &late];
        Self::serve_in(0, &file.display().to_string(), &more, environment)
    }

    /// With each turn of the file the stream's own clock goes back by so much.
    pub(crate) fn that_steps(file: &Path, step_s: f64) -> Self {
        Self::serve(0, &file.display().to_string(), &["--step", &step_s.to_string()])
    }

    /// A GStreamer pipeline instead of a file.
    pub(crate) fn launch(pipeline: &str) -> Self {
        Self::serve(0, &format!("launch:{pipeline}"), &[])
    }

    fn serve(port: u16, what: &str, more: &[&str]) -> Self {
        Self::serve_in(port, what, more, &[])
    }

    fn serve_in(port: u16, what: &str, more: &[&str], environment: &[(&str, String)]) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(root().join("tests/rig/rtsp_serve.py"))
            .args([
                "--tell",
                "--port",
                &port.to_string(),
                "--user",
                "viewer",
                "--password",
                "s3cret",
            ])
            .args(more)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .arg(format!("camera={what}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said: Vec<String> =
            lines.by_ref().map(Result::unwrap).take_while(|line| line.trim() != "READY").collect();
        let url = said.into_iter().find(|line| line.starts_with("rtsp://")).expect("it started");
        let (tell, turns) = mpsc::sync_channel(TURNS_MAX);
        // Read on, or the server would block on a full pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let at = line.strip_prefix("TURN camera ").and_then(|at| at.parse().ok());
                if let Some(at) = at {
                    let _ = tell.try_send(at);
                }
            }
        });
        Self { child, url, turns }
    }

    /// Seconds since 1970 at which the clip began, as often as it has since this was asked.
    pub(crate) fn turns(&self) -> Vec<f64> {
        self.turns.try_iter().collect()
    }

    /// It says nothing any more, and its connections stay open.
    pub(crate) fn freeze(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    }

    /// As a camera is configured.
    pub(crate) fn url(&self) -> String {
        self.with_user("viewer:s3cret")
    }

    pub(crate) fn with_user(&self, user: &str) -> String {
        self.url.replace("rtsp://", &format!("rtsp://{user}@"))
    }

    /// As a camera names it: without a user, and by the address that it has behind NAT.
    pub(crate) fn as_named_inside(&self) -> String {
        self.url.replace("127.0.0.1", "10.98.76.54")
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap()
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
