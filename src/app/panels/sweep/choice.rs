//! Which cells of the space of all axes a new sweep makes.

use eframe::egui::{ComboBox, DragValue, Role, Ui, WidgetInfo};

use crate::metrics::DifferenceMetric;
use crate::sweep::{Goal, GuidedSearch, Sampling, Sweep};

/// Cells that are sampled at first.
const SAMPLED: u32 = 12;
/// Largest number of cells that can be chosen here.
const MOST: u32 = 500;
/// The part of the steps after which a trial is checked.
const CHECK_AT: f32 = 0.5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Every,
    Random,
    Sobol,
    Fastest,
    BestRated,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Every, Self::Random, Self::Sobol, Self::Fastest, Self::BestRated];

    fn label(self) -> &'static str {
        match self {
            Self::Every => "Every combination",
            Self::Random => "Random combinations",
            Self::Sobol => "Evenly spread combinations",
            Self::Fastest => "Search: fastest",
            Self::BestRated => "Search: best rated",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Every => "All values of each axis with all values of the others",
            Self::Random => "Some combinations, chosen at random",
            Self::Sobol => "Some combinations that cover the space evenly (Sobol)",
            Self::Fastest => {
                "Tries one combination after the other, and looks for the shortest time among those that are close \
                 enough to the form's own video"
            }
            Self::BestRated => {
                "Tries a few combinations, waits for your ratings, and tries more of what you rated highly"
            }
        }
    }

    fn is_search(self) -> bool {
        matches!(self, Self::Fastest | Self::BestRated)
    }
}

/// What is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CellChoice {
    kind: Kind,
    count: u32,
    metric: DifferenceMetric,
    at_least: f64,
    is_checked: bool,
}

impl Default for CellChoice {
    fn default() -> Self {
        let kind = Kind::default();
        Self { kind, count: SAMPLED, metric: DifferenceMetric::Ssim, at_least: 0.95, is_checked: false }
    }
}

impl CellChoice {
    /// Whether cells are chosen one after the other, so that drafts of them are not possible.
    pub(super) fn is_search(&self) -> bool {
        self.kind.is_search()
    }

    /// Whether a sweep may have more axes than a grid shows.
    pub(super) fn is_every(&self) -> bool {
        self.kind == Kind::Every
    }

    /// The sweep with the chosen cells.
    pub(super) fn applied(&self, sweep: Sweep) -> Sweep {
        let search = |goal| GuidedSearch { trials: self.count, ..GuidedSearch::new(goal) };
        match self.kind {
            Kind::Every => sweep,
            Kind::Random => Sweep { sampling: Sampling::Random { count: self.count, seed: 0 }, ..sweep },
            Kind::Sobol => Sweep { sampling: Sampling::Sobol { count: self.count, seed: 0 }, ..sweep },
            Kind::Fastest => {
                let found = search(Goal::Fastest { metric: self.metric, at_least: self.at_least });
                let check_at = self.is_checked.then_some(CHECK_AT);
                Sweep { search: Some(GuidedSearch { check_at, ..found }), ..sweep }
            }
            Kind::BestRated => Sweep { search: Some(search(Goal::BestRated)), ..sweep },
        }
    }

    /// Draws the choice.
    pub(super) fn ui(&mut self, ui: &mut Ui) {
        ui.horizontal_wrapped(|ui| {
            let list = ComboBox::from_id_salt("cells").width(190.0).selected_text(self.kind.label());
            let shown = list.show_ui(ui, |ui| {
                for kind in Kind::ALL {
                    ui.selectable_value(&mut self.kind, kind, kind.label()).on_hover_text(kind.about());
                }
            });
            let response = shown.response.on_hover_text(self.kind.about());
            response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Which cells"));
            if self.kind == Kind::Every {
                return;
            }
            let label = ui.label(if self.is_search() { "Trials" } else { "Cells" });
            ui.add(DragValue::new(&mut self.count).range(1..=MOST)).labelled_by(label.id);
            if self.kind == Kind::Fastest {
                self.bound_ui(ui);
            }
        });
    }

    fn bound_ui(&mut self, ui: &mut Ui) {
        let list = ComboBox::from_id_salt("metric").width(110.0).selected_text(self.metric.label());
        let shown = list.show_ui(ui, |ui| {
            for metric in DifferenceMetric::ALL {
                let option = ui.selectable_label(self.metric == metric, metric.label());
                if option.on_hover_text(metric.meaning()).clicked() && self.metric != metric {
                    (self.metric, self.at_least) = (metric, usual_bound(metric));
                }
            }
        });
        let response = shown.response.on_hover_text(self.metric.meaning());
        response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Difference to reference"));
        let label = ui.label("At least");
        let (most, speed) = match self.metric {
            DifferenceMetric::Ssim | DifferenceMetric::MsSsim => (1.0, 0.005),
            DifferenceMetric::Psnr | DifferenceMetric::Ssimulacra2 => (100.0, 0.5),
        };
        let value = DragValue::new(&mut self.at_least).range(0.0..=most).speed(speed).max_decimals(3);
        ui.add(value).labelled_by(label.id);
        ui.checkbox(&mut self.is_checked, "Stop early").on_hover_text(
            "Compares the preview of each trial with the form's own video after half of its steps, and stops a trial \
             that is further from it than nearly all that were close enough",
        );
    }
}

/// A bound at which a difference is hardly visible.
fn usual_bound(metric: DifferenceMetric) -> f64 {
    match metric {
        DifferenceMetric::Psnr => 35.0,
        DifferenceMetric::Ssim | DifferenceMetric::MsSsim => 0.95,
        DifferenceMetric::Ssimulacra2 => 70.0,
    }
}
