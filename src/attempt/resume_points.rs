//! Where a run stands, on disk: written after a step, so that a killed run goes on from there to the same bytes.
//!
//! A file is whole or not there. Writing it takes at most [`SHARE`] of the run's time: after every step at real
//! sizes, after some of them where steps are short. The last state is always written, so that decoding can be
//! repeated.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use ndarray::{ArrayViewD, IxDyn};

use crate::core::{Bytes, CancelToken, Error, FaultPoint, Faults, Kind, Result};
use crate::pipeline::DenoiseState;
use crate::store::{TensorMetadata, read_tensors, write_tensors};

/// Share of a run's time that writing may take.
const SHARE: f64 = 0.02;
/// Name of the latent in its file; the sampler's tensors are `history_0` and so on.
const LATENTS: &str = "latents";
const HISTORY: &str = "history_";
/// What the state belongs to: it goes on only where everything that decides its numbers is the same.
const KEY: &str = "wandeck.key";
const STEPS: &str = "wandeck.steps";

/// The states of one job.
pub(crate) struct ResumePoints {
    path: PathBuf,
    /// States of an earlier job that this one may take, too.
    other: Option<PathBuf>,
    faults: Faults,
    began: Instant,
    spent: Duration,
}

impl ResumePoints {
    /// The states of the job `uid`; those kept of the job `other` serve as well.
    pub(crate) fn of(data_dir: &Path, uid: &str, other: Option<&str>, faults: &Faults) -> Self {
        Self {
            path: work_path(data_dir, uid),
            other: other.map(|uid| kept_path(data_dir, uid)),
            faults: faults.clone(),
            began: Instant::now(),
            spent: Duration::ZERO,
        }
    }

    /// The state to go on from: `fresh`, or a written one that `key` fits.
    pub(crate) fn resume(&self, fresh: DenoiseState, key: &str) -> DenoiseState {
        let paths = std::iter::once(&self.path).chain(&self.other);
        let found = paths.filter_map(|path| read(path, &fresh, key));
        found.max_by_key(|state| state.solver.done()).unwrap_or(fresh)
    }

    /// Writes `state` down, if it is time or `must` be.
    pub(crate) fn save(&mut self, state: &DenoiseState, key: &str, must: bool) -> Result<()> {
        if !must && self.spent.as_secs_f64() > SHARE * self.began.elapsed().as_secs_f64() {
            return Ok(());
        }
        let began = Instant::now();
        self.faults.inject(FaultPoint::ResumePoint, &CancelToken::new())?;
        let failed = |error| {
            Error::new(Kind::Io, format!("Where the run stands cannot be written to {}", self.path.display()))
                .because(error)
                .remedy("Free some space; the job goes on from the last step that was written")
        };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        write(&self.path, state, key).map_err(failed)?;
        self.spent += began.elapsed();
        Ok(())
    }
}

/// Keeps the final latents of a finished job for decoding them again, and forgets the oldest above `bound`.
pub(crate) fn keep(data_dir: &Path, uid: &str, bound: Bytes) {
    let (work, kept) = (work_path(data_dir, uid), kept_path(data_dir, uid));
    if !work.exists() {
        // it ended before its first step
        return forget(data_dir, uid);
    }
    let moved = kept
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::rename(&work, &kept))
        .and_then(|()| bound_folder(kept.parent().unwrap_or(&kept), bound));
    if let Err(error) = moved {
        tracing::warn!("The latents of a finished job cannot be kept: {error}");
    }
    forget(data_dir, uid);
}

/// Removes what is left of a job's states.
pub(crate) fn forget(data_dir: &Path, uid: &str) {
    match fs::remove_file(work_path(data_dir, uid)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!("The state of an ended job cannot be removed: {error}");
        }
        _ => {}
    }
}

fn work_path(data_dir: &Path, uid: &str) -> PathBuf {
    data_dir.join("queue").join("work").join(uid).with_extension("safetensors")
}

fn kept_path(data_dir: &Path, uid: &str) -> PathBuf {
    data_dir.join("latents").join(uid).with_extension("safetensors")
}

fn write(path: &Path, state: &DenoiseState, key: &str) -> std::io::Result<()> {
    let names: Vec<_> =
        (0..).map(|index| format!("{HISTORY}{index}")).take(state.solver.history().len()).collect();
    let mut tensors = vec![(LATENTS, state.latent.view())];
    for (name, values) in names.iter().zip(state.solver.history()) {
        let view = ArrayViewD::from_shape(IxDyn(&[values.len()]), values).map_err(std::io::Error::other)?;
        tensors.push((name, view));
    }
    let about = TensorMetadata::from([
        (KEY.to_owned(), key.to_owned()),
        (STEPS.to_owned(), state.solver.done().to_string()),
    ]);
    write_tensors(path, &tensors, Some(about))
}

fn read(path: &Path, fresh: &DenoiseState, key: &str) -> Option<DenoiseState> {
    let (mut tensors, about) = match read_tensors(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("{} is damaged, the job begins again: {error}", path.display());
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
    Some(DenoiseState { latent, solver })
}

fn bound_folder(folder: &Path, bound: Bytes) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), entry.path()));
    }
    files.sort();
    let mut sum: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in files {
        if sum <= bound.0 {
            break;
        }
        fs::remove_file(path)?;
        sum -= size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;
    use crate::core::{FlowShift, Sampler, StepCount};
    use crate::wan::schedule::Solver;

    fn state(steps: usize) -> DenoiseState {
        let latent = ArrayD::from_shape_vec(vec![1, 1, 1, 1, 2], vec![0.5, -1.0]).unwrap();
        let mut state =
            DenoiseState { latent, solver: Solver::new(Sampler::UniPc, StepCount(4), FlowShift(3.0)) };
        for _ in 0..steps {
            state.solver.step(&[0.1, 0.2], state.latent.as_slice_mut().unwrap());
        }
        state
    }

    #[test]
    fn a_run_goes_on_from_what_was_written_if_it_is_the_same_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut checkpoint = ResumePoints::of(dir.path(), "a", None, &Faults::default());
        checkpoint.save(&state(2), "key", true).unwrap();
        assert_eq!(checkpoint.resume(state(0), "key"), state(2));
        assert_eq!(checkpoint.resume(state(0), "other"), state(0));
        fs::write(&checkpoint.path, b"damaged").unwrap();
        assert_eq!(checkpoint.resume(state(0), "key"), state(0));
    }

    #[test]
    fn kept_latents_serve_another_job_and_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for uid in ["a", "b"] {
            ResumePoints::of(dir.path(), uid, None, &Faults::default()).save(&state(4), "key", true).unwrap();
        }
        keep(dir.path(), "a", Bytes(u64::MAX));
        let again = ResumePoints::of(dir.path(), "c", Some("a"), &Faults::default());
        assert_eq!(again.resume(state(0), "key"), state(4));
        let size = fs::metadata(kept_path(dir.path(), "a")).unwrap().len();
        keep(dir.path(), "b", Bytes(size));
        assert!(!kept_path(dir.path(), "a").exists() && kept_path(dir.path(), "b").exists());
    }
}
