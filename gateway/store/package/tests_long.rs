//! An incident of very many records: what says nothing new is left out and counted, and what is in the package is
//! proved as ever. One that is too large for any package is told before anything is written down.

use std::fs;

use super::{
    tests::{evidence, order_of},
    *,
};
use crate::{
    domain::{Severity, What},
    store::tests::{change, new_store, press, put, record, sink},
};

/// A press of a button that opened this incident, or came again.
fn pressed(n: u32, of: IncidentId) -> Entry {
    let Entry::Press { source, stamp, press, stale, test, .. } = press(&n.to_string()) else {
        unreachable!()
    };
    Entry::Press { source, stamp, press, stale, test, incident: Some(of) }
}

#[test]
fn p10_of_very_many_presses_the_first_and_the_newest_are_in_a_package_and_the_rest_is_counted() {
    const PRESSES: u32 = 4_000;
    // Each is three records: the press, an update, and that this was superseded at the sink.
    let (folder, store) = new_store(&["a"]);
    let id = IncidentId::new();
    let update = |n: u32| [pressed(n, id), change(record(id, n + 1, Severity::EMERGENCY))];
    put(&store, update(0).into());
    for first in (1..=PRESSES).step_by(100) {
        put(&store, (first..first + 100).flat_map(update).collect());
    }
    let mut last = record(id, PRESSES + 2, Severity::EMERGENCY);
    last.what = What::Accepted;
    put(&store, vec![change(last)]);
    let path = folder.path().join("long.zip");
    let made = store.export(&order_of(id), &path).unwrap();
    let mere = 2 * u64::from(PRESSES) + store.ledger().of(&sink("a")).superseded;
    // Beyond 10,000 of them there is the newest press, and the newest update.
    assert!(mere > 11_000, "{mere}");
    assert_eq!(made.records_left_out as u64, mere - 10_000 - 2);
    let said = verify(&path, Some(&made.key)).unwrap().join("\n");
    let left_out = format!("{} records that say nothing new", made.records_left_out);
    assert!(said.contains(&left_out), "{said}");
    assert!(!said.contains("before revision") && !said.contains("written again"), "{said}");
    let bytes = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let has = |part: String| text.contains(&part);
    for n in [0, 1, PRESSES] {
        assert!(has(format!("\"id\":\"{n}\"")), "press {n}");
        assert!(has(format!("\"revision\":{},", n + 1)), "update {n}");
    }
    assert!(has(format!("\"revision\":{},", PRESSES + 2)), "what a person did");
    assert!(!has("\"id\":\"3900\"".into()), "neither the first nor the newest");
    store.close_blocking().unwrap();
}

#[test]
fn what_is_too_large_for_a_package_is_told_before_an_export_and_a_hold_are_written_down() {
    let (folder, store) = new_store(&[]);
    let id = IncidentId::new();
    for revision in 1..=50 {
        let mut large = record(id, revision, Severity::ALERT);
        large.what = What::Accepted;
        large.incident.why = "x".repeat(1_040_000);
        put(&store, vec![change(large)]);
    }
    let (to, before) = (folder.path().join("no.zip"), store.synced_seq());
    let refused = store.export(&order_of(id), &to).unwrap_err().to_string();
    assert!(refused.contains("bytes of them"), "{refused}");
    assert_eq!(store.synced_seq(), before, "no export that was none");
    assert!(!to.exists() && !folder.path().join("holds.json").exists());
    store.close_blocking().unwrap();
}

#[test]
fn a_piece_that_comes_while_a_package_is_made_is_named_as_left_out() {
    let (folder, store) = new_store(&[]);
    let id = IncidentId::new();
    let before = record(id, 1, Severity::ALERT);
    let mut after = record(id, 2, Severity::ALERT);
    after.incident.evidence.push(evidence(&store, "jpg", b"a picture"));
    put(&store, vec![change(before.clone()), change(after.clone())]);
    let mut collector = Collector::new(&store.inner.data_folder, id, 1);
    collector.read_through(store.synced_seq()).unwrap();
    let links = chain::read(&collector.finish().bytes).unwrap();
    assert_eq!(links.len(), 2, "{}", folder.path().display());
    let late = came_late(&links, &before);
    assert_eq!(late[0].evidence, after.incident.evidence[0].id);
    assert_eq!((late.len(), came_late(&links, &after).len()), (1, 0));
    store.close_blocking().unwrap();
}
