//! The list of installed models with their modes or errors.

use eframe::egui::{Label, RichText, ScrollArea, Ui};

use crate::app::theme;
use crate::core::Bytes;
use crate::models::Installed;

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct ModelsView<'a> {
    /// Installed models, including unusable ones.
    pub(in crate::app) models: &'a [Installed],
    /// The form's model.
    pub(in crate::app) chosen: &'a str,
    /// Whether a scan is running.
    pub(in crate::app) is_scanning: bool,
}

/// Actions of the models panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) enum ModelsAction {
    /// Select this model in the form.
    Use(String),
    /// Scan the folders again.
    Scan,
}

/// The view state of the models panel.
#[derive(Default)]
pub(in crate::app) struct ModelsPanel {}

impl ModelsPanel {
    /// Draws the models; returns the user's actions.
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "every panel is drawn alike")]
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>) -> Vec<ModelsAction> {
        let mut actions = Vec::new();
        ui.horizontal(|ui| {
            ui.weak(format!("{} models on this machine", view.models.len()));
            if ui.add_enabled(!view.is_scanning, eframe::egui::Button::new("Rescan")).clicked() {
                actions.push(ModelsAction::Scan);
            }
            if view.is_scanning {
                ui.weak("Scanning…");
            }
        });
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            for model in view.models {
                ui.push_id(&model.id, |ui| model_ui(ui, model, view.chosen, &mut actions));
            }
        });
        actions
    }
}

fn model_ui(ui: &mut Ui, model: &Installed, chosen: &str, actions: &mut Vec<ModelsAction>) {
    ui.separator();
    ui.horizontal(|ui| {
        ui.strong(&model.id);
        if model.id == chosen {
            ui.weak("selected");
        } else if model.limits.is_ok() && ui.small_button("Use").clicked() {
            actions.push(ModelsAction::Use(model.id.clone()));
        }
    });
    match (&model.limits, &model.info) {
        (Ok(limits), about) => {
            let modes: Vec<_> = limits.modes.iter().map(ToString::to_string).collect();
            let size =
                about.as_ref().map(|about| Bytes(about.components.iter().map(|part| part.size.0).sum()));
            let size = size.map(|size| format!(" · {size}")).unwrap_or_default();
            ui.weak(format!("{}{size} · ready", modes.join(", ")));
        }
        (Err(error), _) => {
            let text = RichText::new(format!("{error:#}")).color(theme::tokens(ui).error);
            ui.add(Label::new(text).wrap());
        }
    }
    ui.add(Label::new(RichText::new(model.path.display().to_string()).small().weak()).truncate());
}
