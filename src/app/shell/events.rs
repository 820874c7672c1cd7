//! Processes events since the last frame: of jobs, the queue and background threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::app::State;
use super::attention;
use super::notifications::Tone;
use super::quit::Quit;
use super::restore_dialog::{FileUse, OfferedFile};
use crate::app::background::restore::{Found, as_image};
use crate::app::form::SeedMode;
use crate::core::{Error, Event, Result};
use crate::jobs::JobId;
use crate::worker::ElsewhereJob;

impl State {
    /// Processes all events.
    pub(super) fn drain(&mut self, now: Instant) {
        self.accept();
        self.desktop.update();
        while let Ok((id, event)) = self.worker.events().try_recv() {
            self.observe(id, event, now);
        }
        let snapshot = self.worker.snapshot();
        (self.queue, self.queue_is_paused) = (snapshot.jobs, snapshot.is_paused);
        self.observe_elsewhere(snapshot.elsewhere, now);
        for message in snapshot.messages {
            self.notifications.add(Tone::Warning, message, None);
        }
        while let Some(answer) = self.dialogs.poll() {
            match answer.flatten() {
                Ok(Some(path)) => self.open_file(path, now),
                Ok(None) => {}
                Err(error) => self.report_error(&error),
            }
        }
        while let Some(answer) = self.fits.poll() {
            if let Err(error) = answer.and_then(|fits| self.form.take_fits(fits)) {
                self.report_error(&error);
            }
        }
        while let Some(answer) = self.background.poll() {
            self.found(answer);
        }
        if self.form.has_other_files() {
            self.scan_models();
        }
    }

    /// Reports whether submitted jobs were saved.
    fn accept(&mut self) {
        let mut refused = Vec::new();
        self.accepted.retain(|answer| match answer.try_recv() {
            Ok(accepted) => {
                refused.extend(accepted.err());
                false
            }
            Err(waiting) => waiting.is_empty(),
        });
        for error in refused {
            self.report_error(&error);
        }
    }

    fn observe(&mut self, id: JobId, event: Event, now: Instant) {
        self.live.observe(id, &event, now);
        if event.is_terminal() || matches!(event, Event::Interrupted { .. }) {
            // memory and time estimates have changed
            self.examiner.again();
            self.player.end_preview(id);
        }
        if self.quit == Quit::AfterStep && matches!(event, Event::Step { .. }) {
            self.quit = Quit::StepDone;
        }
        if !self.is_focused
            && let Some((title, text)) = attention::of_end(id, &event, &self.queue)
        {
            self.desktop.show(title, text);
            self.wants_attention = true;
        }
        match event {
            Event::Preview { frames, stage, .. } => {
                self.sweeps.preview(id, &frames);
                self.player.preview(id, stage, frames, now);
            }
            Event::Warning { message } | Event::Retrying { message, .. } => {
                self.notifications.add(Tone::Warning, message, Some(id));
            }
            Event::Finished { outcome } => {
                let text = format!("Job {id} is done in {}", outcome.generation_time_s);
                self.notifications.add(Tone::Good, text, Some(id));
                self.player.open(outcome.output.clone(), Some(id), now);
            }
            Event::Failed { error } => {
                let message = format!("Job {id} failed: {}", error.message);
                let mut error = error;
                error.message = message;
                self.notifications.error(&error, Some(id));
            }
            Event::Cancelled => {
                self.notifications.add(Tone::Info, format!("Job {id} was cancelled"), Some(id));
            }
            _ => {}
        }
    }

    /// Takes over what other programs report, and previews their job while none runs here.
    fn observe_elsewhere(&mut self, jobs: Arc<[ElsewhereJob]>, now: Instant) {
        if Arc::ptr_eq(&jobs, &self.elsewhere) {
            return;
        }
        for gone in self.elsewhere.iter().filter(|job| jobs.iter().all(|other| other.id != job.id)) {
            self.player.end_preview(gone.id);
        }
        self.live.set_elsewhere(&jobs, now);
        let previewed = jobs.iter().find_map(|job| Some((job.id, job.preview.as_ref()?)));
        if self.live.is_empty()
            && let Some((id, (stage, frames))) = previewed
        {
            self.player.preview(id, *stage, Arc::clone(frames), now);
        }
        self.elsewhere = jobs;
    }

    /// Uses the file that was dropped first as the user says.
    pub(super) fn use_offered(&mut self, answer: FileUse) {
        let Some(OfferedFile { path, draft }) = self.offered.pop_front() else { return };
        match answer {
            FileUse::Restore => {
                self.form.draft = *draft;
                // generating now makes the same video
                self.form.context.seed_mode = SeedMode::Fixed;
            }
            FileUse::Image => self.use_as_image(path),
            FileUse::Open => {}
        }
    }

    /// Starts from an image, or from the last frame of a video.
    pub(super) fn use_as_image(&mut self, path: PathBuf) {
        if self.background.submit(move || as_image(&path)) {
            self.tasks.files += 1;
        }
    }

    fn found(&mut self, answer: Result<Found>) {
        let done = answer.and_then(|found| match found {
            Found::Settings(path, draft) => {
                self.tasks.files -= 1;
                self.offered.push_back(OfferedFile { path, draft });
                Ok(())
            }
            Found::Clip(path) => {
                self.tasks.files -= 1;
                self.form.continue_from(path)
            }
            Found::Exported(path) => {
                self.tasks.files -= 1;
                let text = format!("Exported to {}", path.display());
                self.notifications.add(Tone::Good, text, None);
                Ok(())
            }
            Found::Image(path, size) => {
                self.tasks.files -= 1;
                self.form.start_from(path, size)
            }
            Found::Lora(path, expert, profile) => {
                self.tasks.files -= 1;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if let Some(changed) = self.form.add_lora(path, expert, profile) {
                    let text = format!("{name} is distilled, so the form now has {changed}");
                    self.notifications.add(Tone::Good, text, None);
                }
                Ok(())
            }
            Found::SavedFrame(path) => {
                self.tasks.files -= 1;
                let text = format!("The frame is saved as {}", path.display());
                self.notifications.add(Tone::Good, text, None);
                Ok(())
            }
            Found::Nothing(error) => {
                self.tasks.files -= 1;
                Err(error)
            }
            Found::Models(mut scan) => {
                self.tasks.scans -= 1;
                self.pages.loras = std::mem::take(&mut scan.loras);
                self.pages.other_files = std::mem::take(&mut scan.others);
                self.pages.details.clear();
                if let Some(error) = self.form.take_scan(scan) {
                    self.report_error(&error);
                }
                self.fits.submit(self.form.look_at_fits());
                self.examiner.again();
                self.add_brought_presets();
                Ok(())
            }
        });
        if let Err(error) = done {
            self.report_error(&error);
        }
    }

    /// Shows an error that does not belong to a job.
    pub(super) fn report_error(&mut self, error: &Error) {
        self.notifications.error(error, None);
    }
}
