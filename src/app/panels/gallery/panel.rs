//! The videos of the queue's jobs that are done, the last first.

use std::path::PathBuf;

use eframe::egui::{Label, RichText, ScrollArea, Sense, Ui};

use crate::app::theme;
use crate::jobs::{EndStatus, Job, JobId};

/// What was made.
#[derive(Clone, Copy)]
pub(in crate::app) struct GalleryView<'a> {
    /// The queue.
    pub(in crate::app) entries: &'a [Job],
}

/// What a person asks of the gallery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) enum GalleryAction {
    /// Show a video in the player.
    Open(JobId, PathBuf),
}

/// The gallery's own state.
#[derive(Default)]
pub(in crate::app) struct GalleryPanel {}

impl GalleryPanel {
    /// Draws what was made; says what the person asked for.
    #[expect(clippy::unused_self, reason = "every panel is drawn alike")]
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &GalleryView<'_>) -> Vec<GalleryAction> {
        let mut actions = Vec::new();
        let done: Vec<_> = view
            .entries
            .iter()
            .rev()
            .filter_map(|entry| {
                let ended = entry.ended().filter(|ended| ended.status == EndStatus::Done)?;
                Some((entry, ended.output.clone()?))
            })
            .collect();
        if done.is_empty() {
            ui.weak("Finished videos appear here");
            return actions;
        }
        ScrollArea::vertical().auto_shrink([false, false]).show_rows(
            ui,
            theme::ROW_HEIGHT,
            done.len(),
            |ui, rows| {
                for (entry, path) in &done[rows] {
                    ui.push_id(entry.id, |ui| {
                        let text = format!("{} · {}", entry.id, entry.spec.draft.prompt);
                        let label = Label::new(RichText::new(text)).truncate().sense(Sense::click());
                        if ui.add(label).on_hover_text(path.display().to_string()).clicked() {
                            actions.push(GalleryAction::Open(entry.id, path.clone()));
                        }
                    });
                }
            },
        );
        actions
    }
}
