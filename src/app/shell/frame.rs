//! Draws the tree of panels: passes each panel its view and collects its actions.

use std::time::Instant;

use eframe::egui::{CentralPanel, Color32, Frame, Margin, Panel, Stroke, Style, Ui, Visuals, WidgetText};
use egui_tiles::{Behavior, SimplificationOptions, TabState, Tabs, TileId, Tiles, UiResponse};

use super::action::Action;
use super::app::{Panels, State};
use super::command::Command;
use super::layout::{GAP, Layout, PanelId};
use crate::app::background::inputs::InputWell;
use crate::app::panels::compare::CompareView;
use crate::app::panels::compose::{ComposeView, Editing};
use crate::app::panels::gallery::GalleryView;
use crate::app::panels::log::LogView;
use crate::app::panels::models::{LorasView, ModelsView};
use crate::app::panels::monitor::MonitorPanel;
use crate::app::panels::player::PlayerView;
use crate::app::panels::presets::PresetsView;
use crate::app::panels::queue::QueueView;
use crate::app::panels::settings::SettingsView;
use crate::app::panels::sweep::SweepView;
use crate::app::theme;
use crate::core::Error;

/// Height of the tab bar.
const TAB_HEIGHT: f32 = 30.0;

/// Draws all panels; returns the user's actions.
pub(super) fn ui(
    ui: &mut Ui,
    state: &State,
    panels: &mut Panels,
    layout: &mut Layout,
    now: Instant,
) -> Vec<Action> {
    let mut actions = Vec::new();
    if layout.monitor_is_line {
        monitor_line_ui(ui, state, &mut actions);
    }
    CentralPanel::default().frame(Frame::NONE.fill(ui.visuals().extreme_bg_color)).show(ui, |ui| {
        layout.fit(ui.available_size());
        let problems = state.problems();
        let editing = state.form.editing(&state.queue);
        let player = layout.tree.tiles.find_pane(&PanelId::Player);
        let mut frame =
            Tree { state, panels, problems, editing, now, player, actions: Vec::new(), closed: Vec::new() };
        layout.tree.ui(&mut frame, ui);
        let Tree { actions: asked, closed, .. } = frame;
        actions.extend(asked);
        for panel in closed {
            layout.close(panel);
        }
    });
    actions
}

/// The collapsed monitor: one line above the status bar.
fn monitor_line_ui(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    Panel::bottom("monitor line").resizable(false).exact_size(theme::ROW_HEIGHT).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            if ui.small_button("Monitor").on_hover_text("Show it as a panel").clicked() {
                actions.push(Action::Command(Command::MonitorLine));
            }
            MonitorPanel::line_ui(ui, state.measurements.view());
        });
    });
}

/// Callbacks of `egui_tiles`.
struct Tree<'a> {
    state: &'a State,
    panels: &'a mut Panels,
    problems: Vec<Error>,
    editing: Option<Editing>,
    now: Instant,
    player: Option<TileId>,
    actions: Vec<Action>,
    closed: Vec<PanelId>,
}

