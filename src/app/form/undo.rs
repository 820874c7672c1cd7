//! Undo and redo of the form, by comparing it with what it was a frame ago.

use std::time::{Duration, Instant};

use super::state::{FormContext, FormState};
use crate::core::Draft;
use crate::plan::DraftField;

/// Changes of the same field less than this apart are one step, so that a word or a drag is.
const PAUSE: Duration = Duration::from_secs(1);
/// Steps that are kept.
const KEPT: usize = 200;

/// What a change was about, as far as later changes can belong to the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Prompt,
    Seed,
    /// The path of an image or clip.
    Input,
    Field(DraftField),
    /// Several fields at once, or something that is changed by one click.
    Other,
}

/// Earlier and later states of the form.
#[derive(Clone, Debug)]
pub(super) struct Undo {
    past: Vec<FormState>,
    future: Vec<FormState>,
    seen: FormState,
    last: Option<(Change, Instant)>,
}

impl Undo {
    pub(super) fn new(seen: FormState) -> Self {
        Self { past: Vec::new(), future: Vec::new(), seen, last: None }
    }

    /// Whether there is an earlier state.
    pub(super) fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Whether there is a later state.
    pub(super) fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }

    /// Makes a step of what changed since the last call.
    pub(super) fn observe(&mut self, draft: &Draft, context: &FormContext, now: Instant) {
        if self.seen.draft == *draft && self.seen.context == *context {
            return;
        }
        let state = FormState { draft: draft.clone(), context: context.clone() };
        let change = change(&self.seen, &state);
        let belongs = |(last, at): (Change, Instant)| {
            last == change && change != Change::Other && now.saturating_duration_since(at) < PAUSE
        };
        // a value that goes back to where it started, by a reset for instance, would leave a step without effect
        let is_back = self.past.last() == Some(&state);
        let before = std::mem::replace(&mut self.seen, state);
        if is_back || !self.last.is_some_and(belongs) {
            self.past.push(before);
            if self.past.len() > KEPT {
                self.past.remove(0);
            }
        }
        self.future.clear();
        self.last = Some((change, now));
    }

    /// Takes a change in that is no step of its own: the program's.
    pub(super) fn absorb(&mut self, draft: &Draft, context: &FormContext) {
        self.seen = FormState { draft: draft.clone(), context: context.clone() };
    }

    /// The state before the last step.
    pub(super) fn undo(&mut self) -> Option<FormState> {
        let before = self.past.pop()?;
        self.future.push(std::mem::replace(&mut self.seen, before.clone()));
        self.last = None;
        Some(before)
    }

    /// The state that was undone last.
    pub(super) fn redo(&mut self) -> Option<FormState> {
        let after = self.future.pop()?;
        self.past.push(std::mem::replace(&mut self.seen, after.clone()));
        self.last = None;
        Some(after)
    }
}

/// What differs between two states, if it is one field that is typed or dragged.
fn change(before: &FormState, after: &FormState) -> Change {
    let (old, new) = (&before.draft, &after.draft);
    let mut parts = Vec::new();
    if old.prompt != new.prompt {
        parts.push(Change::Prompt);
    }
    if old.seed != new.seed {
        parts.push(Change::Seed);
    }
    let inputs =
        |draft: &Draft| [&draft.start_image, &draft.end_image, &draft.continue_from].map(Clone::clone);
    if inputs(old) != inputs(new) {
        parts.push(Change::Input);
    }
    parts.extend(DraftField::ALL.into_iter().filter(|field| !field.is_same(old, new)).map(Change::Field));
    let is_value = |change: &Change| !matches!(change, Change::Field(DraftField::Model | DraftField::Loras));
    match parts.as_slice() {
        [only] if is_value(only) => *only,
        _ => Change::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;

    fn state(prompt: &str, steps: u32) -> FormState {
        let draft = Draft { prompt: prompt.into(), steps, ..draft() };
        FormState { draft, context: FormContext::default() }
    }

    fn observe(undo: &mut Undo, state: &FormState, at: Instant) {
        undo.observe(&state.draft, &state.context, at);
    }

    #[test]
    fn a_word_is_one_step_and_every_other_change_its_own() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut undo = Undo::new(state("", 20));
        for (millis, prompt) in [(0, "a"), (200, "a "), (400, "a c"), (600, "a cat")] {
            observe(&mut undo, &state(prompt, 20), at(millis));
        }
        observe(&mut undo, &state("a cat", 21), at(700));
        observe(&mut undo, &state("a cat", 22), at(800));
        observe(&mut undo, &state("a cat jumps", 22), at(2500));
        observe(&mut undo, &state("a cat jumps far", 22), at(5000));
        let mut found = Vec::new();
        while let Some(state) = undo.undo() {
            found.push((state.draft.prompt, state.draft.steps));
        }
        let words = |prompt: &str, steps| (prompt.to_owned(), steps);
        assert_eq!(found, [words("a cat jumps", 22), words("a cat", 22), words("a cat", 20), words("", 20)]);
    }

    #[test]
    fn a_value_that_is_reset_at_once_can_be_brought_back() {
        let now = Instant::now();
        let mut undo = Undo::new(state("a", 20));
        observe(&mut undo, &state("a", 7), now);
        observe(&mut undo, &state("a", 20), now);
        assert_eq!(undo.undo(), Some(state("a", 7)));
        assert_eq!(undo.undo(), Some(state("a", 20)));
    }

    #[test]
    fn what_was_undone_comes_back_until_something_else_is_changed() {
        let now = Instant::now();
        let mut undo = Undo::new(state("a", 20));
        observe(&mut undo, &state("a", 30), now);
        observe(&mut undo, &state("b", 30), now);
        assert_eq!(undo.undo(), Some(state("a", 30)));
        assert_eq!(undo.undo(), Some(state("a", 20)));
        assert_eq!(undo.undo(), None);
        assert_eq!(undo.redo(), Some(state("a", 30)));
        assert!(undo.can_redo() && undo.can_undo());
        observe(&mut undo, &state("c", 30), now);
        assert_eq!(undo.redo(), None);
        assert_eq!(undo.undo(), Some(state("a", 30)));
    }

    #[test]
    fn what_the_program_changes_is_no_step() {
        let mut undo = Undo::new(state("a", 20));
        let other = state("a", 20);
        let seeded = FormState { draft: Draft { seed: 99, ..other.draft }, ..other };
        undo.absorb(&seeded.draft, &seeded.context);
        observe(&mut undo, &seeded, Instant::now());
        assert!(!undo.can_undo());
    }
}
