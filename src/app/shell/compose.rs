//! Carries out what the form asks for: its changes, its jobs, its seeds and presets.

use std::path::Path;
use std::time::Instant;

use eframe::egui::Context;

use super::app::State;
use super::notifications::Tone;
use crate::app::background::inputs::{Chosen, InputSource, InputWell};
use crate::app::background::restore::Found;
use crate::app::form::SeedMode;
use crate::app::panels::compose::{ComposeAction, ResultFile};
use crate::app::panels::models::ModelsAction;
use crate::core::{Draft, Fix, FrameCount, Result, Seed};
use crate::jobs::{JobSpec, Priority};
use crate::media::OutputTarget;
use crate::queue::QueueCommand;

/// Finished videos that are offered for their last frame.
const RESULTS: usize = 8;
/// Characters of a prompt in their list.
const TITLE: usize = 40;

impl State {
    pub(super) fn apply_compose(&mut self, action: ComposeAction, now: Instant) -> Result<()> {
        match action {
            ComposeAction::Edit(draft) => self.edit(*draft),
            ComposeAction::SeedMode(mode) => self.form.context.seed_mode = mode,
            ComposeAction::NumVideos(count) => self.form.context.num_videos = count,
            ComposeAction::ReuseSeed => self.reuse_seed(),
            ComposeAction::ChooseModel(id) => self.form.choose_model(&id)?,
            ComposeAction::ChooseMode(mode) => self.form.choose_mode(mode)?,
            ComposeAction::AutomaticMode => self.form.choose_automatically()?,
            ComposeAction::ApplyPreset(name) => self.apply_preset(&name),
            ComposeAction::SetInput(well, source) => self.form.set_input(well, source),
            ComposeAction::Browse(well) => self.inputs.browse(well),
            ComposeAction::Paste(well) => self.inputs.paste(well),
            ComposeAction::SwapImages => self.form.swap_images(),
            // the window's
            ComposeAction::Command(_) => {}
            ComposeAction::Generate(draft) | ComposeAction::SaveJob(draft) => {
                self.edit(*draft);
                self.generate(Priority::Normal, now)?;
            }
            ComposeAction::TimeLimit(timeout_s) => self.form.context.timeout_s = timeout_s,
            ComposeAction::Fix(fix) => self.apply_fix(&fix)?,
            ComposeAction::LookAgain => self.examiner.again(),
            ComposeAction::AddLora(path) => self.open_file(path, now),
            ComposeAction::LeaveJob => self.form.end_editing(),
        }
        Ok(())
    }

    /// Carries out a fix that preflight suggests: in the form, or by starting a conversion.
    pub(super) fn apply_fix(&mut self, fix: &Fix) -> Result<()> {
        match fix {
            Fix::TimeLimit(limit) => {
                self.form.context.timeout_s = Some(limit.map_or(0, |limit| limit.0.ceil() as u64));
            }
            Fix::Convert { model, quantisation } => {
                self.apply_models(ModelsAction::Convert(model.clone(), (*quantisation).into()))?;
            }
            Fix::Fetch(model) => self.apply_models(ModelsAction::PlanFetch(model.clone()))?,
            Fix::Together(fixes) => fixes.iter().try_for_each(|fix| self.apply_fix(fix))?,
            _ => fix.apply(&mut self.form.draft),
        }
        Ok(())
    }

    fn edit(&mut self, draft: Draft) {
        if draft.seed != self.form.draft.seed {
            self.form.context.seed_mode = SeedMode::Fixed;
        }
        self.form.draft = draft;
    }

