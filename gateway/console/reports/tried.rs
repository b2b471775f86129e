//! Reports that were answered "not now": they may be on disk, and come again; the hashes of their numbers, in memory.

use std::{collections::VecDeque, sync::Mutex};

use crate::base::lock;

/// So many are remembered, the latest.
const TRIED_MAX: usize = 1_000;

/// The hashes.
#[derive(Default)]
pub(super) struct Tried(Mutex<VecDeque<String>>);

impl Tried {
    pub(super) fn put(&self, sha256: String) {
        let mut tried = lock(&self.0);
        if tried.contains(&sha256) {
            return;
        }
        if tried.len() >= TRIED_MAX {
            tried.pop_front();
        }
        tried.push_back(sha256);
    }

    pub(super) fn has(&self, sha256: &str) -> bool {
        lock(&self.0).iter().any(|one| one == sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_the_latest_are_remembered() {
        let tried = Tried::default();
        for n in 0..TRIED_MAX + 10 {
            tried.put(n.to_string());
            tried.put(n.to_string());
        }
        assert_eq!(lock(&tried.0).len(), TRIED_MAX);
        assert!(!tried.has("9") && tried.has("10") && tried.has("1009"));
    }
}
