//! The detector: with its providers the only home of ort. A missing or wrong library or model is one clear sentence.

pub(super) mod library;
pub(super) mod network;
mod providers;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use ort::{environment::Environment, session::Session, value::TensorRef};

use super::{
    boxes,
    catalog::{Dtype, Head, Layout, ModelSpec},
    heads::{self, Context, Tensor},
    preprocess::{self, Buffers},
};
use crate::domain::{Bbox, Detection, Picture};

pub use providers::Provider;

/// Candidates below this are never reported. Those that are not much above it only tell that somebody
/// who is followed is there still (`attention.rs`).
const MIN_SCORE: f32 = 0.1;

/// Why nothing is detected; each is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    #[error("the ONNX Runtime library {path}: {reason}")]
    Library { path: PathBuf, reason: String },
    #[error("{0}")]
    Model(String),
    #[error("detection failed: {0}")]
    Run(String),
}

/// Where the time of one picture went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Resizing and normalising.
    pub before: Duration,
    /// The model.
    pub run: Duration,
    /// From its output to boxes.
    pub after: Duration,
}

/// A model that is loaded and ready.
pub struct Detector {
    session: Session,
    spec: ModelSpec,
    labels: Vec<Arc<str>>,
    buffers: Buffers,
    timing: Timing,
    provider: Provider,
    unmet: Option<String>,
    passed_over: Option<String>,
    // The session needs it; kept for as long as the session lives.
    _environment: Environment,
}

impl Detector {
    /// Verifies the file, loads the library and the model, and looks once at a grey picture so
    /// that the first real one is not slow.
    pub fn load(
        spec: &ModelSpec,
        models: &Path,
        library: Option<&Path>,
        threads: usize,
    ) -> Result<Self, DetectError> {
        Self::load_on(spec, models, library, threads, &[])
    }

    /// Likewise, on the first of these providers that the library offers and that starts, else on
    /// the processor; [`Self::unmet`] says why it is not the first.
    pub fn load_on(
        spec: &ModelSpec,
        models: &Path,
        library: Option<&Path>,
        threads: usize,
        wished: &[Provider],
    ) -> Result<Self, DetectError> {
        let file = spec.verify(models).map_err(DetectError::Model)?;
        let library = library::file(models, library);
        let environment = library::environment(&library)?;
        let start = |provider| Self::start(spec, &file, &environment, threads, provider);
        let (mut detector, refused) = providers::first(wished, Provider::is_offered, start)?;
        detector.unmet = providers::unmet(wished, detector.provider, &offered(), &refused);
        Ok(detector)
    }

    /// With its first run: a provider may find only then that it cannot.
    fn start(
        spec: &ModelSpec,
        file: &Path,
        environment: &Environment,
        threads: usize,
        provider: Provider,
    ) -> Result<Self, DetectError> {
        let wrong = |error: &dyn std::fmt::Display| match provider {
            Provider::Cpu => DetectError::Model(format!(
                "{} is not a model that ONNX Runtime can load: {error}",
                file.display()
            )),
            _ => DetectError::Model(error.to_string()),
        };
        let mut builder = Session::builder(environment)
            .map_err(|error| wrong(&error))?
            .with_intra_threads(threads.max(1))
            .map_err(|error| wrong(&error))?;
        if let Some(dispatch) = provider.dispatch(threads) {
            // ort asserts on what a library lacks; that must not take the gateway down.
            let with = AssertUnwindSafe(|| {
                builder.with_execution_providers([dispatch]).map_err(|error| wrong(&error))
            });
            builder = match catch_unwind(with) {
                Ok(with) => with?,
                Err(_) => return Err(wrong(&"the library has no way to start it")),
            };
        }
        let session = builder.commit_from_file(file).map_err(|error| wrong(&error))?;
        let labels = spec.labels.iter().map(|label| label.as_str().into()).collect();
        let mut detector = Self {
            session,
            spec: spec.clone(),
            labels,
            buffers: Buffers::default(),
            timing: Timing::default(),
            provider,
            unmet: None,
            passed_over: None,
            _environment: environment.clone(),
        };
        let (width, height) = (spec.input.width, spec.input.height);
        let grey = vec![128u8; width as usize * height as usize * 3];
        detector.detect(&Picture::of_rgb(width, height, grey, jiff::Timestamp::UNIX_EPOCH))?;
        Ok(detector)
    }

    /// Who runs the model.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Why the provider that was asked for first does not run it, if that is so.
    pub fn unmet(&self) -> Option<&str> {
        self.unmet.as_deref()
    }

    /// Its name in the catalogue, and in how many bits it runs.
    pub fn model(&self) -> String {
        format!("{} in {} bits", self.spec.name, if self.spec.is_int8 { 8 } else { 32 })
    }

    /// Why a better model does not look, if its file is wrong.
    pub fn passed_over(&self) -> Option<&str> {
        self.passed_over.as_deref()
    }

    pub(super) fn pass_over(&mut self, reasons: &[String]) {
        let model = self.model();
        self.passed_over =
            (!reasons.is_empty()).then(|| format!("{model} looks: {}", reasons.join("; ")));
    }

    /// Everything seen in the picture, best first.
    pub fn detect(&mut self, picture: &Picture) -> Result<Vec<Detection>, DetectError> {
        self.detect_in(picture, Bbox::new(0.0, 0.0, 1.0, 1.0))
    }

