//! One fuzz target, named by `GRIDPOST_FUZZ_TARGET`, driven by libFuzzer. See `run.sh`.
#![no_main]
#![allow(clippy::print_stdout, unreachable_pub, reason = "not part of the gateway")]

#[path = "../targets.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::TARGETS;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

/// Before the first input: finds the target, and writes its seeds where libFuzzer looks for them.
fn begin() {
    let name = std::env::var("GRIDPOST_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        for target in TARGETS {
            println!("{}", target.name);
        }
        std::process::exit(2);
    };
    let _ = RUN.set(target.run);
    if let Some(folder) = std::env::var_os("GRIDPOST_FUZZ_CORPUS") {
        for (n, seed) in (target.seeds)().into_iter().enumerate() {
            let path = std::path::Path::new(&folder).join(format!("seed-{n}"));
            if let Err(error) = std::fs::write(&path, seed) {
                println!("{}: cannot be written: {error}", path.display());
                std::process::exit(1);
            }
        }
    }
}

fuzz_target!(init: begin(), |bytes: &[u8]| {
    if let Some(run) = RUN.get() {
        run(bytes);
    }
});
