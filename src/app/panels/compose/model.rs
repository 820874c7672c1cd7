//! The form's model, its size on disk and its precision.

use eframe::egui::{Button, ComboBox, Ui};

use super::view::{ComposeAction, ComposeView};
use crate::app::widgets::field::problem_ui;
use crate::models::Installed;

/// Role of the low-noise expert in `ModelInfo`.
const SECOND_EXPERT: &str = "low-noise expert";

/// Draws the chooser of models.
pub(in crate::app) fn ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let current = view.draft.model.as_str();
    let label = ui.label("Model");
    let chooser =
        ComboBox::from_id_salt("model").selected_text(current).width(ui.available_width()).truncate();
    let response = chooser.show_ui(ui, |ui| {
        for model in view.models {
            let broken = model.limits.as_ref().err();
            let entry =
                ui.add_enabled(broken.is_none(), Button::selectable(model.id == current, model.id.as_str()));
            let entry = match broken {
                Some(error) => entry.on_disabled_hover_text(format!("{error:#}")),
                None => entry,
            };
            if entry.clicked() && model.id != current {
                actions.push(ComposeAction::ChooseModel(model.id.clone()));
            }
        }
    });
    let response = response.response.labelled_by(label.id);
    response.on_hover_text("Which of the models on this machine makes the video");
    problem_ui(ui, "model", view.problems);
}

/// The installed model that the form names.
pub(in crate::app) fn chosen<'a>(view: &ComposeView<'a>) -> Option<&'a Installed> {
    view.models.iter().find(|model| model.id == view.draft.model)
}

/// Whether the form's model has a high-noise and a low-noise expert.
pub(in crate::app) fn has_two_experts(view: &ComposeView<'_>) -> bool {
    let info = chosen(view).and_then(|model| model.info.as_ref());
    info.is_some_and(|info| info.components.iter().any(|component| component.role == SECOND_EXPERT))
}
