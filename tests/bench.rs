//! `make bench`: what the promises cost on this machine, each figure beside its floor in the same run.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a bench says what it expects by failing, and prints"
)]

#[path = "hostile/attackers/mod.rs"]
mod attackers;
#[path = "bench/button.rs"]
mod button;
#[path = "bench/codecs.rs"]
mod codecs;
#[path = "bench/crowd.rs"]
mod crowd;
#[path = "bench/detection.rs"]
mod detection;
#[path = "bench/drain.rs"]
mod drain;
#[path = "bench/drone_codecs.rs"]
mod drone_codecs;
#[path = "bench/figures.rs"]
mod figures;
#[path = "bench/grids.rs"]
mod grids;
#[path = "bench/history.rs"]
mod history;
#[path = "bench/hostile.rs"]
mod hostile;
#[path = "bench/light_receiver.rs"]
mod light_receiver;
#[path = "bench/machine.rs"]
mod machine;
#[path = "bench/plates.rs"]
mod plates;
#[path = "bench/press.rs"]
mod press;
#[path = "bench/process.rs"]
mod process;
#[path = "bench/results.rs"]
mod results;
#[path = "bench/size.rs"]
mod size;
#[path = "hostile/stage.rs"]
mod stage;
#[path = "bench/stations.rs"]
mod stations;
mod world;

use std::time::Duration;

/// The benches in their order; each prints the table of its name.
const BENCHES: [&str; 13] = [
    "codecs",
    "detection",
    "plates",
    "drone_codecs",
    "grids",
    "figures",
    "press",
    "crowd",
    "drain",
    "history",
    "hostile",
    "sl651",
    "size",
];

/// Milliseconds of a share (0.5 = median) of the times.
pub(crate) fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let index = ((times.len() - 1) as f64 * share).round() as usize;
    times[index].as_secs_f64() * 1000.0
}

/// A config with one sink, and what else a bench wants.
pub(crate) fn config(url: &str, more: &str) -> String {
    format!(
        r#"
[site]
id = "bench"

[[sink]]
id = "grid"
kind = "http"
url = "{url}"
{more}"#
    )
}

fn main() {
    attackers::run_if_asked();
    if std::env::args().any(|arg| arg == "--bare") {
        return detection::bare();
    }
    let syncs = std::env::args().skip_while(|arg| arg != "--syncs").nth(1);
    if let Some(folder) = syncs {
        return crowd::bare_syncs(folder.as_ref());
    }
    // All of it, or only what is named: `make bench ONLY="press drain"`.
    let only = std::env::var("GRIDPOST_BENCH_ONLY").unwrap_or_default();
    let unknown: Vec<_> = only.split_whitespace().filter(|one| !BENCHES.contains(one)).collect();
    if !unknown.is_empty() {
        eprintln!(
            "bench: no bench is called {}; there are {}",
            unknown.join(", "),
            BENCHES.join(", ")
        );
        std::process::exit(2);
    }
    results::begin();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for bench in BENCHES {
        if !only.trim().is_empty() && !only.split_whitespace().any(|one| one == bench) {
            continue;
        }
        let rows = match bench {
            "codecs" => codecs::run(),
            "detection" => detection::run(),
            "plates" => plates::run(),
            "drone_codecs" => drone_codecs::run(),
            "grids" => grids::run(),
            "figures" => figures::run(),
            "press" => runtime.block_on(press::run()),
            "crowd" => runtime.block_on(crowd::run()),
            "drain" => runtime.block_on(drain::run()),
            "history" => runtime.block_on(history::run()),
            "hostile" => runtime.block_on(hostile::run()),
            "sl651" => runtime.block_on(stations::run()),
            "size" => runtime.block_on(size::run()),
            other => unreachable!("{other} is in BENCHES and has no code"),
        };
        results::print(bench, &rows);
    }
}
