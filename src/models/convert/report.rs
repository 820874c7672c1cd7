//! What a conversion cost: sizes, and how far each layer is from what it was.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::plan::ConversionTarget;
use crate::core::Bytes;

/// How far one layer's weight is from what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerError {
    /// Folder of the component.
    pub component: String,
    /// Name of the tensor.
    pub name: String,
    /// Root of the summed squares of the difference over that of the weight.
    pub relative_l2: f64,
}

/// Size of a component before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSize {
    /// Folder of the component.
    pub component: String,
    /// Size of its tensors before.
    pub before: Bytes,
    /// Size of its tensors after.
    pub after: Bytes,
}

/// The file `conversion.json` beside the components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConversionReport {
    /// Version of the program.
    pub wandeck: String,
    /// What was converted to.
    pub precision: ConversionTarget,
    /// What to expect of it on the CPU.
    pub remark: String,
    /// The model's name.
    pub source: String,
    /// Folder it was read from.
    pub source_path: PathBuf,
    /// What tells the source from other models.
    pub source_fingerprint: String,
    /// Sizes.
    pub parts: Vec<PartSize>,
    /// Mean of the layers' errors.
    pub mean_relative_l2: f64,
    /// Every layer that was changed, in the order of the files.
    pub layers: Vec<LayerError>,
}

impl ConversionReport {
    /// The `count` layers that changed most, worst first.
    pub fn worst(&self, count: usize) -> Vec<&LayerError> {
        let mut layers: Vec<_> = self.layers.iter().collect();
        layers.sort_by(|a, b| b.relative_l2.total_cmp(&a.relative_l2));
        layers.truncate(count);
        layers
    }

    /// Sizes of all components together, before and after.
    pub fn sizes(&self) -> (Bytes, Bytes) {
        let sum = |size: fn(&PartSize) -> Bytes| Bytes(self.parts.iter().map(|part| size(part).0).sum());
        (sum(|part| part.before), sum(|part| part.after))
    }
}
