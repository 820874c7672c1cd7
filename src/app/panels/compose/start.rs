//! The part of the form that starts the work. It has the same height always, so that nothing in it moves by itself.

use eframe::egui::{Align, Button, DragValue, Frame, Label, Layout, Panel, RichText, ScrollArea, Ui, vec2};

use super::numbers::named;
use super::preflight;
use super::view::{ComposeAction, ComposeView};
use crate::app::shell::command::Command;
use crate::app::shell::layout::PanelId;
use crate::app::theme;
use crate::app::widgets::field::problem_text_ui;
use crate::core::{Draft, Error};
use crate::jobs::JobId;

/// Videos that can be queued at once.
const MOST_VIDEOS: u32 = 99;
/// Width of their number.
const COUNT_WIDTH: f32 = 52.0;
/// What to do without any model.
const NO_MODEL: &str =
    "There is no model on this machine yet. Download one, or choose a folder that holds models.";
/// Share of the panel's height for all this, and its bounds.
const SHARE: f32 = 0.22;
const LEAST_HEIGHT: f32 = 128.0;
const MOST_HEIGHT: f32 = 216.0;

/// Draws it at the bottom of the panel; true if the work is to start.
pub(super) fn ui(
    ui: &mut Ui,
    view: &ComposeView<'_>,
    draft: &mut Draft,
    actions: &mut Vec<ComposeAction>,
) -> bool {
    let height = (ui.available_height() * SHARE).clamp(LEAST_HEIGHT, MOST_HEIGHT);
    let panel = Panel::bottom("start").resizable(false).show_separator_line(false).frame(Frame::NONE);
    let shown = panel.exact_size(height).show(ui, |ui| {
        ui.add_space(6.0);
        let mut pressed = buttons_ui(ui, view, actions);
        ScrollArea::vertical().id_salt("preflight").auto_shrink([false, false]).show(ui, |ui| {
            if let Some(locked_reason) = view.editing.and_then(|editing| editing.locked_reason.as_ref()) {
                let text = format!("{locked_reason}. This form would make another one");
                ui.label(RichText::new(text).color(theme::tokens(ui).warning));
                let button = ui.add_enabled(blocked_by(view).is_none(), Button::new("Make another one"));
                pressed |= button.clicked();
            }
            problems_ui(ui, view, actions);
            actions.extend(preflight::ui(ui, view, draft));
        });
        pressed
    });
    shown.inner
}

/// What is wrong with the form. It stands here and not at the fields, which must not move while they are used.
fn problems_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    if !view.is_scanned {
        return;
    }
    let is_of_model = |problem: &Error| problem.field_name() == Some("model");
    for problem in view.problems {
        if is_of_model(problem) && view.models.is_empty() {
            ui.add(Label::new(NO_MODEL).wrap());
        } else {
            problem_text_ui(ui, problem);
        }
    }
    if view.problems.iter().any(is_of_model) {
        let words = if view.models.is_empty() { "Get a model…" } else { "Show the models…" };
        if ui.button(words).on_hover_text("Models to use or to download").clicked() {
            actions.push(ComposeAction::Command(Command::ShowPanel(PanelId::Models)));
        }
    }
}

/// Why nothing can be made now.
pub(super) fn blocked_by(view: &ComposeView<'_>) -> Option<String> {
    let problem = view.problems.first().map(|problem| format!("{problem:#}"));
    problem.or_else(|| preflight::blocked_by(view))
}

/// The job that gets this form. One that began to run meanwhile gets none, and the form makes another.
pub(super) fn saved(view: &ComposeView<'_>) -> Option<JobId> {
    view.editing.filter(|editing| editing.locked_reason.is_none()).map(|editing| editing.job)
}

fn buttons_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) -> bool {
    // a job that begins to run disables the button; another meaning at the same place would be clicked by mistake
    let locked = view.editing.and_then(|editing| editing.locked_reason.clone());
    let blocked = locked.or_else(|| blocked_by(view));
    let (name, about) = match view.editing {
        Some(editing) => (format!("Save job {}", editing.job), "Give the job this form"),
        // while a video is made the next one waits for its turn
        None if view.is_busy => ("Add to queue".to_owned(), Command::Generate.about()),
        None => (Command::Generate.text().to_owned(), Command::Generate.about()),
    };
    let about = Command::Generate.tooltip_with(ui.ctx(), about);
    if view.editing.is_some() {
        return ui.columns_const(|[left, right]| {
            let pressed = main_button_ui(left, &name, about, blocked);
            let leave = Button::new("Leave it as it was").min_size(vec2(0.0, theme::MAIN_BUTTON_HEIGHT));
            let leave = right.vertical_centered_justified(|ui| ui.add(leave)).inner;
            if leave.on_hover_text("The form goes back to what was in it before").clicked() {
                actions.push(ComposeAction::LeaveJob);
            }
            pressed
        });
    }
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), theme::MAIN_BUTTON_HEIGHT),
        Layout::right_to_left(Align::Center),
        |ui| {
            let mut count = view.num_videos;
            let value = DragValue::new(&mut count).range(1..=MOST_VIDEOS).prefix("× ");
            let response = ui.add_sized(vec2(COUNT_WIDTH, theme::MAIN_BUTTON_HEIGHT), value);
            let words = "How many videos are queued at once, each with its own seed";
            if named(&response.on_hover_text(words), "Number of videos").changed() {
                actions.push(ComposeAction::NumVideos(count));
            }
            main_button_ui(ui, &name, about, blocked)
        },
    )
    .inner
}

/// The button that starts the work, or says why it cannot; true if it is pressed.
fn main_button_ui(ui: &mut Ui, name: &str, about: String, blocked: Option<String>) -> bool {
    let tokens = theme::tokens(ui);
    let text = RichText::new(name).strong().size(15.0);
    let button = match blocked {
        Some(_) => Button::new(text),
        None => Button::new(text.color(tokens.on_accent)).fill(tokens.accent),
    };
    let button = button.min_size(vec2(ui.available_width(), theme::MAIN_BUTTON_HEIGHT));
    let response = ui.vertical_centered_justified(|ui| ui.add_enabled(blocked.is_none(), button)).inner;
    let response = match blocked {
        Some(reason) => response.on_disabled_hover_text(reason),
        None => response.on_hover_text(about),
    };
    response.clicked()
}
