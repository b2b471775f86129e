//! What every sink does: deliver one event, and say what became of it as a decision.

use std::future::Future;

use bytes::Bytes;
use jiff::Timestamp;

/// Emergencies have a lane of their own (P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Emergency,
    Bulk,
}

impl Lane {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Bulk => "bulk",
        }
    }
}

/// One event on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub event_id: String,
    /// Kind of the incident, e.g. `intrusion`.
    pub kind: &'static str,
    /// The rule that opened it.
    pub rule: Option<crate::domain::RuleId>,
    /// The gateway's clock as it is sent.
    pub at: jiff::Timestamp,
    /// CloudEvents, structured JSON.
    pub body: Bytes,
    /// For texts to people: the link of the one person who is meant.
    pub link: Option<String>,
}

/// What became of it, as a decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// Try again; `after_ms` is what the other end asked for.
    #[error("{reason}")]
    Retry { reason: String, after_ms: Option<u64> },
    /// The other end will never take it; its answer is kept.
    #[error("{answer}")]
    Reject { answer: String },
    /// A speaker could not say it while it was of use: it is never said.
    #[error("expired: {why}")]
    Expired { why: String },
    /// The event is not for this sink: settled, and nothing was sent.
    #[error("passed over: {why}")]
    Passed { why: String },
}

impl DeliverError {
    pub(super) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after_ms: None }
    }

    pub(super) fn passed(why: &str) -> Self {
        Self::Passed { why: why.into() }
    }
}

/// What the other end of a sink answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkAnswer {
    /// In its own words.
    pub says: String,
    /// It does not know our token, or does not let us in.
    pub refuses_us: bool,
    /// It has a fault of its own.
    pub fails: bool,
    /// Its clock, if it told.
    pub its_clock: Option<Timestamp>,
}

/// Ok only when the other end has it.
pub trait Sink: Send {
    fn deliver(
        &mut self,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<(), DeliverError>> + Send;
}

/// What is kept in the ledger of a piece of evidence whose file is gone.
pub(super) const FILE_MISSING: &str = "its file is missing";
