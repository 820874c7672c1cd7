//! Toolbar: shown job, compared job, sample rate and export.

use eframe::egui::{Button, Label, Popup, PopupCloseBehavior, RichText, Ui};

use super::panel::{MonitorPanel, RangeChoice};
use super::row_choice::RowKind;
use super::view::{EarlierJob, ExportFormat, MonitorAction, MonitorView};
use crate::monitor::SampleRate;

pub(super) fn ui(
    ui: &mut Ui,
    panel: &mut MonitorPanel,
    view: MonitorView<'_>,
    actions: &mut Vec<MonitorAction>,
) {
    for choice in RangeChoice::ALL {
        let enabled = choice != RangeChoice::Job || !view.snapshot.jobs.is_empty();
        let button = Button::selectable(panel.range == choice && !panel.is_zoomed(), choice.text());
        let response = ui.add_enabled(enabled, button).on_disabled_hover_text("No job was recorded yet");
        if response.clicked() {
            panel.range = choice;
            panel.follow();
        }
    }
    ui.separator();
    // the number names the job well enough on the button, which must not push the others away
    let shown = view.shown.and_then(|job| job.name.split(" · ").next()).unwrap_or("Live");
    jobs_ui(ui, &format!("Show: {shown}"), "Live", view.earlier, &mut |uid| {
        actions.push(MonitorAction::Show(uid));
    });
    let overlay =
        view.overlay.map_or_else(|| "none".to_owned(), |timeline| format!("job {}", timeline.track.job));
    jobs_ui(ui, &format!("Compare with: {overlay}"), "None", view.earlier, &mut |uid| {
        actions.push(MonitorAction::Overlay(uid));
    });
    ui.menu_button(format!("{} Hz", view.rate.per_second()), |ui| {
        for per_second in SampleRate::SLOWEST.per_second()..=SampleRate::FASTEST.per_second() {
            let rate = SampleRate::new(per_second);
            let button = Button::selectable(rate == view.rate, format!("{per_second} in a second"));
            if ui.add(button).clicked() {
                actions.push(MonitorAction::SetRate(rate));
                ui.close();
            }
        }
    });
    let range = panel.selected(view.snapshot);
    ui.menu_button("Export", |ui| {
        let formats = [
            (ExportFormat::Csv, "Numbers as CSV…", "For a spreadsheet"),
            (
                ExportFormat::Trace,
                "Trace…",
                "Stages, steps and numbers in one file that ui.perfetto.dev opens",
            ),
            (
                ExportFormat::Png { is_dark: ui.visuals().dark_mode },
                "Image as PNG…",
                "The plots of the range",
            ),
        ];
        for (format, text, tooltip) in formats {
            if ui.button(text).on_hover_text(tooltip).clicked() {
                actions.push(MonitorAction::Export(format, range));
                ui.close();
            }
        }
    });
    rows_ui(ui, view, actions);
    zoom_ui(ui, panel, view);
    if let Some(reason) = &view.snapshot.machine.no_device {
        ui.add(Label::new(RichText::new(reason).weak().small()).truncate());
    }
}

/// A menu of the rows, which stays open while several are chosen.
fn rows_ui(ui: &mut Ui, view: MonitorView<'_>, actions: &mut Vec<MonitorAction>) {
    let has_device = !view.snapshot.machine.devices.is_empty();
    let button = ui.button("Rows").on_hover_text("Choose what is plotted");
    Popup::menu(&button).close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
        for kind in RowKind::ALL.into_iter().filter(|kind| has_device || !kind.is_of_device()) {
            let mut shown = view.rows.shows(kind);
            if ui.checkbox(&mut shown, kind.text()).changed() {
                actions.push(MonitorAction::Rows(view.rows.toggled(kind)));
            }
        }
    });
}

/// The buttons of the selected part. They are always there, so that none moves.
fn zoom_ui(ui: &mut Ui, panel: &mut MonitorPanel, view: MonitorView<'_>) {
    let is_selected = panel.selection.is_some();
    let zoom = ui.add_enabled(is_selected, Button::new("Zoom in"));
    let zoom = zoom.on_hover_text("Show the selected part alone. Ctrl and the wheel zoom at the pointer");
    if zoom.on_disabled_hover_text("Drag over a part, or turn the wheel with Ctrl").clicked() {
        panel.zoom_to_selection(view.snapshot);
    }
    let out = ui.add_enabled(panel.is_zoomed(), Button::new("Zoom out"));
    if out.on_hover_text("Show the whole range again").clicked() {
        panel.zoom_out();
    }
    if ui.add_enabled(is_selected, Button::new("Clear selection")).clicked() {
        panel.selection = None;
    }
}

/// A menu of earlier jobs, with a first entry for none.
fn jobs_ui(ui: &mut Ui, text: &str, none: &str, jobs: &[EarlierJob], choose: &mut dyn FnMut(Option<String>)) {
    ui.menu_button(text, |ui| {
        if ui.button(none).clicked() {
            choose(None);
            ui.close();
        }
        if jobs.is_empty() {
            ui.weak("No earlier job was recorded");
        }
        for job in jobs {
            if ui.push_id(&job.uid, |ui| ui.button(&job.name)).inner.clicked() {
                choose(Some(job.uid.clone()));
                ui.close();
            }
        }
    });
}
