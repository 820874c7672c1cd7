//! What the panels' tests look at, and how they touch it.

use std::time::Instant;

use eframe::egui::{Ui, vec2};
use egui_kittest::Harness;

use crate::app::shell::action::Action;
use crate::app::shell::view::{AppView, Editing, Look, PreflightView, RunState, Screen};
use crate::app::theme;
use crate::core::{Draft, Limits, Mode, Result, Strides};
use crate::jobs::JobEntry;
use crate::presets;

/// The state behind a panel, and every action that came out of it.
pub(in crate::app) struct PanelHarness {
    pub(in crate::app) draft: Draft,
    pub(in crate::app) run: RunState,
    pub(in crate::app) look: Option<Result<PreflightView>>,
    pub(in crate::app) editing: Option<Editing>,
    pub(in crate::app) queue: Vec<JobEntry>,
    pub(in crate::app) screen: Screen,
    pub(in crate::app) actions: Vec<Action>,
}

impl PanelHarness {
    pub(in crate::app) fn new() -> Self {
        let draft = presets::by_name("toy-t2v").unwrap().draft("a red circle");
        Self {
            draft,
            run: RunState::Idle,
            look: None,
            editing: None,
            queue: Vec::new(),
            screen: Screen::default(),
            actions: Vec::new(),
        }
    }
}

/// A window with one panel. Edits reach the form as they do in the program.
pub(in crate::app) fn harness<'a>(
    bench: PanelHarness,
    mut panel: impl FnMut(&mut Ui, &AppView<'_>) -> Vec<Action> + 'a,
) -> Harness<'a, PanelHarness> {
    let limits = Limits {
        model: "toy-t2v-A14B".into(),
        modes: vec![Mode::T2V],
        strides: Strides { temporal: 4, spatial: 8, patch: 2 },
        max_positions: 1024,
        lora: true,
        quantisation: None,
    };
    let draw = move |ui: &mut Ui, bench: &mut PanelHarness| {
        let problems = bench.draft.problems(&limits);
        let view = AppView {
            draft: &bench.draft,
            problems: &problems,
            limits: Some(&limits),
            look: bench.look.as_ref().map_or(Look::Off, Look::Done),
            editing: bench.editing.as_ref(),
            mode: Some(Mode::T2V),
            reason: "only words were given",
            models: &[],
            run: &bench.run,
            queue: &bench.queue,
            screen: &bench.screen,
            now: Instant::now(),
        };
        let actions = panel(ui, &view);
        for action in &actions {
            if let Action::Edit(draft) = action {
                bench.draft = (**draft).clone();
            }
        }
        bench.actions.extend(actions);
    };
    Harness::builder()
        .with_size(vec2(420.0, 760.0))
        .with_context_setup(theme::install)
        .build_ui_state(draw, bench)
}
