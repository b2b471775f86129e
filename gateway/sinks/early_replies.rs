//! Replies of a platform to cases that nobody knows yet: bounded by number, size and age, in the order in which they came.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// So many are kept; the oldest go first.
const EARLY_MAX: usize = 500;
/// Bytes of one; a larger one is in the quarantine alone.
const EARLY_BYTES_MAX: usize = 8 * 1024;
/// A platform that tells everybody of every case would fill them for good.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(72);
/// A clock that shows less has not been set: 2020.
const CLOCK_S_MIN: i64 = 1_577_836_800;

/// One of them, as it is in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EarlyReply {
    /// When it came; none: an earlier version has written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Timestamp>,
    pub(super) item: Value,
}

impl EarlyReply {
    /// None: it is too large.
    pub(super) fn new(item: &Value, now: Timestamp) -> Option<Self> {
        let fits = item.to_string().len() <= EARLY_BYTES_MAX;
        fits.then(|| Self { since: Some(now), item: item.clone() })
    }
}

/// All of one platform.
#[derive(Default)]
pub(super) struct EarlyReplies {
    /// Each with the digest by which it is called when it was taken.
    all: VecDeque<(String, EarlyReply)>,
}

impl EarlyReplies {
    pub(super) fn put(&mut self, reply: EarlyReply) {
        self.all.push_back((digest(&reply.item), reply));
        while self.all.len() > EARLY_MAX {
            self.all.pop_front();
        }
    }

    /// Those that are not too old by now. A clock that was not set yet, or was ahead, makes none of them old.
    pub(super) fn fresh(&mut self, now: Timestamp) -> Vec<Value> {
        for (_, reply) in &mut self.all {
            let since = reply.since.filter(|since| since.as_second() >= CLOCK_S_MIN);
            reply.since = Some(since.unwrap_or(now).min(now));
        }
        self.all.retain(|(_, reply)| {
            reply.since.is_none_or(|since| now.duration_since(since) <= AGE_MAX)
        });
        self.all.iter().map(|(_, reply)| reply.item.clone()).collect()
    }

    /// It was dealt with; whether it was there.
    pub(super) fn take(&mut self, digest: &str) -> bool {
        let before = self.all.len();
        self.all.retain(|(of, _)| of != digest);
        self.all.len() < before
    }

    /// The first ones were dealt with, as an earlier version wrote it down.
    pub(super) fn take_first(&mut self, count: usize) {
        drop(self.all.drain(..count.min(self.all.len())));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &EarlyReply> {
        self.all.iter().map(|(_, reply)| reply)
    }
}

/// By which a reply is called.
pub(super) fn digest(item: &Value) -> String {
    digest_of(item.to_string().as_bytes())
}

/// 128 bits of SHA-256, as hex.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn p11_they_are_bounded_by_number_size_and_age_and_no_clock_makes_them_old() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-07-01T00:00:00Z");
        let mut early = EarlyReplies::default();
        assert!(EarlyReply::new(&json!("x".repeat(EARLY_BYTES_MAX)), now).is_none());
        assert!(EarlyReply::new(&json!("x".repeat(EARLY_BYTES_MAX - 2)), now).is_some());
        for n in 0..EARLY_MAX + 3 {
            early.put(EarlyReply::new(&json!({ "n": n }), now).unwrap());
        }
        let all = early.fresh(now + AGE_MAX);
        assert_eq!((all.len(), &all[0]), (EARLY_MAX, &json!({"n": 3})));
        assert!(early.fresh(now + AGE_MAX + SignedDuration::from_millis(1)).is_empty());
        // Written by an earlier version, before the clock was set, and by a clock that was ahead.
        for since in [None, Some(at("1970-01-01T00:01:00Z")), Some(at("2030-01-01T00:00:00Z"))] {
            let mut early = EarlyReplies::default();
            early.put(EarlyReply { since, item: json!(1) });
            assert_eq!(early.fresh(now).len(), 1, "{since:?}");
            assert_eq!(early.fresh(now + AGE_MAX).len(), 1, "{since:?}");
            assert!(early.fresh(now + AGE_MAX * 2).is_empty(), "{since:?}");
        }
    }
}
