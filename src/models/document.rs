//! The documents that `--json` prints about models.

use std::path::Path;

use serde::Serialize;

use super::catalog::Installed;
use super::info::ModelInfo;
use crate::core::{Bytes, Error, Mode};

/// A model that was found.
#[derive(Clone, Debug, Serialize)]
pub struct ModelDocument<'a> {
    /// Its name.
    pub id: &'a str,
    /// The path to open it by.
    pub path: &'a Path,
    /// What it can do, or why it cannot be used.
    #[serde(flatten)]
    pub details: ModelDetails<'a>,
}

/// What a model can do, or why it cannot be used.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ModelDetails<'a> {
    /// It can be used.
    Usable {
        /// Its modes.
        modes: &'a [Mode],
        /// Width and height are multiples of this.
        size_multiple: u32,
        /// Frames of the video for each frame of the latent.
        temporal_stride: u32,
        /// Largest number of positions of an axis.
        max_positions: u32,
        /// Size of its files in bytes.
        size: Option<Bytes>,
        /// Its files and components.
        info: Option<&'a ModelInfo>,
    },
    /// It cannot be used.
    Unusable {
        /// Why.
        error: &'a Error,
    },
}

impl<'a> ModelDocument<'a> {
    /// The document of `model`.
    pub fn new(model: &'a Installed) -> Self {
        let details = match &model.limits {
            Ok(limits) => ModelDetails::Usable {
                modes: &limits.modes,
                size_multiple: limits.strides.size_multiple(),
                temporal_stride: limits.strides.temporal,
                max_positions: limits.max_positions,
                size: model.info.as_ref().map(ModelInfo::size),
                info: model.info.as_ref(),
            },
            Err(error) => ModelDetails::Unusable { error },
        };
        Self { id: &model.id, path: &model.path, details }
    }
}
