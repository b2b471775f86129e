//! A camera's ONVIF side, played by `tests/devices/onvif.py`: told what to do, tells what it was asked.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use super::root;

pub(crate) struct Onvif {
    child: Child,
    pub(crate) url: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Onvif {
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(root().join("tests/devices/onvif.py"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next().expect("it started").unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let keep = said.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| keep.lock().unwrap().push(line));
        });
        Self { child, url, said }
    }

    /// Where it answers WS-Discovery; it was started with `--discovery`.
    pub(crate) async fn discovery(&self) -> String {
        let said = || async {
            let said = self.said();
            said.iter().find_map(|line| line.strip_prefix("discovery ").map(str::to_owned))
        };
        super::wait_for("its answer to discovery", said).await
    }

    /// Its address with a user in it.
    pub(crate) fn with_user(&self, user: &str) -> String {
        self.url.replacen("://", &format!("://{user}@"), 1)
    }

    /// A line of its standard input: `on`, `off`, `lose`, `rude …`, `stream …`, `drop …`.
    pub(crate) fn tell(&mut self, what: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{what}").unwrap();
    }

    /// How often it has printed this line.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|said| *said == line).count()
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Onvif {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the camera's ONVIF side\n{}", self.said().join("\n"));
        }
    }
}
