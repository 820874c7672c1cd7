//! The monitor panel.

use std::time::Duration;

use eframe::egui::{Align, Label, Layout, RichText, ScrollArea, Ui};

use super::advice::AdviceMenu;
use super::plots::{self, PlotFrame};
use super::side;
use super::stages::StageTotals;
use super::toolbar;
use super::view::{MonitorAction, MonitorView};
use crate::core::Secs;
use crate::library::Diagnosis;
use crate::monitor::{
    HostMetric, JobTrack, Metric, MonitorSnapshot, Slowdown, StageMap, TimeRange, Timeline, slowdowns,
    why_slow,
};

/// Minimum width for the table beside the plots.
const WIDE: f32 = 790.0;
/// Width of the table.
const SIDE_WIDTH: f32 = 430.0;
/// What was measured is drawn anew this often while the monitor is seen.
const REFRESH: Duration = Duration::from_secs(1);
/// Seconds that are shown at least.
const SHORTEST_ZOOM: f64 = 0.5;
/// Seconds without a movement of the pointer after which nobody watches.
const WATCHED_S: f32 = 60.0;

/// The drawn range of the measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RangeChoice {
    Minute,
    TenMinutes,
    #[default]
    Job,
    All,
}

impl RangeChoice {
    pub(super) const ALL: [Self; 4] = [Self::Minute, Self::TenMinutes, Self::Job, Self::All];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Minute => "1 min",
            Self::TenMinutes => "10 min",
            Self::Job => "This job",
            Self::All => "All",
        }
    }

    /// The part of `snapshot`, ending at its last sample; the last minute if no job was recorded.
    pub(super) fn of(self, snapshot: &MonitorSnapshot, job: Option<&JobTrack>) -> TimeRange {
        let first = snapshot.samples.first().map_or(Secs(0.0), |sample| sample.at);
        let last = snapshot.samples.last().map_or(snapshot.now, |sample| sample.at);
        let since = |seconds: f64| TimeRange { from: Secs(last.0 - seconds), to: last };
        match (self, job) {
            (Self::Minute, _) | (Self::Job, None) => since(60.0),
            (Self::TenMinutes, _) => since(600.0),
            (Self::Job, Some(job)) => {
                TimeRange { from: job.began, to: Secs(job.ended.unwrap_or(last).0.max(job.began.0 + 1.0)) }
            }
            (Self::All, _) => TimeRange { from: first, to: Secs(last.0.max(first.0 + 1.0)) },
        }
    }
}

/// The diagnosis of the last job, computed once per new sample.
#[derive(Debug, Default)]
pub(super) struct Analysed {
    key: (usize, u64, u64, usize, usize),
    pub(super) slowdowns: Vec<Slowdown>,
    pub(super) why: Option<String>,
    pub(super) diagnosis: Option<Diagnosis>,
    pub(super) stages: Vec<StageTotals>,
}

/// The view state of the monitor.
#[derive(Debug, Default)]
pub(in crate::app) struct MonitorPanel {
    pub(super) range: RangeChoice,
    /// The selected range.
    pub(super) selection: Option<TimeRange>,
    /// The part that is shown instead of the range.
    zoom: Option<TimeRange>,
    /// Where the drag that goes on began.
    drag_from: Option<Secs>,
    /// The time at the pointer.
    pub(super) cursor: Option<Secs>,
    /// Number of the job that was clicked; the last one if none was.
    chosen: Option<u64>,
    /// Samples count from here on.
    reset_at: Option<Secs>,
    analysed: Analysed,
    advice_menu: AdviceMenu,
}

/// Draws again soon while a job runs or somebody is there; an idle window costs nothing.
fn refresh(ui: &Ui, view: MonitorView<'_>) {
    let is_watched = ui.input(|input| input.focused && input.pointer.time_since_last_movement() < WATCHED_S);
    if is_watched || running(view.snapshot).is_some() {
        ui.request_repaint_after(REFRESH);
    }
}

