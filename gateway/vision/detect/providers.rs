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

    /// What a session is to begin with; the processor takes what is left by itself.
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

/// What is tried, in this order: the wished ones, and the processor at last.
pub(super) fn in_turn(wished: &[Provider]) -> Vec<Provider> {
    let before = wished.iter().copied().take_while(|one| *one != Provider::Cpu);
    before.chain([Provider::Cpu]).collect()
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
        use Provider::{Cpu, Cuda, Openvino};
        assert_eq!(in_turn(&[]), [Cpu]);
        assert_eq!(in_turn(&[Cuda, Openvino]), [Cuda, Openvino, Cpu]);
        assert_eq!(in_turn(&[Cuda, Cpu, Openvino]), [Cuda, Cpu]);
        assert_eq!(unmet(&[], Cpu, &[Cpu], &[]), None);
        assert_eq!(unmet(&[Openvino], Openvino, &[Cpu, Openvino], &[]), None);
        let said = unmet(&[Cuda], Cpu, &[Cpu, Openvino], &["cuda: not offered".into()]);
        assert_eq!(
            said.unwrap(),
            "wished cuda, runs on CPUExecutionProvider (cuda: not offered); the library offers CPUExecutionProvider, OpenVINOExecutionProvider"
        );
    }
}
