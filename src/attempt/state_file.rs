//! The file of a run's state after a step.

use std::io::ErrorKind;
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::core::Sampler;
use crate::pipeline::{DenoiseState, RoundedParts};
use crate::store::{TensorMetadata, read_tensors, write_tensors};
use crate::wan::schedule::clean_latent_in_history;

/// Name of the latent in its file; the sampler's tensors are `history_0` and so on.
const LATENTS: &str = "latents";
const HISTORY: &str = "history_";
/// Metadata key of the resume key: a state is used only by a run with the same key.
const KEY: &str = "wandeck.key";
/// Metadata key of the weights that were rounded for the device's free memory.
const ROUNDED: &str = "wandeck.rounded";
const STEPS: &str = "wandeck.steps";
/// Metadata key of the numbers of a step cache.
const STEP_CACHE: &str = "wandeck.step_cache";

/// What a saved state belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StateKey {
    /// Hash over everything that decides the state.
    pub(super) hash: String,
    /// The weights that its run rounded for the device's free memory, which the hash covers.
    pub(super) rounded: RoundedParts,
}

/// What a file says of the state in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateHeader {
    pub(super) key: StateKey,
    /// Steps that are done.
    pub(super) steps: usize,
}

/// Writes a state under the key `key`, atomically.
pub(super) fn write_state(path: &Path, state: &DenoiseState, key: &StateKey) -> std::io::Result<()> {
    let names: Vec<_> =
        (0..).map(|index| format!("{HISTORY}{index}")).take(state.solver.history().len()).collect();
    let mut tensors = vec![(LATENTS, state.latent.view())];
    for (name, values) in names.iter().zip(state.solver.history()) {
        let view = ArrayViewD::from_shape(IxDyn(&[values.len()]), values).map_err(std::io::Error::other)?;
        tensors.push((name, view));
    }
    let mut about = TensorMetadata::from([
        (KEY.to_owned(), key.hash.clone()),
        (STEPS.to_owned(), state.solver.done().to_string()),
    ]);
    if key.rounded != RoundedParts::default() {
        about.insert(ROUNDED.to_owned(), key.rounded.to_string());
    }
    if let Some(cache) = &state.step_cache {
        tensors.extend(cache.tensors());
        about.insert(STEP_CACHE.to_owned(), cache.numbers());
    }
    write_tensors(path, &tensors, Some(about))
}

/// The clean latents that the last step of a saved state predicted, or the noisy ones if the sampler keeps no prediction.
pub(super) fn read_latents(path: &Path, sampler: Sampler) -> Option<ArrayD<f32>> {
    let (mut tensors, _) = read_tensors(path).ok()?;
    let noisy = tensors.remove(LATENTS)?;
    let clean =
        clean_latent_in_history(sampler).and_then(|index| tensors.remove(&format!("{HISTORY}{index}")));
    let clean = clean.and_then(|clean| clean.into_shape_with_order(noisy.shape()).ok());
    Some(clean.unwrap_or(noisy))
}

/// What the file of a state says of it; `None` without a file that can be read.
pub(super) fn read_header(path: &Path) -> Option<StateHeader> {
    // a damaged file is reported when its state is read
    let (_, mut about) = read_tensors(path).ok()?;
    let rounded = about.get(ROUNDED).map(|text| RoundedParts::parse(text)).unwrap_or_default();
    let steps = about.get(STEPS)?.parse().ok()?;
    Some(StateHeader { key: StateKey { hash: about.remove(KEY)?, rounded }, steps })
}

/// The state in a file, if it has the key `key` and fits a run that starts from `fresh`.
pub(super) fn read_state(path: &Path, fresh: &DenoiseState, key: &str) -> Option<DenoiseState> {
    let (mut tensors, about) = match read_tensors(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("The saved state {} is damaged and not used: {error}", path.display());
            return None;
        }
    };
    if about.get(KEY).is_none_or(|known| known != key) {
        tracing::info!("{} belongs to other settings and is not used", path.display());
        return None;
    }
    let done = about.get(STEPS)?.parse().ok()?;
    let latent = tensors.remove(LATENTS).filter(|latent| latent.shape() == fresh.latent.shape())?;
    let history = (0..).map_while(|index| tensors.remove(&format!("{HISTORY}{index}")));
    let history = history.map(|tensor| tensor.into_raw_vec_and_offset().0).collect();
    let solver = fresh.solver.clone().resumed(done, history)?;
    let step_cache = match &fresh.step_cache {
        None => None,
        Some(cache) => Some(cache.clone().resumed(about.get(STEP_CACHE)?, &mut tensors)?),
    };
    Some(DenoiseState { latent, solver, step_cache })
}
