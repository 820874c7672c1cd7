//! The preflight result below the form: estimated cost, findings and suggested fixes.

use eframe::egui::{Align, Align2, FontId, Label, Layout, Rect, RichText, Role, Sense, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{ICON_BLOCK, ICON_REFRESH, ICON_WARNING};

use super::view::{ComposeAction, ComposeView, PreflightStatus, PreflightView};
use crate::app::theme;
use crate::app::widgets::fix_button::{fix_button, offered};
use crate::app::widgets::icon::icon_button;
use crate::core::{Bytes, Draft, Finding, Kind, Secs, Severity, Stage};
use crate::library::HistoryEstimate;
use crate::preflight::StageMemory;

/// Height of a stage: its bar and its words.
const STAGE_HEIGHT: f32 = 20.0;
const BAR_HEIGHT: f32 = 4.0;
/// Size of its words, so that four stages fit side by side.
const STAGE_TEXT: f32 = 10.0;
/// Space between two stages.
const GAP: f32 = 6.0;

/// Draws the result; a clicked fix is applied to `draft`.
pub(in crate::app) fn ui(ui: &mut Ui, view: &ComposeView<'_>, draft: &mut Draft) -> Vec<ComposeAction> {
    let mut actions = Vec::new();
    match view.preflight {
        // with errors there is nothing to estimate, and they stand above
        PreflightStatus::Off if !view.problems.is_empty() || !view.is_scanned => {}
        PreflightStatus::Off => {
            let text = "Memory and time are not estimated: the preflight is off in the settings";
            ui.add(Label::new(RichText::new(text).weak()).wrap());
        }
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

/// Units that stay on the line of their number.
const UNITS: [&str; 8] = ["B", "KiB", "MiB", "GiB", "TiB", "s", "min", "h"];
/// A space at which no line ends.
const NO_BREAK: char = '\u{a0}';

fn preflight_ui(
    ui: &mut Ui,
    found: &PreflightView,
    view: &ComposeView<'_>,
    draft: &mut Draft,
    actions: &mut Vec<ComposeAction>,
) {
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
        again_button_ui(ui, actions);
        ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
            ui.add(Label::new(unbroken(&estimate(found))).wrap());
        });
    });
    stages_ui(ui, found);
    let rest: Vec<_> = disk(found).into_iter().chain(view.time_limit.map(limit)).collect();
    if !rest.is_empty() {
        ui.add(Label::new(RichText::new(unbroken(&rest.join(" · "))).weak()).wrap());
    }
    for finding in found.findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        actions.extend(finding_ui(ui, finding, view, draft));
    }
}

/// The stages side by side: name, memory, and how much of the free memory that is.
fn stages_ui(ui: &mut Ui, found: &PreflightView) {
    let stages = parts(found);
    if stages.is_empty() {
        return;
    }
    let tokens = theme::tokens(ui);
    let most = found.free.or(found.peak).map_or(1.0, |bytes| bytes.0.max(1) as f32);
    let width = (ui.available_width() - GAP * (stages.len() - 1) as f32) / stages.len() as f32;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        for stage in &stages {
            let (place, response) = ui.allocate_exact_size(vec2(width, STAGE_HEIGHT), Sense::hover());
            let bar = Rect::from_min_size(place.min, vec2(width, BAR_HEIGHT));
            let share = (stage.peak.0 as f32 / most).min(1.0);
            let filled = Rect::from_min_size(bar.min, vec2(width * share, BAR_HEIGHT));
            let colour =
                if stage.peak.0 as f32 > most { tokens.error } else { tokens.stage_colour(stage.stage) };
            ui.painter().rect_filled(bar, 2.0, tokens.line);
            ui.painter().rect_filled(filled, 2.0, colour);
            let text = format!("{} {}", short(stage.stage), amount(stage.peak));
            let font = FontId::proportional(STAGE_TEXT);
            let at = place.left_bottom();
            ui.painter().text(at, Align2::LEFT_BOTTOM, &text, font, ui.visuals().weak_text_color());
            let free = found.free.map(|free| format!(" of {free} that are free")).unwrap_or_default();
            let about = format!("{}: up to {}{free}", name(stage.stage), stage.peak);
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &about));
            response.on_hover_text(&about);
        }
    });
}

