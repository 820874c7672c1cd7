//! The report of a conversion: sizes before and after, and the error of each layer.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::ConversionTarget;
use crate::core::Bytes;

/// Name of the report in the converted folder.
pub(super) const REPORT: &str = "conversion.json";

/// The conversion error of one layer's weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerError {
    /// Folder name of the component.
    pub component: String,
    /// Name of the tensor.
    pub name: String,
    /// Relative L2 error: norm of the difference divided by the norm of the original weight.
    pub relative_l2: f64,
}

/// Size of a component before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertedSize {
    /// Folder name of the component.
    pub component: String,
    /// Size of the source tensors.
    pub before: Bytes,
    /// Size of the converted tensors.
    pub after: Bytes,
}

/// The content of `conversion.json` in the folder of a converted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConversionReport {
    /// Version of this program.
    pub wandeck: String,
    /// Target precision.
    pub precision: ConversionTarget,
    /// One sentence on its speed and memory use on the CPU.
    pub remark: String,
    /// Id of the source model.
    pub source: String,
    /// Folder of the source model.
    pub source_path: PathBuf,
    /// Fingerprint of the source model, see [`crate::wan::Checkpoint::fingerprint`].
    pub source_fingerprint: String,
    /// Size of each component before and after; version 0.1 called the key `parts`.
    #[serde(alias = "parts")]
    pub components: Vec<ConvertedSize>,
    /// Mean of the layers' relative L2 errors.
    pub mean_relative_l2: f64,
    /// All converted layers, in the order of the files.
    pub layers: Vec<LayerError>,
}

impl ConversionReport {
    /// The report in the folder of a converted model; `None` if there is none that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(REPORT)).ok()?;
        serde_json::from_str(&text)
            .inspect_err(|error| tracing::warn!("{REPORT} in {}: {error}", folder.display()))
            .ok()
    }

    /// The `count` layers with the largest errors, largest first.
    pub fn worst(&self, count: usize) -> Vec<&LayerError> {
        let mut layers: Vec<_> = self.layers.iter().collect();
        layers.sort_by(|a, b| b.relative_l2.total_cmp(&a.relative_l2));
        layers.truncate(count);
        layers
    }

    /// Total size of all components before and after.
    pub fn sizes(&self) -> (Bytes, Bytes) {
        let sum = |size: fn(&ConvertedSize) -> Bytes| {
            Bytes(self.components.iter().map(|component| size(component).0).sum())
        };
        (sum(|component| component.before), sum(|component| component.after))
    }
}