    /// Queues as many videos from the form as it says, or gives the form to the job that is edited.
    pub(super) fn generate(&mut self, priority: Priority, now: Instant) -> Result<()> {
        let editing = self.form.editing(&self.queue);
        if editing.is_some_and(|editing| editing.locked_reason.is_none()) {
            return self.save_job();
        }
        self.window.prompts.add(&self.form.draft.prompt);
        let is_random = self.form.context.seed_mode == SeedMode::Random;
        let first = self.form.draft.seed;
        for index in 0..self.form.context.num_videos.max(1) {
            let seed = if is_random { Seed::random().0 } else { first.wrapping_add(u64::from(index)) };
            self.form.show_seed(seed, now);
            let work = self.form.work()?;
            self.window.last_seed = Some(seed);
            self.submit(JobSpec { priority, ..work })?;
        }
        if !is_random {
            self.form.show_seed(first, now);
        }
        // of a job that could not be saved any more
        self.form.end_editing();
        Ok(())
    }

    /// Gives the job that is in the form the form.
    fn save_job(&mut self) -> Result<()> {
        let job = self.form.editing(&self.queue).map(|editing| editing.job);
        if let Some(entry) = self.queue.iter().find(|entry| Some(entry.id) == job) {
            let work = self.form.edited(entry)?;
            OutputTarget::parse(&work.output, FrameCount(work.draft.frames), work.existing)?;
            self.worker.command(QueueCommand::Edit { id: entry.id, spec: Box::new(work) })?;
        }
        self.form.end_editing();
        Ok(())
    }

    /// Reads what the wells hold and counts the prompts' tokens; takes in what was read, chosen and pasted.
    pub(super) fn look_at_inputs(&mut self, ctx: &Context) {
        while let Some(Chosen { well, path }) = self.inputs.chosen() {
            match path {
                Ok(path) => self.form.set_input(well, Some(InputSource::of(path))),
                Err(error) => self.report_error(&error),
            }
        }
        for (well, path, size) in self.inputs.drain(ctx) {
            if let Err(error) = self.form.input_read(well, &path, size) {
                self.report_error(&error);
            }
        }
        let fitting = self.form.fitting();
        for well in [InputWell::Start, InputWell::End] {
            self.inputs.look(well, self.form.input(well), fitting);
        }
        self.tokens.drain();
        if let Ok(model) = self.form.model_path() {
            self.tokens.look(&self.form.draft, &model);
        }
    }

    /// Finished videos whose last frame can be used: the one in the player, then the newest of the library.
    pub(super) fn results(&self) -> Vec<ResultFile> {
        let title = |path: &Path, words: &str| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let words: String = words.chars().take(TITLE).collect();
            if words.is_empty() { name.into_owned() } else { words }
        };
        let mut results = Vec::new();
        if let Some(path) = self.player.screen().path.clone() {
            let name = title(&path, "");
            results.push(ResultFile { title: format!("In the player: {name}"), path });
        }
        let finished = self.library.items().iter().filter(|item| item.exists);
        let finished = finished.filter_map(|item| Some((item.output.clone()?, item)));
        let recent = finished.map(|(path, item)| ResultFile { title: title(&path, &item.prompt), path });
        let is_new = |result: &ResultFile| results.iter().all(|known: &ResultFile| known.path != result.path);
        let recent: Vec<_> = recent.filter(is_new).take(RESULTS).collect();
        results.extend(recent);
        results
    }

    /// Takes the settings of a preset into the form; a notification says so.
    pub(super) fn apply_preset(&mut self, name: &str) {
        let Some(preset) = self.presets.iter().find(|preset| preset.name == name) else { return };
        self.form.apply_preset(preset);
        let text = format!("The form has the settings of {name}");
        self.notifications.add(Tone::Info, text, None);
    }

    /// Takes the seed of the video that was queued last, and keeps it.
    pub(super) fn reuse_seed(&mut self) {
        if let Some(seed) = self.window.last_seed {
            self.set_seed(seed);
        }
    }

    pub(super) fn set_seed(&mut self, seed: u64) {
        self.form.draft.seed = seed;
        self.form.context.seed_mode = SeedMode::Fixed;
    }

    /// Looks for models on the disk, in the background.
    pub(super) fn scan_models(&mut self) {
        let scan = self.form.scan();
        if self.background.submit(move || Found::Models(scan())) {
            self.tasks.scans += 1;
        }
    }
}
