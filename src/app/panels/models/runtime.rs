//! ONNX Runtime: the build that is used, its providers, what is missing, and what can be installed.

use eframe::egui::{Button, Grid, Label, RichText, Ui};

use super::panel::{ModelTask, ModelsAction};
use crate::app::theme;

/// Width of the state and of the button beside a package.
const BESIDE_PACKAGE: f32 = 270.0;

/// ONNX Runtime, its providers and the packages for this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::app) struct RuntimeStatus {
    /// Version, build and place, or why there is none; a line each.
    pub(in crate::app) lines: Vec<String>,
    /// The build that can be fetched, if none is on this machine.
    pub(in crate::app) missing: Option<PackageRow>,
    /// Each provider with its device, or why it cannot be used and what to do. Empty until they are checked.
    pub(in crate::app) providers: Vec<(bool, String)>,
    /// Builds for cards and plugin providers.
    pub(in crate::app) packages: Vec<PackageRow>,
}

/// Something that can be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct PackageRow {
    /// The name to install it by.
    pub(in crate::app) name: String,
    /// What is fetched, with its version.
    pub(in crate::app) package: String,
    /// Its licence.
    pub(in crate::app) licence: String,
    /// Size of the download in words.
    pub(in crate::app) size: String,
    /// What it is for.
    pub(in crate::app) note: String,
    /// Whether it is there.
    pub(in crate::app) is_installed: bool,
}

/// Draws the page.
pub(super) fn runtime_ui(
    ui: &mut Ui,
    status: Option<&RuntimeStatus>,
    task: Option<&ModelTask>,
    actions: &mut Vec<ModelsAction>,
) {
    let Some(status) = status else {
        ui.weak("Looking for ONNX Runtime…");
        return;
    };
    ui.strong("ONNX Runtime on this machine");
    for line in &status.lines {
        ui.add(Label::new(line).wrap());
    }
    if let Some(build) = &status.missing {
        ui.weak(format!("Fetched from the Python package index: {}, licence {}", build.size, build.licence));
        let install = ui.add_enabled(task.is_none(), Button::new(format!("Install {}", build.package)));
        if install.on_disabled_hover_text("Another task is running").clicked() {
            actions.push(ModelsAction::InstallRuntime);
        }
    }
    ui.add_space(10.0);
    ui.strong("Providers");
    if status.providers.is_empty() {
        ui.weak("Not checked yet: that loads ONNX Runtime and the libraries of the card");
    }
    for (is_usable, text) in &status.providers {
        let colour = theme::tokens(ui);
        let text = RichText::new(text).color(if *is_usable { colour.good } else { colour.warning });
        ui.add(Label::new(text).wrap());
    }
    let is_there = status.missing.is_none();
    let check = ui.add_enabled(is_there, Button::new("Check providers"));
    if check.on_disabled_hover_text("Install ONNX Runtime first").clicked() {
        actions.push(ModelsAction::CheckProviders);
    }
    ui.add_space(10.0);
    ui.strong("Builds for cards and plugin providers");
    if status.packages.is_empty() {
        ui.weak("There is none for this system; ORT_DYLIB_PATH can name a library of your own");
        return;
    }
    let width = (ui.available_width() - BESIDE_PACKAGE).clamp(180.0, 560.0);
    Grid::new("packages").num_columns(3).striped(true).spacing([14.0, 6.0]).show(ui, |ui| {
        for head in ["Package", "State", ""] {
            ui.weak(head);
        }
        ui.end_row();
        for one in &status.packages {
            package_ui(ui, one, width, task, actions);
            ui.end_row();
        }
    });
}

fn package_ui(
    ui: &mut Ui,
    one: &PackageRow,
    width: f32,
    task: Option<&ModelTask>,
    actions: &mut Vec<ModelsAction>,
) {
    ui.vertical(|ui| {
        ui.set_width(width);
        ui.label(&one.package);
        ui.add(Label::new(RichText::new(&one.note).small().weak()).wrap());
        // a licence may be a sentence, which would push the button out of a narrow panel
        ui.add(Label::new(RichText::new(&one.size).small()).wrap());
        ui.add(Label::new(RichText::new(&one.licence).small()).wrap());
    });
    ui.label(if one.is_installed { "installed" } else { "not installed" });
    let verb = if one.is_installed { "Remove" } else { "Install" };
    let button = ui.add_enabled(task.is_none(), Button::new(format!("{verb} {}", one.name)));
    if button.on_disabled_hover_text("Another task is running").clicked() {
        actions.push(if one.is_installed {
            ModelsAction::RemovePackage(one.name.clone())
        } else {
            ModelsAction::InstallPackage(one.name.clone())
        });
    }
}
