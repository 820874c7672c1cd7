//! Preflight of the draft on a thread of its own, shortly after the last change and only for the newest draft.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::newest::Newest;
use crate::app::panels::compose::{PreflightStatus, PreflightView};
use crate::core::{Bytes, Draft, Error, Kind, Result, Secs, Waker};
use crate::jobs::JobSpec;
use crate::media::Existing;
use crate::plan::{PreflightResult, examine};

/// Time without changes before the preflight of a draft starts.
const REST: Duration = Duration::from_millis(300);

/// A preflight request.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    work: JobSpec,
    turn: u64,
}

/// The preflight thread and its latest answer.
pub(in crate::app) struct Examiner {
    newest: Newest<Question, Result<PreflightView>>,
    /// Changes when the state of the machine may have changed for the same draft.
    turn: u64,
}

impl Examiner {
    /// Starts the thread. `waker` is called after each answer.
    pub(in crate::app) fn start(data_dir: PathBuf, waker: Waker) -> Result<Self> {
        let answer = move |question: &Question| {
            let found = catch_unwind(AssertUnwindSafe(|| preflight(&question.work, &data_dir)));
            found.unwrap_or_else(|_| {
                Err(Error::new(Kind::Bug, "The preflight stopped because of an error in the program")
                    .remedy("Please report it; the video can be tried"))
            })
        };
        Ok(Self { newest: Newest::start("preflight", REST, waker, answer)?, turn: 0 })
    }

    /// Whether a new preflight is needed, because the draft, the time limit or the state of the machine may have changed.
    pub(in crate::app) fn needs_preflight(&self, draft: &Draft, model: &Path, limit: Option<Secs>) -> bool {
        let known = |question: &Question| {
            let work = &question.work;
            question.turn == self.turn
                && work.draft == *draft
                && work.model == model
                && work.time_limit() == limit
        };
        !self.newest.asked().is_some_and(known)
    }

    /// Requests the preflight of `work` and withdraws an earlier request.
    pub(in crate::app) fn request(&mut self, work: JobSpec) {
        self.newest.ask(Question { work, turn: self.turn });
    }

    /// Discards the answer, because the draft has no preflight.
    pub(in crate::app) fn forget(&mut self) {
        self.newest.forget();
    }

    /// Marks the answer as outdated, so that the same draft is checked again.
    pub(in crate::app) fn again(&mut self) {
        self.turn += 1;
    }

    /// Receives the thread's answers.
    pub(in crate::app) fn drain(&mut self) {
        self.newest.drain();
    }

    /// The latest answer.
    pub(in crate::app) fn status(&self) -> PreflightStatus<'_> {
        match (self.newest.asked(), self.newest.answer()) {
            (None, _) => PreflightStatus::Off,
            (Some(_), Some(answer)) => PreflightStatus::Done(answer),
            (Some(_), None) => PreflightStatus::Pending(self.newest.latest().map(|(_, earlier)| earlier)),
        }
    }
}

fn preflight(work: &JobSpec, data_dir: &Path) -> Result<PreflightView> {
    // the window chooses the name, so a number added to a taken name is not worth a note
    let work = JobSpec { existing: Existing::Replace, ..work.clone() };
    let PreflightResult { preflight: found, disk_space, provider, free, .. } =
        examine(&work, data_dir, true)?;
    let stages = if found.memory.is_empty() { found.device } else { found.memory };
    let peak = stages.iter().map(|stage| stage.peak).max().filter(|peak| *peak > Bytes(0));
    let runs_on = provider.to_string();
    Ok(PreflightView { peak, free, stages, disk_space, runs_on, time: found.time, findings: found.findings })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::core::testing::draft;

    fn work_in(folder: &str) -> JobSpec {
        JobSpec::new(draft(), folder.into(), "a.mp4".into())
    }

    fn wait(examiner: &mut Examiner) {
        let began = Instant::now();
        while !matches!(examiner.status(), PreflightStatus::Done(_)) {
            assert!(began.elapsed() < Duration::from_secs(20), "no answer");
            std::thread::park_timeout(Duration::from_millis(5));
            examiner.drain();
        }
    }

    #[test]
    fn only_the_newest_form_is_looked_at_and_the_same_one_once() {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let dir = tempfile::tempdir().unwrap();
        let waker: Waker = Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let mut examiner = Examiner::start(dir.path().to_path_buf(), waker).unwrap();
        for name in ["a", "b", "no-such-model"] {
            examiner.request(work_in(name));
        }
        assert!(matches!(examiner.status(), PreflightStatus::Pending(None)));
        wait(&mut examiner);
        let PreflightStatus::Done(Err(error)) = examiner.status() else { panic!("{:?}", examiner.status()) };
        assert!(format!("{error:#}").contains("no-such-model"), "{error:#}");
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert!(!examiner.needs_preflight(&draft(), Path::new("no-such-model"), None));
        assert!(examiner.needs_preflight(&draft(), Path::new("a"), None));
        examiner.again();
        assert!(
            examiner.needs_preflight(&draft(), Path::new("no-such-model"), None),
            "the machine may have changed"
        );
        examiner.request(work_in("another-one"));
        assert!(
            matches!(examiner.status(), PreflightStatus::Pending(Some(Err(_)))),
            "what was said stays until then"
        );
        wait(&mut examiner);
        examiner.forget();
        assert!(matches!(examiner.status(), PreflightStatus::Off));
    }
}
