//! What memory has no room for: it is found on disk, over restarts, with the index and without it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use super::{
    disk::RealDisk,
    open::open_with,
    tests::{config, noon, press, put, sink, tuning},
    *,
};
use crate::domain::{NoMeter, PressIdentity};

/// With as little memory as there may be: 192 presses.
fn open_small(folder: &Path) -> Opened {
    let config = Config { memory_max_bytes: 256 << 10, ..config(folder) };
    let tuning = tuning(Arc::new(RealDisk));
    open_with(&config, &[sink("a").into()], Arc::new(NoMeter), tuning).unwrap()
}

fn marks(id: &str) -> Vec<Mark> {
    let Entry::Press { source, press, .. } = press(id) else { unreachable!() };
    let identities = [PressIdentity::of(&source, &press), PressIdentity::of_packet(&press)];
    identities.into_iter().flatten().map(|identity| identity.mark).collect()
}

/// The index has all that is synced.
fn is_indexed(store: &Store) {
    while !lock(&store.inner.shared.state).marks.is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn d2_p11_presses_that_memory_has_no_room_for_are_known_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let Opened { store, restored, .. } = open_small(folder.path());
    assert!(!restored.older_presses);
    for first in (0..1_000).step_by(50) {
        put(&store, (first..first + 50).map(|n| press(&n.to_string())).collect());
    }
    let known = |store: &Store| {
        let taken = |n: &usize| store.presses_taken(&marks(&n.to_string())).len() == 1;
        (0..1_000).filter(taken).count()
    };
    assert_eq!(known(&store), 1_000, "on disk or on the way there");
    is_indexed(&store);
    assert_eq!(known(&store), 1_000);
    assert_eq!(store.presses_taken(&marks("77")), [(marks("77")[0], noon())]);
    assert!(store.presses_taken(&marks("never")).is_empty());
    assert!(lock(&store.inner.shared.state).presses.len() <= 192);
    store.close_blocking().unwrap();

    let Opened { store, restored, .. } = open_small(folder.path());
    assert!(restored.older_presses && restored.presses.len() == 192, "{}", restored.presses.len());
    assert_eq!(restored.presses[191].press.id.as_deref(), Some("999"));
    assert_eq!(known(&store), 1_000);
    store.close_blocking().unwrap();

    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let Opened { store, .. } = open_small(folder.path());
    assert_eq!(known(&store), 1_000, "from the journal, before the index is made");
    is_indexed(&store);
    assert_eq!(known(&store), 1_000);
    store.close_blocking().unwrap();
}
