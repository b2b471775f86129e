//! The catalogue of models: what a file must be, what goes in and what comes out.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// `models/catalog.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Its models; those marked default are in the order in which they are tried.
    #[serde(rename = "model")]
    pub models: Vec<ModelSpec>,
    /// What reads plates; none is a default.
    #[serde(rename = "plate", default)]
    pub plates: Vec<PlatePart>,
    /// What finds faces, so that they are blurred.
    #[serde(default)]
    pub face_finder: Option<FaceFinderFile>,
}

/// `[face_finder]` of the catalogue: fetched with the default model, and nothing stops without it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceFinderFile {
    /// For messages.
    pub name: String,
    /// Relative to `cache/` beside the catalogue.
    pub file: PathBuf,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// Of the file.
    #[serde(default)]
    pub bytes: u64,
    /// SPDX id; its text lies beside the file.
    #[serde(default)]
    pub licence: String,
    /// Where it comes from.
    #[serde(default)]
    pub source: String,
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
    /// Used where the configuration names none; of several the first whose file is right.
    #[serde(default)]
    pub default: bool,
    /// Relative to `cache/` beside the catalogue.
    pub file: PathBuf,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// Of the file.
    #[serde(default)]
    pub bytes: u64,
    /// Other exports of the same weights, which are right too.
    #[serde(default)]
    pub also: Vec<OtherExport>,
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
    /// Whether this entry is itself the 8-bit variant of one of the catalogue.
    #[serde(skip)]
    pub is_int8: bool,
}

/// What one of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlateRole {
    /// A vehicle's part of the picture in, four corners of its plate out.
    Finder,
    /// The strip between the corners in, a plate out: fast, and blind for 警, 学, 挂 and 应急.
    Reader,
    /// Reads any Chinese text: special plates, and those in two rows.
    SecondReader,
}

/// `[[plate]]` of the catalogue. None is a default: a site fetches them by its own decision.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatePart {
    /// For messages.
    pub name: String,
    /// What it does; each role is there once.
    pub role: PlateRole,
    /// Relative to `cache/` beside the catalogue.
    pub file: PathBuf,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// Of the file.
    #[serde(default)]
    pub bytes: u64,
    /// SPDX id, as the package declares it.
    #[serde(default)]
    pub licence: String,
    /// What a site should know of it before it fetches it.
    #[serde(default)]
    pub note: String,
    /// Where it comes from.
    #[serde(default)]
    pub source: String,
    /// What a reader knows, in the order of its output; empty: it stands in the file itself.
    #[serde(default)]
    pub characters: String,
}

/// Another file that is right for a model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherExport {
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// Of the file.
    #[serde(default)]
    pub bytes: u64,
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
            format!(
                "the catalogue of models {} cannot be read: {error}; started in another folder? GRIDPOST_MODELS names the folder that it is in",
                path.display()
            )
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

    /// The model of this name.
    pub fn get(&self, name: &str) -> Result<&ModelSpec, String> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
            format!("no model is called {name:?}; the catalogue has {}", known.join(", "))
        })
    }

    /// Those that are tried where no model is named, the best first: those marked default, else the
    /// first one there is.
    pub fn defaults(&self) -> impl Iterator<Item = &ModelSpec> {
        let marked = || self.models.iter().filter(|model| model.default);
        let first = self.models.first().filter(|_| marked().next().is_none());
        marked().chain(first)
    }
}

impl ModelSpec {
    /// Its 8-bit variant as an entry of its own.
    pub fn in_int8(&self) -> Option<Self> {
        let int8 = self.int8.clone()?;
        let (file, sha256, bytes) = (int8.file, int8.sha256, int8.bytes);
        let also = Vec::new();
        Some(Self { file, sha256, bytes, also, int8: None, is_int8: true, ..self.clone() })
    }

    /// Where its file is in a models folder.
    pub fn path(&self, models: &Path) -> PathBuf {
        models.join("cache").join(&self.file)
    }

    /// Its file, if it is there and is what the catalogue says; the error is one sentence.
    pub fn verify(&self, models: &Path) -> Result<PathBuf, String> {
        let path = self.path(models);
        let mut right: Vec<&str> = vec![&self.sha256];
        right.extend(self.also.iter().map(|other| other.sha256.as_str()));
        right_file(&self.name, &path, &right, "gridpost models fetch")?;
        Ok(path)
    }
}

/// Whether the file of the model with this name is one of those that are right, by their sha256; the error is
/// one sentence, with the command that `fetches` it.
pub(super) fn right_file(
    name: &str,
    path: &Path,
    right: &[&str],
    fetches: &str,
) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|error| {
        format!("model {name} is not there ({}: {error}); run `{fetches}`", path.display())
    })?;
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if right.contains(&sha256.as_str()) {
        return Ok(());
    }
    let what = if looks_like_a_page(&bytes) { "a web page, and " } else { "" };
    Err(format!(
        "model file {} is {what}not what the catalogue says ({} bytes, sha256 {sha256}, expected {}); remove it and run `{fetches}`",
        path.display(),
        bytes.len(),
        right.join(" or ")
    ))
}

/// What a network's sign-in page leaves where a model was to be.
fn looks_like_a_page(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().starts_with(b"<")
}
