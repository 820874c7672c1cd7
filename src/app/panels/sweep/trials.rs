//! The trace of a search: where it is, a plot and a table of its trials, and the importance of the fields.

use eframe::egui::{CollapsingHeader, Grid, ProgressBar, RichText, ScrollArea, Ui};
use egui_plot::{Line, MarkerShape, Plot, Points};

use super::view::SweepAction;
use crate::app::background::searches::SearchStatus;
use crate::app::theme;
use crate::sweep::{FieldImportance, SearchEnd, SearchTrace, SearchWait, SweepRecord, TrialRow};

/// Height of the plot in points.
const PLOT: f32 = 120.0;
/// Largest height of the table in points.
const TABLE: f32 = 150.0;
/// Width of a bar of the importance in points.
const BAR: f32 = 80.0;

/// Draws the trace; adds the user's actions.
pub(super) fn trials_ui(
    ui: &mut Ui,
    record: &SweepRecord,
    trace: &SearchTrace,
    status: Option<&SearchStatus>,
    actions: &mut Vec<SweepAction>,
) {
    ui.horizontal_wrapped(|ui| {
        ui.label(format!("Search for the {}", trace.goal));
        ui.strong(trace.sentence());
    });
    ui.horizontal_wrapped(|ui| {
        let (sentence, can_continue) = status_words(record, status);
        ui.weak(sentence);
        if can_continue && ui.small_button("Continue search").clicked() {
            actions.push(SweepAction::ContinueSearch(record.id.clone()));
        }
    });
    CollapsingHeader::new("Trials").default_open(true).show(ui, |ui| {
        plot_ui(ui, trace);
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                let area =
                    ScrollArea::vertical().id_salt("trials").max_height(TABLE).auto_shrink([true, true]);
                area.show(ui, |ui| table_ui(ui, trace));
            });
            ui.vertical(|ui| importance_ui(ui, &trace.importance));
        });
    });
    ui.separator();
}

/// Where the search is, and whether the user can continue it.
fn status_words(record: &SweepRecord, status: Option<&SearchStatus>) -> (String, bool) {
    match status {
        Some(SearchStatus::Running) => ("A trial is queued or runs".to_owned(), false),
        Some(SearchStatus::Waiting(wait)) => (wait.sentence(), *wait == SearchWait::Paused),
        Some(SearchStatus::Elsewhere(who)) => (format!("Carried on by {who}"), false),
        Some(SearchStatus::Ended(end)) => (end.sentence().to_owned(), *end == SearchEnd::Cancelled),
        None if record.is_open_search() => ("The search has not ended".to_owned(), true),
        None => (SearchEnd::Finished.sentence().to_owned(), false),
    }
}

fn plot_ui(ui: &mut Ui, trace: &SearchTrace) {
    let tokens = theme::tokens(ui);
    let goal = trace.search.goal;
    let points = |is_wanted: &dyn Fn(&TrialRow) -> bool| -> Vec<[f64; 2]> {
        let rows = trace.trials.iter().filter(|row| is_wanted(row));
        rows.filter_map(|row| Some([row.number as f64, row.value(goal)?])).collect()
    };
    let fits = points(&|row| row.satisfies != Some(false));
    let misses = points(&|row| row.satisfies == Some(false));
    let best: Vec<_> =
        trace.trials.iter().filter_map(|row| Some([row.number as f64, row.best_so_far?])).collect();
    let unit = goal.unit();
    let plot = Plot::new("trials of the search")
        .height(PLOT)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .legend(egui_plot::Legend::default())
        .x_axis_label("trial (0 is the reference)")
        .y_axis_label(unit)
        .include_x(0.0)
        .include_x(trace.search.trials.max(2))
        .include_y(0.0);
    plot.show(ui, |plot| {
        let name = if unit == "s" { "close enough" } else { "rated" };
        let dots = |name: &str, points, colour, shape| {
            Points::new(name.to_owned(), points).color(colour).radius(4.0).shape(shape)
        };
        plot.line(Line::new("best so far", best).color(tokens.plot_line).width(1.5));
        plot.points(dots(name, fits, tokens.plot_line, MarkerShape::Circle));
        if !misses.is_empty() {
            plot.points(dots("too different", misses, tokens.plot_disk, MarkerShape::Cross));
        }
    });
}

fn table_ui(ui: &mut Ui, trace: &SearchTrace) {
    let goal = trace.search.goal;
    Grid::new("trials").striped(true).num_columns(5).show(ui, |ui| {
        for head in ["Trial", "Settings", "State"].into_iter().chain(goal.columns()) {
            ui.strong(head);
        }
        ui.end_row();
        for row in &trace.trials {
            let is_best = Some(row.number) == trace.best;
            let text = |text: String| {
                let text = RichText::new(text);
                let text = if row.satisfies == Some(false) { text.weak() } else { text };
                if is_best { text.strong() } else { text }
            };
            let number = row.name();
            ui.label(text(if is_best { format!("{number} · best") } else { number }));
            ui.label(text(row.label.clone()));
            ui.label(text(row.status.to_owned()));
            let [first, second] = row.values_text(goal);
            ui.label(text(first));
            let second = ui.label(text(second));
            if let Some(psnr) = row.note.preview_psnr {
                second.on_hover_text(format!("PSNR of the preview at the check: {psnr:.1} dB"));
            }
            ui.end_row();
        }
    });
}

fn importance_ui(ui: &mut Ui, fields: &[FieldImportance]) {
    let values = |field: &FieldImportance| [field.of_time, field.of_difference, field.of_rating];
    if fields.iter().all(|field| values(field).iter().all(Option::is_none)) {
        ui.weak("The importance of the fields appears after four trials");
        return;
    }
    Grid::new("importance").num_columns(4).show(ui, |ui| {
        ui.strong("Importance").on_hover_text(
            "How much of what differs between the trials each field explains by itself (functional ANOVA)",
        );
        let heads = ["time", "difference", "rating"];
        let is_known: Vec<_> =
            (0..heads.len()).map(|index| fields.iter().any(|field| values(field)[index].is_some())).collect();
        for (head, _) in heads.iter().zip(&is_known).filter(|(_, known)| **known) {
            ui.weak(*head);
        }
        ui.end_row();
        for field in fields {
            ui.label(&field.field);
            for (value, _) in values(field).into_iter().zip(&is_known).filter(|(_, known)| **known) {
                let part = value.unwrap_or_default();
                let bar = ProgressBar::new(part as f32).desired_width(BAR);
                ui.add(bar.text(format!("{:.0} %", part * 100.0)));
            }
            ui.end_row();
        }
    });
}
