//! `[data]`: where the gateway keeps what must not be lost, and how much space it may take.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A smaller one is mostly its own beginning; a larger one takes long to read at start.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// The journal consists of the segment that is written, the one that leaves, and some between.
const SEGMENTS_MIN: u64 = 4;

/// What is remembered is at least some hundred presses and cases.
const MEMORY_BYTES_MIN: u64 = 256 << 10;

/// Where everything that must survive a power cut is kept, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data folder; relative to the configuration file. Default `data`.
    #[serde(default = "default_path")]
    pub path: PathBuf,
    /// Most bytes the journal may take before its oldest part leaves (never what is still
    /// to be delivered). Default 4 GiB.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// Bytes of one journal file: the step in which room is given back. Default 16 MiB.
    #[serde(default = "default_segment_bytes")]
    #[schemars(range(min = 65_536))]
    pub segment_bytes: u64,
    /// Bytes of the file system kept free for presses: below it no new snapshot or clip is
    /// written. Default 512 MiB.
    #[serde(default = "default_min_free_bytes")]
    pub min_free_bytes: u64,
    /// Most bytes all snapshots and clips may take; beyond it the oldest go that are finished and
    /// delivered, and if there are none, no new one is made. With `[reports]` a tenth of it is theirs. Default 20 GiB.
    #[serde(default = "default_evidence_max_bytes")]
    pub evidence_max_bytes: u64,
    /// Most bytes of unreadable payloads that are kept to be looked at. Default 64 MiB.
    #[serde(default = "default_quarantine_max_bytes")]
    pub quarantine_max_bytes: u64,
    /// Days a snapshot or clip is kept once its incident is finished and delivered. Default 30.
    #[serde(default = "default_evidence_days")]
    #[schemars(range(min = 1))]
    pub evidence_days: u32,
    /// Days the line of a case that is over is kept for the figures, after the month in which it was
    /// opened; the journal's records of it may leave long before. Default 1096, three years.
    #[serde(default = "default_figures_days")]
    #[schemars(range(min = 1))]
    pub figures_days: u32,
    /// Most bytes all these lines may take, some 700 a case; beyond it the oldest month goes.
    /// Default 256 MiB.
    #[serde(default = "default_figures_max_bytes")]
    pub figures_max_bytes: u64,
    /// Most bytes of memory for what is over and may be asked for again: presses and replies that may be
    /// sent again, closed cases, where evidence is, reports of gauges. What does not fit is on disk.
    /// Default 64 MiB.
    #[serde(default = "default_memory_max_bytes")]
    #[schemars(range(min = 262_144))]
    pub memory_max_bytes: u64,
}

impl Config {
    /// The defaults, in this folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            let expected = format!("expected {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}");
            problems.push(("segment_bytes", format!("{}: {expected}", self.segment_bytes)));
        } else if self.max_bytes < SEGMENTS_MIN * self.segment_bytes {
            let least = SEGMENTS_MIN * self.segment_bytes;
            let message =
                format!("{}: expected at least {least}, {SEGMENTS_MIN} segments", self.max_bytes);
            problems.push(("max_bytes", message));
        }
        if self.memory_max_bytes < MEMORY_BYTES_MIN {
            let message =
                format!("{}: expected at least {MEMORY_BYTES_MIN}", self.memory_max_bytes);
            problems.push(("memory_max_bytes", message));
        }
        if self.evidence_days == 0 {
            problems.push(("evidence_days", "0: expected at least 1 day".into()));
        }
        if self.figures_days == 0 {
            problems.push(("figures_days", "0: expected at least 1 day".into()));
        }
        problems
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: default_path(),
            max_bytes: default_max_bytes(),
            segment_bytes: default_segment_bytes(),
            min_free_bytes: default_min_free_bytes(),
            evidence_max_bytes: default_evidence_max_bytes(),
            quarantine_max_bytes: default_quarantine_max_bytes(),
            evidence_days: default_evidence_days(),
            figures_days: default_figures_days(),
            figures_max_bytes: default_figures_max_bytes(),
            memory_max_bytes: default_memory_max_bytes(),
        }
    }
}

fn default_path() -> PathBuf {
    "data".into()
}
fn default_max_bytes() -> u64 {
    4 << 30
}
fn default_segment_bytes() -> u64 {
    16 << 20
}
fn default_min_free_bytes() -> u64 {
    512 << 20
}
fn default_evidence_max_bytes() -> u64 {
    20 << 30
}
fn default_quarantine_max_bytes() -> u64 {
    64 << 20
}
fn default_evidence_days() -> u32 {
    30
}
fn default_figures_days() -> u32 {
    1096
}
fn default_figures_max_bytes() -> u64 {
    256 << 20
}
fn default_memory_max_bytes() -> u64 {
    64 << 20
}
