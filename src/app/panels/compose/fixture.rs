//! A test harness for parts of the form.

use eframe::egui::{Ui, vec2};
use egui_kittest::Harness;

use super::fields::Fields;
use super::view::{
    ComposeAction, ComposeView, Editing, PreflightStatus, PreflightView, ResultFile, TokenCounts,
};
use crate::app::background::inputs::WellView;
use crate::app::form::{PresetPreview, SeedMode};
use crate::app::theme;
use crate::core::{Bytes, Draft, Error, Kind, Limits, Mode, Result, Secs, Strides};
use crate::models::{ComponentInfo, Installed, Layout, ModelInfo};
use crate::monitor::DeviceInfo;
use crate::plan::{MemoryFit, ModelFit, Profiles};
use crate::presets;
use crate::wan::Family;

/// The state of the form and all actions that it returned.
pub(in crate::app) struct ComposeHarness {
    pub(in crate::app) draft: Draft,
    pub(in crate::app) preflight: Option<Result<PreflightView>>,
    pub(in crate::app) editing: Option<Editing>,
    pub(in crate::app) is_busy: bool,
    /// Whether a model is installed.
    pub(in crate::app) has_models: bool,
    /// Whether the model is an official one, with the ranges of its mode.
    pub(in crate::app) is_official: bool,
    pub(in crate::app) reference: Draft,
    pub(in crate::app) presets: Vec<PresetPreview>,
    pub(in crate::app) tokens: Option<TokenCounts>,
    pub(in crate::app) results: Vec<ResultFile>,
    pub(in crate::app) last_seed: Option<u64>,
    pub(in crate::app) num_videos: u32,
    pub(in crate::app) time_limit: Option<Secs>,
    pub(in crate::app) devices: Vec<DeviceInfo>,
    pub(in crate::app) can_undo_redo: [bool; 2],
    pub(in crate::app) actions: Vec<ComposeAction>,
}

impl ComposeHarness {
    pub(in crate::app) fn new() -> Self {
        let draft = presets::by_name("toy-t2v").unwrap().draft("a red circle");
        Self {
            reference: draft.clone(),
            draft,
            preflight: None,
            editing: None,
            is_busy: false,
            has_models: true,
            is_official: false,
            presets: Vec::new(),
            tokens: None,
            results: Vec::new(),
            last_seed: None,
            num_videos: 1,
            time_limit: None,
            devices: Vec::new(),
            can_undo_redo: [false; 2],
            actions: Vec::new(),
        }
    }
}

/// A window with a part of the form. Edits are applied as in the program.
pub(in crate::app) fn harness<'a>(
    bench: ComposeHarness,
    panel: impl FnMut(&mut Ui, &ComposeView<'_>) -> Vec<ComposeAction> + 'a,
) -> Harness<'a, ComposeHarness> {
    // the form is longer than the default window
    Harness::builder()
        .with_size(vec2(420.0, 1400.0))
        .with_context_setup(theme::install)
        .build_ui_state(drawing(panel), bench)
}

/// A window with rows of the form that are compared with a reference called `reference_name`.
pub(in crate::app) fn fields_harness<'a>(
    bench: ComposeHarness,
    reference_name: &'a str,
    mut rows: impl FnMut(&mut Ui, &mut Fields<'_>, &ComposeView<'_>, &mut Vec<ComposeAction>) + 'a,
) -> Harness<'a, ComposeHarness> {
    harness(bench, move |ui, view| {
        let (mut draft, mut actions) = (view.draft.clone(), Vec::new());
        let ComposeView { reference, problems, devices, .. } = *view;
        let mut fields = Fields { draft: &mut draft, reference, reference_name, problems, devices };
        rows(ui, &mut fields, view, &mut actions);
        if draft != *view.draft {
            actions.push(ComposeAction::Edit(Box::new(draft)));
        }
        actions
    })
}

/// Draws a part of the form with what the harness holds, and applies its edits.
pub(in crate::app) fn drawing<'a>(
    mut panel: impl FnMut(&mut Ui, &ComposeView<'_>) -> Vec<ComposeAction> + 'a,
) -> impl FnMut(&mut Ui, &mut ComposeHarness) + 'a {
    let limits = Limits {
        model: "toy-t2v-A14B".into(),
        modes: vec![Mode::T2V],
        strides: Strides { temporal: 4, spatial: 8, patch: 2 },
        max_positions: 1024,
        lora: true,
        quantisation: None,
    };
    let models = models(&limits);
    let fit = |model: &str, fit| ModelFit { model: model.into(), fit, needed: Some(Bytes(3 << 30)) };
    let fits = [fit("toy-t2v-A14B", MemoryFit::Fits), fit("toy-i2v-5B", MemoryFit::TooLarge)];
    let profile = Profiles::shipped().unwrap().of(Mode::T2V, Some(Family::A14B)).cloned();
    move |ui: &mut Ui, bench: &mut ComposeHarness| {
        let problems = if bench.has_models {
            bench.draft.problems(&limits)
        } else {
            let missing = Error::new(Kind::MissingModel, "The model toy-t2v-A14B is not installed");
            vec![missing.field("model")]
        };
        let view = ComposeView {
            draft: &bench.draft,
            problems: &problems,
            limits: Some(&limits),
            preflight: bench.preflight.as_ref().map_or(PreflightStatus::Off, PreflightStatus::Done),
            editing: bench.editing.as_ref(),
            mode: Some(Mode::T2V),
            is_mode_set: bench.draft.mode.is_some(),
            reason: "only a prompt was given",
            models: if bench.has_models { &models } else { &[] },
            is_busy: bench.is_busy,
            seed_mode: SeedMode::Fixed,
            num_videos: bench.num_videos,
            last_seed: bench.last_seed,
            reference: Some(&bench.reference),
            preset: Some("toy-t2v"),
            presets: &|| bench.presets.clone(),
            fits: &fits,
            about_model: Some("Draws one circle"),
            is_scanned: true,
            profile: profile.as_ref().filter(|_| bench.is_official),
            tokens: bench.tokens,
            wells: [WellView::default(); 2],
            results: &bench.results,
            time_limit: bench.time_limit,
            is_limit_own: bench.time_limit.is_some(),
            devices: &bench.devices,
            can_undo_redo: bench.can_undo_redo,
        };
        let actions = panel(ui, &view);
        for action in &actions {
            match action {
                ComposeAction::Edit(draft) => bench.draft = (**draft).clone(),
                ComposeAction::NumVideos(count) => bench.num_videos = *count,
                _ => {}
            }
        }
        bench.actions.extend(actions);
    }
}

/// A text-to-video model with two experts and an image-to-video model with one.
fn models(text: &Limits) -> [Installed; 2] {
    let component = |role, mib: u64| ComponentInfo {
        role,
        files: Vec::new(),
        size: Bytes(mib << 20),
        precision: "bf16",
        role_source: None,
    };
    let model = |id: &str, modes, components| Installed {
        id: id.into(),
        names: Vec::new(),
        path: id.into(),
        limits: Ok(Limits { model: id.into(), modes, ..text.clone() }),
        family: None,
        info: Some(ModelInfo { layout: Layout::Diffusers, components, notes: Vec::new(), distilled: None }),
        content: None,
    };
    let experts = vec![component("high-noise expert", 1024), component("low-noise expert", 1024)];
    [
        model("toy-t2v-A14B", vec![Mode::T2V], experts),
        model("toy-i2v-5B", vec![Mode::I2V], vec![component("transformer", 1536)]),
    ]
}
