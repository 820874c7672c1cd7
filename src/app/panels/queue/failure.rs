//! Why a job failed, what to do now, and the fixes as buttons.

use eframe::egui::{Label, RichText, Ui, vec2};

use super::view::{QueueAction, QueueView};
use crate::app::theme;
use crate::app::widgets::fix_button::{fix_button, offered};
use crate::core::{Fix, Recovery};
use crate::jobs::{EndStatus, FailureRecord, Job};

/// Whether a job failed.
pub(super) fn is_failed(job: &Job) -> bool {
    job.ended().is_some_and(|ended| ended.status == EndStatus::Failed)
}

/// Why a job failed, if it did.
pub(super) fn failure(job: &Job) -> Option<&FailureRecord> {
    job.ended().filter(|ended| ended.status == EndStatus::Failed)?.error.as_ref()
}

/// Draws what failed, why, what now, and the fixes.
pub(super) fn failure_ui(
    ui: &mut Ui,
    job: &Job,
    failure: &FailureRecord,
    view: &QueueView<'_>,
    actions: &mut Vec<QueueAction>,
) {
    let attempts = job.retries.len() + 1;
    let tried: Vec<_> = job.retries.iter().map(|retry| retry.message.as_str()).collect();
    let all = tried.into_iter().chain([failure.message.as_str()]).chain(failure.remedy.as_deref());
    let all = all.collect::<Vec<_>>().join("\n");
    let text = RichText::new(&failure.message).small().color(theme::tokens(ui).error);
    ui.add(Label::new(text).truncate().show_tooltip_when_elided(false)).on_hover_text(&all);
    let after = if attempts > 1 { format!("After {attempts} attempts. ") } else { String::new() };
    let remedy = format!("{after}{}", failure.remedy.as_deref().unwrap_or_default());
    ui.add(Label::new(RichText::new(remedy.trim_end()).small()).truncate().show_tooltip_when_elided(false))
        .on_hover_text(&all);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().button_padding = vec2(6.0, 2.0);
        ui.spacing_mut().item_spacing = vec2(4.0, 3.0);
        for fix in offered(&failure.fixes, &job.spec.draft, view.models) {
            if fix_button(ui, fix, None, "Makes the video again with this change").clicked() {
                actions.push(match fix {
                    Fix::Convert { .. } | Fix::Fetch(_) => QueueAction::Fix(fix.clone()),
                    _ => QueueAction::Retry(job.id, Some(fix.clone())),
                });
            }
        }
        if failure.recovery.contains(&Recovery::Retry) && ui.small_button("Try again").clicked() {
            actions.push(QueueAction::Retry(job.id, None));
        }
        if failure.recovery.contains(&Recovery::OpenModels) && ui.small_button("Open models").clicked() {
            actions.push(QueueAction::ShowModels);
        }
    });
}
