//! Until when a call of FFmpeg may take: no call blocks beyond it, or beyond a stop.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use crate::domain::StopFlag;

/// For a goodbye, milliseconds: it is written and not waited for.
const GOODBYE_MS: u64 = 500;

/// Shared with FFmpeg's interrupt callback.
pub(super) struct CallDeadline {
    started: Instant,
    by_ms: AtomicU64,
    /// The session says goodbye: a stop interrupts nothing any more.
    closes: AtomicBool,
}

impl CallDeadline {
    /// So many milliseconds from now.
    pub(super) fn within(ms: u64) -> Self {
        let (by_ms, closes) = (AtomicU64::new(ms), AtomicBool::new(false));
        Self { started: Instant::now(), by_ms, closes }
    }

    /// Milliseconds since it was made: a clock that never steps.
    pub(super) fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// So many milliseconds from now.
    pub(super) fn set(&self, in_ms: u64) {
        let now = u64::try_from(self.elapsed_ms()).unwrap_or(0);
        self.by_ms.store(now.saturating_add(in_ms), Ordering::Relaxed);
    }

    /// What is left, milliseconds.
    pub(super) fn left_ms(&self) -> u64 {
        let now = u64::try_from(self.elapsed_ms()).unwrap_or(0);
        self.by_ms.load(Ordering::Relaxed).saturating_sub(now)
    }

    /// From now on there is time for a goodbye, whatever was asked to stop.
    pub(super) fn close(&self) {
        self.set(GOODBYE_MS);
        self.closes.store(true, Ordering::Relaxed);
    }

    /// Whether it is over.
    pub(super) fn passed(&self) -> bool {
        u64::try_from(self.elapsed_ms()).unwrap_or(0) > self.by_ms.load(Ordering::Relaxed)
    }

    /// Whether FFmpeg is to return now.
    pub(super) fn interrupts(&self, stop: &StopFlag) -> bool {
        self.passed() || (stop.is_raised() && !self.closes.load(Ordering::Relaxed))
    }
}
