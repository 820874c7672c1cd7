//! What a person chooses among: sampler, provider, precision, place of the weights.

use serde::{Deserialize, Serialize};

/// How the next latent is computed from a prediction (diffusers scheduler classes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// `UniPC`, order 2, bh2 (`UniPCMultistepScheduler`), Wan's own.
    #[default]
    UniPc,
    /// Euler's method along the flow (`FlowMatchEulerDiscreteScheduler`), for distilled models.
    Euler,
    /// DPM-Solver++ 2M for flows (`DPMSolverMultistepScheduler`).
    DpmPp2M,
}

/// Where the graphs run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderChoice {
    /// The best that is there.
    #[default]
    Auto,
    /// ONNX Runtime's CPU execution provider.
    Cpu,
    /// CUDA, with the GPU build of ONNX Runtime, its libraries and an NVIDIA device.
    Cuda,
    /// `TensorRT` before CUDA; never chosen without being asked for.
    TensorRt,
}

/// The number format that graphs compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// What the model holds and the provider computes: on the CPU int8 or int4 for integer weights, else fp32; on CUDA bf16, or
    /// fp16 where weights are stored so, with an fp32 VAE.
    #[default]
    Auto,
    /// 32-bit floating point.
    Fp32,
    /// bfloat16; not computed by the CPU provider.
    Bf16,
    /// 16-bit floating point, the VAE too; not computed by the CPU provider.
    Fp16,
    /// 8-bit integer weights; needs a converted checkpoint.
    Int8,
    /// 4-bit integer weights; needs a converted checkpoint.
    Int4,
}

/// Where a network's weights are while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsChoice {
    /// Packed while half of the free memory is left to everything else, else in place.
    #[default]
    Auto,
    /// A packed copy in memory; faster.
    Packed,
    /// Read from their files in place; the system can drop and read them again.
    InPlace,
}
