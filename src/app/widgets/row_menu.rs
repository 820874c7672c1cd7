//! The context menu of a row that acts on keys.

use eframe::egui::{Id, Response, Ui};

/// The row whose context menu is open, so that keys are for that row when the menu is closed.
#[derive(Default)]
pub(in crate::app) struct RowMenu {
    open: Option<Id>,
}

impl RowMenu {
    /// Draws the context menu of the row with this response. After the menu the row has the keyboard, unless a click has
    /// given it to something else.
    pub(in crate::app) fn ui(&mut self, row: &Response, content: impl FnOnce(&mut Ui)) {
        if row.context_menu(content).is_some() {
            self.open = Some(row.id);
        } else if self.open == Some(row.id) {
            self.open = None;
            if row.ctx.memory(|memory| memory.focused().is_none()) {
                row.request_focus();
                row.ctx.request_repaint();
            }
        }
    }
}
