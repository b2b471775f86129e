//! What a camera's pictures may be decoded by, as an installer asks for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[camera]] hw_decode`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum HwDecode {
    /// By the processor.
    #[default]
    Off,
    /// The first of `cuda`, `vaapi`, `qsv` and `v4l2m2m` that starts here.
    Auto,
    /// Intel and AMD, by the VA-API driver.
    Vaapi,
    /// NVIDIA (NVDEC).
    Cuda,
    /// Intel Quick Sync.
    Qsv,
    /// Older NVIDIA, AMD.
    Vdpau,
    /// From FFmpeg 6.1 on.
    Vulkan,
    /// Boxes with an ARM processor, by the kernel.
    V4l2m2m,
}

impl HwDecode {
    /// What `auto` tries, in this order.
    pub const AUTO: [Self; 4] = [Self::Cuda, Self::Vaapi, Self::Qsv, Self::V4l2m2m];

    /// As in the configuration, and as FFmpeg calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Auto => "auto",
            Self::Vaapi => "vaapi",
            Self::Cuda => "cuda",
            Self::Qsv => "qsv",
            Self::Vdpau => "vdpau",
            Self::Vulkan => "vulkan",
            Self::V4l2m2m => "v4l2m2m",
        }
    }
}
