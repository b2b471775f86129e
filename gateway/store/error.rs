//! What can go wrong in the store; each variant is a decision for its caller.

use std::{io, path::PathBuf};

/// The data folder cannot be used at all; the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "data folder {}: process {pid} is already using it; stop that gateway or choose another [data] path",
        path.display()
    )]
    Locked { path: PathBuf, pid: String },
    #[error(
        "data folder {}: written by a newer gridpost (format {found}, this one knows up to {known}); install that version again or choose another [data] path",
        path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error(
        "data folder {}: its file `format` says {text:?}, expected `gridpost-store <number>`; is this a gridpost data folder?",
        path.display()
    )]
    Format { path: PathBuf, text: String },
    #[error("data folder: cannot {action} {}: {source}", path.display())]
    Io { path: PathBuf, action: &'static str, source: io::Error },
}

impl OpenError {
    /// For `map_err`: the action is a verb in "cannot … path".
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }
}

/// Not on disk: the store cannot write now. It goes on trying by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot write: {0}")]
pub struct Unavailable(pub String);

/// A settlement that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// P4: an emergency is never dead-lettered and never shed. It stays in flight with the
    /// caller, who tries again later or gives it back with `release`.
    #[error("an emergency is never given up: try it again later")]
    EmergencyKept,
    /// It is settled already, or was never owed to this sink.
    #[error("this sink does not owe this record (any more)")]
    NotDue,
}

/// A snapshot or clip could not be kept; its incident must go on without.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error("only {free_bytes} bytes are free and {min_free_bytes} are kept for presses")]
    LowSpace { free_bytes: u64, min_free_bytes: u64 },
    #[error("evidence takes {bytes} bytes already and may take {max_bytes}")]
    Bound { bytes: u64, max_bytes: u64 },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { path: PathBuf, action: &'static str, source: io::Error },
}

/// A record that the index or a queue points at cannot be read back.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("record {seq} in segment {segment} at byte {offset}: {reason}")]
    Damaged { seq: u64, segment: u64, offset: u64, reason: String },
}
