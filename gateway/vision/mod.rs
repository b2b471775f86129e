//! Pictures become tracks: the catalogue of models, the detector, and what is the same thing over time.

mod boxes;
mod catalog;
mod detect;
mod heads;
mod preprocess;
#[cfg(test)]
mod tests_graph;
mod track;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

pub use catalog::{Catalog, Layout, ModelSpec};
pub use detect::{DetectError, Detector, Timing};
pub use track::Tracker;

/// `[model]`: what looks at the pictures.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name in the catalogue; default the catalogue's own default.
    #[serde(default)]
    pub name: Option<String>,
    /// Threads of one detection. Default 1.
    #[serde(default = "threads")]
    pub threads: usize,
    /// The ONNX Runtime library; default the one that the set-up fetched.
    #[serde(default)]
    pub library: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, threads: threads(), library: None }
    }
}

fn threads() -> usize {
    1
}
