//! What was measured to help the selected job, behind a button that stays the same while a job runs.

use eframe::egui::{Align, Button, Label, Layout, Ui};

use super::view::MonitorAction;
use crate::library::{Diagnosis, Recommendation};

/// Width of the list.
const LIST_WIDTH: f32 = 360.0;

/// The button "What helps" with its list. An open list keeps what it showed when it was opened, so that nothing changes
/// under the pointer.
#[derive(Debug, Default)]
pub(super) struct AdviceMenu {
    offered: Vec<Recommendation>,
}

impl AdviceMenu {
    /// Draws the button; adds what the user chose to `actions`.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        diagnosis: Option<&Diagnosis>,
        actions: &mut Vec<MonitorAction>,
    ) {
        let found = diagnosis.map(|found| found.recommendations.as_slice()).unwrap_or_default();
        let menu = ui.menu_button("What helps", |ui| {
            ui.set_width(LIST_WIDTH);
            // sentences, not entries of a menu
            ui.with_layout(Layout::top_down(Align::Min), |ui| self.list_ui(ui, actions));
        });
        if menu.inner.is_none() && self.offered != found {
            self.offered = found.to_vec();
        }
        menu.response.on_hover_text("What the measurements of this job recommend");
    }

    fn list_ui(&self, ui: &mut Ui, actions: &mut Vec<MonitorAction>) {
        if self.offered.is_empty() {
            ui.weak("Nothing was measured that slows this job down and can be changed");
        }
        for (index, advice) in self.offered.iter().enumerate() {
            if index > 0 {
                ui.separator();
            }
            ui.add(Label::new(&advice.text).wrap());
            if ui.add(Button::new(advice.remedy.label()).frame(true).frame_when_inactive(true)).clicked() {
                actions.push(MonitorAction::Apply(advice.remedy.clone()));
                ui.close();
            }
        }
    }
}
