//! A change of the form as a button: what it does on it, what it costs when the pointer rests there.

use eframe::egui::{Response, Ui};

use crate::core::{Change, Draft};
use crate::models::Installed;

/// A button for `change`; `then` says what a click does beside changing the form.
pub(super) fn change_button(ui: &mut Ui, change: &Change, then: &str) -> Response {
    ui.button(text(change)).on_hover_text(format!("{}. {then}", cost(change)))
}

/// The changes that would make another form of `draft`, and one that can be.
pub(super) fn offered<'a>(
    changes: &'a [Change],
    draft: &'a Draft,
    models: &'a [Installed],
) -> impl Iterator<Item = &'a Change> {
    changes.iter().filter(move |change| {
        let is_there = |id: &str| models.iter().any(|model| model.id == id || model.path.as_os_str() == id);
        let can_be = match change {
            Change::Model(id) => is_there(id),
            _ => true,
        };
        can_be && Change::applied([*change], draft) != *draft
    })
}

/// What the button says.
fn text(change: &Change) -> String {
    let words = change.to_string();
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// What a change costs.
fn cost(change: &Change) -> &'static str {
    match change {
        Change::Again => "Costs nothing but time",
        Change::WeightsInPlace => "Slower, the same picture",
        Change::Provider(_) => "Slower, nearly the same picture",
        Change::VaeTile(_) | Change::Model(_) => "Nearly the same picture",
        Change::Guidance(_) => "Another picture, less like the prompt",
        Change::Steps(_) => "Faster, a coarser picture",
        Change::Frames(_) => "Faster, a shorter video",
        Change::Size(_) => "Faster, a smaller picture",
        Change::NoLoras => "Another picture",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::core::{FrameCount, Resolution};

    #[test]
    fn only_what_changes_something_is_offered() {
        let draft = draft();
        let changes = [
            Change::Again,
            Change::Frames(FrameCount(draft.frames)),
            Change::Model("not-here".into()),
            Change::Size(Resolution::new(16, 16)),
        ];
        let offered: Vec<_> = offered(&changes, &draft, &[]).map(text).collect();
        assert_eq!(offered, ["Size 16x16"]);
    }
}
