//! Carries out the actions of the compare panel.

use std::time::Instant;

use super::app::State;
use crate::app::panels::compare::CompareAction;

impl State {
    pub(super) fn apply_compare(&mut self, action: CompareAction, now: Instant) {
        let comparison = &mut self.comparison;
        match action {
            CompareAction::PlayPause => comparison.toggle(now),
            CompareAction::Step(by) => comparison.step(by),
            CompareAction::Seek(index) => comparison.seek(index),
            CompareAction::Shift { video, frames } => comparison.shift(video, frames),
            CompareAction::Subtract(difference) => comparison.subtract(difference),
            CompareAction::StartBlind => comparison.open_blind(comparison.blind_items()),
            CompareAction::Vote(preference) => comparison.vote(preference),
            // the layout belongs to the window
            CompareAction::ShowGallery => {}
        }
    }
}
