//! How long the jobs of the form may run, under Advanced.

use eframe::egui::{Align, DragValue, Layout, Ui};

use super::fields::MARK_SPACE;
use super::view::{ComposeAction, ComposeView};

const ABOUT: &str = "A job that runs longer is stopped and can be resumed; 0 is no limit";
const SECONDS: f64 = 60.0;

/// Draws the limit in minutes, and "reset" if it differs from the setting.
pub(super) fn ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    ui.horizontal(|ui| {
        let name = ui.label("Time limit").on_hover_text(ABOUT);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(MARK_SPACE);
            let mut minutes = view.time_limit.map_or(0.0, |limit| limit.0 / SECONDS);
            let value = DragValue::new(&mut minutes).range(0.0..=100_000.0).speed(1.0).max_decimals(1);
            let value = value.custom_formatter(|minutes, _| match minutes {
                0.0 => "none".to_owned(),
                _ => format!("{} min", (minutes * 10.0).round() / 10.0),
            });
            let value = value.custom_parser(|text| {
                let text = text.trim().trim_end_matches("min").trim_end();
                if text == "none" { Some(0.0) } else { text.parse().ok() }
            });
            let response = ui.add(value).labelled_by(name.id).on_hover_text(ABOUT);
            if response.changed() {
                actions.push(ComposeAction::TimeLimit(Some((minutes * SECONDS).round() as u64)));
            }
            if view.is_limit_own
                && ui.small_button("Reset").on_hover_text("Use the limit of the settings").clicked()
            {
                actions.push(ComposeAction::TimeLimit(None));
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};
    use crate::core::Secs;

    #[test]
    fn a_limit_is_shown_in_minutes_and_a_reset_takes_that_of_the_settings() {
        let bench = ComposeHarness { time_limit: Some(Secs(5400.0)), ..ComposeHarness::new() };
        let mut harness = harness(bench, |ui, view| {
            let mut actions = Vec::new();
            super::ui(ui, view, &mut actions);
            actions
        });
        let value = harness.get_by_role_and_label(Role::SpinButton, "Time limit");
        assert_eq!(value.accesskit_node().value().as_deref(), Some("90 min"));
        harness.get_by_role_and_label(Role::Button, "Reset").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::TimeLimit(None)]);
    }
}
