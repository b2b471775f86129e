//! Pictures become tracks: the catalogue of models, the detector, and what is the same thing over time.

mod attention;
mod boxes;
mod catalog;
mod clutter;
mod crops;
mod detect;
mod faces;
mod first_looks;
mod heads;
mod likeness;
mod load;
mod motion;
mod opinion;
mod pick;
mod plates;
mod preprocess;
#[cfg(test)]
mod tests_attention;
#[cfg(test)]
pub(crate) mod tests_graph;
mod tiles;
mod track;
mod variant;
mod view_check;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attention::{Attention, LookResult};
pub use catalog::{Catalog, Layout, ModelSpec};
pub use detect::{DetectError, Detector, Provider, Timing, offered};
pub use faces::{FaceFinder, missing as missing_for_faces};
pub use likeness::likeness;
pub use load::load;
pub use motion::{Change, Nearness, Scene};
pub use pick::{Pick, pick};
pub use plates::{PlateReader, PlateSights, missing as missing_for_plates};
pub use track::BEGIN_SCORE;
pub use variant::{OVERFLOWS, Speeds, Variant, choose, fastest_ms, measure, multiplies_bytes};
pub use view_check::{CameraFault, ViewCheck, is_blank};

/// `[model]`: what looks at the pictures.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name in the catalogue. Default: the first of the catalogue's defaults whose file is there and
    /// right; which one that is is said (log, `/readyz`, `gridpost models list`).
    #[serde(default)]
    pub name: Option<String>,
    /// `auto` (default): the faster of the model's 32-bit and 8-bit variants on this processor,
    /// measured once; `fp32`; `int8`.
    #[serde(default)]
    pub variant: Variant,
    /// Who runs the model, in order of wish: execution providers of the ONNX Runtime library at
    /// hand, e.g. `["cuda", "openvino", "cpu"]`. One that the library does not have, or that does not
    /// start, is passed over, and that is said (log, heartbeat, `/readyz`,
    /// `gridpost_detector_provider`); the processor is tried last, named or not. Default: the
    /// processor alone.
    #[serde(default)]
    pub providers: Vec<Provider>,
    /// Threads of one detection. Default 1.
    #[serde(default = "threads")]
    pub threads: usize,
    /// The ONNX Runtime library; default the one that the set-up fetched.
    #[serde(default)]
    pub library: Option<PathBuf>,
}

impl Config {
    /// The labels that every model that may look here knows, if there is a catalogue in this folder;
    /// the error is one sentence about `name`.
    pub fn labels(&self, models: &std::path::Path) -> Result<Vec<String>, String> {
        // There may be no catalogue yet where a configuration is checked; at run time the detector
        // reports what is wrong with it.
        let Ok(catalog) = Catalog::read(models) else { return Ok(Vec::new()) };
        let mut specs = match &self.name {
            Some(name) => vec![catalog.get(name)?],
            None => catalog.defaults().collect(),
        };
        let Some(first) = specs.pop() else { return Ok(Vec::new()) };
        let known = |label: &&String| specs.iter().all(|spec| spec.labels.contains(label));
        Ok(first.labels.iter().filter(known).cloned().collect())
    }

    /// What is wrong with `variant`, in one sentence, if there is a catalogue in this folder.
    pub fn variant_problem(&self, models: &std::path::Path) -> Option<String> {
        let catalog = Catalog::read(models).ok()?;
        match &self.name {
            Some(name) => {
                let spec = catalog.get(name).ok()?;
                let lacks = self.variant == Variant::Int8 && spec.int8.is_none();
                lacks.then(|| variant::no_int8(spec))
            }
            None => pick::candidates(self, &catalog).err(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let variant = Variant::Auto;
        Self { name: None, variant, providers: Vec::new(), threads: threads(), library: None }
    }
}

fn threads() -> usize {
    1
}
