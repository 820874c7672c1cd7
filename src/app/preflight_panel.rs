//! Below the form: what a run of it will cost, what is in its way, and the changes that would mend it.

use eframe::egui::{Label, RichText, Ui};
use egui_material_icons::icons::{ICON_BLOCK, ICON_REFRESH, ICON_WARNING};

use super::action::Action;
use super::change_button::{change_button, offered};
use super::icon::icon_button;
use super::theme;
use super::view::{AppView, Look, Looked};
use crate::core::{Draft, Finding, Kind, Severity};
use crate::store::Expected;

/// Draws the look; a change that is clicked is made in `draft`.
pub(super) fn ui(ui: &mut Ui, view: &AppView<'_>, draft: &mut Draft) -> Vec<Action> {
    let mut actions = Vec::new();
    match view.look {
        Look::Off => {}
        Look::Pending(None | Some(Err(_))) => {
            ui.weak("Estimating memory and time…");
        }
        Look::Pending(Some(Ok(looked))) => {
            // it was said of the form before its last change
            ui.add_enabled_ui(false, |ui| looked_ui(ui, looked, view, draft, &mut actions));
        }
        Look::Done(Ok(looked)) => looked_ui(ui, looked, view, draft, &mut actions),
        // what has a field is told there
        Look::Done(Err(error)) if error.field_name().is_some() => again_ui(ui, &mut actions),
        Look::Done(Err(error)) => {
            let text = RichText::new(format!("{error:#}")).color(theme::tokens(ui).error);
            ui.add(Label::new(text).wrap());
            again_ui(ui, &mut actions);
        }
    }
    actions
}

/// Why the form cannot run as it is known by the look before a run.
pub(super) fn blocked_by(view: &AppView<'_>) -> Option<String> {
    match view.look {
        // a mistake of the look's own must not stand in the way
        Look::Done(Err(error)) if error.kind != Kind::Bug => Some(format!("{error:#}")),
        // what runs now has memory that will be free when the next one's turn comes
        Look::Done(Ok(looked)) if !view.run.running() && view.editing.is_none() => {
            looked.findings.iter().find(is_blocker).map(|finding| finding.message.clone())
        }
        _ => None,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what find wants")]
fn is_blocker(finding: &&Finding) -> bool {
    finding.severity == Severity::Blocker
}

fn looked_ui(ui: &mut Ui, looked: &Looked, view: &AppView<'_>, draft: &mut Draft, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        again_ui(ui, actions);
        ui.add(Label::new(estimate(looked)).wrap());
    });
    for finding in looked.findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        finding_ui(ui, finding, view, draft);
    }
}

/// For instance "About 1.2 GiB of memory, about 4 min 00 s, from 6 earlier runs".
fn estimate(looked: &Looked) -> String {
    let memory = looked.peak.map(|peak| format!("about {peak} of memory"));
    let time = looked.time.as_ref().map_or_else(
        || "time unknown until a first run".to_owned(),
        |time| {
            let expected = Expected { seconds: time.seconds, num_runs: time.runs };
            format!("{expected}{}", if time.like { "" } else { " of other models" })
        },
    );
    let text = memory.into_iter().chain([time]).collect::<Vec<_>>().join(", ");
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn finding_ui(ui: &mut Ui, finding: &Finding, view: &AppView<'_>, draft: &mut Draft) {
    let tokens = theme::tokens(ui);
    let (icon, colour) = match finding.severity {
        Severity::Blocker => (ICON_BLOCK, tokens.error),
        _ => (ICON_WARNING, tokens.warning),
    };
    ui.horizontal(|ui| {
        ui.label(icon.rich_text().color(colour));
        ui.add(Label::new(RichText::new(&finding.message).color(colour)).wrap());
    });
    ui.horizontal_wrapped(|ui| {
        for change in offered(&finding.changes, view.draft, view.models) {
            if change_button(ui, change, "Changes the form; nothing runs yet").clicked() {
                change.apply(draft);
            }
        }
    });
}

fn again_ui(ui: &mut Ui, actions: &mut Vec<Action>) {
    let about = "Estimate again: other programs may have taken memory or given it back";
    if icon_button(ui, ICON_REFRESH, "Estimate again", about).clicked() {
        actions.push(Action::LookAgain);
    }
}
