//! P1, P2, P4, P5 under power cuts: the real binary loses everything it did not sync, hundreds of times.
//!
//! `GRIDPOST_SEED=n` replays a night (as far as threads allow), `GRIDPOST_CUTS=n` makes it longer.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::world::{Disk, End, House, Load, env_number, seed};

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_press_survives_power_cut() {
    let cuts = env_number("GRIDPOST_CUTS").unwrap_or(24) as usize;
    let house = House::new(End::PowerCut).await;
    let night = house.night(seed(), cuts).await;
    println!("power cuts: {night:?}");
    night.must_be_right();
    assert_eq!(night.ends, cuts);
    assert!(night.acknowledged > cuts, "too few presses to prove anything: {night:?}");
}

/// The proof of the proof: with syncs that do nothing, presses that were acknowledged are gone.
#[tokio::test(flavor = "multi_thread")]
async fn p1_without_syncs_presses_are_lost() {
    let house = House::new(End::PowerCutUnsynced).await;
    let night = house.night(seed(), 10).await;
    println!("power cuts with syncs that lie: {night:?}");
    assert!(night.lost > 0, "nothing was lost without any sync: {night:?}");
}

/// The log of the disk misses nothing: played back whole, it gives the folder that is there.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_the_disk_is_complete() {
    let house = House::new(End::PowerCut).await;
    fs::create_dir(house.data()).unwrap();
    let mut disk = Disk::of(&house.data());
    let mut child = house.spawn("seeing.toml", 0);
    let load = Load::start("b", 4, 2, Duration::ZERO, &house.receiver);
    load.at(house.port(&mut child).await);
    let with_clip = |data: &Value| data["evidence"][1]["media_type"] == "video/mp4";
    house.receiver.wait("a clip", with_clip).await;
    load.stop().await;
    let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success() && child.wait().unwrap().success());
    disk.play(&fs::read(house.path("log-of-disk")).unwrap());
    let copy = house.path("copy");
    disk.whole(&copy);
    let (there, played) = (files(&house.data()), files(&copy));
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
