//! One row of the queue: a job's settings, state and actions.

use eframe::egui::{
    Align, Color32, CornerRadius, CursorIcon, Label, Layout, Rect, Response, RichText, Role, Sense, Ui,
    UiBuilder, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{ICON_BROKEN_IMAGE, ICON_MOVIE};

use super::verbs::{self, Verb};
use super::view::{QueueAction, QueueView};
use crate::app::shell::live_jobs::LiveJob;
use crate::app::theme;
use crate::app::widgets::fix_button::{fix_button, offered};
use crate::app::widgets::icon::icon_button;
use crate::app::widgets::stage_bar::{stage_bar_ui, stage_words};
use crate::core::{Recovery, Secs};
use crate::jobs::{EndStatus, FailureRecord, Job, JobState, PendingAction, Priority};

/// Height of a row without an error.
pub(super) const HEIGHT: f32 = 66.0;
/// Height of a row with an error.
pub(super) const FAILED_HEIGHT: f32 = 138.0;
const THUMBNAIL: eframe::egui::Vec2 = vec2(52.0, 32.0);
/// Width of state and times.
const TIMES_WIDTH: f32 = 84.0;

/// Height of a job's row; constant for each state.
pub(super) fn height(entry: &Job) -> f32 {
    if failure(entry).is_some() { FAILED_HEIGHT } else { HEIGHT }
}

/// The error of a failed job.
fn failure(entry: &Job) -> Option<&FailureRecord> {
    entry.ended().filter(|ended| ended.status == EndStatus::Failed)?.error.as_ref()
}

/// Draws a row into `rect`.
pub(super) fn row_ui(
    ui: &mut Ui,
    rect: Rect,
    entry: &Job,
    is_selected: bool,
    view: &QueueView<'_>,
    actions: &mut Vec<QueueAction>,
) -> Response {
    let id = entry.id;
    let tokens = theme::tokens(ui);
    let response = ui.interact(rect, ui.scope_id().with("row"), Sense::click_and_drag());
    let words = format!("Job {id}, {}, {}", standing(entry), entry.spec.draft.prompt);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_selected, words.clone()));
    if is_selected {
        ui.painter().rect_filled(rect, CornerRadius::same(4), ui.visuals().selection.bg_fill);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(4), tokens.card);
    }
    ui.painter().hline(rect.x_range(), rect.bottom(), (1.0, tokens.line));
    let inner = rect.shrink2(vec2(4.0, 7.0));
    thumbnail_ui(ui, Rect::from_min_size(inner.min + vec2(0.0, 2.0), THUMBNAIL), entry);
    let right = Rect::from_min_max(pos2(inner.right() - TIMES_WIDTH, inner.top()), inner.max);
    let middle = Rect::from_min_max(
        pos2(inner.left() + THUMBNAIL.x + 8.0, inner.top()),
        pos2(right.left() - 6.0, inner.bottom()),
    );
    let live = view.live.get(id);
    ui.scope_builder(
        UiBuilder::new().id_salt("words").max_rect(middle).layout(Layout::top_down(Align::Min)),
        |ui| {
            ui.set_clip_rect(ui.clip_rect().intersect(middle.expand(2.0)));
            ui.spacing_mut().item_spacing.y = 2.0;
            words_ui(ui, entry, live);
            if let Some(failure) = failure(entry) {
                failure_ui(ui, entry, failure, view, actions);
            }
        },
    );
    ui.scope_builder(
        UiBuilder::new().id_salt("times").max_rect(right).layout(Layout::top_down(Align::Max)),
        |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            times_ui(ui, entry, live, view);
            verbs_ui(ui, entry, actions);
        },
    );
    response.on_hover_cursor(CursorIcon::Default)
}

fn thumbnail_ui(ui: &Ui, rect: Rect, entry: &Job) {
    let tokens = theme::tokens(ui);
    ui.painter().rect_filled(rect, CornerRadius::same(3), tokens.card);
    let icon = if failure(entry).is_some() { ICON_BROKEN_IMAGE } else { ICON_MOVIE };
    let colour = if failure(entry).is_some() { tokens.error } else { ui.visuals().weak_text_color() };
    let font = eframe::egui::FontId::new(16.0, icon.font_family());
    ui.painter().text(rect.center(), eframe::egui::Align2::CENTER_CENTER, icon.codepoint, font, colour);
}

fn words_ui(ui: &mut Ui, entry: &Job, live: Option<&LiveJob>) {
    let draft = &entry.spec.draft;
    let prompt = if draft.prompt.trim().is_empty() { "(no prompt)" } else { draft.prompt.as_str() };
    let label = Label::new(RichText::new(prompt).color(theme::tokens(ui).strong)).selectable(false);
    ui.add(label.truncate()).on_hover_text(prompt);
    let about = format!(
        "{} · {} · {}×{} · {} steps · seed {}",
        entry.id, draft.model, draft.size, draft.frames, draft.steps, draft.seed
    );
    let note = live.and_then(|live| live.note.as_deref());
    let text = RichText::new(note.unwrap_or(&about)).small().weak();
    ui.add(Label::new(text).truncate().selectable(false)).on_hover_text(&about);
    if let Some(live) = live {
        ui.add_space(2.0);
        stage_bar_ui(ui, &live.progress, 5.0);
    }
}

