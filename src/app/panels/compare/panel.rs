//! The panel: how the videos are shown, and what is below them.

use eframe::egui::{Button, ComboBox, Label, RichText, Role, ScrollArea, Slider, Ui, WidgetInfo};

use super::stage::{ShownVideos, Stage};
use super::view::{CompareAction, CompareView};
use super::{blind, controls, curves, table};
use crate::app::background::comparison::comparison::DifferenceRequest;
use crate::app::panels::player::Viewport;
use crate::app::theme;
use crate::app::widgets::field::problem_text_ui;
use crate::app::widgets::halves::halves_ui;

/// Smallest height of the videos, and the part of the panel that they take.
const LEAST_STAGE: f32 = 140.0;
const STAGE_PART: f32 = 0.55;
/// Width from which on the curves are beside the table.
const BESIDE: f32 = 640.0;
/// Largest factor of the difference.
const MOST_GAIN: u8 = 32;

/// How the videos are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CompareMode {
    /// Each beside the others.
    #[default]
    SideBySide,
    /// Two on one place, with a line between them.
    Split,
    /// Two on one place, one at a time.
    Flip,
    /// The amplified difference of two.
    Difference,
}

impl CompareMode {
    const ALL: [Self; 4] = [Self::SideBySide, Self::Split, Self::Flip, Self::Difference];

    fn text(self) -> &'static str {
        match self {
            Self::SideBySide => "Side by side",
            Self::Split => "Slider",
            Self::Flip => "Flip",
            Self::Difference => "Difference",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::SideBySide => "Each video beside the others",
            Self::Split => "Two videos on one place; drag the line between them",
            Self::Flip => "Two videos stacked; click to switch",
            Self::Difference => "The difference of each colour, amplified; black is the same",
        }
    }
}

/// The view state of the compare panel.
#[derive(Debug)]
pub(in crate::app) struct ComparePanel {
    pub(super) mode: CompareMode,
    /// The video that is compared with the reference where two are shown.
    pub(super) other: usize,
    gain: u8,
    stage: Stage,
    curve: curves::Curve,
}

impl Default for ComparePanel {
    fn default() -> Self {
        Self {
            mode: CompareMode::default(),
            other: 1,
            gain: 4,
            stage: Stage { viewport: Viewport::default(), split: 0.5, shows_other: false },
            curve: curves::Curve::default(),
        }
    }
}

impl ComparePanel {
    /// Draws the comparison; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: CompareView<'_>) -> Vec<CompareAction> {
        let mut actions = Vec::new();
        let comparison = view.comparison;
        if comparison.is_empty() {
            empty_ui(ui, &mut actions);
            return actions;
        }
        if let Some(error) = comparison.error() {
            problem_text_ui(ui, error);
        }
        if comparison.videos().is_empty() {
            if comparison.error().is_none() {
                ui.weak("Opening the videos…");
            }
            return actions;
        }
        self.other = self.other.clamp(1, comparison.videos().len().max(2) - 1);
        let is_blind = comparison.blind().is_some();
        if is_blind {
            self.mode = CompareMode::SideBySide;
        } else {
            self.modes_ui(ui, view, &mut actions);
        }
        let wanted = (self.mode == CompareMode::Difference)
            .then_some(DifferenceRequest { other: self.other, gain: self.gain });
        if wanted != comparison.subtracted() {
            actions.push(CompareAction::Subtract(wanted));
        }
        let height = (ui.available_height() * STAGE_PART).max(LEAST_STAGE);
        let shown = ShownVideos { view, mode: self.mode, other: self.other, is_blind };
        self.stage.ui(ui, &shown, height);
        controls::ui(ui, view, &mut actions);
        if let Some(series) = comparison.blind() {
            blind::ui(ui, series, &mut actions);
            return actions;
        }
        ui.separator();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            if ui.available_width() < BESIDE {
                table::ui(ui, view);
                self.curve.ui(ui, view, &mut actions);
                return;
            }
            halves_ui(ui, |left, right| {
                table::ui(left, view);
                self.curve.ui(right, view, &mut actions);
            });
        });
        actions
    }

    /// The ways to show the videos, in one row.
    fn modes_ui(&mut self, ui: &mut Ui, view: CompareView<'_>, actions: &mut Vec<CompareAction>) {
        ui.horizontal_wrapped(|ui| {
            for mode in CompareMode::ALL {
                let button = Button::selectable(self.mode == mode, mode.text());
                if ui.add(button).on_hover_text(mode.about()).clicked() {
                    self.mode = mode;
                }
            }
            if view.comparison.videos().len() > 2 && self.mode != CompareMode::SideBySide {
                self.other_ui(ui, view);
            }
            if self.mode == CompareMode::Difference {
                let slider = Slider::new(&mut self.gain, 1..=MOST_GAIN).suffix("×");
                let response = ui.add(slider).on_hover_text("By how much the difference is amplified");
                response.widget_info(|| WidgetInfo::slider(true, f64::from(self.gain), "Amplification"));
            }
            if self.mode == CompareMode::Split {
                let slider = Slider::new(&mut self.stage.split, 0.0..=1.0).show_value(false);
                let response = ui.add(slider).on_hover_text("Where the line between the videos is");
                let split = f64::from(self.stage.split);
                response.widget_info(|| WidgetInfo::slider(true, split, "Split"));
            }
            if ui.button("Fit").on_hover_text("Show the whole frames; scroll to zoom, drag to pan").clicked()
            {
                self.stage.viewport = Viewport::default();
            }
            let can_be_blind = view.comparison.blind_items().len() > 1;
            let blind = ui.add_enabled(can_be_blind, Button::new("Rank blind"));
            let blind = blind.on_hover_text("Compare pairs of them without their names, and rank them");
            if blind.on_disabled_hover_text("Needs at least two videos that are in the history").clicked() {
                actions.push(CompareAction::StartBlind);
            }
        });
    }

    fn other_ui(&mut self, ui: &mut Ui, view: CompareView<'_>) {
        let videos = view.comparison.videos();
        let name = |at: usize| videos.get(at).map(|video| video.name()).unwrap_or_default();
        let list = ComboBox::from_id_salt("compared with").selected_text(name(self.other));
        let shown = list.show_ui(ui, |ui| {
            for at in 1..videos.len() {
                ui.selectable_value(&mut self.other, at, name(at));
            }
        });
        shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Compared with"));
    }
}

/// How to choose videos.
fn empty_ui(ui: &mut Ui, actions: &mut Vec<CompareAction>) {
    ui.heading(RichText::new("Compare").size(theme::HEADING));
    let text = "Select two to four results in the gallery or in the queue and choose \"Compare videos\", or choose \
                cells of a sweep and \"Compare chosen\".";
    ui.add(Label::new(RichText::new(text).weak()).wrap());
    if ui.button("Show the gallery").clicked() {
        actions.push(CompareAction::ShowGallery);
    }
}
