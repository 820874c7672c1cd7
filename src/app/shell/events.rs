//! Takes in what happened since the last frame: events of jobs, the queue, answers of the background.

use std::time::Instant;

use super::app::State;
use super::notifications::Tone;
use super::quit::Quit;
use crate::app::background::restore::Found;
use crate::app::form::SeedMode;
use crate::core::{Error, Event, Result};
use crate::jobs::JobId;

impl State {
    /// Takes in all of it.
    pub(super) fn drain(&mut self, now: Instant) {
        self.accept();
        while let Ok((id, event)) = self.worker.events().try_recv() {
            self.observe(id, event, now);
        }
        let snapshot = self.worker.snapshot();
        self.queue = snapshot.jobs;
        for message in snapshot.messages {
            self.notifications.say(Tone::Warning, message, None);
        }
        while let Some(answer) = self.dialogs.poll() {
            match answer {
                Ok(Some(path)) => self.open_file(path, now),
                Ok(None) => {}
                Err(error) => self.tell(&error),
            }
        }
        while let Some(answer) = self.fits.poll() {
            if let Err(error) = answer.and_then(|fits| self.form.take_fits(fits)) {
                self.tell(&error);
            }
        }
        while let Some(answer) = self.background.poll() {
            self.found(answer);
        }
    }

    /// Says what became of jobs that were asked for.
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
            self.tell(&error);
        }
    }

    fn observe(&mut self, id: JobId, event: Event, now: Instant) {
        self.live.observe(id, &event, now);
        if event.is_terminal() || matches!(event, Event::Interrupted { .. }) {
            // its memory is free again, and its time is known
            self.examiner.again();
            self.player.end_preview(id);
        }
        if self.quit == Quit::AfterStep && matches!(event, Event::Step { .. }) {
            self.quit = Quit::StepDone;
        }
        match event {
            Event::Preview { frames, stage, .. } => self.player.preview(id, stage, frames, now),
            Event::Warning { message } | Event::Retrying { message, .. } => {
                self.notifications.say(Tone::Warning, message, Some(id));
            }
            Event::Finished { outcome } => {
                let text = format!("Job {id} is done in {}", outcome.generation_time_s);
                self.notifications.say(Tone::Good, text, Some(id));
                self.player.open(outcome.output.clone(), Some(id), now);
            }
            Event::Failed { error } => {
                let message = format!("Job {id} failed: {}", error.message);
                let mut error = error;
                error.message = message;
                self.notifications.error(&error, Some(id));
            }
            Event::Cancelled => {
                self.notifications.say(Tone::Info, format!("Job {id} was cancelled"), Some(id));
            }
            _ => {}
        }
    }

    fn found(&mut self, answer: Result<Found>) {
        let done = answer.and_then(|found| match found {
            Found::Settings(draft) => {
                self.tasks.files -= 1;
                self.form.draft = *draft;
                // what is generated now is the same video
                self.form.context.seed_mode = SeedMode::Fixed;
                Ok(())
            }
            Found::Image(path, size) => {
                self.tasks.files -= 1;
                self.form.start_from(path, size)
            }
            Found::Lora(path, expert) => {
                self.tasks.files -= 1;
                self.form.add_lora(path, expert);
                Ok(())
            }
            Found::SavedFrame(path) => {
                self.tasks.files -= 1;
                let text = format!("The frame is saved as {}", path.display());
                self.notifications.say(Tone::Good, text, None);
                Ok(())
            }
            Found::Nothing(error) => {
                self.tasks.files -= 1;
                Err(error)
            }
            Found::Models(scan) => {
                self.tasks.scans -= 1;
                if let Some(error) = self.form.take_scan(scan) {
                    self.tell(&error);
                }
                self.fits.ask(self.form.look_at_fits());
                self.examiner.again();
                Ok(())
            }
        });
        if let Err(error) = done {
            self.tell(&error);
        }
    }

    /// Shows an error that is not a job's.
    pub(super) fn tell(&mut self, error: &Error) {
        self.notifications.error(error, None);
    }
}