impl MonitorPanel {
    /// Draws the monitor; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: MonitorView<'_>) -> Vec<MonitorAction> {
        refresh(ui, view);
        let mut actions = Vec::new();
        ui.horizontal_wrapped(|ui| toolbar::ui(ui, self, view, &mut actions));
        if view.snapshot.samples.is_empty() {
            ui.weak("Measuring…");
            return actions;
        }
        self.analyse(view.snapshot);
        // what scrolls has no height of its own
        let height = ui.available_height();
        if ui.available_width() < WIDE {
            ScrollArea::vertical().id_salt("monitor").show(ui, |ui| {
                self.plots_ui(ui, view, height, &mut actions);
                side::ui(ui, self, view, &mut actions);
            });
            return actions;
        }
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            ui.allocate_ui(eframe::egui::vec2(SIDE_WIDTH, ui.available_height()), |ui| {
                ui.with_layout(Layout::top_down(Align::Min), |ui| {
                    let area = ScrollArea::vertical().id_salt("monitor numbers");
                    area.show(ui, |ui| side::ui(ui, self, view, &mut actions));
                });
            });
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                let area = ScrollArea::vertical().id_salt("monitor rows");
                area.show(ui, |ui| self.plots_ui(ui, view, height, &mut actions));
            });
        });
        actions
    }

    /// The diagnosis of the last job.
    pub(super) fn analysed(&self) -> &Analysed {
        &self.analysed
    }

    /// The job that the numbers are about: the one that was clicked, else the last one.
    pub(super) fn job<'a>(&self, snapshot: &'a MonitorSnapshot) -> Option<&'a JobTrack> {
        let chosen = snapshot.jobs.iter().rev().find(|job| Some(job.job) == self.chosen);
        chosen.or_else(|| snapshot.jobs.last())
    }

    /// The part that is drawn.
    pub(super) fn drawn(&self, snapshot: &MonitorSnapshot) -> TimeRange {
        self.zoom.unwrap_or_else(|| self.range.of(snapshot, self.job(snapshot)))
    }

    /// Whether a part of the range is shown.
    pub(super) fn is_zoomed(&self) -> bool {
        self.zoom.is_some()
    }

    /// Shows the whole range again.
    pub(super) fn zoom_out(&mut self) {
        self.zoom = None;
    }

    /// Shows the selected part alone.
    pub(super) fn zoom_to_selection(&mut self, snapshot: &MonitorSnapshot) {
        if let Some(selection) = self.selection {
            self.zoom = zoomed(selection, snapshot);
        }
    }

    /// The part that files are about.
    pub(super) fn selected(&self, snapshot: &MonitorSnapshot) -> TimeRange {
        self.selection.unwrap_or_else(|| self.drawn(snapshot))
    }

    /// The part that the table is about.
    pub(super) fn measured(&self, snapshot: &MonitorSnapshot) -> TimeRange {
        let range = self.selected(snapshot);
        let from = self.reset_at.map_or(range.from, |at| Secs(at.0.max(range.from.0).min(range.to.0)));
        TimeRange { from, ..range }
    }

    /// Counts minimum, average and maximum from the last sample on.
    pub(super) fn reset(&mut self, snapshot: &MonitorSnapshot) {
        self.reset_at = snapshot.samples.last().map(|sample| sample.at);
    }

    /// Whether only samples after a reset count.
    pub(super) fn is_reset(&self) -> bool {
        self.reset_at.is_some() && self.selection.is_none()
    }

    /// Counts all samples of the range again.
    pub(super) fn count_all(&mut self) {
        self.reset_at = None;
    }

    /// Follows the last job again.
    pub(super) fn follow(&mut self) {
        (self.chosen, self.selection, self.reset_at, self.zoom) = (None, None, None, None);
    }

    fn plots_ui(
        &mut self,
        ui: &mut Ui,
        view: MonitorView<'_>,
        height: f32,
        actions: &mut Vec<MonitorAction>,
    ) {
        let range = self.drawn(view.snapshot);
        let job = self.job(view.snapshot);
        let earlier = view.overlay.zip(job).map(|(overlay, job)| StageMap::between(&overlay.track, job));
        let (selection, cursor) = (self.selection, self.cursor);
        let drag_from = self.drag_from;
        let frame = PlotFrame { view, job, earlier, range, selection, cursor, drag_from, height };
        let touched = plots::ui(ui, &frame, &self.analysed.slowdowns);
        (self.cursor, self.drag_from) = (touched.cursor, touched.drag_from);
        match touched.drag {
            plots::Drag::None => {}
            plots::Drag::Over(range) => self.selection = Some(range),
            plots::Drag::Clicked(at) => {
                let found = band_at(&view.snapshot.jobs, at);
                self.selection = found.map(|(_, range)| range);
                self.chosen = found.map(|(job, _)| job).or(self.chosen);
            }
            plots::Drag::Focused(at) => {
                let stage = stage_at(&view.snapshot.jobs, at);
                self.zoom = if self.is_zoomed() {
                    None
                } else {
                    stage.and_then(|range| zoomed(range, view.snapshot))
                };
            }
            plots::Drag::Zoomed(at, factor) => {
                let from = Secs(at.0 - (at.0 - range.from.0) * factor);
                let to = Secs(at.0 + (range.to.0 - at.0) * factor);
                self.zoom = zoomed(TimeRange { from, to }, view.snapshot);
            }
            plots::Drag::Moved(by) => {
                let [from, to] = [range.from, range.to].map(|at| Secs(at.0 + by.0));
                if self.is_zoomed() && is_within(TimeRange { from, to }, view.snapshot) {
                    self.zoom = Some(TimeRange { from, to });
                }
            }
        }
        let hint = "Drag over a part or click a stage for its numbers";
        let why = self.analysed.why.as_deref().unwrap_or(hint);
        let whole = if why == hint { hint.to_owned() } else { format!("{why}\n{hint}") };
        ui.horizontal(|ui| {
            self.advice_menu.ui(ui, self.analysed.diagnosis.as_ref(), actions);
            let label = Label::new(RichText::new(why).weak()).truncate().show_tooltip_when_elided(false);
            ui.add(label).on_hover_text(whole);
        });
    }

    /// Draws the current load of the machine in one line.
    pub(in crate::app) fn line_ui(ui: &mut Ui, view: MonitorView<'_>) {
        refresh(ui, view);
        ui.label(meter(view.snapshot));
        if let Some(job) = running(view.snapshot)
            && let Some(span) = job.stage_at(view.snapshot.now)
        {
            let step = job.steps.last().filter(|step| step.stage == span.stage);
            let step = step.map(|step| format!(" {} of {}", step.step, step.of)).unwrap_or_default();
            ui.label(RichText::new(format!("{}{step}", span.stage)).weak());
        }
    }

    fn analyse(&mut self, snapshot: &MonitorSnapshot) {
        let Some(job) = self.job(snapshot) else {
            self.analysed = Analysed::default();
            return;
        };
        let last = snapshot.samples.last().map_or(0.0, |sample| sample.at.0);
        let closed = job.stages.iter().filter(|span| span.ended.is_some()).count();
        let key = (snapshot.samples.len(), last.to_bits(), job.job, job.steps.len(), closed);
        if self.analysed.key == key {
            return;
        }
        let slowdowns = slowdowns(job, &snapshot.samples);
        let ran = Secs(job.ended.unwrap_or(Secs(last)).0 - job.began.0);
        let why = (!job.stages.is_empty()).then(|| why_slow(&slowdowns, ran));
        let timeline = Timeline::cut(job, &snapshot.machine, &snapshot.samples);
        let stages = StageTotals::of(job, &snapshot.samples);
        self.analysed = Analysed { key, slowdowns, why, diagnosis: Diagnosis::of(&timeline), stages };
    }
}

