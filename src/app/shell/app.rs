//! The application: owns the state, drains events, carries out actions. The only file that knows the services.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use eframe::egui::{self, CentralPanel, Context, Panel, Ui};

use crate::app::background::examiner::Examiner;
use crate::app::background::player::player::Player;
use crate::app::background::restore::{Found, Restore, is_weights};
use crate::app::form::Form;
use crate::app::panels::compose::panel as compose_panel;
use crate::app::panels::player::panel as player_panel;
use crate::app::panels::queue::panel as queue_panel;
use crate::app::panels::queue::progress as progress_panel;
use crate::app::shell::action::Action;
use crate::app::shell::view::{AppView, Look, RunState};
use crate::app::theme;
use crate::core::{Error, Event, Faults, Fix, FrameCount, Kind, Progress, Result};
use crate::jobs::{JobEntry, JobId, JobSpec};
use crate::media::OutputTarget;
use crate::queue::Scope;
use crate::store::Settings;
use crate::worker::{QueueCommand, Worker, WorkerOptions};

/// Progress is drawn at most this often.
const EVENT_DELAY: Duration = Duration::from_millis(100);
/// The elapsed time is drawn this often while a job runs.
const CLOCK_TICK: Duration = Duration::from_secs(1);

/// The window's state.
pub struct App {
    form: Form,
    examiner: Examiner,
    run: RunState,
    job: Option<JobId>,
    /// The number of a job that was just asked for comes here, once it is safe on disk.
    accepted: Option<Receiver<Result<JobId>>>,
    /// Likewise for jobs that wait behind the one that runs.
    queued: Vec<Receiver<Result<JobId>>>,
    last_job: Option<JobSpec>,
    queue: Arc<[JobEntry]>,
    restore: Option<Restore>,
    player: Player,
    worker: Worker,
}

impl App {
    /// The state in which the window opens: the toy model, ready to run.
    pub fn new(ctx: &Context, data_dir: PathBuf, models_dir: Option<PathBuf>) -> Result<Self> {
        theme::install(ctx);
        let waking = ctx.clone();
        // the command line that opens the window has said what is odd about them
        let (settings, _) = Settings::load(&data_dir);
        let service = WorkerOptions::new("the window", Scope::Everything).settled(&settings);
        let service = WorkerOptions { faults: Faults::from_env()?, ..service };
        let worker = Worker::start(
            data_dir.clone(),
            service,
            Arc::new(move || waking.request_repaint_after(EVENT_DELAY)),
        )?;
        let waking = ctx.clone();
        let player = Player::start(Arc::new(move || waking.request_repaint()))?;
        let waking = ctx.clone();
        let examiner = Examiner::start(data_dir.clone(), Arc::new(move || waking.request_repaint()))?;
        let (form, wrong) = Form::open(data_dir, models_dir, settings)?;
        Ok(Self {
            form,
            examiner,
            run: wrong.map_or(RunState::Idle, RunState::Failed),
            job: None,
            accepted: None,
            queued: Vec::new(),
            last_job: None,
            queue: Arc::default(),
            restore: None,
            player,
            worker,
        })
    }

    /// How the job stands.
    pub fn run_state(&self) -> &RunState {
        &self.run
    }

    /// What keeps the form from running, and what the look before a run says of its fields.
    fn problems(&self) -> Vec<Error> {
        let mut problems = self.form.problems();
        if let Look::Done(Err(error)) = self.examiner.look()
            && problems.is_empty()
            && error.field_name().is_some()
        {
            problems.push(error.clone());
        }
        problems
    }

    /// Has the form looked at, if it can run and the person wants to know.
    fn examine(&mut self) {
        let form = &self.form;
        if !form.settings().generation.preflight || !form.problems().is_empty() {
            return self.examiner.forget();
        }
        let is_news = form.model_path().is_ok_and(|model| self.examiner.is_news(&form.draft, &model));
        if is_news && let Ok(work) = form.work() {
            self.examiner.ask(work);
        }
    }

