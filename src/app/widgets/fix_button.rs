//! A suggested fix as a button, with its effect on quality as tooltip.

use eframe::egui::{Response, Ui};

use crate::core::{Draft, Fix};
use crate::models::Installed;

/// A button for `change` with what the run comes to after it, if that is known; `then` says what a click does with a
/// setting of the form or the job.
pub(in crate::app) fn fix_button(ui: &mut Ui, change: &Fix, figures: Option<&str>, then: &str) -> Response {
    let label = match figures {
        Some(figures) => format!("{}: {figures}", change.label()),
        None => change.label(),
    };
    let then = match change {
        Fix::Convert { .. } => "Starts now, in Models",
        Fix::Fetch(_) => "Shows the plan in Models",
        _ => then,
    };
    ui.button(label).on_hover_text(format!("{}. {then}", cost(change)))
}

/// The fixes that would change the job of `draft` and can be carried out with the models that are there.
pub(in crate::app) fn offered<'a>(
    changes: &'a [Fix],
    draft: &'a Draft,
    models: &'a [Installed],
) -> impl Iterator<Item = &'a Fix> {
    changes.iter().filter(move |change| {
        let is_there = |id: &str| models.iter().any(|model| model.id == id || model.path.as_os_str() == id);
        let can_be = match change {
            Fix::Model(id) | Fix::Convert { model: id, .. } => is_there(id),
            Fix::TimeLimit(_) | Fix::Fetch(_) => true,
            _ => Fix::applied([*change], draft) != *draft,
        };
        can_be && **change != Fix::Retry
    })
}

/// The effect of a fix on quality, time or memory.
fn cost(change: &Fix) -> &'static str {
    match change {
        Fix::Retry => "Costs nothing but time",
        Fix::WithoutCache => "Costs the time of encoding",
        Fix::TimeLimit(_) => "The same video; the job may run longer",
        Fix::WeightsInPlace | Fix::StreamWeights => "Slower, the same video",
        Fix::Provider(_) => "Slower, nearly the same video",
        Fix::AnyDevice => "Nearly the same video, on another device",
        Fix::VaeTile(_) | Fix::Model(_) => "Nearly the same video",
        Fix::Guidance(_) => "Another video, less like the prompt",
        Fix::Steps(_) => "Faster, less detail",
        Fix::Frames(_) => "Faster, a shorter video",
        Fix::Size(_) => "Faster, a smaller video",
        Fix::Convert { .. } => "Nearly the same video; makes a copy of the model on disk first",
        Fix::Fetch(_) => "Shows what would be fetched first",
        Fix::NoLoras => "Another video",
        Fix::Together(_) => "Another video; the changes help only together",
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
            Fix::Retry,
            Fix::Frames(FrameCount(draft.frames)),
            Fix::Model("not-here".into()),
            Fix::Size(Resolution::new(16, 16)),
        ];
        let offered: Vec<_> = offered(&changes, &draft, &[]).map(Fix::label).collect();
        assert_eq!(offered, ["Use size 16x16"]);
    }
}
