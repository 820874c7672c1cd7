//! Pictures to latents with a file that others exported: a whole clip at once; see [`crate::wan::exported`].

use std::time::Instant;

use ndarray::{ArrayD, ArrayViewD, Axis, Slice};

use super::encode_image::{CHUNK, Given, pixels, size_of};
use super::exported::unexpected;
use super::story::Story;
use crate::core::{CancelToken, Result, Stage};
use crate::engine::{Input, Session};
use crate::onnx::Dim;
use crate::wan::VaeConfig;
use crate::wan::exported::ExportedGraph;

/// An exported encoder and how it is loaded.
pub(super) struct WholeEncoder<'a> {
    pub(super) graph: &'a ExportedGraph,
    /// Of the VAE.
    pub(super) config: &'a VaeConfig,
    pub(super) open: &'a dyn Fn() -> Result<Session>,
}

/// Sizes that an exported encoder was made for, where they are fixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FixedClip {
    pub(super) frames: Option<usize>,
    /// Height and width in pixels.
    pub(super) size: [Option<usize>; 2],
}

impl FixedClip {
    pub(super) fn of(graph: &ExportedGraph) -> Self {
        let fixed = |dim: &Dim| match dim {
            Dim::Is(size) => Some(*size),
            Dim::Named(_) => None,
        };
        match graph.only_input().map(|value| &value.dims[..]) {
            Some([_, _, frames, height, width]) => {
                Self { frames: fixed(frames), size: [fixed(height), fixed(width)] }
            }
            _ => Self::default(),
        }
    }
}

impl WholeEncoder<'_> {
    /// The latents `[1, z, T, h, w]` of videos that are grey where no picture is given.
    pub(super) fn videos(
        &self,
        frames: usize,
        videos: &[Given<'_>],
        (story, cancel): (&mut Story<'_>, &CancelToken),
    ) -> Result<Vec<ArrayD<f32>>> {
        let size = size_of(videos)?;
        // the encoder looks back only, so that grey frames behind change nothing before them
        let length = FixedClip::of(self.graph).frames.map_or(frames, |fixed| fixed.max(frames));
        let name = self.graph.only_input().map_or("sample", |value| &value.name);
        let stride = self.config.scale_factor_spatial.max(1) as usize;
        let cells = size.map(|pixels| pixels / stride);
        let mut session = (self.open)()?;
        let mut latents = Vec::with_capacity(videos.len());
        for (index, given) in videos.iter().enumerate() {
            let began = Instant::now();
            let pixels = pixels(given, &(0..length), size)?;
            let found = session.run(vec![(name, Input::F32(pixels.view()))], cancel)?.swap_remove(0);
            latents.push(self.latent(&found.view()?, (frames - 1) / CHUNK + 1, cells)?);
            story.step(Stage::Image, index as u32 + 1, videos.len() as u32, began);
        }
        Ok(latents)
    }

    /// The first `count` latent frames of what the file gave, as the transformer sees them.
    fn latent(&self, found: &ArrayViewD<'_, f32>, count: usize, cells: [usize; 2]) -> Result<ArrayD<f32>> {
        let z = self.config.z_dim;
        let fits = |shape: &[usize]| {
            matches!(shape, [1, channels, frames, h, w]
                if [z, 2 * z].contains(channels) && *frames >= count && [*h, *w] == cells)
        };
        if !fits(found.shape()) {
            return Err(unexpected("vae_encoder", found));
        }
        let means =
            found.slice_axis(Axis(1), Slice::from(..z)).slice_axis_move(Axis(2), Slice::from(..count));
        let mut latent = means.as_standard_layout().into_owned();
        for (channel, (mean, std)) in
            self.config.latents_mean.iter().zip(&self.config.latents_std).enumerate()
        {
            latent.index_axis_mut(Axis(1), channel).mapv_inplace(|value| (value - mean) / std);
        }
        Ok(latent)
    }
}