/// The running job.
fn running(snapshot: &MonitorSnapshot) -> Option<&JobTrack> {
    snapshot.jobs.last().filter(|job| job.ended.is_none())
}

/// The part of the measurements that `wanted` means, at least half a second long; none if that is all of them.
fn zoomed(wanted: TimeRange, snapshot: &MonitorSnapshot) -> Option<TimeRange> {
    let all = RangeChoice::All.of(snapshot, None);
    let middle = f64::midpoint(wanted.from.0, wanted.to.0);
    let half = (0.5 * wanted.seconds().0).max(SHORTEST_ZOOM / 2.0);
    let range =
        TimeRange { from: Secs((middle - half).max(all.from.0)), to: Secs((middle + half).min(all.to.0)) };
    (range.from > all.from || range.to < all.to).then_some(range)
}

/// Whether there are measurements at both ends of `range`.
fn is_within(range: TimeRange, snapshot: &MonitorSnapshot) -> bool {
    let all = RangeChoice::All.of(snapshot, None);
    range.from >= all.from && range.to <= all.to
}

/// The stage at `at`.
fn stage_at(jobs: &[JobTrack], at: Secs) -> Option<TimeRange> {
    let span = jobs.iter().rev().find_map(|job| job.stage_at(at))?;
    Some(TimeRange { from: span.began, to: span.ended.unwrap_or(at) })
}

/// The step at `at`, else the stage, with the number of its job.
fn band_at(jobs: &[JobTrack], at: Secs) -> Option<(u64, TimeRange)> {
    let job = jobs.iter().rev().find(|job| job.stage_at(at).is_some())?;
    if let Some(step) = job.step_at(at) {
        let range = TimeRange { from: Secs(step.ended.0 - step.seconds.0), to: step.ended };
        return Some((job.job, range));
    }
    let span = job.stage_at(at)?;
    Some((job.job, TimeRange { from: span.began, to: span.ended.unwrap_or(at) }))
}

/// The latest values in one line.
pub(in crate::app) fn meter(snapshot: &MonitorSnapshot) -> String {
    let Some(last) = snapshot.samples.last() else { return "Measuring…".to_owned() };
    let device = (0..last.num_devices()).flat_map(|index| {
        [crate::monitor::DeviceMetric::Use, crate::monitor::DeviceMetric::UsedMemory]
            .map(|metric| Metric::Device(index, metric))
    });
    let host = [HostMetric::Cpu, HostMetric::ProcessMemory, HostMetric::DiskRead].map(Metric::from);
    let words = |metric: Metric| Some(format!("{metric} {}", metric.format(last.get(metric)?)));
    host.into_iter().chain(device).filter_map(words).collect::<Vec<_>>().join(" · ")
}