/// The error with its cause, remedy and fix buttons.
fn failure_ui(
    ui: &mut Ui,
    entry: &Job,
    failure: &FailureRecord,
    view: &QueueView<'_>,
    actions: &mut Vec<QueueAction>,
) {
    let id = entry.id;
    let text = RichText::new(&failure.message).small().color(theme::tokens(ui).error);
    let all = [Some(failure.message.as_str()), failure.remedy.as_deref()];
    let all = all.into_iter().flatten().collect::<Vec<_>>().join("\n");
    ui.add(Label::new(text).truncate()).on_hover_text(&all);
    if let Some(remedy) = &failure.remedy {
        ui.add(Label::new(RichText::new(remedy).small()).truncate()).on_hover_text(&all);
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().button_padding = vec2(6.0, 2.0);
        if failure.recovery.contains(&Recovery::Retry) && ui.small_button("Try again").clicked() {
            actions.push(QueueAction::Retry(id, None));
        }
        if failure.recovery.contains(&Recovery::OpenModels) && ui.small_button("Open models").clicked() {
            actions.push(QueueAction::ShowModels);
        }
        for fix in offered(&failure.fixes, &entry.spec.draft, view.models) {
            if fix_button(ui, fix, "Makes the video again with this change").clicked() {
                actions.push(QueueAction::Retry(id, Some(fix.clone())));
            }
        }
    });
}

fn times_ui(ui: &mut Ui, entry: &Job, live: Option<&LiveJob>, view: &QueueView<'_>) {
    let small = |text: String| Label::new(RichText::new(text).small()).selectable(false);
    let state = match live {
        Some(live) if live.stopping => "stopping…".to_owned(),
        Some(live) => stage_words(&live.progress),
        None => standing(entry).to_owned(),
    };
    ui.add(Label::new(RichText::new(state).small().color(colour(ui, entry))).selectable(false).truncate());
    match (live, entry.ended()) {
        (Some(live), _) => {
            let elapsed = Secs::from(view.now.saturating_duration_since(live.started));
            let left = live.progress.remaining().map(|left| format!("{left} left"));
            let text = left.unwrap_or_else(|| elapsed.to_string());
            ui.add(small(text)).on_hover_text(format!("{elapsed} so far"));
        }
        (None, Some(ended)) => {
            let took = ended.generation_time_s.map(|took| took.to_string());
            ui.add(small(took.unwrap_or_default()));
        }
        (None, None) => {
            ui.add(small(String::new()));
        }
    }
}

/// The actions at the end of the row; its menu has all.
fn verbs_ui(ui: &mut Ui, entry: &Job, actions: &mut Vec<QueueAction>) {
    let id = entry.id;
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 1.0;
        for verb in verbs::at_end(entry).into_iter().rev() {
            let Verb { icon, name, about, action } = verb;
            if icon_button(ui, icon, &format!("{name} job {id}"), about).clicked() {
                actions.push(action);
            }
        }
    });
}

/// The state as one word.
pub(super) fn standing(entry: &Job) -> &'static str {
    match (&entry.state, entry.pending_action) {
        (JobState::Queued, _) => match entry.spec.priority {
            Priority::Urgent => "urgent",
            Priority::Normal => "queued",
            Priority::Low => "queued, low",
        },
        (JobState::Paused, _)
        | (JobState::Running { .. }, Some(PendingAction::Pause { keep_memory: true })) => "paused",
        (JobState::Running { .. }, Some(PendingAction::Pause { keep_memory: false })) => "pausing…",
        (JobState::Running { .. }, Some(PendingAction::Cancel)) => "stopping…",
        (JobState::Running { .. }, None) => "running",
        (JobState::Ended { entry: task }, _) => match task.status {
            EndStatus::Done => "done",
            EndStatus::Failed => "failed",
            EndStatus::Cancelled => "cancelled",
        },
    }
}

fn colour(ui: &Ui, entry: &Job) -> Color32 {
    let tokens = theme::tokens(ui);
    match (&entry.state, entry.ended().map(|ended| ended.status)) {
        (_, Some(EndStatus::Done)) => tokens.good,
        (_, Some(EndStatus::Failed)) => tokens.error,
        (JobState::Queued, _) if entry.spec.priority == Priority::Urgent => tokens.warning,
        (JobState::Running { .. }, _) => ui.visuals().text_color(),
        _ => ui.visuals().weak_text_color(),
    }
}
