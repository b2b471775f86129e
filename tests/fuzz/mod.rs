//! Every decoder of outside bytes under broken input, for a bounded moment, from a printed seed.
//!
//! `GRIDPOST_SEED=n` gives the same inputs again; `GRIDPOST_FUZZ_MS=n` takes longer. `make fuzz` runs the same targets
//! guided by coverage, for as long as one likes.

mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use self::targets::{INPUT_BYTES_MAX, TARGETS, Target};
use crate::world::{env_number, root, seed};

/// For each target.
const FUZZ_MS: u64 = 1_000;
/// A decoder that takes longer for a few kilobytes is a way to stop the gateway.
const SLOWEST: Duration = Duration::from_secs(5);
/// Bytes that mean something to one format or another.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"null",
    b"-1",
    b"1e999",
    b"0",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\x00",
    b"\xef\xbb\xbf",
    b"18446744073709551615",
    b"9999-12-31T23:59:59Z",
    b"[[",
    b"]]",
    b"${NAME}",
    b"=",
    b"'''",
    b"\"\"\"",
    b"\xf5GP\xff",
    b"\x80",
    b"\x7f\xff\xff\xff",
];

/// Breaks a good input in a few places, as a bad line, a bad device or a bad person might.
fn mutate(seeds: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(0..8) {
        let at = random.random_range(0..=bytes.len());
        let to = random.random_range(at..=bytes.len().min(at + 64));
        match random.random_range(0..9) {
            0 if at < bytes.len() => bytes[at] = random.random(),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 => drop(
                bytes.splice(at..at, WORDS[random.random_range(0..WORDS.len())].iter().copied()),
            ),
            3 => drop(
                bytes.splice(at..to, WORDS[random.random_range(0..WORDS.len())].iter().copied()),
            ),
            4 => drop(bytes.drain(at..to)),
            5 => {
                let part = bytes[at..to].to_vec();
                for _ in 0..random.random_range(1..64) {
                    drop(bytes.splice(at..at, part.iter().copied()));
                }
            }
            6 => {
                let other = &seeds[random.random_range(0..seeds.len())];
                let from = random.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            7 => bytes.truncate(at),
            _ => bytes.extend((0..random.random_range(0..32)).map(|_| random.random::<u8>())),
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

/// Inputs that once broke something: `tests/fuzz/found/<what>-<target>`.
fn found(target: &Target) -> Vec<Vec<u8>> {
    let files = fs::read_dir(root().join("tests/fuzz/found")).into_iter().flatten();
    let paths = files.map(|file| file.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.rsplit_once('-').is_some_and(|(_, of)| of == target.name)
        })
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The number of inputs and the slowest.
fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let lasts = Duration::from_millis(env_number("GRIDPOST_FUZZ_MS").unwrap_or(FUZZ_MS));
    let seed = seed();
    println!("fuzz {name}: GRIDPOST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut seeds = found(target);
    let known = seeds.len();
    seeds.extend((target.seeds)());
    let (began, mut runs, mut slowest) = (Instant::now(), 0u64, Duration::ZERO);
    while began.elapsed() < lasts || runs < seeds.len() as u64 {
        let input = match seeds.get(runs as usize) {
            Some(seed) => seed.clone(),
            None => mutate(&seeds, &mut random),
        };
        let started = Instant::now();
        let held = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let took = started.elapsed();
        if held.is_err() || took > SLOWEST {
            let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{seed}"));
            fs::write(&path, &input).unwrap();
            panic!(
                "fuzz {name}: input {runs} of GRIDPOST_SEED={seed} {} (took {took:?}); it is in {}:\n{:?}",
                if held.is_err() { "breaks it, see above" } else { "takes too long" },
                path.display(),
                String::from_utf8_lossy(&input)
            );
        }
        slowest = slowest.max(took);
        runs += 1;
    }
    println!(
        "fuzz {name}: {runs} inputs ({known} that once broke it), the slowest took {slowest:?}"
    );
}

macro_rules! fuzzed {
    ($($test:ident $target:literal)*) => {
        $(#[test] fn $test() { fuzz($target); })*
        #[test]
        fn every_target_is_fuzzed() {
            assert_eq!(TARGETS.iter().map(|t| t.name).collect::<Vec<_>>(), [$($target),*]);
        }
    };
}

fuzzed! {
    p7_fuzz_press "press"
    p7_fuzz_reply "reply"
    p7_fuzz_session "session"
    p7_fuzz_journal_bytes "journal_bytes"
    p7_fuzz_journal_records "journal_records"
    p7_fuzz_config "config"
    p7_fuzz_grids "grids"
    p7_fuzz_buttons "buttons"
    p7_fuzz_signals "signals"
    p7_fuzz_gauge "gauge"
    p7_fuzz_sl651 "sl651"
    p7_fuzz_range "range"
    p7_fuzz_klv "klv"
    p7_fuzz_osd "osd"
    p7_fuzz_onvif "onvif"
    p7_fuzz_broker "broker"
    p7_fuzz_users "users"
}
