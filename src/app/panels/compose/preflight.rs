//! The preflight result below the form: estimated cost, findings and suggested fixes.

use eframe::egui::{Align, Label, Layout, RichText, Ui};
use egui_material_icons::icons::{ICON_BLOCK, ICON_REFRESH, ICON_WARNING};

use super::view::{ComposeAction, ComposeView, PreflightStatus, PreflightView};
use crate::app::theme;
use crate::app::widgets::fix_button::{fix_button, offered};
use crate::app::widgets::icon::icon_button;
use crate::core::{Draft, Finding, Kind, Severity};
use crate::library::HistoryEstimate;

/// Draws the result; a clicked fix is applied to `draft`.
pub(in crate::app) fn ui(ui: &mut Ui, view: &ComposeView<'_>, draft: &mut Draft) -> Vec<ComposeAction> {
    let mut actions = Vec::new();
    match view.preflight {
        PreflightStatus::Off => {}
        PreflightStatus::Pending(None | Some(Err(_))) => {
            ui.weak("Estimating memory and time…");
        }
        PreflightStatus::Pending(Some(Ok(found))) => {
            // the result is that of the form before its last change
            ui.add_enabled_ui(false, |ui| preflight_ui(ui, found, view, draft, &mut actions));
        }
        PreflightStatus::Done(Ok(found)) => preflight_ui(ui, found, view, draft, &mut actions),
        // the error of a field is shown at the field
        PreflightStatus::Done(Err(error)) if error.field_name().is_some() => again_ui(ui, &mut actions),
        PreflightStatus::Done(Err(error)) => {
            let text = RichText::new(format!("{error:#}")).color(theme::tokens(ui).error);
            ui.add(Label::new(text).wrap());
            again_ui(ui, &mut actions);
        }
    }
    actions
}

/// The reason why the form cannot run, according to preflight.
pub(in crate::app) fn blocked_by(view: &ComposeView<'_>) -> Option<String> {
    match view.preflight {
        // an internal error of the preflight must not block the job
        PreflightStatus::Done(Err(error)) if error.kind != Kind::Bug => Some(format!("{error:#}")),
        // memory of a running job will be free when the next one starts
        PreflightStatus::Done(Ok(found)) if !view.is_busy && view.editing.is_none() => {
            found.findings.iter().find(is_blocker).map(|finding| finding.message.clone())
        }
        _ => None,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what find wants")]
fn is_blocker(finding: &&Finding) -> bool {
    finding.severity == Severity::Blocker
}

fn preflight_ui(
    ui: &mut Ui,
    found: &PreflightView,
    view: &ComposeView<'_>,
    draft: &mut Draft,
    actions: &mut Vec<ComposeAction>,
) {
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
        again_ui(ui, actions);
        ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
            ui.add(Label::new(estimate(found)).wrap());
        });
    });
    for finding in found.findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        finding_ui(ui, finding, view, draft);
    }
}

/// For instance "About 1.2 GiB of memory, about 4 min 00 s, from 6 earlier runs".
fn estimate(found: &PreflightView) -> String {
    let memory = found.peak.map(|peak| format!("about {peak} of memory"));
    let time = found.time.as_ref().map_or_else(
        || "time unknown until a first run".to_owned(),
        |time| {
            let expected = HistoryEstimate { seconds: time.seconds, num_runs: time.runs };
            format!("{expected}{}", if time.same_model { "" } else { " of other models" })
        },
    );
    let text = memory.into_iter().chain([time]).collect::<Vec<_>>().join(", ");
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn finding_ui(ui: &mut Ui, finding: &Finding, view: &ComposeView<'_>, draft: &mut Draft) {
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
        for change in offered(&finding.fixes, view.draft, view.models) {
            if fix_button(ui, change, "Changes the form; nothing runs yet").clicked() {
                change.apply(draft);
            }
        }
    });
}

fn again_ui(ui: &mut Ui, actions: &mut Vec<ComposeAction>) {
    let about = "Estimate again: other programs may have taken memory or given it back";
    if icon_button(ui, ICON_REFRESH, "Estimate again", about).clicked() {
        actions.push(ComposeAction::LookAgain);
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};
    use crate::app::panels::compose::panel::ComposePanel;
    use crate::core::{Bytes, Error, Fix, FrameCount, Result, Secs, Subject};
    use crate::preflight::TimeEstimate;

    fn found(findings: Vec<Finding>) -> PreflightView {
        let time = TimeEstimate {
            seconds: Secs(240.0),
            stages: Vec::new(),
            ranges: Vec::new(),
            runs: 6,
            same_model: true,
        };
        PreflightView { peak: Some(Bytes(1_288_490_189)), free: None, time: Some(time), findings }
    }

    fn finding(severity: Severity, message: &str) -> Finding {
        let changes = vec![Fix::VaeTile(128), Fix::Frames(FrameCount(5))];
        Finding { severity, subject: Subject::Memory, message: message.into(), fixes: changes }
    }

    fn form(preflight: Result<PreflightView>, is_busy: bool) -> Harness<'static, ComposeHarness> {
        let bench = ComposeHarness { preflight: Some(preflight), is_busy, ..ComposeHarness::new() };
        let mut panel = ComposePanel::default();
        harness(bench, move |ui, view| panel.ui(ui, view))
    }

    #[test]
    fn the_estimate_is_one_line_and_notes_are_left_out() {
        let harness = form(Ok(found(vec![finding(Severity::Note, "It is tight")])), false);
        harness.get_by_label("About 1.2 GiB of memory, about 4 min 00 s, from 6 earlier runs");
        assert!(harness.query_by_label("It is tight").is_none());
    }

    #[test]
    fn a_change_is_one_click_and_only_changes_the_form() {
        let warning = finding(Severity::Warning, "The run may need more than there is");
        let mut harness = form(Ok(found(vec![warning])), false);
        harness.get_by_label("The run may need more than there is");
        harness.get_by_role_and_label(Role::Button, "Use VAE tiles of 128 px").click();
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Use 5 frames").click();
        harness.run();
        let draft = &harness.state().draft;
        assert_eq!((draft.vae_tile, draft.frames), (Some(128), 5));
        assert!(harness.state().actions.iter().all(|action| matches!(action, ComposeAction::Edit(_))));
        // a fix that changes nothing is not shown
        assert!(harness.query_by_role_and_label(Role::Button, "Use 5 frames").is_none());
    }

    #[test]
    fn what_cannot_work_is_not_begun_unless_it_has_to_wait_anyway() {
        let blocker = finding(Severity::Blocker, "The run needs 9 GiB at least");
        let is_blocked = |harness: &Harness<'_, ComposeHarness>, name: &str| {
            harness.get_by_role_and_label(Role::Button, name).accesskit_node().is_disabled()
        };
        let mut idle = form(Ok(found(vec![blocker.clone()])), false);
        assert!(is_blocked(&idle, "Generate"));
        idle.get_by_role_and_label(Role::Button, "Estimate again").click();
        idle.run();
        assert_eq!(idle.state().actions, [ComposeAction::LookAgain]);
        let busy = form(Ok(found(vec![blocker])), true);
        assert!(!is_blocked(&busy, "Add to queue"));
        let refused = Error::new(Kind::Unsupported, "There is no CUDA here");
        assert!(is_blocked(&form(Err(refused), true), "Add to queue"));
        let broken = form(Err(Error::new(Kind::Bug, "The preflight stopped")), false);
        broken.get_by_label("The preflight stopped");
        assert!(!is_blocked(&broken, "Generate"), "its own mistake is in nobody's way");
    }
}
