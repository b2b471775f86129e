//! One mistake in a configuration: where it is, what is wrong, what was probably meant.

use std::fmt;

use serde::Serialize;

/// A line of `gridpost check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// As given on the command line, or the file that it names (grids, buttons).
    pub file: String,
    /// From 1; 0 where a file as a whole is meant.
    pub line: usize,
    /// Dotted, e.g. `camera[2].url`.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
    /// Told, but nothing stops because of it.
    pub warning: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", if self.warning { "warning" } else { "error" })?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

/// The candidate nearest to what was typed, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?` for the nearest candidate.
pub(crate) fn did_you_mean<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(typed, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}
