//! Evidence that is handed out: a file, or why there is none.

use axum::{http::StatusCode, response::Response};

use super::problem::problem;

/// A package that was made and lies nowhere: when it is read, or nobody wants it, it is gone.
#[derive(Debug)]
pub struct PackageFile {
    /// From its first byte on.
    pub file: std::fs::File,
    /// All of them.
    pub bytes: u64,
}

/// Why a package, an original or a hold is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEvidence {
    /// There is none of this id.
    Unknown,
    /// There was one.
    Gone,
    /// It cannot be made, opened or written down now; for people.
    Failed(String),
}

impl NoEvidence {
    pub(super) fn answer(&self) -> Response {
        match self {
            Self::Unknown => problem(StatusCode::NOT_FOUND, "no such incident or original"),
            Self::Gone => problem(StatusCode::GONE, "its file is gone (retention)"),
            Self::Failed(why) => problem(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}