impl Tree<'_> {
    fn compose_ui(&mut self, ui: &mut Ui) -> Vec<Action> {
        let Self { state, panels, .. } = self;
        let form = &state.form;
        let (reference, results) = (form.reference(), state.results());
        let view = ComposeView {
            draft: &form.draft,
            problems: &self.problems,
            limits: form.limits().ok(),
            preflight: state.examiner.status(),
            editing: self.editing.as_ref(),
            mode: form.mode(),
            is_mode_set: form.is_mode_set(),
            reason: form.reason(),
            models: state.models(),
            is_busy: !state.live.is_empty(),
            seed_mode: form.context.seed_mode,
            num_videos: form.context.num_videos,
            last_seed: state.window.last_seed,
            reference: reference.as_ref(),
            preset: form.preset().map(|preset| preset.name.as_str()),
            presets: &|| form.preset_previews(),
            fits: form.fits(),
            about_model: form.about_model(),
            is_scanned: form.is_scanned(),
            profile: form.profile(),
            tokens: state.tokens.counts(),
            wells: [InputWell::Start, InputWell::End].map(|well| state.inputs.view(well)),
            results: &results,
            time_limit: form.time_limit(),
            is_limit_own: form.context.timeout_s.is_some(),
            devices: state.measurements.devices(),
            can_undo_redo: [form.can_undo(), form.can_redo()],
        };
        panels.compose.ui(ui, &view).into_iter().map(Action::Compose).collect()
    }

    fn sweep_ui(&mut self, ui: &mut Ui) -> Vec<Action> {
        let Self { state, panels, .. } = self;
        let sweeps = &state.sweeps;
        let view = SweepView {
            records: sweeps.records(),
            open: sweeps.open(),
            frame: &|cell| {
                let thumbnail = || state.library.thumbnail(cell.output.as_ref()?);
                sweeps.frame(&cell.place).or_else(thumbnail)
            },
            stars: &|uid| sweeps.stars(uid),
            difference: &|uid| sweeps.difference(uid),
            trace: sweeps.trace(),
            search_status: sweeps.open().and_then(|(record, _)| state.searches.status(&record.id)),
            plan: sweeps.planning().plan(),
            estimate: sweeps.planning().cost(),
            draft: &state.form.draft,
            preset: state.form.preset(),
        };
        panels.sweep.ui(ui, &view).into_iter().map(Action::Sweep).collect()
    }

    fn models_ui(&mut self, ui: &mut Ui) -> Vec<Action> {
        let Self { state, panels, .. } = self;
        let task = state.model_task();
        let view = ModelsView {
            models: state.models(),
            fits: state.form.fits(),
            verified: &state.pages.verified,
            task: task.as_ref(),
            removed: state.pages.removed.as_ref(),
            available: &state.pages.fetch.available,
            fetch: &state.pages.fetch.status,
            queue: &state.queue,
            presets: &state.presets,
            runtime: state.pages.runtime.as_ref(),
            chosen: &state.form.draft.model,
            components: &state.form.draft.components,
            roles: &state.pages.roles,
            details: &state.pages.details,
            is_scanning: state.tasks.scans > 0,
            others: &state.pages.other_files,
            loras: LorasView {
                loras: &state.pages.loras,
                checked: state.pages.checked_lora.as_ref(),
                used: &state.form.draft.loras,
            },
        };
        panels.models.ui(ui, &view).into_iter().map(Action::Models).collect()
    }

    fn panel_ui(&mut self, ui: &mut Ui, panel: PanelId) -> Vec<Action> {
        let Self { state, panels, .. } = self;
        fn all<T>(asked: Vec<T>, action: impl Fn(T) -> Action) -> Vec<Action> {
            asked.into_iter().map(action).collect()
        }
        match panel {
            PanelId::Compose => self.compose_ui(ui),
            PanelId::Player => {
                let (screen, preview) = (state.player.screen(), state.player.live_preview());
                let live = preview.and_then(|preview| state.live.get(preview.job));
                let has_two_experts = live.is_some_and(|job| job.follower.progress().has_two_experts());
                all(panels.player.ui(ui, &PlayerView { screen, preview, has_two_experts }), Action::Player)
            }
            PanelId::Gallery => {
                let view = GalleryView { library: &state.library, num_deleted: state.deleted.len() };
                all(panels.gallery.ui(ui, &view), Action::Gallery)
            }
            PanelId::Compare => {
                let view = CompareView { comparison: &state.comparison };
                all(panels.compare.ui(ui, view), Action::Compare)
            }
            PanelId::Models => self.models_ui(ui),
            PanelId::Presets => {
                let previews = state.form.preset_previews();
                let form = state.form.as_preset();
                let view = PresetsView {
                    presets: &state.presets,
                    invalid: &state.pages.invalid_presets,
                    form: form.as_ref(),
                    starred: &state.window.starred_presets,
                    previews: &previews,
                    undo: state.pages.preset_undo.as_ref(),
                };
                all(panels.presets.ui(ui, &view), Action::Presets)
            }
            PanelId::Sweep => self.sweep_ui(ui),
            PanelId::Settings => {
                let view = SettingsView {
                    settings: state.form.settings(),
                    data_dir: &state.data_dir,
                    next_data_dir: state.pages.next_data_dir.as_deref(),
                    given_models: state.pages.given_models.as_deref(),
                    models_root: state.pages.models_root.as_deref(),
                    import: state.pages.import.as_ref(),
                    theme: state.window.theme,
                };
                all(panels.settings.ui(ui, &view), Action::Settings)
            }
            PanelId::Log => {
                let view = LogView {
                    lines: &state.pages.lines,
                    file: &state.pages.log_file,
                    bundle: state.pages.bundle.as_ref(),
                };
                all(panels.log.ui(ui, view), Action::Log)
            }
            PanelId::Queue => {
                let view = QueueView {
                    entries: &state.queue,
                    is_paused: state.queue_is_paused,
                    live: &state.live,
                    preview: state.player.live_preview(),
                    models: state.models(),
                    times: state.forecast.times(),
                    columns: &state.window.queue_columns,
                    thumbnail: &|path| state.library.thumbnail(path),
                    now: self.now,
                };
                all(panels.queue.ui(ui, &view), Action::Queue)
            }
            PanelId::Monitor => all(panels.monitor.ui(ui, state.measurements.view()), Action::Monitor),
        }
    }
}

