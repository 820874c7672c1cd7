//! Options of a job: sampler, execution provider, precision, placement of the weights.

use serde::{Deserialize, Serialize};

use super::device::Provider;

/// Sampler, by the diffusers scheduler class that it reproduces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// `UniPC`, order 2, bh2 (`UniPCMultistepScheduler`), Wan's default.
    #[default]
    UniPc,
    /// Euler for flow matching (`FlowMatchEulerDiscreteScheduler`), for distilled models.
    Euler,
    /// DPM-Solver++ 2M for flow matching (`DPMSolverMultistepScheduler`).
    DpmPp2M,
}

impl Sampler {
    /// All samplers, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::UniPc, Self::Euler, Self::DpmPp2M];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::UniPc => "unipc",
            Self::Euler => "euler",
            Self::DpmPp2M => "dpmpp2m",
        }
    }

    /// The name as papers and other programs write it.
    pub fn label(self) -> &'static str {
        match self {
            Self::UniPc => "UniPC",
            Self::Euler => "Euler",
            Self::DpmPp2M => "DPM++ 2M",
        }
    }
}

/// Execution provider that a job asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderChoice {
    /// CUDA where it can be used, else the CPU.
    #[default]
    Auto,
    /// ONNX Runtime's CPU execution provider.
    Cpu,
    /// CUDA; needs the GPU build of ONNX Runtime, the CUDA libraries and an NVIDIA device.
    Cuda,
    /// `TensorRT`, with CUDA for operations it does not support; never selected automatically.
    TensorRt,
    /// `TensorRT` for RTX, a plugin; never selected automatically.
    Rtx,
    /// WebGPU, a plugin; experimental, never selected automatically.
    WebGpu,
    /// `OpenVINO`, a plugin; experimental, never selected automatically.
    OpenVino,
}

impl ProviderChoice {
    /// All choices, in the order in which they are offered.
    pub const ALL: [Self; 7] =
        [Self::Auto, Self::Cpu, Self::Cuda, Self::TensorRt, Self::Rtx, Self::WebGpu, Self::OpenVino];

    /// The provider that is asked for by name; `None` for [`Self::Auto`].
    pub fn provider(self) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.choice() == self)
    }
}

/// Precision that a job asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// Follows the model and the provider: on the CPU int8 or int4 for quantised weights, else fp32; on CUDA bf16, or
    /// fp16 where the weights are fp16, with an fp32 VAE.
    #[default]
    Auto,
    /// 32-bit floating point.
    Fp32,
    /// bfloat16; not supported by the CPU provider.
    Bf16,
    /// 16-bit floating point, including the VAE; not supported by the CPU provider.
    Fp16,
    /// Weights quantised to 8 bits; needs a converted checkpoint.
    Int8,
    /// Weights quantised to 4 bits; needs a converted checkpoint.
    Int4,
}

/// Whether weights are packed in memory or read from their files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsChoice {
    /// Packed if that leaves half of the free memory to everything else, otherwise in place, or streamed where weights of
    /// 16 bits become fp32. On a GPU, packed if that fits into its free memory, otherwise streamed.
    #[default]
    Auto,
    /// A packed copy of the weights in memory; faster.
    Packed,
    /// Memory-mapped from the checkpoint files; the system may evict and reread the pages. Streamed where that is not
    /// possible: to a GPU, and where weights of 16 bits become fp32.
    InPlace,
    /// Read from the checkpoint files a block at a time, in every pass of the transformers and of the text encoder, while
    /// the block before computes.
    Streamed,
}
