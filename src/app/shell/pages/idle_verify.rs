//! Verifies models while the window has nothing else to do.

use std::time::{Duration, Instant};

use eframe::egui::Context;

use super::state::PageAnswer;
use crate::app::background::idle_verify::IdleStep;
use crate::app::panels::models::FetchStatus;
use crate::app::shell::app::State;
use crate::core::Utc;
use crate::jobs::{Job, JobState};
use crate::models::VerifiedModels;

impl State {
    /// Starts to verify a model that is due, or stops it when something else is to do.
    pub(in crate::app::shell) fn update_idle_verify(&mut self, ctx: &Context, now: Instant) {
        let settings = &self.form.settings().models;
        let (is_on, patience) = (settings.verify_when_idle, Duration::from_secs(settings.idle_s));
        let is_free = is_on && self.has_nothing_to_do();
        match self.pages.idle_verify.step(is_free, patience, now) {
            IdleStep::Wait(None) => {}
            IdleStep::Wait(Some(time)) => ctx.request_repaint_after(time),
            IdleStep::Stop => {
                if let Some(task) = &self.pages.task {
                    task.cancel.cancel();
                }
            }
            IdleStep::Look => {
                let models = self.models().to_vec();
                let data_dir = self.data_dir.clone();
                let look = move || {
                    let due = VerifiedModels::new(&data_dir);
                    PageAnswer::VerifyDue(due.due(&models, Utc::now()).map(|model| model.id.clone()))
                };
                if let Err(error) = self.page_work(look) {
                    tracing::warn!("{error:#}");
                    self.pages.idle_verify.found_nothing(now);
                }
            }
        }
    }

    /// Whether no job runs or waits, no model is worked on because a person asked for it, and nothing is fetched or searched.
    fn has_nothing_to_do(&self) -> bool {
        let is_next = |job: &Job| match job.state {
            JobState::Queued => !self.queue_is_paused,
            JobState::Running { .. } => true,
            _ => false,
        };
        let has_job = self.queue.iter().any(is_next);
        let has_task = self.pages.task.is_some() && !self.pages.idle_verify.is_working();
        let fetches = matches!(self.pages.fetch.status, FetchStatus::Planning(_) | FetchStatus::Running(..));
        self.form.is_scanned() && self.tasks.scans == 0 && !has_job && !has_task && !fetches
    }

    /// Verifies the model `id`, which is due, unless something else is to do by now.
    pub(super) fn verify_when_idle(&mut self, id: Option<String>) {
        let Some(id) = id else {
            self.pages.idle_verify.found_nothing(Instant::now());
            return;
        };
        let is_wanted = self.pages.task.is_none() && self.has_nothing_to_do();
        if !is_wanted {
            self.pages.idle_verify.ended();
        } else if let Err(error) = self.verify_model(&id) {
            tracing::warn!("{error:#}");
            self.pages.idle_verify.found_nothing(Instant::now());
        }
    }
}
