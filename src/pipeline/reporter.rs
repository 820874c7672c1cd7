//! The events of a run as they happen, and the record that is left of them.

use std::time::Instant;

use crate::core::{Event, Secs, Stage, StageTime};

/// Sends a run's events and keeps what its outcome will need.
pub struct Reporter<'a> {
    send: &'a mut dyn FnMut(Event),
    /// Seconds of each finished stage.
    pub stages: Vec<StageTime>,
    /// Seconds of each denoising step.
    pub steps: Vec<Secs>,
    /// What was done differently than asked, or deserves a look.
    pub warnings: Vec<String>,
    /// What saved time or memory.
    pub optimizations: Vec<String>,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StageStep {
    /// Which stage.
    pub(super) stage: Stage,
    /// Steps or chunks that are done.
    pub(super) step: u32,
    /// Steps or chunks in all.
    pub(super) of: u32,
}

impl<'a> Reporter<'a> {
    /// Sends the events to `send`.
    pub fn new(send: &'a mut dyn FnMut(Event)) -> Self {
        Self { send, stages: Vec::new(), steps: Vec::new(), warnings: Vec::new(), optimizations: Vec::new() }
    }

    /// Sends an event.
    pub fn send(&mut self, event: Event) {
        (self.send)(event);
    }

    /// Sends a note.
    pub fn note(&mut self, message: impl Into<String>) {
        self.send(Event::Note { message: message.into() });
    }

    /// Sends and records a warning.
    pub fn warn(&mut self, message: impl Into<String>) {
        let message = message.into();
        self.warnings.push(message.clone());
        self.send(Event::Warning { message });
    }

    /// Sends a note of something that saves time or memory, and records it.
    pub fn optimization(&mut self, message: impl Into<String>) {
        let message = message.into();
        self.optimizations.push(message.clone());
        self.send(Event::Note { message });
    }

    /// Sends that `stage` began. The moment goes to [`Self::stage_finished`].
    pub(super) fn stage_started(&mut self, stage: Stage) -> Instant {
        self.send(Event::StageStarted { stage });
        Instant::now()
    }

    /// Sends and records that `stage`, which began at `began`, is done.
    pub(super) fn stage_finished(&mut self, stage: Stage, began: Instant) {
        let seconds = Secs::from(began.elapsed());
        self.stages.push(StageTime { name: stage, seconds });
        self.send(Event::StageFinished { stage, seconds });
    }

    /// Sends that one more step or chunk of a stage is done, and how long it took.
    pub(super) fn step_done(&mut self, done: StageStep, seconds: Secs) {
        let StageStep { stage, step, of } = done;
        if matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow) {
            self.steps.push(seconds);
        }
        self.send(Event::Step { stage, step, of, seconds });
    }
}