    /// Width and height that the model takes, pixels: a smaller part of a picture shows it no more.
    pub fn input_size(&self) -> (u32, u32) {
        (self.spec.input.width, self.spec.input.height)
    }

    /// Everything seen in this part of the picture, best first; boxes are of the whole picture.
    pub fn detect_in(
        &mut self,
        picture: &Picture,
        part: Bbox,
    ) -> Result<Vec<Detection>, DetectError> {
        self.detect_as(picture, part, false)
    }

    /// Likewise; `smoothed`: without the picture's grain, and without the finest of what it shows.
    pub fn detect_as(
        &mut self,
        picture: &Picture,
        part: Bbox,
        smoothed: bool,
    ) -> Result<Vec<Detection>, DetectError> {
        let started = Instant::now();
        let input = &self.spec.input;
        let area = preprocess::area(picture, part);
        let fit = preprocess::fit(input, area.width as u32, area.height as u32);
        preprocess::fill(picture, area, input, (fit, smoothed), &mut self.buffers);
        let (w, h) = (input.width as usize, input.height as usize);
        let shape = match input.layout {
            Layout::Nchw => [1, 3, h, w],
            Layout::Nhwc => [1, h, w, 3],
        };
        let prepared = Instant::now();
        let failed = |error: ort::Error| DetectError::Run(error.to_string());
        let name = input.name.as_str();
        let bytes: Vec<u8>;
        let outputs = match input.dtype {
            Dtype::F32 => {
                let tensor =
                    TensorRef::from_array_view((shape, &self.buffers.input[..])).map_err(failed)?;
                self.session.run(ort::inputs![name => tensor]).map_err(failed)?
            }
            Dtype::U8 => {
                bytes = self.buffers.input.iter().map(|value| *value as u8).collect();
                let tensor = TensorRef::from_array_view((shape, &bytes[..])).map_err(failed)?;
                self.session.run(ort::inputs![name => tensor]).map_err(failed)?
            }
        };
        let ran = Instant::now();
        let wanted = &self.spec.outputs;
        let names: Vec<&str> = match self.spec.head {
            Head::SsdDecoded => {
                [&wanted.boxes, &wanted.scores].into_iter().flatten().map(String::as_str).collect()
            }
            _ => wanted.predictions.iter().map(String::as_str).collect(),
        };
        let mut tensors = Vec::new();
        for name in names {
            let value = outputs
                .get(name)
                .ok_or_else(|| DetectError::Run(format!("the model has no output `{name}`")))?;
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(failed)?;
            tensors.push(Tensor { shape, data });
        }
        let context = Context { input, labels: &self.labels, fit, min_score: MIN_SCORE };
        let candidates =
            heads::decode(self.spec.head, &context, &tensors).map_err(DetectError::Run)?;
        let mut found = boxes::suppress(candidates);
        for one in &mut found {
            one.bbox = preprocess::back(area, picture, one.bbox);
        }
        self.timing =
            Timing { before: prepared - started, run: ran - prepared, after: ran.elapsed() };
        Ok(found)
    }

    /// Where the time of the last picture went.
    pub fn last_timing(&self) -> Timing {
        self.timing
    }
}

/// Providers of the library at hand that have a name here, once one is loaded.
pub fn offered() -> Vec<Provider> {
    Provider::ALL.into_iter().filter(|provider| provider.is_offered()).collect()
}

#[cfg(test)]
mod tests {
    use sha2::Digest;

    use super::*;
    use crate::vision::Catalog;

    fn models() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
    }

    #[test]
    fn every_model_that_is_here_loads_and_sees_nobody_on_grey() {
        let catalog = Catalog::read(&models()).unwrap();
        let specs = catalog.models.iter().flat_map(|spec| [Some(spec.clone()), spec.in_int8()]);
        let here: Vec<_> = specs.flatten().filter(|spec| spec.verify(&models()).is_ok()).collect();
        assert!(!here.is_empty(), "no model is fetched");
        for spec in here {
            let mut detector = Detector::load(&spec, &models(), None, 1).unwrap();
            println!("{}", detector.model());
            let grey =
                Picture::of_rgb(640, 360, vec![90u8; 640 * 360 * 3], jiff::Timestamp::UNIX_EPOCH);
            assert!(detector.detect(&grey).unwrap().is_empty());
            assert!(detector.last_timing().run > Duration::ZERO);
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_one_clear_sentence() {
        let catalog = Catalog::read(&models()).unwrap();
        let mut spec = catalog.models[0].clone();
        let folder = tempfile::tempdir().unwrap();
        let load_error = |spec: &ModelSpec, models: &Path, library: Option<&Path>| {
            Detector::load(spec, models, library, 1).err().unwrap().to_string()
        };
        assert!(load_error(&spec, folder.path(), None).contains("is not there"));
        let library = folder.path().join("lib.so");
        let error = load_error(&spec, &models(), Some(&library));
        assert!(error.contains("lib.so: cannot be read"), "{error}");
        std::fs::create_dir(folder.path().join("cache")).unwrap();
        std::fs::write(spec.path(folder.path()), "not a model").unwrap();
        assert!(load_error(&spec, folder.path(), None).contains("is not what the catalogue says"));
        let bytes = std::fs::read(spec.path(folder.path())).unwrap();
        spec.sha256 = sha2::Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        let real = models().join("cache/libonnxruntime.so");
        let error = load_error(&spec, folder.path(), Some(&real));
        assert!(error.contains("is not a model that ONNX Runtime can load"), "{error}");
    }
}