    fn apply(&mut self, action: Action, now: Instant) {
        let done = match action {
            Action::Edit(draft) => {
                self.form.draft = *draft;
                Ok(())
            }
            Action::ChooseModel(id) => self.form.choose_model(&id),
            Action::ChooseMode(mode) => self.form.choose_mode(mode),
            Action::Generate(draft) => {
                self.form.draft = *draft;
                let begun = self.form.work().and_then(|work| self.start(work, now));
                if begun.is_ok() {
                    // of a job that could not be saved any more
                    self.form.end_editing();
                }
                begun
            }
            Action::Cancel => {
                self.cancel();
                Ok(())
            }
            Action::Retry(change) => self.retry(change.as_ref(), now),
            Action::FindModels => {
                self.form.find_models();
                self.examiner.again();
                self.run = RunState::Idle;
                Ok(())
            }
            Action::LookAgain => {
                self.examiner.again();
                Ok(())
            }
            Action::Dismiss => {
                if !self.run.running() {
                    self.run = RunState::Idle;
                }
                Ok(())
            }
            Action::Restore(_) | Action::AddLora(_) if self.restore.is_some() => Ok(()),
            Action::Restore(path) | Action::AddLora(path) => self.restore(path, now),
            Action::EditJob(id) => {
                if let Some(entry) = self.queue.iter().find(|entry| entry.job.id == id) {
                    self.form.edit(entry);
                }
                Ok(())
            }
            Action::SaveJob(draft) => {
                self.form.draft = *draft;
                self.save_job()
            }
            Action::LeaveJob => {
                self.form.end_editing();
                Ok(())
            }
            Action::Queue(order) => self.worker.order(order),
            Action::Player(action) => {
                self.player.apply(action, now);
                Ok(())
            }
        };
        if let Err(error) = done {
            self.fail(error);
        }
    }

    /// Shows an error; one that comes while a job runs must not hide the job.
    fn fail(&mut self, error: Error) {
        match &mut self.run {
            RunState::Running { note, .. } => *note = Some(format!("{error:#}")),
            run => *run = RunState::Failed(error),
        }
    }

    /// Hands work to the engine; behind a job that runs it waits for its turn, and shows in the queue.
    fn start(&mut self, work: JobSpec, now: Instant) -> Result<()> {
        OutputTarget::parse(&work.output, FrameCount(work.draft.frames), work.existing)?;
        let accepted = self.worker.submit(work.clone())?;
        if self.run.running() {
            self.queued.push(accepted);
            return Ok(());
        }
        self.last_job = Some(work);
        self.accepted = Some(accepted);
        self.job = None;
        let progress = Progress::default();
        self.run = RunState::Running { progress, started: now, note: None, stopping: false };
        Ok(())
    }

    /// The last job again, with what was changed for it on the way and with `change`. The form follows if it still is
    /// that job's.
    fn retry(&mut self, change: Option<&Fix>, now: Instant) -> Result<()> {
        let failed = self.queue.iter().find(|entry| Some(entry.job.id) == self.job);
        let again = failed.filter(|entry| entry.ended().is_some()).map(|entry| {
            let tried = entry.retries.iter().flat_map(|retry| &retry.changes).filter(|_| change.is_some());
            let draft = Fix::applied(tried.chain(change), &entry.job.work.draft);
            // what is still the same is not denoised again
            let work = JobSpec { latents_of: Some(entry.job.uid.clone()), ..entry.job.work.clone() };
            self.form.changed(&work, draft)
        });
        let before = failed.map(|entry| entry.job.work.draft.clone());
        let work = again.or_else(|| {
            let work = self.last_job.clone()?;
            Some(self.form.changed(&work, Fix::applied(change, &work.draft)))
        });
        let Some(work) = work.transpose()? else { return Ok(()) };
        if before.is_some_and(|before| before == self.form.draft) {
            self.form.draft = work.draft.clone();
        }
        self.start(work, now)
    }

    /// Gives the job that is in the form the form.
    fn save_job(&mut self) -> Result<()> {
        let job = self.form.editing(&self.queue).map(|editing| editing.job);
        if let Some(entry) = self.queue.iter().find(|entry| Some(entry.job.id) == job) {
            let work = self.form.edited(entry)?;
            OutputTarget::parse(&work.output, FrameCount(work.draft.frames), work.existing)?;
            self.worker.order(QueueCommand::Edit(entry.job.id, Box::new(work)))?;
        }
        self.form.end_editing();
        Ok(())
    }

    fn cancel(&mut self) {
        let RunState::Running { stopping, .. } = &mut self.run else { return };
        *stopping = true;
        if let Some(id) = self.job
            && let Err(error) = self.worker.cancel(id)
        {
            self.fail(error);
        }
    }

    /// Takes in the number of a job that was asked for, or why it cannot be queued.
    fn accept(&mut self) {
        let mut refused = Vec::new();
        self.queued.retain(|answer| match answer.try_recv() {
            Ok(accepted) => {
                refused.extend(accepted.err());
                false
            }
            Err(waiting) => waiting.is_empty(),
        });
        for error in refused {
            self.fail(error);
        }
        let Some(answer) = self.accepted.as_ref().and_then(|accepted| accepted.try_recv().ok()) else {
            return;
        };
        self.accepted = None;
        match answer {
            Ok(id) => {
                self.job = Some(id);
                if matches!(self.run, RunState::Running { stopping: true, .. }) {
                    self.cancel();
                }
            }
            Err(error) => self.run = RunState::Failed(error),
        }
    }

