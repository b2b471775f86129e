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

#[path = "bench/detection.rs"]
mod detection;
#[path = "bench/press.rs"]
mod press;
#[path = "bench/size.rs"]
mod size;
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
    println!("| what | figure |\n|---|---|");
    detection::run();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        press::run().await;
        size::run().await;
    });
}
