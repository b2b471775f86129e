//! The machine that a figure was measured on, in the words of a heading.

use std::{fs, thread, time::Duration};

use gridpost::vision::multiplies_bytes;

use crate::world::root;

/// How long the machine is watched for other work.
const WATCHED: Duration = Duration::from_secs(2);
/// With less than this in use by others the machine counts as quiet.
const QUIET_CORES: f64 = 0.2;

/// Processor, cores, and whether there are instructions for a model in 8 bits: the class by
/// which figures are compared.
pub(crate) fn class() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let bytes = match (multiplies_bytes(), std::env::consts::ARCH) {
        (true, "aarch64") => "dot product",
        (false, "aarch64") => "no dot product",
        (true, _) => "VNNI",
        (false, _) => "no VNNI",
    };
    format!("{}, {cores} cores, {bytes}", processor())
}

/// "AMD EPYC 7B13" of "AMD EPYC 7B13 64-Core Processor".
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name"));
    let name = name
        .and_then(|line| line.split_once(": "))
        .map_or(std::env::consts::ARCH, |(_, name)| name);
    let name = name.split(" @").next().unwrap_or(name).replace("(R)", "").replace("(TM)", "");
    let kept = |word: &&str| !["CPU", "Processor"].contains(word) && !word.ends_with("-Core");
    name.split_whitespace().filter(kept).collect::<Vec<_>>().join(" ")
}

/// The version that `models/fetch` brings.
pub(crate) fn onnx_runtime() -> String {
    let text = fs::read_to_string(root().join("models/fetch")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("ORT_VERSION = ")).unwrap();
    format!("ONNX Runtime {}", line.trim_matches('"'))
}

/// How many cores other processes use at this moment, in words; empty on a quiet machine.
pub(crate) fn load_of_others() -> String {
    let (busy_before, all_before) = ticks();
    thread::sleep(WATCHED);
    let (busy, all) = ticks();
    let cores = thread::available_parallelism().map_or(1, usize::from) as f64;
    let used = (busy - busy_before) / (all - all_before).max(1.0) * cores;
    if used < QUIET_CORES { String::new() } else { format!("others used {used:.1} cores") }
}

/// Ticks of all cores: spent on work, and all that went by.
fn ticks() -> (f64, f64) {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let first = text.lines().next().unwrap();
    let fields: Vec<f64> =
        first.split_whitespace().skip(1).take(8).map(|field| field.parse().unwrap()).collect();
    let (all, idle) = (fields.iter().sum::<f64>(), fields[3] + fields[4]);
    (all - idle, all)
}
