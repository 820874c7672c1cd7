//! The saved states that a run starts from and leaves behind: its resume points, the states that it shares with its group,
//! and the end of its draft.

use super::resume_points::ResumePoints;
use super::state_file::StateKey;
use super::switch_states::SwitchStates;
use crate::core::Error;
use crate::pipeline::DenoiseState;

/// The saved states of a run.
pub(super) struct SavedStates<'a> {
    key: StateKey,
    resume_points: Option<&'a mut ResumePoints>,
    switch: Option<Switch>,
    draft_steps: Option<u32>,
    /// Why a state could not be saved: the run can continue, it only could not be resumed later.
    unsaved: Option<Error>,
}

/// The states of the high-noise expert that a run shares with the other jobs of its group: after its last step, and where
/// jobs with another boundary have theirs.
pub(super) struct Switch {
    states: SwitchStates,
    /// The most steps first.
    points: Vec<SharedPoint>,
    /// Whether the run starts from one of them.
    is_used: bool,
    unsaved: Option<Error>,
}

/// A state that other jobs with the same key share.
pub(super) struct SharedPoint {
    /// Steps of the high-noise expert.
    pub(super) steps: usize,
    pub(super) key: StateKey,
    /// Whether the run has saved it.
    pub(super) is_saved: bool,
}

impl Switch {
    /// The states at `points`, those with the most steps first.
    pub(super) fn new(states: SwitchStates, points: Vec<SharedPoint>) -> Self {
        Self { states, points, is_used: false, unsaved: None }
    }

    /// The saved state with the most steps, if it has more than `resumed`.
    fn read(&mut self, resumed: &DenoiseState) -> Option<DenoiseState> {
        let further = self.points.iter().filter(|point| resumed.solver.done() < point.steps);
        let mut found = further.filter_map(|point| {
            self.states.read(resumed, &point.key.hash).filter(|state| state.solver.done() == point.steps)
        });
        let found = found.next();
        self.is_used = found.is_some();
        found
    }

    /// Saves `state` if it is shared.
    fn save(&mut self, state: &DenoiseState) {
        let done = state.solver.done();
        let Some(point) = self.points.iter_mut().find(|point| point.steps == done && !point.is_saved) else {
            return;
        };
        self.unsaved = self.states.save(state, &point.key).err();
        point.is_saved = self.unsaved.is_none();
    }
}

impl<'a> SavedStates<'a> {
    /// The states of the run whose resume points have the key `key`. With `draft_steps` it ends after so many steps.
    pub(super) fn new(
        key: StateKey,
        resume_points: Option<&'a mut ResumePoints>,
        switch: Option<Switch>,
        draft_steps: Option<u32>,
    ) -> Self {
        Self { key, resume_points, switch, draft_steps, unsaved: None }
    }

    /// The state with the most steps that was saved, or `fresh` if there is none.
    pub(super) fn last(&mut self, fresh: DenoiseState) -> DenoiseState {
        let resumed = match &self.resume_points {
            Some(resume_points) => resume_points.resume(fresh, &self.key.hash),
            None => fresh,
        };
        self.switch.as_mut().and_then(|switch| switch.read(&resumed)).unwrap_or(resumed)
    }

    /// Steps that an earlier attempt at the job saved under another key.
    pub(super) fn other_steps(&self) -> Option<usize> {
        let header = self.resume_points.as_ref()?.own()?;
        (header.key != self.key && header.steps > 0).then_some(header.steps)
    }

    /// Whether [`Self::last`] was a state that another job saved.
    pub(super) fn is_from_switch(&self) -> bool {
        self.switch.as_ref().is_some_and(|switch| switch.is_used)
    }

    /// Whether `state` is the end of the draft.
    pub(super) fn is_draft_done(&self, state: &DenoiseState) -> bool {
        let (done, steps) = (state.solver.done(), state.solver.timesteps().len());
        done < steps && self.draft_steps.is_some_and(|draft| done >= draft as usize)
    }

    /// Saves a state after its step where it is worth it; `must` says that the run may end here. A state that was saved
    /// is not written again.
    pub(super) fn save(&mut self, state: &DenoiseState, must: bool) {
        let done = state.solver.done();
        if let Some(switch) = &mut self.switch {
            switch.save(state);
        }
        let Some(resume_points) = &mut self.resume_points else { return };
        let is_last = done == state.solver.timesteps().len();
        let saved = resume_points.save(state, &self.key, must || is_last);
        self.unsaved = saved.err().or_else(|| self.unsaved.take());
    }

    /// The errors of states that could not be saved.
    pub(super) fn unsaved(self) -> impl Iterator<Item = Error> {
        self.unsaved.into_iter().chain(self.switch.and_then(|switch| switch.unsaved))
    }
}
