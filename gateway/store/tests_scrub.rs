//! What an index spares the start from reading, and is told all the same.

use std::{fs, path::Path};

use tempfile::tempdir;

use super::{
    format::{SEGMENT_HEADER_BYTES, walk},
    journal::{segment_path, segments},
    tests::{change, put, record, reopen},
    *,
};
use crate::domain::Severity;

/// Several segments, closed, with an index; which they are.
fn filled(folder: &Path) -> Vec<u64> {
    let store = reopen(folder, &["a"]).store;
    for _ in 0..60 {
        put(&store, vec![change(record(IncidentId::new(), 1, Severity::NOTICE))]);
    }
    store.close_blocking().unwrap();
    let numbers = segments(&folder.join("journal")).unwrap();
    assert!(numbers.len() >= 4, "{numbers:?}");
    numbers
}

fn report(folder: &Path) -> Vec<String> {
    let opened = reopen(folder, &["a"]);
    opened.store.close_blocking().unwrap();
    opened.report
}

#[test]
fn j7_an_old_segment_that_was_cut_or_is_missing_is_told_at_the_start_with_the_index_too() {
    let folder = tempdir().unwrap();
    let numbers = filled(folder.path());
    assert_eq!(report(folder.path()), Vec::<String>::new(), "all is well");
    let (middle, journal) = (numbers[numbers.len() / 2], folder.path().join("journal"));
    for number in [numbers[0], middle] {
        let path = segment_path(&journal, number);
        let bytes = fs::read(&path).unwrap();
        let (spans, _) = walk(&bytes, SEGMENT_HEADER_BYTES, 0);
        let ends: Vec<usize> = spans.iter().map(|span| span.offset).collect();
        let inside = [0, 1, SEGMENT_HEADER_BYTES - 1, SEGMENT_HEADER_BYTES + 5, bytes.len() - 3];
        // At the end of each record, and inside of what is none then.
        for cut in ends.into_iter().chain(inside) {
            fs::write(&path, &bytes[..cut]).unwrap();
            let report = report(folder.path());
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(report.iter().any(|line| line.contains(name)), "{number} at {cut}: {report:?}");
        }
        fs::write(&path, &bytes).unwrap();
        assert_eq!(report(folder.path()), Vec::<String>::new(), "whole again");
    }
    let path = segment_path(&journal, middle);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let missing = format!("segments {middle}..{middle} are missing");
    assert!(report(folder.path()).contains(&missing), "{missing}");
    fs::write(&path, &bytes).unwrap();
    assert_eq!(report(folder.path()), Vec::<String>::new());
}
