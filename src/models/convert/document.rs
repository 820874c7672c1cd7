//! The document that `wandeck models convert --json` prints.

use std::path::Path;

use serde::Serialize;

use super::report::{ConvertedSize, LayerError};
use super::run::Converted;
use crate::core::Bytes;

/// A finished conversion.
#[derive(Clone, Debug, Serialize)]
pub struct ConversionDocument<'a> {
    /// Folder of the converted model.
    pub path: &'a Path,
    /// How long it took.
    pub seconds: f64,
    /// Size of the source model.
    pub bytes_before: Bytes,
    /// Size of the converted model.
    pub bytes_after: Bytes,
    /// Mean of the layers' relative L2 errors.
    pub mean_relative_l2: f64,
    /// Layers with the largest errors.
    pub worst: Vec<&'a LayerError>,
    /// Number of shards kept from an interrupted conversion.
    pub resumed_shards: usize,
    /// Whether an interrupted conversion was discarded because its source has changed.
    pub restarted: bool,
    /// Size of each component before and after.
    pub components: &'a [ConvertedSize],
    /// One sentence on the speed and memory use on the CPU.
    pub remark: &'a str,
}

impl<'a> ConversionDocument<'a> {
    /// The document of a conversion that took `seconds`, with the `num_worst` layers of the largest errors.
    pub fn new(done: &'a Converted, seconds: f64, num_worst: usize) -> Self {
        let report = &done.report;
        let (bytes_before, bytes_after) = report.sizes();
        Self {
            path: &done.path,
            seconds,
            bytes_before,
            bytes_after,
            mean_relative_l2: report.mean_relative_l2,
            worst: report.worst(num_worst),
            resumed_shards: done.resumed_shards,
            restarted: done.restarted,
            components: &report.components,
            remark: &report.remark,
        }
    }
}
