//! A model as a run computes with it: weights in forms that no graph reads are repacked into files of their own.

use std::path::Path;
use std::time::Instant;

use super::compute_plan::{ComputePlan, RepackTargets};
use super::reporter::Reporter;
use crate::core::{Bytes, CancelToken, Result, Secs};
use crate::onnx::{Repack, StageFile, Weights};
use crate::wan::Checkpoint;
use crate::wan::names::is_block_linear;

/// Percent of a component after which its progress is reported.
const REPORTED: u64 = 10;
/// Size of a component from which its progress is reported.
const REPORTED_SIZE: Bytes = Bytes(256 << 20);

/// Size of a component's fp32 matrices up to which the graph casts them to 16 bits, which needs no disk space.
const MOST_CAST: Bytes = Bytes(1 << 30);

/// A component whose weights are repacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repacked {
    Transformer,
    Transformer2,
    TextEncoder,
    Vae,
}

/// The plan of a model's repacked weights.
#[derive(Clone, Debug)]
pub struct RepackedModel {
    checkpoint: Checkpoint,
    repacks: Vec<(Repacked, Repack)>,
}

impl RepackedModel {
    /// Plans what `compute` needs of `model`, with files in `dir`. Nothing is written yet.
    ///
    /// Fails if weights that need to be repacked cannot be read.
    pub fn plan(model: &Checkpoint, compute: &ComputePlan, dir: &Path) -> Result<Self> {
        let mut checkpoint = model.clone();
        let RepackTargets { text, transformer, vae } = compute.repack;
        let mut repacks = Vec::new();
        let mut plan = |component, weights: &mut Weights, target| -> Result<()> {
            if let Some(repack) = Repack::plan(weights, target, is_block_linear, MOST_CAST, dir)? {
                *weights = repack.weights().clone();
                repacks.push((component, repack));
            }
            Ok(())
        };
        plan(Repacked::Transformer, &mut checkpoint.transformer.weights, transformer)?;
        if let Some(second) = &mut checkpoint.transformer_2 {
            plan(Repacked::Transformer2, &mut second.weights, transformer)?;
        }
        plan(Repacked::TextEncoder, &mut checkpoint.text_encoder.weights, text)?;
        plan(Repacked::Vae, &mut checkpoint.vae.weights, vae)?;
        Ok(Self { checkpoint, repacks })
    }

    /// The model as it computes. Its repacked weights can be read after [`Self::write`] only.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The files of its repacked weights.
    pub fn files(&self) -> Vec<&Path> {
        self.repacks.iter().map(|(_, repack)| repack.path()).collect()
    }

    /// Size of the files that do not exist yet.
    pub fn size_to_write(&self) -> Bytes {
        let missing = self.repacks.iter().filter(|(_, repack)| !repack.is_written());
        Bytes(missing.map(|(_, repack)| repack.size().0).sum())
    }

    /// Writes the files that do not exist yet, first under the names that `stage` gives them, and returns the model with
    /// all of its weights.
    ///
    /// Fails with the errors of [`Repack::write`].
    pub fn write(
        self,
        stage: &StageFile<'_>,
        cancel: &CancelToken,
        reporter: &mut Reporter<'_>,
    ) -> Result<Checkpoint> {
        let Self { mut checkpoint, repacks } = self;
        for (component, repack) in repacks {
            let began = Instant::now();
            let (is_written, name) = (repack.is_written(), component.name(&checkpoint));
            let (from, to) = (repack.source_forms(), repack.result_form());
            if !is_written {
                let size = repack.size();
                reporter
                    .note(format!("Repacking the {name} from {from} to {to}, once for all jobs ({size})"));
            }
            let mut done = Progress { name, total: repack.source_size(), done: Bytes(0), reported: 0 };
            let weights = repack.write(stage, cancel, &mut |piece| done.add(piece, reporter))?;
            let when =
                if is_written { String::new() } else { format!(" in {}", Secs::from(began.elapsed())) };
            reporter.optimization(format!("The {name} computes with {to} repacked from {from}{when}"));
            match component {
                Repacked::Transformer => checkpoint.transformer.weights = weights,
                Repacked::Transformer2 => {
                    if let Some(second) = &mut checkpoint.transformer_2 {
                        second.weights = weights;
                    }
                }
                Repacked::TextEncoder => checkpoint.text_encoder.weights = weights,
                Repacked::Vae => checkpoint.vae.weights = weights,
            }
        }
        Ok(checkpoint)
    }
}

/// How much of a component is repacked.
struct Progress {
    name: &'static str,
    total: Bytes,
    done: Bytes,
    /// The last part that was reported, in steps of [`REPORTED`] percent.
    reported: u64,
}

impl Progress {
    fn add(&mut self, piece: Bytes, reporter: &mut Reporter<'_>) {
        self.done.0 += piece.0;
        let percent = self.done.0.saturating_mul(100) / self.total.0.max(1);
        let step = percent / REPORTED;
        // small ones are done at once
        if self.total >= REPORTED_SIZE && step > self.reported && percent < 100 {
            self.reported = step;
            reporter.note(format!("Repacking the {}: {} %", self.name, step * REPORTED));
        }
    }
}

impl Repacked {
    fn name(self, model: &Checkpoint) -> &'static str {
        match self {
            Self::Transformer if model.transformer_2.is_some() => "high-noise expert",
            Self::Transformer => "transformer",
            Self::Transformer2 => "low-noise expert",
            Self::TextEncoder => "text encoder",
            Self::Vae => "VAE",
        }
    }
}
