//! The outcome of a run, the metadata of its video, and the key of its latents.

use std::collections::BTreeSet;

use super::resume_key::ResumeKey;
use super::saved_states::SharedPoint;
use super::state_file::StateKey;
use crate::core::{GenRequest, Mode, Outcome, Result, Secs, Stage};
use crate::engine::Runtime;
use crate::jobs::{JobGroup, RetryRecord};
use crate::library::Provenance;
use crate::media::OutputTarget;
use crate::monitor::peak_resident;
use crate::pipeline::{ComputePlan, RunContext, denoise_steps};
use crate::plan::ResolvedInputs;
use crate::wan::Checkpoint;

/// Everything besides the request that determines the bytes of a video.
pub(super) struct MadeBy<'a> {
    pub(super) model: &'a Checkpoint,
    pub(super) fingerprint: &'a str,
    pub(super) given: &'a ResolvedInputs,
    pub(super) runtime: &'a Runtime,
    pub(super) compute: &'a ComputePlan,
    pub(super) retries: &'a [RetryRecord],
}

impl MadeBy<'_> {
    /// The outcome without the parts that are known only at the end: times, checks and the final file name.
    pub(super) fn outcome(
        &self,
        request: &GenRequest,
        target: &OutputTarget,
        context: &mut RunContext<'_>,
    ) -> Outcome {
        Outcome {
            output: target.path().to_path_buf(),
            request: request.clone(),
            model_fingerprint: self.fingerprint.to_owned(),
            loras: self.given.loras.records.clone(),
            generation_time_s: Secs(0.0),
            stages: Vec::new(),
            steps: std::mem::take(&mut context.reporter.steps),
            step_cache: None,
            peak_rss_mb: peak_resident().map(|bytes| bytes.0 as f64 / f64::from(1 << 20)),
            peak_vram_mb: None,
            provider: self.compute.device.provider.word().to_owned(),
            device: Some(self.compute.device.clone()),
            provider_reason: self.compute.reason.clone(),
            precision: self.compute.precision.to_owned(),
            retries: self.retries.len() as u32,
            sessions_loaded: Some(context.sessions.num_loaded()),
            optimizations: std::mem::take(&mut context.reporter.optimizations),
            warnings: self.retries.iter().map(|retry| retry.message.clone()).collect(),
            checks: Vec::new(),
        }
    }

    /// The metadata of the video.
    pub(super) fn provenance<'a>(&'a self, request: &'a GenRequest) -> Provenance<'a> {
        Provenance {
            request,
            model: &self.model.id,
            model_fingerprint: self.fingerprint.to_owned(),
            image_hashes: &self.given.hashes,
            latents_hash: self.given.latents.as_ref().map(|(_, hash)| hash.as_str()),
            onnxruntime: &self.runtime.info().version,
            provider: self.compute.device.provider.word(),
            provider_reason: &self.compute.reason,
            precision: self.compute.precision,
            loras: &self.given.loras.records,
            retry_messages: self.retries.iter().map(|retry| retry.message.as_str()).collect(),
        }
    }

    /// The key of this request's resume points.
    pub(super) fn key(&self, request: &GenRequest) -> Result<StateKey> {
        Ok(self.state_key(self.resume_key(request).hash()?))
    }

    fn state_key(&self, hash: String) -> StateKey {
        StateKey { hash, rounded: self.compute.rounded_parts() }
    }

    /// The states of the high-noise expert that the jobs of `group` share, those with the most steps first; none if their
    /// times are compared, or if there is one expert.
    pub(super) fn shared_points(&self, request: &GenRequest, group: &JobGroup) -> Result<Vec<SharedPoint>> {
        let [own, low] = denoise_steps(self.model, request);
        let of_boundary = |boundary: &Option<f32>| {
            denoise_steps(self.model, &GenRequest { boundary: *boundary, ..request.clone() })
        };
        let others = group.boundaries.iter().map(of_boundary);
        // a step cache has a memory beside the state, which belongs to one expert's steps
        let others = others.filter(|_| request.step_cache.is_none());
        let switches = others.chain([[own, low]]).filter(|_| !group.is_timed);
        let shared = switches.filter(|[high, low]| (1..=own).contains(high) && *low > 0);
        let steps: BTreeSet<usize> = shared.map(|[high, _]| high).collect();
        let point = |steps: usize| {
            let key = self.state_key(self.resume_key(request).switch_hash(steps)?);
            Ok(SharedPoint { steps, key, is_saved: false })
        };
        steps.into_iter().rev().map(point).collect()
    }

    fn resume_key<'a>(&'a self, request: &'a GenRequest) -> ResumeKey<'a> {
        ResumeKey {
            request,
            model: &self.model.id,
            model_fingerprint: self.fingerprint,
            image_hashes: &self.given.hashes,
            latents_hash: self.given.latents.as_ref().map(|(_, hash)| hash.as_str()),
            onnxruntime: &self.runtime.info().version,
            provider: self.compute.device.provider.word(),
            precision: self.compute.precision,
            rounded: self.compute.rounded_parts(),
            loras: &self.given.loras.records,
        }
    }
}

/// The stages of a run with their number of steps or chunks.
pub(super) fn stage_plan(checkpoint: &Checkpoint, request: &GenRequest) -> Vec<(Stage, u32)> {
    let [high, low] = denoise_steps(checkpoint, request).map(|steps| steps as u32);
    let chunks = checkpoint.strides().latent(1, request.size, request.frames).frames as u32;
    let images = match (request.mode, request.starts_from_image()) {
        (_, false) => 0,
        (Mode::I2V, true) => chunks,
        (_, true) => 1,
    };
    [
        (Stage::Preflight, 1),
        (Stage::Prepare, 1),
        (Stage::Text, 1),
        (Stage::Image, images),
        (Stage::DenoiseHigh, high),
        (Stage::DenoiseLow, low),
        (Stage::Decode, chunks),
        (Stage::PostProcess, 1),
    ]
    .into_iter()
    .filter(|&(_, units)| units > 0)
    .collect()
}
