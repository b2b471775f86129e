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
#[path = "bench/history.rs"]
mod history;
#[path = "bench/press.rs"]
mod press;
#[path = "bench/size.rs"]
mod size;
#[path = "bench/stations.rs"]
mod stations;
#[path = "bench/till.rs"]
mod till;
mod world;

use std::time::Duration;

/// A row of the table.
pub(crate) fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}

/// Milliseconds of a share (0.5 = median) of the times.
pub(crate) fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let index = ((times.len() - 1) as f64 * share).round() as usize;
    times[index].as_secs_f64() * 1000.0
}

fn main() {
    if std::env::args().any(|arg| arg == "--bare") {
        return detection::bare();
    }
    let syncs = std::env::args().skip_while(|arg| arg != "--syncs").nth(1);
    if let Some(folder) = syncs {
        return crowd::bare_syncs(folder.as_ref());
    }
    // All of it, or only what is named: `make bench ONLY="press drain"`.
    let only = std::env::var("GRIDPOST_BENCH_ONLY").unwrap_or_default();
    let wanted = |part: &str| only.is_empty() || only.split_whitespace().any(|one| one == part);
    println!("| what | figure |\n|---|---|");
    if wanted("codecs") {
        codecs::run();
    }
    if wanted("detection") {
        detection::run();
    }
    if wanted("drone_codecs") {
        drone_codecs::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if wanted("press") {
            press::run().await;
        }
        if wanted("crowd") {
            crowd::run().await;
        }
        if wanted("drain") {
            drain::run().await;
        }
        if wanted("history") {
            history::run().await;
        }
        if wanted("sl651") {
            stations::run().await;
        }
        if wanted("size") {
            size::run().await;
        }
    });
}
