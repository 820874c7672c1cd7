//! Fields of the form: label, control, and error below.

use eframe::egui::{
    Align, Context, Id, Key, Label, Layout, Rect, Response, RichText, Stroke, StrokeKind, Ui, Vec2, vec2,
};

use crate::app::theme;
use crate::core::Error;

/// Space between a field and the frame that shows its error.
const FRAME_MARGIN: Vec2 = vec2(3.0, 1.0);
const FRAME_ROUNDING: f32 = 4.0;

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

/// Whether Enter was pressed in a field of one line.
pub(in crate::app) fn is_entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

/// A row as high as an icon button, with everything in its middle.
pub(in crate::app) fn button_row_ui<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    let size = vec2(ui.available_width(), theme::ICON_BUTTON.y);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), content).inner
}

/// Frames a field that has an error. Its words stand where they move nothing.
pub(in crate::app) fn problem_frame_ui(ui: &Ui, place: Rect, fields: &[&str], problems: &[Error]) {
    if problems.iter().any(|problem| problem.field_name().is_some_and(|name| fields.contains(&name))) {
        let stroke = Stroke::new(1.0, theme::tokens(ui).error);
        ui.painter().rect_stroke(place.expand2(FRAME_MARGIN), FRAME_ROUNDING, stroke, StrokeKind::Inside);
    }
}

pub(in crate::app) fn problem_text_ui(ui: &mut Ui, problem: &Error) {
    let text = RichText::new(format!("{problem:#}")).color(theme::tokens(ui).error);
    ui.add(Label::new(text).wrap());
}
