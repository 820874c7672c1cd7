//! The application: owns the state, drains events, carries out actions. The only file that knows the services.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Receiver;
use eframe::egui::{self, CentralPanel, Context, Panel, Ui};

use super::action::Action;
use super::output_name::output_path;
use super::player::Player;
use super::restore::{Found, Restore};
use super::routing::{Routing, mode_of};
use super::theme;
use super::view::{AppView, RunState};
use super::{compose_panel, player_panel, progress_panel, queue_panel};
use crate::core::{
    Draft, Error, Event, Faults, FrameCount, Kind, Limits, Mode, Progress, Resolution, Result, Seed,
};
use crate::media::{Existing, Target};
use crate::models::{self, Installed};
use crate::presets;
use crate::queue::{Entry, JobId, Scope, Service, Work, Worker};
use crate::store::Settings;

/// The model that the window opens with: it is there at once and runs on any machine.
const FIRST_PRESET: &str = "toy-t2v";
/// Something that the first model can draw.
const FIRST_PROMPT: &str = "a red circle moves right on a black background";
/// Progress is drawn at most this often.
const EVENT_DELAY: Duration = Duration::from_millis(100);
/// The elapsed time is drawn this often while a job runs.
const CLOCK_TICK: Duration = Duration::from_secs(1);

