//! What is known of how well a gauge is, and what of it was told.

use jiff::Timestamp;

use super::limits::Doubt;
use crate::domain::{Severity, StationStatus};

/// What has been told of a gauge, and what it rests on.
#[derive(Default)]
pub(super) struct Health {
    /// Silence was reported.
    pub(super) silent: bool,
    /// What in its latest reports could not be read or believed.
    pub(super) doubt: Option<Doubt>,
    /// Why nothing of what it sends can be read, until something can.
    pub(super) unreadable: Option<String>,
    pub(super) status: Option<StationStatus>,
    /// Its box was closed at some time: the switch of its door works.
    pub(super) was_closed: bool,
    /// What of doubts and faults was reported, shortly.
    pub(super) told: Option<Told>,
    pub(super) battery_low: bool,
    pub(super) percent_low: bool,
    pub(super) door_open: bool,
}

/// Reported doubts and faults.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) severity: Severity,
    /// Which reasons there are; their numbers may change without a word.
    pub(super) what: (bool, bool, u32),
}

impl Health {
    /// Doubts about what it says are reported.
    pub(super) fn is_doubtful(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.what.0)
    }

    /// Something in a report could not be read or believed.
    pub(super) fn note(&mut self, doubt: Doubt) {
        self.doubt = Some(doubt);
    }

    /// Nothing of what came could be read; it is in the quarantine.
    pub(super) fn cannot_read(&mut self, at: Timestamp, reason: &str) {
        const REASON_CHARS_MAX: usize = 200;
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        if self.doubt.as_ref().is_some_and(|doubt| doubt.at == at && doubt.why.contains(&reason)) {
            return;
        }
        self.unreadable = Some(reason.clone());
        let why = format!("what it sends cannot be read, and is kept: {reason}");
        self.doubt = Some(Doubt { at, why, doubtful: false });
    }
}