/// The parts of a run that need memory of their own: both experts are one, the larger counts.
fn parts(found: &PreflightView) -> Vec<StageMemory> {
    let mut parts: Vec<StageMemory> = Vec::new();
    for stage in found.stages.iter().filter(|stage| stage.peak > Bytes(0)) {
        match stage.stage {
            Stage::Preflight | Stage::Prepare | Stage::PostProcess => {}
            Stage::DenoiseLow if parts.iter().any(|part| part.stage == Stage::DenoiseHigh) => {
                for part in parts.iter_mut().filter(|part| part.stage == Stage::DenoiseHigh) {
                    part.peak = part.peak.max(stage.peak);
                }
            }
            _ => parts.push(*stage),
        }
    }
    parts
}

/// A few characters for an amount of memory: "17.2G" for GiB, "512M" for MiB.
fn amount(bytes: Bytes) -> String {
    let mib = bytes.0 as f64 / f64::from(1 << 20);
    if mib < 1000.0 { format!("{mib:.0}M") } else { format!("{:.1}G", mib / 1024.0) }
}

fn short(stage: Stage) -> &'static str {
    match stage {
        Stage::Text => "text",
        Stage::Image => "image",
        Stage::DenoiseHigh | Stage::DenoiseLow => "denoise",
        Stage::Decode => "decode",
        Stage::Preflight | Stage::Prepare | Stage::PostProcess => "other",
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Text => "Reading the prompt",
        Stage::Image => "Encoding the image",
        Stage::DenoiseHigh | Stage::DenoiseLow => "Denoising",
        Stage::Decode => "Decoding the video",
        Stage::Preflight | Stage::Prepare | Stage::PostProcess => "Everything else",
    }
}

/// For instance "disk 1.2 MiB of 66.0 GiB free", of the folder with the least space.
fn disk(found: &PreflightView) -> Option<String> {
    let needed: u64 = found.disk_space.iter().map(|space| space.needed.0).sum();
    let free = found.disk_space.iter().filter_map(|space| space.free).min()?;
    Some(format!("Disk {} of {free} free", Bytes(needed)))
}

fn limit(limit: Secs) -> String {
    format!("stops after {limit}")
}

/// The text with each number and its unit on one line.
fn unbroken(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for word in text.split(' ') {
        if !whole.is_empty() {
            whole.push(if UNITS.contains(&word.trim_end_matches(',')) { NO_BREAK } else { ' ' });
        }
        whole.push_str(word);
    }
    whole
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

/// Draws a finding with its fixes. Those that change the draft alone do so at once; the others are returned.
fn finding_ui(
    ui: &mut Ui,
    finding: &Finding,
    view: &ComposeView<'_>,
    draft: &mut Draft,
) -> Option<ComposeAction> {
    let mut action = None;
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
        for fix in offered(&finding.fixes, view.draft, view.models) {
            let figures = finding.figures_of(fix);
            if fix_button(ui, fix, figures, "Changes the form; nothing runs yet").clicked() {
                if fix.is_of_draft() {
                    fix.apply(draft);
                } else {
                    action = Some(ComposeAction::Fix(fix.clone()));
                }
            }
        }
    });
    action
}

/// The button that estimates again, at the right as beside an estimate.
fn again_ui(ui: &mut Ui, actions: &mut Vec<ComposeAction>) {
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| again_button_ui(ui, actions));
}

