//! The log, newest first, by level and words.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use eframe::egui::{ComboBox, Label, RichText, ScrollArea, TextEdit, Ui};

use super::bundle::bundle_ui;
use crate::app::shell::notifications::Tone;
use crate::app::widgets::tone::{tone_colour, tone_icon};
use crate::jobs::JobId;
use crate::library::DiagnosticsBundle;
use crate::store::{LogLevel, LogLine};

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct LogView<'a> {
    /// The lines, oldest first.
    pub(in crate::app) lines: &'a VecDeque<LogLine>,
    /// The log file.
    pub(in crate::app) file: &'a Path,
    /// The diagnostics that were collected, before they are saved.
    pub(in crate::app) bundle: Option<&'a DiagnosticsBundle>,
}

/// Actions of the log panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) enum LogAction {
    /// Remove all notifications and lines from the window; the file keeps them.
    Clear,
    /// Show this job.
    ShowJob(JobId),
    /// Collect the diagnostics.
    CollectBundle,
    /// Save the diagnostics that are shown as this file.
    SaveBundle(PathBuf),
    /// Forget the diagnostics that are shown.
    DropBundle,
}

/// The view state of the log panel.
#[derive(Default)]
pub(in crate::app) struct LogPanel {
    search: String,
    level: Option<LogLevel>,
    bundle_path: String,
}

impl LogPanel {
    /// Draws the log; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: LogView<'_>) -> Vec<LogAction> {
        let mut actions = Vec::new();
        let search = self.search.to_lowercase();
        let found: Vec<_> = view
            .lines
            .iter()
            .rev()
            .filter(|line| self.level.is_none_or(|level| line.level >= level))
            .filter(|line| search.is_empty() || line.to_string().to_lowercase().contains(&search))
            .collect();
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Search");
            let edit = TextEdit::singleline(&mut self.search).hint_text("words, job 3").desired_width(180.0);
            ui.add(edit).labelled_by(label.id);
            // the name stays beside its control where the row wraps
            ui.horizontal(|ui| self.level_ui(ui));
            if ui.button("Copy").on_hover_text("Copy the lines that are shown").clicked() {
                let text: Vec<_> = found.iter().rev().map(ToString::to_string).collect();
                ui.ctx().copy_text(text.join("\n"));
            }
            if ui.button("Clear").on_hover_text("Empty this list; the file keeps the lines").clicked() {
                actions.push(LogAction::Clear);
            }
            if ui.button("Diagnostics…").on_hover_text("Collect what helps to find a fault").clicked() {
                actions.push(LogAction::CollectBundle);
            }
        });
        let file = view.file.display().to_string();
        ui.add(
            Label::new(RichText::new(format!("File: {file}, at most 10 MB each")).small().weak())
                .truncate()
                .show_tooltip_when_elided(false),
        )
        .on_hover_text(file);
        if let Some(bundle) = view.bundle {
            bundle_ui(ui, bundle, &mut self.bundle_path, &mut actions);
        }
        ui.separator();
        if found.is_empty() {
            ui.weak(if view.lines.is_empty() { "No messages yet" } else { "No message matches" });
        }
        let height = ui.spacing().interact_size.y;
        ScrollArea::vertical().auto_shrink([false, false]).show_rows(ui, height, found.len(), |ui, rows| {
            for line in &found[rows] {
                ui.push_id(line.number, |ui| line_ui(ui, line, &mut actions));
            }
        });
        actions
    }

    fn level_ui(&mut self, ui: &mut Ui) {
        let label = ui.label("Level");
        let name = |level: Option<LogLevel>| match level {
            None | Some(LogLevel::Info) => "all",
            Some(LogLevel::Warning) => "warnings and errors",
            Some(LogLevel::Error) => "errors",
        };
        let combo = ComboBox::from_id_salt("level").selected_text(name(self.level)).show_ui(ui, |ui| {
            for level in [None, Some(LogLevel::Warning), Some(LogLevel::Error)] {
                ui.selectable_value(&mut self.level, level, name(level));
            }
        });
        combo.response.labelled_by(label.id);
    }
}

fn line_ui(ui: &mut Ui, line: &LogLine, actions: &mut Vec<LogAction>) {
    let tone = match line.level {
        LogLevel::Info => Tone::Info,
        LogLevel::Warning => Tone::Warning,
        LogLevel::Error => Tone::Error,
    };
    ui.horizontal(|ui| {
        ui.label(tone_icon(tone).rich_text().color(tone_colour(ui, tone)))
            .on_hover_text(line.level.to_string());
        ui.weak(line.at.to_string());
        if let Some(job) = line.job {
            let link = ui.link(format!("job {job}")).on_hover_text("Show it in the queue");
            if link.clicked() {
                actions.push(LogAction::ShowJob(JobId(job)));
            }
        }
        let response = ui
            .add(Label::new(&line.text).truncate().show_tooltip_when_elided(false))
            .on_hover_text(&line.text);
        response.context_menu(|ui| {
            if ui.button("Copy line").clicked() {
                ui.ctx().copy_text(line.to_string());
            }
        });
    });
}
