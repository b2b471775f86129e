//! A model without a head of its own: numbers of one picture in, tensors out. What they mean is its caller's business.

use std::path::Path;

use ort::{environment::Environment, session::Session, value::TensorRef};

use super::{DetectError, library};

/// One output: its shape, and its numbers row by row.
pub(in crate::vision) struct Output {
    pub(in crate::vision) shape: Vec<i64>,
    pub(in crate::vision) numbers: Vec<f32>,
}

impl Output {
    /// Of its last dimension.
    pub(in crate::vision) fn width(&self) -> usize {
        self.shape.last().and_then(|width| usize::try_from(*width).ok()).unwrap_or(0)
    }
}

/// A model that takes one tensor of floats, on the processor.
pub(in crate::vision) struct Network {
    session: Session,
    input: String,
    // The session needs it; kept for as long as the session lives.
    _environment: Environment,
}

impl Network {
    /// Loads a file whose hash was checked. The error is one sentence.
    pub(in crate::vision) fn load(
        file: &Path,
        library: &Path,
        threads: usize,
    ) -> Result<Self, DetectError> {
        let environment = library::environment(library)?;
        let wrong = |error: &dyn std::fmt::Display| {
            DetectError::Model(format!(
                "{} is not a model that ONNX Runtime can load: {error}",
                file.display()
            ))
        };
        let session = Session::builder(&environment)
            .map_err(|error| wrong(&error))?
            .with_intra_threads(threads.max(1))
            .map_err(|error| wrong(&error))?
            .commit_from_file(file)
            .map_err(|error| wrong(&error))?;
        let input = session.inputs().first().map(|one| one.name().to_owned());
        let input = input.ok_or_else(|| wrong(&"it takes nothing"))?;
        Ok(Self { session, input, _environment: environment })
    }

    /// What is written in the file under this name.
    pub(in crate::vision) fn property(&self, name: &str) -> Option<String> {
        self.session.metadata().ok()?.custom(name)
    }

    /// All outputs, in the model's own order.
    pub(in crate::vision) fn run(
        &mut self,
        shape: [usize; 4],
        numbers: &[f32],
    ) -> Result<Vec<Output>, DetectError> {
        let failed = |error: ort::Error| DetectError::Run(error.to_string());
        let tensor = TensorRef::from_array_view((shape, numbers)).map_err(failed)?;
        let outputs =
            self.session.run(ort::inputs![self.input.as_str() => tensor]).map_err(failed)?;
        let mut all = Vec::new();
        for (_, value) in outputs.iter() {
            let (shape, numbers) = value.try_extract_tensor::<f32>().map_err(failed)?;
            all.push(Output { shape: shape.to_vec(), numbers: numbers.to_vec() });
        }
        Ok(all)
    }
}
