//! What the process uses, and the job that runs.

use eframe::egui::Ui;

use crate::app::background::meter::Reading;
use crate::app::shell::live_jobs::LiveJobs;
use crate::app::widgets::stage_bar::{stage_bar_ui, stage_words};

/// What is measured.
#[derive(Clone, Copy)]
pub(in crate::app) struct MonitorView<'a> {
    /// The last reading.
    pub(in crate::app) reading: Reading,
    /// The jobs that run.
    pub(in crate::app) live: &'a LiveJobs,
}

/// What a person asks of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum MonitorAction {}

/// The monitor's own state.
#[derive(Default)]
pub(in crate::app) struct MonitorPanel {}

impl MonitorPanel {
    /// Draws what is measured; says what the person asked for.
    #[expect(clippy::unused_self, reason = "every panel is drawn alike")]
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &MonitorView<'_>) -> Vec<MonitorAction> {
        ui.label(view.reading.sentence());
        match view.live.first() {
            Some((id, job)) => {
                ui.label(format!("Job {id} · {}", stage_words(&job.progress)));
                stage_bar_ui(ui, &job.progress, 8.0);
            }
            None => {
                ui.weak("No job runs");
            }
        }
        Vec::new()
    }

    /// Draws the same in one line.
    pub(in crate::app) fn line_ui(ui: &mut Ui, view: &MonitorView<'_>) {
        ui.label(view.reading.sentence());
        if let Some((id, job)) = view.live.first() {
            ui.label(format!("job {id} · {}", stage_words(&job.progress)));
            stage_bar_ui(ui, &job.progress, 6.0);
        }
    }
}
