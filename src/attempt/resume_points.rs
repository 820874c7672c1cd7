//! Resume points: the state of a run after a step, saved so that a killed run resumes to the same bytes.
//!
//! Files are written atomically. Writing takes at most [`SHARE`] of the run's time: at official sizes a state is
//! saved after every step, with short steps less often. The last state is always saved, so that decoding can be
//! repeated.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::state_file::{StateHeader, StateKey, read_header, read_state, write_state};
use crate::core::{Bytes, CancelToken, Error, FaultPoint, Faults, Kind, Result};
use crate::pipeline::DenoiseState;
use crate::store::{bound_folder, create_folder, sync_folder};

/// Maximum fraction of the run's time that is spent on saving.
const SHARE: f64 = 0.02;

/// The resume points of one job.
pub(crate) struct ResumePoints {
    path: PathBuf,
    /// Resume points of an earlier job that this one may use, too.
    other: Option<PathBuf>,
    faults: Faults,
    /// Steps of the state that was saved last.
    saved: Option<usize>,
    began: Instant,
    spent: Duration,
}

impl ResumePoints {
    /// The resume points of the job `uid`, which may also use those of the job `other`.
    pub(crate) fn of(data_dir: &Path, uid: &str, other: Option<&str>, faults: &Faults) -> Self {
        Self {
            path: work_path(data_dir, uid),
            other: other.map(|uid| kept_path(data_dir, uid)),
            faults: faults.clone(),
            saved: None,
            began: Instant::now(),
            spent: Duration::ZERO,
        }
    }

    /// The saved state with the key `key`, or `fresh` if there is none.
    pub(crate) fn resume(&self, fresh: DenoiseState, key: &str) -> DenoiseState {
        let paths = std::iter::once(&self.path).chain(&self.other);
        let found = paths.filter_map(|path| read_state(path, &fresh, key));
        found.max_by_key(|state| state.solver.done()).unwrap_or(fresh)
    }

    /// What the job's own resume point is of, if there is one.
    pub(super) fn own(&self) -> Option<StateHeader> {
        read_header(&self.path)
    }

    /// What the resume points are of that the job may use, its own first.
    pub(super) fn headers(&self) -> Vec<StateHeader> {
        std::iter::once(&self.path).chain(&self.other).filter_map(|path| read_header(path)).collect()
    }

    /// Saves `state` if enough time has passed since the last save, or if `must` is true and it was not saved already.
    pub(super) fn save(&mut self, state: &DenoiseState, key: &StateKey, must: bool) -> Result<()> {
        if self.saved == Some(state.solver.done()) {
            return Ok(());
        }
        if !must && self.spent.as_secs_f64() > SHARE * self.began.elapsed().as_secs_f64() {
            return Ok(());
        }
        let began = Instant::now();
        self.faults.inject(FaultPoint::ResumePoint, &CancelToken::new())?;
        let failed = |error| {
            Error::new(Kind::Io, format!("Cannot save the resume point {}", self.path.display()))
                .because(error)
                .remedy("Free disk space; if the job is interrupted, it resumes from the last saved step")
        };
        if let Some(folder) = self.path.parent() {
            create_folder(folder).map_err(failed)?;
        }
        write_state(&self.path, state, key).map_err(failed)?;
        self.saved = Some(state.solver.done());
        self.spent += began.elapsed();
        Ok(())
    }
}

/// Keeps the final latents of a finished job for decoding them again, and deletes the oldest ones above `bound`
/// bytes.
pub(crate) fn keep(data_dir: &Path, uid: &str, bound: Bytes) {
    let (work, kept) = (work_path(data_dir, uid), kept_path(data_dir, uid));
    if !work.exists() {
        // the job ended before its first step
        return forget(data_dir, uid);
    }
    let moved = kept
        .parent()
        .map_or(Ok(()), create_folder)
        .and_then(|()| fs::rename(&work, &kept))
        .map(|()| kept.parent().into_iter().chain(work.parent()).for_each(sync_folder))
        .and_then(|()| bound_folder(kept.parent().unwrap_or(&kept), bound));
    if let Err(error) = moved {
        tracing::warn!("Cannot keep the latents of a finished job: {error}");
    }
    forget(data_dir, uid);
}

