//! Who runs a model: the execution providers of the ONNX Runtime library at hand, by name and in order of wish.

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An execution provider by its short name. Which of them there are is up to the library.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    Cpu,
    Cuda,
    Tensorrt,
    Openvino,
    Rocm,
    Migraphx,
    Dnnl,
    Xnnpack,
    Acl,
    Cann,
    Qnn,
    Rknpu,
}

impl Provider {
    /// Every provider that has a name here.
    pub const ALL: [Self; 12] = [
        Self::Cpu,
        Self::Cuda,
        Self::Tensorrt,
        Self::Openvino,
        Self::Rocm,
        Self::Migraphx,
        Self::Dnnl,
        Self::Xnnpack,
        Self::Acl,
        Self::Cann,
        Self::Qnn,
        Self::Rknpu,
    ];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Tensorrt => "tensorrt",
            Self::Openvino => "openvino",
            Self::Rocm => "rocm",
            Self::Migraphx => "migraphx",
            Self::Dnnl => "dnnl",
            Self::Xnnpack => "xnnpack",
            Self::Acl => "acl",
            Self::Cann => "cann",
            Self::Qnn => "qnn",
            Self::Rknpu => "rknpu",
        }
    }

    /// As ONNX Runtime calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => ep::CPU::NAME,
            Self::Cuda => ep::CUDA::NAME,
            Self::Tensorrt => ep::TensorRT::NAME,
            Self::Openvino => ep::OpenVINO::NAME,
            Self::Rocm => ep::ROCm::NAME,
            Self::Migraphx => ep::MIGraphX::NAME,
            Self::Dnnl => ep::OneDNN::NAME,
            Self::Xnnpack => ep::XNNPACK::NAME,
            Self::Acl => ep::ACL::NAME,
            Self::Cann => ep::CANN::NAME,
            Self::Qnn => ep::QNN::NAME,
            Self::Rknpu => ep::RKNPU::NAME,
        }
    }

    /// Whether the library was built with it; once a library is loaded. It may still not start.
    pub(super) fn is_offered(self) -> bool {
        let offered = match self {
            Self::Cpu => Ok(true),
            Self::Cuda => ep::CUDA::is_available(),
            Self::Tensorrt => ep::TensorRT::is_available(),
            Self::Openvino => ep::OpenVINO::is_available(),
            Self::Rocm => ep::ROCm::is_available(),
            Self::Migraphx => ep::MIGraphX::is_available(),
            Self::Dnnl => ep::OneDNN::is_available(),
            Self::Xnnpack => ep::XNNPACK::is_available(),
            Self::Acl => ep::ACL::is_available(),
            Self::Cann => ep::CANN::is_available(),
            Self::Qnn => ep::QNN::is_available(),
            Self::Rknpu => ep::RKNPU::is_available(),
        };
        offered.unwrap_or(false)
    }

    /// What a session is started with; what the provider leaves over runs on the processor.
    pub(super) fn dispatch(self, threads: usize) -> Option<ExecutionProviderDispatch> {
        let provider = match self {
            Self::Cpu => return None,
            Self::Cuda => ep::CUDA::default().build(),
            Self::Tensorrt => ep::TensorRT::default().build(),
            // Eight threads by itself, which would be all of a small box.
            Self::Openvino => ep::OpenVINO::default().with_num_threads(threads.max(1)).build(),
            Self::Rocm => ep::ROCm::default().build(),
            Self::Migraphx => ep::MIGraphX::default().build(),
            Self::Dnnl => ep::OneDNN::default().build(),
            Self::Xnnpack => ep::XNNPACK::default().build(),
            Self::Acl => ep::ACL::default().build(),
            Self::Cann => ep::CANN::default().build(),
            Self::Qnn => ep::QNN::default().build(),
            Self::Rknpu => ep::RKNPU::default().build(),
        };
        Some(provider.error_on_failure())
    }
}

