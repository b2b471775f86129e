//! The catalogue of models: what a file must be, what goes in and what comes out.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// `models/catalog.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Its models; one may be the default.
    #[serde(rename = "model")]
    pub models: Vec<ModelSpec>,
}

/// One model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// By which `[model] name` chooses it.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Its architecture.
    pub family: Family,
    /// How its output is read.
    pub head: Head,
    /// Used where the configuration names none.
    #[serde(default)]
    pub default: bool,
    /// Relative to `cache/` beside the catalogue.
    pub file: PathBuf,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// Of the file.
    #[serde(default)]
    pub bytes: u64,
    /// SPDX id.
    #[serde(default)]
    pub licence: String,
    /// Where it comes from.
    #[serde(default)]
    pub source: String,
    /// `labels[i]` names score i; an empty one is left out.
    pub labels: Vec<String>,
    /// What goes in.
    pub input: Input,
    /// What comes out.
    pub outputs: Outputs,
    /// The same model in 8 bits.
    #[serde(default)]
    pub int8: Option<Int8>,
}

/// What differs in the 8-bit variant: the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Int8 {
    /// Relative to `cache/` beside the catalogue.
    pub file: PathBuf,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// Of the file.
    #[serde(default)]
    pub bytes: u64,
    /// For `models/quantise.py`: between which values each tensor lies.
    #[serde(default)]
    pub ranges: PathBuf,
}

/// The architecture of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    Ssd,
    Yolo,
}

/// How the output of a model is read; `heads.rs` has a function for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    SsdDecoded,
    Yolox,
    Yolov8,
}

/// What a model takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Of the input tensor.
    pub name: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Order of its dimensions.
    pub layout: Layout,
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Order of its channels.
    pub color: Color,
    /// How a picture is fitted in.
    pub resize: Resize,
    /// Subtracted from each channel (0..255).
    pub mean: [f32; 3],
    /// Then divided by, each channel.
    pub std: [f32; 3],
}

/// Order of the dimensions of a picture tensor: channels first or last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    Nchw,
    Nhwc,
}

/// Type of the numbers of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    F32,
    U8,
}

/// Order of the colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    Rgb,
    Bgr,
}

/// How a picture is fitted into the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    Stretch,
    Letterbox,
}

/// Names of the output tensors: `boxes` and `scores` (ssd), or `predictions` (yolo).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// Of the head `ssd-decoded`.
    #[serde(default)]
    pub boxes: Option<String>,
    /// Of the head `ssd-decoded`.
    #[serde(default)]
    pub scores: Option<String>,
    /// Of the heads of the yolo family.
    #[serde(default)]
    pub predictions: Option<String>,
}

impl Catalog {
    /// Reads `catalog.toml` of a models folder; the error is one sentence.
    pub fn read(models: &Path) -> Result<Self, String> {
        let path = models.join("catalog.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| {
            format!("the catalogue of models {} cannot be read: {error}", path.display())
        })?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reads the text of a catalogue; the error is one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let catalog: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for model in &catalog.models {
            let outputs = &model.outputs;
            let fits = match model.head {
                Head::SsdDecoded => {
                    model.family == Family::Ssd
                        && outputs.boxes.is_some()
                        && outputs.scores.is_some()
                }
                Head::Yolox | Head::Yolov8 => {
                    model.family == Family::Yolo && outputs.predictions.is_some()
                }
            };
            if !fits {
                return Err(format!(
                    "model {}: family, head and outputs do not fit together (ssd: boxes and scores; yolo: predictions)",
                    model.name
                ));
            }
        }
        Ok(catalog)
    }

    /// The named model, or the default one.
    pub fn get(&self, name: Option<&str>) -> Result<&ModelSpec, String> {
        let found = match name {
            Some(name) => self.models.iter().find(|model| model.name == name),
            None => self.models.iter().find(|model| model.default).or(self.models.first()),
        };
        found.ok_or_else(|| {
            let known: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
            format!(
                "no model is called {:?}; the catalogue has {}",
                name.unwrap_or(""),
                known.join(", ")
            )
        })
    }
}

impl ModelSpec {
    /// Its 8-bit variant as an entry of its own.
    pub fn in_int8(&self) -> Option<Self> {
        let int8 = self.int8.clone()?;
        let (file, sha256, bytes) = (int8.file, int8.sha256, int8.bytes);
        Some(Self { file, sha256, bytes, int8: None, ..self.clone() })
    }

    /// Where its file is in a models folder.
    pub fn path(&self, models: &Path) -> PathBuf {
        models.join("cache").join(&self.file)
    }

    /// Its file, if it is there and is what the catalogue says; the error is one sentence.
    pub fn verify(&self, models: &Path) -> Result<PathBuf, String> {
        let path = self.path(models);
        let bytes = std::fs::read(&path).map_err(|error| {
            format!(
                "model {} is not there ({}: {error}); run `gridpost models fetch`",
                self.name,
                path.display()
            )
        })?;
        let sha256: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if sha256 != self.sha256 {
            return Err(format!(
                "model file {} is not what the catalogue says (sha256 {sha256}, expected {}); remove it and run `gridpost models fetch`",
                path.display(),
                self.sha256
            ));
        }
        Ok(path)
    }
}
