//! P1, P2, P4, P5 under power cuts: the real binary loses everything it did not sync, hundreds of times.
//!
//! `GRIDPOST_SEED=n` replays a run (as far as threads allow), `GRIDPOST_CUTS=n` makes it longer.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use crate::{
    proofs::{crashes, unsynced},
    results,
    world::{Crash, CrashHarness, Disk, Life, Load, env_number, has_snapshot_and_clip, seed},
};

const CUTS: &str = "power cuts at random instants";

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_press_survives_power_cut() {
    let cuts = env_number("GRIDPOST_CUTS").unwrap_or(24) as usize;
    let report = CrashHarness::new(Crash::PowerCut).await.run(seed(), cuts).await;
    results::print("power_cut", &crashes(CUTS, &report));
    report.must_be_right();
    assert_eq!(report.crashes, cuts);
    assert!(report.acknowledged > cuts, "too few presses to prove anything: {report:?}");
}

/// The proof of the proof: with syncs that do nothing, presses that were acknowledged are gone.
#[tokio::test(flavor = "multi_thread")]
async fn p1_without_syncs_presses_are_lost() {
    let report = CrashHarness::new(Crash::PowerCutUnsynced).await.run(seed(), 10).await;
    results::print("power_cut, syncs that do nothing", &unsynced(CUTS, &report));
    assert!(report.lost > 0, "nothing was lost without any sync: {report:?}");
}

/// The log of the disk misses nothing: played back whole, it gives the folder that is there.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_the_disk_is_complete() {
    let harness = CrashHarness::new(Crash::PowerCut).await;
    fs::create_dir(harness.data()).unwrap();
    let mut disk = Disk::of(&harness.data());
    let mut daemon = harness.start(Life::WithCamera).await;
    let load = Load::start("b", 4, 2, Duration::ZERO, &harness.receiver);
    load.at(daemon.port("intake"));
    harness.receiver.wait("a clip", has_snapshot_and_clip).await;
    load.stop().await;
    assert!(daemon.stop().await.success());
    disk.play(&harness.disk_log());
    let copy = harness.path("copy");
    disk.whole(&copy);
    let (there, played) = (files(&harness.data()), files(&copy));
    assert_eq!(there.keys().collect::<Vec<_>>(), played.keys().collect::<Vec<_>>());
    for (name, bytes) in &there {
        assert!(
            *bytes == played[name],
            "{name}: {} bytes, {} played",
            bytes.len(),
            played[name].len()
        );
    }
    assert!(there.len() > 5, "{:?}", there.keys());
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
