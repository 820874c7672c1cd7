//! The saved states that a run starts from and leaves behind: its resume points, the state at the switch between the
//! experts, and the end of its draft.

use super::resume_points::ResumePoints;
use super::switch_states::SwitchStates;
use crate::core::Error;
use crate::pipeline::DenoiseState;

/// The saved states of a run.
pub(super) struct SavedStates<'a> {
    key: String,
    resume_points: Option<&'a mut ResumePoints>,
    switch: Option<Switch>,
    draft_steps: Option<u32>,
    /// Why a state could not be saved: the run can continue, it only could not be resumed later.
    unsaved: Option<Error>,
}

/// The state at the switch between the experts.
pub(super) struct Switch {
    states: SwitchStates,
    key: String,
    /// Steps of the high-noise expert.
    steps: usize,
    /// Whether the run starts from it.
    is_used: bool,
    /// Whether the run has saved it.
    is_saved: bool,
    unsaved: Option<Error>,
}

impl Switch {
    /// The state after the `steps` steps of the high-noise expert, which other jobs with the same `key` share.
    pub(super) fn new(states: SwitchStates, key: String, steps: usize) -> Self {
        Self { states, key, steps, is_used: false, is_saved: false, unsaved: None }
    }
}

impl<'a> SavedStates<'a> {
    /// The states of the run whose resume points have the key `key`. With `draft_steps` it ends after so many steps.
    pub(super) fn new(
        key: String,
        resume_points: Option<&'a mut ResumePoints>,
        switch: Option<Switch>,
        draft_steps: Option<u32>,
    ) -> Self {
        Self { key, resume_points, switch, draft_steps, unsaved: None }
    }

    /// The state with the most steps that was saved, or `fresh` if there is none.
    pub(super) fn last(&mut self, fresh: DenoiseState) -> DenoiseState {
        let resumed = match &self.resume_points {
            Some(resume_points) => resume_points.resume(fresh, &self.key),
            None => fresh,
        };
        let Some(switch) = self.switch.as_mut().filter(|switch| resumed.solver.done() < switch.steps) else {
            return resumed;
        };
        let found = switch.states.read(&resumed, &switch.key);
        let found = found.filter(|state| state.solver.done() == switch.steps);
        switch.is_used = found.is_some();
        found.unwrap_or(resumed)
    }

    /// Whether [`Self::last`] was the state at the switch.
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
        if let Some(switch) = self.switch.as_mut().filter(|switch| switch.steps == done && !switch.is_saved) {
            switch.unsaved = switch.states.save(state, &switch.key).err();
            switch.is_saved = switch.unsaved.is_none();
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