    fn restore(&mut self, path: PathBuf, now: Instant) -> Result<()> {
        if !is_weights(&path) {
            self.player.open(path.clone(), now);
        }
        self.restore = Some(Restore::start(path, self.player.waker())?);
        Ok(())
    }

    fn drain(&mut self, now: Instant) {
        self.accept();
        while let Ok((id, event)) = self.worker.events().try_recv() {
            // the answer was sent before the first event
            self.accept();
            if matches!(event, Event::Started { .. }) && self.job != Some(id) && self.accepted.is_none() {
                // the next one in the queue
                self.job = Some(id);
                self.run = RunState::Running {
                    progress: Progress::default(),
                    started: now,
                    note: None,
                    stopping: false,
                };
            }
            if Some(id) == self.job {
                self.observe(event, now);
            }
        }
        let snapshot = self.worker.snapshot();
        self.queue = snapshot.entries;
        for told in snapshot.told {
            self.fail(Error::new(Kind::Io, told));
        }
        if let Some(found) = self.restore.as_ref().and_then(Restore::poll) {
            self.restore = None;
            match found {
                Ok(Found::Settings(draft)) => self.form.draft = *draft,
                Ok(Found::Image(path, size)) => {
                    if let Err(error) = self.form.start_from(path, size) {
                        self.fail(error);
                    }
                }
                Ok(Found::Lora(path, expert)) => self.form.add_lora(path, expert),
                Err(error) => self.fail(error),
            }
        }
    }

    fn observe(&mut self, event: Event, now: Instant) {
        if let RunState::Running { progress, note, .. } = &mut self.run {
            progress.observe(&event);
            if let Event::Note { message } | Event::Warning { message } = &event {
                *note = Some(message.clone());
            } else if let Event::StageStarted { .. } = &event {
                *note = None;
            }
        }
        if event.is_terminal() {
            // its memory is free again, and its time is known
            self.examiner.again();
            self.player.end_preview(now);
        }
        self.run = match event {
            Event::Preview { frames, .. } => {
                self.player.preview(frames, now);
                return;
            }
            Event::Finished { outcome } => {
                self.player.open(outcome.output.clone(), now);
                RunState::Done(outcome)
            }
            Event::Failed { error } => RunState::Failed(error),
            Event::Cancelled => RunState::Cancelled,
            Event::Interrupted { .. } => {
                self.player.end_preview(now);
                RunState::Idle
            }
            _ => return,
        };
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        let now = Instant::now();
        let dropped =
            ctx.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_path_buf()));
        if let Some(path) = dropped {
            self.apply(Action::Restore(path), now);
        }
        self.drain(now);
        self.examiner.drain();
        self.examine();
        self.player.tick(ctx, now);
        if self.run.running() {
            ctx.request_repaint_after(CLOCK_TICK);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let now = Instant::now();
        let problems = self.problems();
        let editing = self.form.editing(&self.queue);
        let view = AppView {
            draft: &self.form.draft,
            problems: &problems,
            limits: self.form.limits().ok(),
            look: self.examiner.look(),
            editing: editing.as_ref(),
            mode: self.form.mode(),
            reason: self.form.reason(),
            models: &self.form.models,
            run: &self.run,
            queue: &self.queue,
            screen: self.player.screen(),
            now,
        };
        let mut actions = Vec::new();
        Panel::left("compose").default_size(theme::FORM_WIDTH).size_range(theme::FORM_WIDTHS).show(
            ui,
            |ui| {
                actions.extend(compose_panel::ui(ui, &view));
            },
        );
        Panel::bottom("progress").resizable(false).show(ui, |ui| {
            ui.add_space(6.0);
            actions.extend(progress_panel::ui(ui, &view));
            ui.add_space(6.0);
        });
        if !self.queue.is_empty() {
            Panel::bottom("queue").default_size(theme::QUEUE_HEIGHT).min_size(64.0).show(ui, |ui| {
                actions.extend(queue_panel::ui(ui, &view));
            });
        }
        CentralPanel::default().show(ui, |ui| actions.extend(player_panel::ui(ui, &view)));
        if !actions.is_empty() {
            // what was asked shows in the next frame
            ui.ctx().request_repaint();
        }
        for action in actions {
            self.apply(action, now);
        }
        if ui.input(|input| !input.raw.hovered_files.is_empty()) {
            egui::Tooltip::always_open(
                ui.ctx().clone(),
                ui.layer_id(),
                egui::Id::unique("drop"),
                egui::PopupAnchor::Pointer,
            )
            .show(|ui| {
                ui.label("Drop a video to bring its settings back, a picture to start from, or a LoRA");
            });
        }
    }
}
