//! What the selected model can do, and what it needs on this machine.

use std::path::PathBuf;

use eframe::egui::{Grid, Label, Rect, Response, RichText, Sense, Ui, Vec2, pos2, vec2};

use crate::app::theme;
use crate::app::widgets::field::problem_text_ui;
use crate::core::{Bytes, Result};
use crate::models::Installed;
use crate::models::convert::ConversionReport;
use crate::plan::{FittingLora, MemoryFit, ModelReport, StageMemoryDocument};

/// Bytes of a MiB.
const MEBIBYTE: f64 = 1048576.0;
/// Size of a bar of memory in points.
const BAR: Vec2 = vec2(180.0, 10.0);

/// What was found out about a model in the background.
#[derive(Clone, Debug)]
pub(in crate::app) struct ModelDetail {
    /// What it can do and needs, or why that is not known.
    pub(in crate::app) report: Result<ModelReport>,
    /// Files of weights beside it.
    pub(in crate::app) files: Vec<PathBuf>,
    /// What its conversion changed, if it was converted here.
    pub(in crate::app) conversion: Option<Box<ConversionReport>>,
    /// The LoRAs that fit it; `None` until they were looked at.
    pub(in crate::app) loras: Option<Result<Vec<FittingLora>>>,
}

impl ModelDetail {
    /// What `report` says, and nothing else yet.
    pub(in crate::app) fn new(report: Result<ModelReport>) -> Self {
        Self { report, files: Vec::new(), conversion: None, loras: None }
    }
}

/// Draws the answers, or that they are being worked out.
pub(super) fn report_ui(ui: &mut Ui, model: &Installed, detail: Option<&ModelDetail>) {
    let Ok(limits) = &model.limits else { return };
    ui.add_space(6.0);
    ui.strong("On this machine");
    let report = match detail.map(|detail| &detail.report) {
        None => {
            ui.weak("Estimating memory…");
            return;
        }
        Some(Err(error)) => return problem_text_ui(ui, error),
        Some(Ok(report)) => report,
    };
    let colour = match report.fit {
        MemoryFit::Fits => theme::tokens(ui).good,
        MemoryFit::Tight => theme::tokens(ui).warning,
        MemoryFit::TooLarge => theme::tokens(ui).error,
    };
    let words = format!("With its own defaults it {}", report.fit_words());
    ui.add(Label::new(RichText::new(words).color(colour)).wrap());
    let multiple = limits.strides.size_multiple();
    let sizes = match report.sizes.as_slice() {
        [] => format!("width and height in multiples of {multiple}"),
        named => format!("{}; others in multiples of {multiple}", named.join(", ")),
    };
    let frames = format!("{}n + 1, by default {}", report.frame_multiple, report.default_frames.0);
    let mut rows = vec![
        ("Sizes", sizes),
        ("Frames", frames),
        ("Steps", format!("by default {}", report.default_steps.0)),
        ("Made of", report.build_words()),
    ];
    rows.extend(report.publisher.iter().map(|publisher| ("Published by", publisher.clone())));
    let distilled = model.info.as_ref().and_then(|info| info.distilled.as_ref());
    rows.push(("Profile", distilled.map_or_else(|| "brings none".to_owned(), ToString::to_string)));
    if !model.names.is_empty() {
        rows.push(("Also called", model.names.join(", ")));
    }
    Grid::new("answers").num_columns(2).spacing([14.0, 4.0]).show(ui, |ui| {
        for (name, text) in rows {
            ui.weak(name);
            ui.add(Label::new(text).wrap());
            ui.end_row();
        }
    });
    memory_ui(ui, "Memory by stage", report, &report.memory);
    memory_ui(ui, "GPU memory by stage", report, &report.device);
}

fn memory_ui(ui: &mut Ui, title: &str, report: &ModelReport, stages: &[StageMemoryDocument]) {
    if stages.is_empty() {
        return;
    }
    ui.add_space(6.0);
    ui.strong(title);
    let largest = stages.iter().map(|stage| stage.peak_mb).fold(0.0, f64::max);
    Grid::new(title).num_columns(3).striped(true).spacing([14.0, 4.0]).show(ui, |ui| {
        for stage in stages {
            ui.label(stage.stage.name(report.experts > 1));
            let text = RichText::new(Bytes((stage.peak_mb * MEBIBYTE) as u64).to_string());
            let text = if stage.peak_mb >= largest { text.strong() } else { text };
            let droppable = Bytes((stage.droppable_mb * MEBIBYTE) as u64);
            let droppable = format!("{droppable} of it the system can drop and read again");
            ui.label(text).on_hover_text(&droppable);
            bar_ui(ui, stage, largest).on_hover_text(droppable);
            ui.end_row();
        }
    });
}

/// A bar as long as the stage's memory beside that of the largest stage; what can be dropped is lighter.
fn bar_ui(ui: &mut Ui, stage: &StageMemoryDocument, largest: f64) -> Response {
    let (area, response) = ui.allocate_exact_size(BAR, Sense::hover());
    let width = |mebibytes: f64| area.width() * (mebibytes / largest.max(f64::EPSILON)) as f32;
    let part = |from: f32, to: f32| {
        Rect::from_min_max(pos2(area.left() + from, area.top()), pos2(area.left() + to, area.bottom()))
    };
    let (all, needed) = (width(stage.peak_mb), width((stage.peak_mb - stage.droppable_mb).max(0.0)));
    let colour = theme::stage_colour(ui, stage.stage);
    ui.painter().rect_filled(part(0.0, all), 1.0, colour.gamma_multiply(0.45));
    ui.painter().rect_filled(part(0.0, needed), 1.0, colour);
    response
}