/// The window's state.
pub struct App {
    data_dir: PathBuf,
    models_dir: Option<PathBuf>,
    models: Vec<Installed>,
    draft: Draft,
    routing: Routing,
    run: RunState,
    job: Option<JobId>,
    /// The number of a job that was just asked for comes here, once it is safe on disk.
    accepted: Option<Receiver<Result<JobId>>>,
    last_job: Option<Draft>,
    queue: Arc<[Entry]>,
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
        let service = Service::new("the window", Scope::Everything).settled(&settings);
        let service = Service { faults: Faults::from_env()?, ..service };
        let worker = Worker::start(
            data_dir.clone(),
            service,
            Arc::new(move || waking.request_repaint_after(EVENT_DELAY)),
        )?;
        let waking = ctx.clone();
        let player = Player::start(Arc::new(move || waking.request_repaint()))?;
        let models = models::installed(&data_dir, models_dir.as_deref());
        let mut draft = presets::by_name(FIRST_PRESET)?.draft(FIRST_PROMPT);
        draft.seed = Seed::by_chance().0;
        let (routing, wrong) = Routing::open(&data_dir, &models, &draft)?;
        Ok(Self {
            routing,
            data_dir,
            models_dir,
            models,
            draft,
            run: wrong.map_or(RunState::Idle, RunState::Failed),
            job: None,
            last_job: None,
            queue: Arc::default(),
            accepted: None,
            restore: None,
            player,
            worker,
        })
    }

    /// How the job stands.
    pub fn run_state(&self) -> &RunState {
        &self.run
    }

    fn problems(&self) -> Vec<Error> {
        match (self.limits(), self.installed()) {
            (Ok(limits), Ok(model)) => {
                let mut problems = self.draft.problems(limits);
                // of a field that is wrong twice, one is enough
                let of_mode = self.routing.problems(&self.draft, model).into_iter();
                let is_new = |new: &Error| problems.iter().all(|old| old.field_name() != new.field_name());
                let more: Vec<_> = of_mode.filter(is_new).collect();
                problems.extend(more);
                problems
            }
            (Err(error), _) | (_, Err(error)) => vec![error],
        }
    }

    /// What the chosen model can take.
    fn limits(&self) -> Result<&Limits> {
        self.installed()?.limits.as_ref().map_err(|error| error.clone().field("model"))
    }

    fn installed(&self) -> Result<&Installed> {
        let model = &self.draft.model;
        let is_chosen = |known: &&Installed| known.id == *model || known.path == Path::new(model);
        self.models.iter().find(is_chosen).ok_or_else(|| {
            Error::new(Kind::MissingModel, format!("The model {model} is not on this machine"))
                .remedy(format!("Put its folder into {}", self.data_dir.join("models").display()))
                .field("model")
        })
    }

    fn apply(&mut self, action: Action, now: Instant) {
        let done = match action {
            Action::Edit(draft) => {
                self.draft = *draft;
                Ok(())
            }
            Action::ChooseModel(id) => {
                "the model was chosen".clone_into(&mut self.routing.reason);
                self.choose_model(&id)
            }
            Action::ChooseMode(mode) => {
                self.routing.by_mode(mode, &self.models).and_then(|id| self.choose_model(&id))
            }
            Action::Generate(draft) => self.generate(*draft, now),
            Action::Cancel => {
                self.cancel();
                Ok(())
            }
            Action::Retry => self.last_job.clone().map_or(Ok(()), |draft| self.generate(draft, now)),
            Action::FindModels => {
                self.models = models::installed(&self.data_dir, self.models_dir.as_deref());
                self.run = RunState::Idle;
                Ok(())
            }
            Action::Dismiss => {
                if !self.run.running() {
                    self.run = RunState::Idle;
                }
                Ok(())
            }
            Action::Restore(_) if self.restore.is_some() => Ok(()),
            Action::Restore(path) => self.restore(path, now),
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

    fn choose_model(&mut self, id: &str) -> Result<()> {
        let known = self.models.iter().find(|model| model.id == id);
        let mode = known.and_then(|model| model.limits.as_ref().ok()?.modes.first().copied());
        let own = presets::for_model(id)?;
        let preset = own.map_or_else(|| mode.map(presets::for_mode).transpose(), |own| Ok(Some(own)))?;
        if let Some(preset) = preset {
            let chosen = preset.draft(&self.draft.prompt);
            // pictures stay where the model takes them
            let takes = mode.is_none_or(|mode| mode != Mode::T2V);
            let kept = |path: Option<PathBuf>| path.filter(|_| takes);
            let before = std::mem::replace(&mut self.draft, chosen);
            self.draft.seed = before.seed;
            self.draft.image = kept(before.image);
            self.draft.continue_from = kept(before.continue_from);
            self.draft.last_image = kept(before.last_image).filter(|_| mode == Some(Mode::I2V));
        }
        id.clone_into(&mut self.draft.model);
        Ok(())
    }

    fn generate(&mut self, draft: Draft, now: Instant) -> Result<()> {
        self.draft = draft;
        let mode = self.draft.mode_for(self.limits()?)?;
        let model = self.installed()?.path.clone();
        let path = output_path(&self.data_dir, &self.draft, mode, SystemTime::now());
        Target::parse(&path, FrameCount(self.draft.frames), Existing::NextFree)?;
        let work = Work { preview: true, ..Work::new(self.draft.clone(), model, path) };
        self.last_job = Some(self.draft.clone());
        if self.run.running() {
            // it waits for its turn, and shows in the queue
            return self.worker.submit(work).map(drop);
        }
        self.accepted = Some(self.worker.submit(work)?);
        self.job = None;
        let progress = Progress::default();
        self.run = RunState::Running { progress, started: now, note: None, stopping: false };
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
        self.player.open(path.clone(), now);
        self.restore = Some(Restore::start(path, self.player.waker())?);
        Ok(())
    }

    /// Takes a picture into the form; the video takes its shape.
    fn start_from(&mut self, path: PathBuf, size: Resolution) -> Result<()> {
        let takes_none = |limits: &Limits| limits.modes == [Mode::T2V];
        if self.limits().is_ok_and(takes_none) {
            let with_picture = Draft { image: Some(path.clone()), continue_from: None, ..self.draft.clone() };
            let id = self.routing.by_what_is_given(&with_picture, &self.models)?;
            self.choose_model(&id)?;
        }
        if let Ok(limits) = self.limits() {
            self.draft.size = limits.strides.size_like(self.draft.size, size);
        }
        self.draft.image = Some(path);
        self.draft.continue_from = None;
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
        let sight = self.worker.sight();
        self.queue = sight.entries;
        for told in sight.told {
            self.fail(Error::new(Kind::Io, told));
        }
        if let Some(found) = self.restore.as_ref().and_then(Restore::poll) {
            self.restore = None;
            match found {
                Ok(Found::Settings(draft)) => self.draft = *draft,
                Ok(Found::Picture(path, size)) => {
                    if let Err(error) = self.start_from(path, size) {
                        self.fail(error);
                    }
                }
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
        self.player.tick(ctx, now);
        if self.run.running() {
            ctx.request_repaint_after(CLOCK_TICK);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let now = Instant::now();
        let problems = self.problems();
        let view = AppView {
            draft: &self.draft,
            problems: &problems,
            mode: self.installed().ok().and_then(|model| mode_of(&self.draft, model)),
            reason: &self.routing.reason,
            models: &self.models,
            run: &self.run,
            queue: &self.queue,
            screen: self.player.screen(),
            now,
        };
        let mut actions = Vec::new();
        Panel::left("compose").default_size(theme::FORM_WIDTH).min_size(260.0).show(ui, |ui| {
            actions.extend(compose_panel::ui(ui, &view));
        });
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
                ui.label("Drop a video to bring its settings back, or a picture to start from");
            });
        }
    }
}