impl Behavior<PanelId> for Tree<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, panel: &mut PanelId) -> UiResponse {
        let frame = Frame::new().fill(ui.visuals().panel_fill).inner_margin(Margin::same(10));
        let asked = frame.show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            ui.push_id(*panel, |ui| self.panel_ui(ui, *panel)).inner
        });
        self.actions.extend(asked.inner);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, panel: &PanelId) -> WidgetText {
        panel.title().into()
    }

    fn is_tab_closable(&self, _tiles: &Tiles<PanelId>, _tile: TileId) -> bool {
        true
    }

    /// Closed panels stay in the tree, hidden, so that they are reopened at the same place.
    fn on_tab_close(&mut self, tiles: &mut Tiles<PanelId>, tile: TileId) -> bool {
        self.closed.extend(tiles.get_pane(&tile).copied());
        false
    }

    /// The player has no tab if it is alone in its tile.
    fn is_tab_bar_visible(&self, _tile: TileId, tabs: &Tabs) -> bool {
        !matches!((tabs.children.as_slice(), self.player), ([only], Some(player)) if *only == player)
    }

    fn tab_bar_height(&self, _style: &Style) -> f32 {
        TAB_HEIGHT
    }

    fn gap_width(&self, _style: &Style) -> f32 {
        GAP
    }

    fn min_size(&self) -> f32 {
        120.0
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: true, ..SimplificationOptions::default() }
    }

    fn drag_preview_stroke(&self, visuals: &Visuals) -> Stroke {
        Stroke::new(1.0, visuals.hyperlink_color)
    }

    /// What a dropped tab would cover.
    fn drag_preview_color(&self, visuals: &Visuals) -> Color32 {
        visuals.hyperlink_color.gamma_multiply(0.25)
    }

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        visuals.extreme_bg_color
    }

    fn tab_bg_color(&self, visuals: &Visuals, _: &Tiles<PanelId>, _: TileId, tab: &TabState) -> Color32 {
        if tab.active { visuals.panel_fill } else { Color32::TRANSPARENT }
    }

    fn tab_outline_stroke(&self, _: &Visuals, _: &Tiles<PanelId>, _: TileId, _: &TabState) -> Stroke {
        Stroke::NONE
    }

    fn tab_text_color(&self, visuals: &Visuals, _: &Tiles<PanelId>, _: TileId, tab: &TabState) -> Color32 {
        if tab.active { visuals.strong_text_color() } else { visuals.weak_text_color() }
    }
}