/// Deletes the resume points of a job.
pub(crate) fn forget(data_dir: &Path, uid: &str) {
    match fs::remove_file(work_path(data_dir, uid)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!("Cannot delete the resume point of an ended job: {error}");
        }
        _ => {}
    }
}

/// A text that changes whenever a state of the job `uid` is saved; empty before the first.
pub(crate) fn resume_mark(data_dir: &Path, uid: &str) -> String {
    let saved = fs::metadata(work_path(data_dir, uid)).and_then(|about| about.modified()).ok();
    let since = saved.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map(|since| since.as_nanos().to_string()).unwrap_or_default()
}

pub(super) fn work_path(data_dir: &Path, uid: &str) -> PathBuf {
    data_dir.join("queue").join("work").join(uid).with_extension("safetensors")
}

fn kept_path(data_dir: &Path, uid: &str) -> PathBuf {
    data_dir.join("latents").join(uid).with_extension("safetensors")
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;
    use crate::attempt::state_file::read_latents;
    use crate::core::{FlowShift, Sampler, StepCount};
    use crate::wan::schedule::Solver;

    fn key(hash: &str) -> StateKey {
        StateKey { hash: hash.to_owned(), ..StateKey::default() }
    }

    fn state(steps: usize) -> DenoiseState {
        let latent = ArrayD::from_shape_vec(vec![1, 1, 1, 1, 2], vec![0.5, -1.0]).unwrap();
        let solver = Solver::new(Sampler::UniPc, StepCount(4), FlowShift(3.0));
        let mut state = DenoiseState { latent, solver, step_cache: None };
        for _ in 0..steps {
            state.solver.step(&[0.1, 0.2], state.latent.as_slice_mut().unwrap());
        }
        state
    }

    #[test]
    fn a_run_goes_on_from_what_was_written_if_it_is_the_same_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut checkpoint = ResumePoints::of(dir.path(), "a", None, &Faults::default());
        checkpoint.save(&state(2), &key("key"), true).unwrap();
        assert_eq!(checkpoint.resume(state(0), "key"), state(2));
        assert_eq!(checkpoint.resume(state(0), "other"), state(0));
        fs::write(&checkpoint.path, b"damaged").unwrap();
        assert_eq!(checkpoint.resume(state(0), "key"), state(0));
    }

    #[test]
    fn the_latents_of_a_preview_are_the_last_clean_ones() {
        let dir = tempfile::tempdir().unwrap();
        let saved = state(1);
        ResumePoints::of(dir.path(), "a", None, &Faults::default()).save(&saved, &key("key"), true).unwrap();
        let path = work_path(dir.path(), "a");
        let clean = read_latents(&path, Sampler::UniPc).unwrap();
        // pure noise is at sigma 1: the sample without the velocity
        let expected = [0.5 - 0.1, -1.0 - 0.2];
        assert_eq!(clean.shape(), saved.latent.shape());
        assert!(clean.iter().zip(expected).all(|(found, wanted): (&f32, f32)| (found - wanted).abs() < 1e-3));
        assert_eq!(read_latents(&path, Sampler::Euler).unwrap(), saved.latent);
        assert!(read_latents(&work_path(dir.path(), "b"), Sampler::UniPc).is_none());
    }

    #[test]
    fn a_state_is_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut points = ResumePoints::of(dir.path(), "a", None, &Faults::default());
        points.save(&state(2), &key("key"), true).unwrap();
        fs::remove_file(&points.path).unwrap();
        points.save(&state(2), &key("key"), true).unwrap();
        assert!(!points.path.exists());
        points.save(&state(3), &key("key"), true).unwrap();
        assert_eq!(points.resume(state(0), "key"), state(3));
    }

    #[test]
    fn kept_latents_serve_another_job_and_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for uid in ["a", "b"] {
            ResumePoints::of(dir.path(), uid, None, &Faults::default())
                .save(&state(4), &key("key"), true)
                .unwrap();
        }
        keep(dir.path(), "a", Bytes(u64::MAX));
        let again = ResumePoints::of(dir.path(), "c", Some("a"), &Faults::default());
        assert_eq!(again.resume(state(0), "key"), state(4));
        let size = fs::metadata(kept_path(dir.path(), "a")).unwrap().len();
        keep(dir.path(), "b", Bytes(size));
        assert!(!kept_path(dir.path(), "a").exists() && kept_path(dir.path(), "b").exists());
    }
}