/// What starts on the first wished one that is there and takes it, else on the processor; and why
/// those before it did not.
pub(super) fn first<T, E: std::fmt::Display>(
    wished: &[Provider],
    is_offered: impl Fn(Provider) -> bool,
    mut start: impl FnMut(Provider) -> Result<T, E>,
) -> Result<(T, Vec<String>), E> {
    let mut refused = Vec::new();
    for provider in wished.iter().copied().take_while(|one| *one != Provider::Cpu) {
        let name = provider.as_str();
        if !is_offered(provider) {
            refused.push(format!("{name}: the library does not have it"));
            continue;
        }
        match start(provider) {
            Ok(started) => return Ok((started, refused)),
            Err(error) => {
                let reason = one_line(&error.to_string());
                refused.push(format!("{name}: does not start: {reason}"));
            }
        }
    }
    Ok((start(Provider::Cpu)?, refused))
}

/// Why the first of them does not run the model, in one sentence; None if it does.
pub(super) fn unmet(
    wished: &[Provider],
    ran: Provider,
    offered: &[Provider],
    refused: &[String],
) -> Option<String> {
    let first = wished.first().copied().unwrap_or(Provider::Cpu);
    let names: Vec<&str> = offered.iter().map(|one| one.name()).collect();
    (first != ran).then(|| {
        format!(
            "wished {}, runs on {} ({}); the library offers {}",
            first.as_str(),
            ran.name(),
            refused.join("; "),
            names.join(", ")
        )
    })
}

/// ONNX Runtime explains itself in paragraphs, with the names of its source files.
fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_configuration() {
        for provider in Provider::ALL {
            let text = serde_json::to_value(provider).unwrap();
            assert_eq!(text, provider.as_str());
        }
    }

    #[test]
    fn the_processor_is_always_last_and_what_comes_after_it_is_never_tried() {
        use Provider::{Cpu, Cuda, Openvino, Tensorrt};
        let mut tried = Vec::new();
        let mut on = |wished: &[Provider], works: &[Provider]| {
            tried.clear();
            let start = |provider| {
                tried.push(provider);
                if works.contains(&provider) { Ok(provider) } else { Err("no\n  such device") }
            };
            let chosen = first(wished, |one| one != Tensorrt, start);
            (chosen, tried.clone())
        };
        assert_eq!(on(&[], &[Cpu]), (Ok((Cpu, vec![])), vec![Cpu]));
        assert_eq!(on(&[Openvino], &[Openvino]), (Ok((Openvino, vec![])), vec![Openvino]));
        let (chosen, tried) = on(&[Tensorrt, Cuda, Openvino], &[Openvino, Cpu]);
        let why = [
            "tensorrt: the library does not have it".to_owned(),
            "cuda: does not start: no such device".to_owned(),
        ];
        assert_eq!(chosen, Ok((Openvino, why.to_vec())));
        assert_eq!(tried, [Cuda, Openvino]);
        let (chosen, tried) = on(&[Cuda, Cpu, Openvino], &[Openvino, Cpu]);
        assert_eq!((chosen.unwrap().0, tried), (Cpu, vec![Cuda, Cpu]));
        assert_eq!(on(&[Cuda], &[]).0, Err("no\n  such device"), "nothing runs it");
    }

    #[test]
    fn a_wish_that_is_not_met_is_told_with_what_there_is() {
        use Provider::{Cpu, Cuda, Openvino};
        assert_eq!(unmet(&[], Cpu, &[Cpu], &[]), None);
        assert_eq!(unmet(&[Openvino], Openvino, &[Cpu, Openvino], &[]), None);
        let reason = unmet(&[Cuda], Cpu, &[Cpu, Openvino], &["cuda: not offered".into()]);
        assert_eq!(
            reason.unwrap(),
            "wished cuda, runs on CPUExecutionProvider (cuda: not offered); the library offers CPUExecutionProvider, OpenVINOExecutionProvider"
        );
    }
}
