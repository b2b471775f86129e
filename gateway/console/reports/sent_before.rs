//! Reports that were answered "not now": they may be on disk, and come again; the hashes of their numbers, in memory.

use std::{collections::VecDeque, sync::Mutex};

use crate::base::lock;

/// So many are remembered, the latest.
const SENT_MAX: usize = 1_000;

/// The hashes.
#[derive(Default)]
pub(super) struct SentBefore(Mutex<VecDeque<String>>);

impl SentBefore {
    pub(super) fn put(&self, sha256: String) {
        let mut sent = lock(&self.0);
        if sent.contains(&sha256) {
            return;
        }
        if sent.len() >= SENT_MAX {
            sent.pop_front();
        }
        sent.push_back(sha256);
    }

    /// Whether it is one of them; it is none any more, for now it is answered.
    pub(super) fn take(&self, sha256: &str) -> bool {
        let mut sent = lock(&self.0);
        let at = sent.iter().position(|one| one == sha256);
        at.is_some_and(|at| sent.remove(at).is_some())
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
        let sent = SentBefore::default();
        for n in 0..SENT_MAX + 10 {
            sent.put(n.to_string());
            sent.put(n.to_string());
        }
        assert_eq!(lock(&sent.0).len(), SENT_MAX);
        assert!(!sent.has("9") && sent.has("10") && sent.has("1009"));
        assert!(!sent.take("9") && sent.take("10") && !sent.take("10") && !sent.has("10"));
    }
}
