//! Fields of the form: label, control, and error below.

use eframe::egui::{Align, Context, Id, Label, Layout, Response, RichText, Ui, vec2};

use crate::app::theme;
use crate::core::Error;

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

/// A row as high as an icon button, with everything in its middle.
pub(in crate::app) fn button_row_ui<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    let size = vec2(ui.available_width(), theme::ICON_BUTTON.y);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), content).inner
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
