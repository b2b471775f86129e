//! An RTSP camera with bad habits (`tests/devices/rtsp_camera.py`); ended with the test.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use super::{root, site::Stream, wait_for};

pub(crate) struct OddCamera {
    child: Child,
    url: String,
    /// What happened at it: PLAY, TEARDOWN, GONE.
    said: Arc<Mutex<Vec<String>>>,
}

impl OddCamera {
    /// Plays this clip; `habits` are its options.
    pub(crate) fn start(clip: &Path, habits: &[&str]) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(root().join("tests/devices/rtsp_camera.py"))
            .arg(clip)
            .args(habits)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told: Vec<String> =
            lines.by_ref().map(Result::unwrap).take_while(|line| line != "READY").collect();
        let url = told.into_iter().find(|line| line.starts_with("rtsp://")).expect("it started");
        let said = Arc::new(Mutex::new(Vec::new()));
        let keeps = said.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| keeps.lock().unwrap().push(line));
        });
        Self { child, url, said }
    }

    pub(crate) fn with_user(&self, user: &str) -> String {
        self.url.replace("rtsp://", &format!("rtsp://{user}@"))
    }

    /// How often this happened.
    pub(crate) fn count(&self, word: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|said| *said == word).count()
    }

    /// Waits until this has happened so often.
    pub(crate) async fn sees(&self, word: &str, times: usize) {
        wait_for(&format!("{times} times {word}"), || {
            let there = self.count(word) >= times;
            async move { there.then_some(()) }
        })
        .await;
    }
}

impl Stream for OddCamera {
    fn address(&self) -> String {
        self.url.clone()
    }
}

impl Drop for OddCamera {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
