//! Devices played by scripts of `tests/devices/`, each over a connection of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::root;

fn script(name: &str, port: u16, args: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.arg(root().join("tests/devices").join(name)).arg(port.to_string()).args(args);
    command
}

/// Plays it to its end; what it printed.
pub(crate) fn play(name: &str, port: u16, args: &[&str]) -> String {
    let output = script(name, port, args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// One that goes on until it is dropped.
pub(crate) struct Devices(Child);

impl Devices {
    /// Returns after its first line: everything of one round is acknowledged.
    pub(crate) fn start(name: &str, port: u16, args: &[&str]) -> Self {
        let mut child = script(name, port, args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the script ended before its first round").unwrap();
        println!("{name}: {first}");
        // Read on, or the script would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The rain station of `sl651_station.py` with these options; the lines it printed. It must end well.
pub(crate) fn station(port: u16, options: &str) -> Vec<Value> {
    let output = Command::new("/usr/bin/python3")
        .arg(root().join("tests/devices/sl651_station.py"))
        .args(["127.0.0.1", &port.to_string()])
        .args(options.split_whitespace())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(output.status.success(), "{options}: {lines:?}");
    lines
}