fn again_button_ui(ui: &mut Ui, actions: &mut Vec<ComposeAction>) {
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
    use crate::core::{Error, Fix, FrameCount, Quantisation, Result, Subject};
    use crate::preflight::{DiskSpace, TimeEstimate};

    fn found(findings: Vec<Finding>) -> PreflightView {
        let time = TimeEstimate {
            seconds: Secs(240.0),
            range: None,
            stages: Vec::new(),
            ranges: Vec::new(),
            runs: 6,
            same_model: true,
        };
        let peak = Some(Bytes(1_288_490_189));
        PreflightView { peak, time: Some(time), findings, ..PreflightView::default() }
    }

    fn finding(severity: Severity, message: &str) -> Finding {
        let changes = vec![Fix::VaeTile(128), Fix::Frames(FrameCount(5))];
        Finding {
            severity,
            subject: Subject::Memory,
            message: message.into(),
            fixes: changes,
            figures: Vec::new(),
        }
    }

    fn form(preflight: Result<PreflightView>, is_busy: bool) -> Harness<'static, ComposeHarness> {
        let bench = ComposeHarness { preflight: Some(preflight), is_busy, ..ComposeHarness::new() };
        let mut panel = ComposePanel::default();
        harness(bench, move |ui, view| panel.ui(ui, view))
    }

    #[test]
    fn the_estimate_is_one_line_and_notes_are_left_out() {
        let harness = form(Ok(found(vec![finding(Severity::Note, "It is tight")])), false);
        harness.get_by_label("About 1.2\u{a0}GiB of memory, about 4\u{a0}min 00\u{a0}s, from 6 earlier runs");
        assert!(harness.query_by_label("It is tight").is_none());
    }

    #[test]
    fn memory_of_each_stage_disk_and_time_limit_are_there() {
        let stage = |stage, mib: u64| StageMemory { stage, peak: Bytes(mib << 20), droppable: Bytes(0) };
        let space = DiskSpace {
            content: "the video",
            path: "/out".into(),
            free: Some(Bytes(5 << 30)),
            needed: Bytes(3 << 20),
        };
        let view = PreflightView {
            stages: vec![stage(Stage::Text, 300), stage(Stage::DenoiseHigh, 1228)],
            free: Some(Bytes(2 << 30)),
            disk_space: vec![space],
            ..found(Vec::new())
        };
        let time_limit = Some(Secs(1800.0));
        let bench = ComposeHarness { preflight: Some(Ok(view)), time_limit, ..ComposeHarness::new() };
        let mut panel = ComposePanel::default();
        let harness = harness(bench, move |ui, view| panel.ui(ui, view));
        harness.get_by_label("Reading the prompt: up to 300.0 MiB of 2.0 GiB that are free");
        harness.get_by_label("Denoising: up to 1.2 GiB of 2.0 GiB that are free");
        harness.get_by_label("Disk 3.0\u{a0}MiB of 5.0\u{a0}GiB free · stops after 30\u{a0}min 00\u{a0}s");
    }

    #[test]
    fn what_is_found_moves_nothing_that_can_be_clicked() {
        let many: Vec<_> =
            (0..9).map(|index| finding(Severity::Warning, &format!("Finding {index}"))).collect();
        let place = |findings| {
            let harness = form(Ok(found(findings)), false);
            harness.get_by_role_and_label(Role::Button, "Generate").rect()
        };
        assert_eq!(place(Vec::new()), place(many));
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
    fn fixes_say_what_the_run_needs_then_and_those_beyond_the_form_are_carried_out() {
        let convert = Fix::Convert { model: "toy-t2v-A14B".into(), quantisation: Quantisation::Int8 };
        let blocker = Finding {
            fixes: vec![Fix::TimeLimit(None), convert.clone()],
            figures: vec!["takes 2 h 10 min".into(), "needs 17.0 GiB, fits".into()],
            ..finding(Severity::Blocker, "The run needs 66 GiB")
        };
        let mut harness = form(Ok(found(vec![blocker])), false);
        harness.get_by_role_and_label(Role::Button, "Use no time limit: takes 2 h 10 min").click();
        harness.run();
        harness
            .get_by_role_and_label(Role::Button, "Convert the model to int8: needs 17.0 GiB, fits")
            .click();
        harness.run();
        let expected = [Fix::TimeLimit(None), convert].map(ComposeAction::Fix);
        assert_eq!(harness.state().actions, expected);
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
