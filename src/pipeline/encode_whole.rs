//! Images to latents with an exported encoder: a whole clip at once; see [`crate::wan::exported`].

use std::time::Instant;

use ndarray::{ArrayD, ArrayViewD, Axis, Slice};

use super::context::RunContext;
use super::encode_image::{CHUNK, Given, pixels, size_of};
use super::exported::unexpected_shape;
use super::reporter::StageStep;
use crate::core::{Result, Secs, Stage};
use crate::engine::{Input, Session};
use crate::onnx::Dim;
use crate::wan::VaeConfig;
use crate::wan::exported::ExportedGraph;

/// An exported encoder and how it is loaded.
pub(super) struct WholeEncoder<'a> {
    pub(super) graph: &'a ExportedGraph,
    /// Of the VAE.
    pub(super) config: &'a VaeConfig,
    /// Loads it.
    pub(super) load: &'a dyn Fn(&mut RunContext<'_>) -> Result<Session>,
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
            Dim::Fixed(size) => Some(*size),
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
    /// The latents `[1, z, T, h, w]` of videos that are grey where no image is given.
    pub(super) fn videos(
        &self,
        frames: usize,
        videos: &[Given<'_>],
        context: &mut RunContext<'_>,
    ) -> Result<Vec<ArrayD<f32>>> {
        let size = size_of(videos)?;
        // the encoder looks back only, so that grey frames behind change nothing before them
        let length = FixedClip::of(self.graph).frames.map_or(frames, |fixed| fixed.max(frames));
        let name = self.graph.only_input().map_or("sample", |value| &value.name);
        let stride = self.config.scale_factor_spatial.max(1) as usize;
        let cells = size.map(|pixels| pixels / stride);
        let mut session = (self.load)(context)?;
        let mut latents = Vec::with_capacity(videos.len());
        let count = (frames - 1) / CHUNK + 1;
        for given in videos {
            let began = Instant::now();
            let pixels = pixels(given, &(0..length), size)?;
            let inputs = vec![(name, Input::F32(pixels.view()))];
            let found = session.run(inputs, context.cancel)?.swap_remove(0);
            latents.push(self.latent(&found.view()?, count, cells)?);
            let done = StageStep { stage: Stage::Image, step: count as u32, of: count as u32 };
            context.reporter.step_done(done, Secs::from(began.elapsed()));
        }
        Ok(latents)
    }

    /// The first `count` latent frames of the output, at the transformer's scale.
    fn latent(&self, found: &ArrayViewD<'_, f32>, count: usize, cells: [usize; 2]) -> Result<ArrayD<f32>> {
        let z = self.config.z_dim;
        let fits = |shape: &[usize]| {
            matches!(shape, [1, channels, frames, h, w]
                if [z, 2 * z].contains(channels) && *frames >= count && [*h, *w] == cells)
        };
        if !fits(found.shape()) {
            return Err(unexpected_shape("vae_encoder", found));
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::encode_stream::StreamEncoder;
    use super::super::networks::{ImageEncoder, SessionCache};
    use super::super::preview_draw::ClipShape;
    use super::super::preview_fit::fit;
    use super::super::reporter::Reporter;
    use super::*;
    use crate::core::{CancelToken, Event, Faults, Frame, Resolution};
    use crate::engine::runtime::testing::for_tests;
    use crate::engine::{SessionFile, SessionOptions};
    use crate::onnx::{ComputeType, Weights};
    use crate::wan::graphs::{StreamCall, vae_encoder};

    /// A cache that keeps nothing.
    struct NoCache;

    impl super::super::TensorCache for NoCache {
        fn contains(&self, _key: &str) -> bool {
            false
        }

        fn get(&mut self, _key: &str) -> Option<ArrayD<f32>> {
            None
        }

        fn put(&mut self, _key: &str, _tensor: &ArrayD<f32>) {}
    }

    fn model(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(name)
    }

    /// Does `work` with the encoder of tiny-t2v, built here and exported by `torch.onnx`.
    fn with_both<R>(work: impl Fn(&ImageEncoder<'_>, &mut RunContext<'_>) -> R) -> [R; 2] {
        let (runtime, cancel) = (for_tests(), CancelToken::new());
        let vae = model("tiny-t2v/vae");
        let config: VaeConfig =
            serde_json::from_slice(&std::fs::read(vae.join("config.json")).unwrap()).unwrap();
        let weights = Weights::from_files(&[vae.join("diffusion_pytorch_model.safetensors")]).unwrap();
        let stream = |chunk| vae_encoder(&config, &weights, chunk, ComputeType::Fp32).unwrap();
        let (first, later) = (stream(StreamCall::First), stream(StreamCall::Later));
        let load = |chunk: StreamCall, _: &mut RunContext<'_>| {
            let graph = if chunk == StreamCall::First { &first.graph } else { &later.graph };
            Session::load(&runtime, graph, &SessionOptions::default(), &cancel)
        };
        let own = StreamEncoder {
            caches: &first.caches,
            patch: 1,
            stride: 8,
            tile: None,
            in_bands: false,
            load: &load,
        };
        let graph = ExportedGraph::read(&model("tiny-i2v-onnx"), "vae_encoder").unwrap();
        let options = SessionOptions::default();
        let file = SessionFile { name: graph.name, path: &graph.path, output: "latent_parameters" };
        let open = |_: &mut RunContext<'_>| Session::open(&runtime, &file, &options, &cancel);
        let whole = WholeEncoder { graph: &graph, config: &config, load: &open };
        [ImageEncoder::Stream(own), ImageEncoder::Whole(whole)].map(|encoder| {
            let mut quiet = |_: Event| {};
            let (mut sessions, faults) = (SessionCache::for_one_job(), Faults::default());
            let mut context = RunContext {
                reporter: Reporter::new(&mut quiet),
                cancel: &cancel,
                cache: &mut NoCache,
                sessions: &mut sessions,
                faults: &faults,
            };
            work(&encoder, &mut context)
        })
    }

    #[test]
    fn a_file_for_more_frames_gives_the_same_latents() {
        let size = Resolution::new(96, 64);
        let image = |seed: usize| Frame {
            size,
            rgb: (0..96 * 64 * 3).map(|byte: usize| (byte * (seed + 7) / 11 % 256) as u8).collect(),
        };
        for count in [1, 5, 9] {
            let clip: Vec<_> = (0..count).map(image).collect();
            let [own, whole] =
                with_both(|encoder, context| encoder.clips(std::slice::from_ref(&clip), context).unwrap());
            assert_eq!((own.len(), own[0].shape()), (1, whole[0].shape()));
            let off = own[0].iter().zip(&whole[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 1e-4, "{count} frames: {off}");
        }
    }

    #[test]
    fn previews_are_fitted_to_it_as_to_our_own() {
        let shape = ClipShape::within(FixedClip { frames: Some(9), size: [Some(64), Some(96)] }, 8);
        let [own, whole] = with_both(|encoder, context| fit(encoder, shape, 8, context).unwrap().unwrap());
        let (own, whole) = (own.tensor(), whole.tensor());
        let off = own.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-2 && own.iter().any(|weight| weight.abs() > 0.05), "{off}");
    }
}
