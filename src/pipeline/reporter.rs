//! The story of a run: events as they happen, and the record that is left of them.

use std::time::Instant;

use crate::core::{Event, Result, Secs, Stage, StageTime};

/// Sends events on and remembers what the outcome will need.
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

impl<'a> Reporter<'a> {
    /// A story told to `send`.
    pub fn new(send: &'a mut dyn FnMut(Event)) -> Self {
        Self { send, stages: Vec::new(), steps: Vec::new(), warnings: Vec::new(), optimizations: Vec::new() }
    }

    /// Tells an event.
    pub fn tell(&mut self, event: Event) {
        (self.send)(event);
    }

    /// Tells and remembers a warning.
    pub fn warn(&mut self, message: impl Into<String>) {
        let message = message.into();
        self.warnings.push(message.clone());
        self.tell(Event::Warning { message });
    }

    /// Runs a stage, telling its begin and, if it succeeds, its end.
    pub fn stage<T>(&mut self, stage: Stage, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.tell(Event::StageStarted { stage });
        let began = Instant::now();
        let result = work(self)?;
        let seconds = Secs::from(began.elapsed());
        self.stages.push(StageTime { name: stage, seconds });
        self.tell(Event::StageFinished { stage, seconds });
        Ok(result)
    }

    /// Tells that unit `step` of `of` is done.
    pub fn step(&mut self, stage: Stage, step: u32, of: u32, began: Instant) {
        self.stepped(stage, (step, of), Secs::from(began.elapsed()));
    }

    /// Tells that unit `step` of `of` is done and how long it took.
    pub fn stepped(&mut self, stage: Stage, (step, of): (u32, u32), seconds: Secs) {
        if matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow) {
            self.steps.push(seconds);
        }
        self.tell(Event::Step { stage, step, of, seconds });
    }
}
