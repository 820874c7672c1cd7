//! The result of a measurement.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ceilings::Ceilings;
use crate::core::{Bytes, Resolution, Secs, Utc, counted};

/// A component that is measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BenchComponent {
    /// UMT5, a prompt of a few dozen tokens.
    TextEncoder,
    /// A start image to a latent.
    VaeEncoder,
    /// One pass of the transformer.
    Transformer,
    /// All latents to frames.
    VaeDecoder,
}

impl fmt::Display for BenchComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TextEncoder => "text encoder",
            Self::VaeEncoder => "VAE encoder",
            Self::Transformer => "transformer pass",
            Self::VaeDecoder => "VAE decoder",
        })
    }
}

/// What was measured of one component in one precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchFigure {
    /// Which component.
    pub component: BenchComponent,
    /// Precision of the transformer of the job, for instance "int8".
    pub precision: String,
    /// Duration of the work: the median of the passes after the first; of the text encoder and the VAE encoder with loading.
    pub seconds: Secs,
    /// Duration of loading, where it is known by itself.
    pub load: Option<Secs>,
    /// First pass over the later ones.
    pub first: Option<f64>,
    /// Multiplications and additions per second, where they are known.
    pub flops: Option<f64>,
    /// Part of the speed of a large matrix product.
    pub of_ceiling: Option<f64>,
    /// Peak resident memory of the process in MiB, where the system reports it.
    pub peak_rss_mb: Option<f64>,
    /// Layers that were measured, and layers of the official model; none if all are measured.
    pub layers: Option<[usize; 2]>,
}

impl BenchFigure {
    /// Duration with all layers of the official model.
    pub fn all_layers(&self) -> Option<Secs> {
        self.layers.map(|[measured, all]| Secs(self.seconds.0 * all as f64 / measured.max(1) as f64))
    }
}

/// A measurement of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// Number in the data folder; 0 for one that is not kept.
    #[serde(default)]
    pub number: u32,
    /// Version of the program.
    pub wandeck: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Date and time.
    pub measured: Utc,
    /// Execution provider.
    pub provider: String,
    /// Name of the device that computed; none on the CPU.
    pub device: Option<String>,
    /// Logical cores.
    pub cores: usize,
    /// Memory of the machine.
    pub memory: Bytes,
    /// Limits of the device.
    pub ceilings: Ceilings,
    /// What was computed, for instance "ti2v-5B".
    pub model: String,
    /// Width and height of the clip.
    pub size: Resolution,
    /// Frames of the clip.
    pub frames: u32,
    /// Peak device memory in MiB; `None` on the CPU.
    pub peak_vram_mb: Option<f64>,
    /// The figures, in the order of the work.
    pub figures: Vec<BenchFigure>,
}

impl BenchReport {
    /// What must be equal in two measurements that are compared.
    pub fn work(&self) -> String {
        format!("{}, {}, {}", self.model, self.size, counted(self.frames, "frame"))
    }
}
