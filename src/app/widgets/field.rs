//! Fields of the form: label, control, and error below.

use std::path::PathBuf;

use eframe::egui::{Align, Context, Id, Label, Layout, Response, RichText, TextEdit, Ui};

use crate::app::theme;
use crate::core::Error;

/// A field for a file path; empty means none.
pub(in crate::app) fn path_ui(ui: &mut Ui, name: &str, path: &mut Option<PathBuf>) {
    let mut text = path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let label = ui.label(name);
    let edit = TextEdit::singleline(&mut text).hint_text("path").desired_width(f32::INFINITY);
    if ui.add(edit).labelled_by(label.id).changed() {
        *path = (!text.trim().is_empty()).then(|| PathBuf::from(text.trim()));
    }
}

pub(in crate::app) fn text_ui(
    ui: &mut Ui,
    name: &str,
    field: &str,
    text: &mut String,
    rows: usize,
    problems: &[Error],
) -> Response {
    let label = ui.label(name);
    let edit = TextEdit::multiline(text).desired_rows(rows).desired_width(f32::INFINITY);
    let response = ui.add(edit).labelled_by(label.id);
    mark_form_text(&response);
    problem_ui(ui, field, problems);
    response
}

/// Remembers that a text with the focus is part of the form, whose undo covers it.
pub(in crate::app) fn mark_form_text(response: &Response) {
    if response.has_focus() {
        response.ctx.data_mut(|data| data.insert_temp(form_text(), response.id));
    }
}

/// Whether the text that has the focus is part of the form.
pub(in crate::app) fn is_form_text(ctx: &Context) -> bool {
    let focused = ctx.memory(|memory| memory.focused());
    focused.is_some() && ctx.data(|data| data.get_temp::<Id>(form_text())) == focused
}

fn form_text() -> Id {
    Id::unique("form text")
}

/// A label on the left, its control on the right.
pub(in crate::app) fn row_ui(
    ui: &mut Ui,
    name: &str,
    about: &str,
    control: impl FnOnce(&mut Ui) -> Response,
) {
    noted_row_ui(ui, name, "", about, control);
}

/// A label and a remark on the left, the control on the right.
pub(in crate::app) fn noted_row_ui(
    ui: &mut Ui,
    name: &str,
    note: &str,
    about: &str,
    control: impl FnOnce(&mut Ui) -> Response,
) {
    ui.horizontal(|ui| {
        let label = ui.label(name);
        if !note.is_empty() {
            ui.weak(note);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            control(ui).labelled_by(label.id).on_hover_text(about);
        });
    });
}

/// The error of a field, below it.
pub(in crate::app) fn problem_ui(ui: &mut Ui, field: &str, problems: &[Error]) {
    for problem in problems.iter().filter(|problem| problem.field_name() == Some(field)) {
        problem_text_ui(ui, problem);
    }
}

pub(in crate::app) fn problem_text_ui(ui: &mut Ui, problem: &Error) {
    let text = RichText::new(format!("{problem:#}")).color(theme::tokens(ui).error);
    ui.add(Label::new(text).wrap());
}
