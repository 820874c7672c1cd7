//! The application: its state, and the order of a frame.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use eframe::egui::{self, Context, KeyboardShortcut, Ui};

use super::action::Action;
use super::command::Command;
use super::font_hint::FontHint;
use super::help::{Changed, ShortcutList};
use super::layout::{Layout, PanelId};
use super::live_jobs::LiveJobs;
use super::notifications::{Notifications, Tone};
use super::pages::Pages;
use super::palette::Palette;
use super::quit::{self, Quit};
use super::restore_dialog::{self, OfferedFile};
use super::save::VIEW_SAVED;
use super::shortcuts::{self, Shortcuts};
use super::window_state::{Autosave, WindowState};
use super::{attention, dropped, frame, menus, notification_list, panel_keys, status_bar};
use crate::app::background::comparison::comparison::Comparison;
use crate::app::background::examiner::Examiner;
use crate::app::background::forecast::Forecast;
use crate::app::background::inputs::{InputWell, Inputs};
use crate::app::background::library::Library;
use crate::app::background::measurements::{Measurements, Said};
use crate::app::background::player::player::Player;
use crate::app::background::restore::Found;
use crate::app::background::searches::Searches;
use crate::app::background::sweeps::Sweeps;
use crate::app::background::system_notifications::SystemNotifications;
use crate::app::background::system_theme::SystemTheme;
use crate::app::background::task::TaskThread;
use crate::app::background::taskbar::Taskbar;
use crate::app::background::tokens::Tokens;
use crate::app::form::Form;
use crate::app::panels::compare::ComparePanel;
use crate::app::panels::compose::{ComposePanel, PreflightStatus};
use crate::app::panels::gallery::GalleryPanel;
use crate::app::panels::log::LogPanel;
use crate::app::panels::models::ModelsPanel;
use crate::app::panels::monitor::MonitorPanel;
use crate::app::panels::player::PlayerPanel;
use crate::app::panels::presets::PresetsPanel;
use crate::app::panels::queue::QueuePanel;
use crate::app::panels::settings::SettingsPanel;
use crate::app::panels::sweep::SweepPanel;
use crate::app::theme;
use crate::core::{Error, Faults, Result};
use crate::jobs::{Job, JobId};
use crate::models::Installed;
use crate::monitor::{Monitor, SampleRate};
use crate::plan::ModelFit;
use crate::presets::{self, Preset};
use crate::queue::Scope;
use crate::stop_signals::StopSignals;
use crate::store::Settings;
use crate::worker::{ElsewhereJob, Worker, WorkerOptions};

/// Minimum time between two repaints for progress.
const EVENT_DELAY: Duration = Duration::from_millis(100);
/// Time between two repaints for the elapsed time while a job runs.
const CLOCK_TICK: Duration = Duration::from_secs(1);

/// The window.
pub struct App {
    pub(super) state: State,
    pub(super) panels: Panels,
    pub(super) layout: Layout,
    pub(super) palette: Option<Palette>,
    pub(super) shortcut_list: Option<ShortcutList>,
    pub(super) shows_notifications: bool,
    font_hint: FontHint,
    title: String,
    /// When something was scrolled or clicked after egui's own state was saved.
    pub(super) view_changed: Option<Instant>,
    system_theme: SystemTheme,
    /// Closes the window when the system ends the program.
    stop_signals: Option<StopSignals>,
}

/// The state of the window; panels get views of parts of it.
pub(super) struct State {
    pub(super) data_dir: PathBuf,
    pub(super) form: Form,
    pub(super) presets: Vec<Preset>,
    /// The images of the form.
    pub(super) inputs: Inputs,
    pub(super) tokens: Tokens,
    pub(super) examiner: Examiner,
    pub(super) queue: Arc<[Job]>,
    /// Whether the whole queue is paused.
    pub(super) queue_is_paused: bool,
    /// The jobs that other programs run, as last read.
    pub(super) elsewhere: Arc<[ElsewhereJob]>,
    pub(super) forecast: Forecast,
    pub(super) live: LiveJobs,
    pub(super) notifications: Notifications,
    pub(super) player: Player,
    /// The videos of the compare panel.
    pub(super) comparison: Comparison,
    pub(super) measurements: Measurements,
    pub(super) library: Library,
    pub(super) sweeps: Sweeps,
    pub(super) searches: Searches,
    /// The files of the last deletion, for undo.
    pub(super) deleted: Vec<PathBuf>,
    /// Dropped files with settings, until the user says what each is for.
    pub(super) offered: VecDeque<OfferedFile>,
    pub(super) background: TaskThread<Found>,
    /// Number of unfinished tasks of `background`.
    pub(super) tasks: Tasks,
    /// Receives the numbers of submitted jobs once they are saved.
    pub(super) accepted: Vec<Receiver<Result<JobId>>>,
    /// Finds out how well models fit this machine.
    pub(super) fits: TaskThread<Vec<ModelFit>>,
    /// Writes small files.
    pub(super) saving: TaskThread<Result<()>>,
    /// Shows file dialogs.
    pub(super) dialogs: TaskThread<Result<Option<PathBuf>>>,
    /// What survives a restart.
    pub(super) window: WindowState,
    pub(super) autosave: Autosave,
    pub(super) quit: Quit,
    /// What the pages for settings, log, models and presets know.
    pub(super) pages: Pages,
    /// Whether the window has the focus.
    pub(super) is_focused: bool,
    /// Whether a job ended while the window had no focus, and the taskbar does not show it yet.
    pub(super) wants_attention: bool,
    pub(super) desktop: SystemNotifications,
    pub(super) taskbar: Taskbar,
    pub(super) worker: Worker,
}

/// Runs tasks on a background thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tasks {
    pub(super) files: usize,
    pub(super) scans: usize,
}

/// The panels with their own state.
#[derive(Default)]
pub(super) struct Panels {
    pub(super) compare: ComparePanel,
    pub(super) compose: ComposePanel,
    pub(super) gallery: GalleryPanel,
    pub(super) log: LogPanel,
    pub(super) models: ModelsPanel,
    pub(super) monitor: MonitorPanel,
    pub(super) player: PlayerPanel,
    pub(super) presets: PresetsPanel,
    pub(super) queue: QueuePanel,
    pub(super) settings: SettingsPanel,
    pub(super) sweep: SweepPanel,
}

impl Panels {
    /// The panels with the rows and results that were selected in the last session.
    fn with_selection(window: &WindowState) -> Self {
        Self {
            queue: QueuePanel::with_selection(window.selected_jobs.clone()),
            gallery: GalleryPanel::with_selection(window.selected_results.clone()),
            ..Self::default()
        }
    }
}

/// Starts the worker of the window, which wakes it for events.
fn start_worker(ctx: &Context, data_dir: &Path, settings: &Settings, monitor: &Monitor) -> Result<Worker> {
    let options = WorkerOptions::new("the window", Scope::Everything).settled(settings);
    let options = WorkerOptions { faults: Faults::from_env()?, monitor: Some(monitor.clone()), ..options };
    let waking = ctx.clone();
    let wake = Arc::new(move || waking.request_repaint_after(EVENT_DELAY));
    Worker::start(data_dir.to_path_buf(), options, wake)
}

impl App {
    /// The initial state: the form of the last session, or the toy model, ready to run.
    pub fn new(ctx: &Context, data_dir: PathBuf, models_dir: Option<PathBuf>) -> Result<Self> {
        theme::install(ctx);
        // the zoom has commands, whose keys can be changed
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        // the command line has printed the notes already
        let (settings, _) = Settings::load(&data_dir);
        let monitor = Monitor::start(SampleRate::SLOWEST)?;
        let worker = start_worker(ctx, &data_dir, &settings, &monitor)?;
        let waker = || -> crate::core::Waker {
            let waking = ctx.clone();
            Arc::new(move || waking.request_repaint())
        };
        let layout = Layout::open(&data_dir);
        let mut notifications = Notifications::default();
        let (shortcuts, message) = Shortcuts::open(&data_dir);
        shortcuts.install(ctx);
        if let Some(message) = message {
            notifications.add(Tone::Warning, message, None);
        }
        let window = WindowState::open(&data_dir);
        ctx.set_theme(window.theme);
        let given_models = models_dir.clone().filter(|dir| Some(dir) != settings.models.folder.as_ref());
        let pages = Pages::start(&data_dir, given_models, &waker)?;
        let mut form = Form::first(data_dir.clone(), models_dir, settings)?;
        if let Some(draft) = &window.draft {
            form.restore(draft.clone(), window.form.clone());
        }
        let mut state = State {
            presets: presets::shipped()?,
            inputs: Inputs::start(&data_dir, &waker())?,
            tokens: Tokens::start(data_dir.clone(), waker())?,
            examiner: Examiner::start(data_dir.clone(), waker())?,
            queue: Arc::default(),
            queue_is_paused: false,
            elsewhere: Arc::default(),
            forecast: Forecast::start(data_dir.clone(), waker())?,
            live: LiveJobs::default(),
            player: Player::start(waker())?,
            comparison: Comparison::start(&data_dir, &waker())?,
            measurements: Measurements::start(data_dir.clone(), monitor, &form.settings().monitor, waker())?,
            library: Library::start(&data_dir, waker())?,
            sweeps: Sweeps::start(&data_dir, &waker)?,
            searches: Searches::start(&data_dir, waker())?,
            deleted: Vec::new(),
            offered: VecDeque::new(),
            background: TaskThread::start("files", waker())?,
            tasks: Tasks::default(),
            accepted: Vec::new(),
            fits: TaskThread::start("model fits", waker())?,
            saving: TaskThread::start("saving", waker())?,
            dialogs: TaskThread::start_for_dialogs("dialogs", waker())?,
            autosave: Autosave::on_disk(window.clone()),
            window,
            quit: Quit::No,
            is_focused: true,
            wants_attention: false,
            desktop: SystemNotifications::start(waker())?,
            taskbar: Taskbar::start()?,
            notifications,
            form,
            data_dir,
            pages,
            worker,
        };
        state.measurements.set_rows(state.window.monitor_rows);
        state.scan_models();
        state.load_presets()?;
        if let Some(video) = state.window.video.clone() {
            state.player.open(video, None, Instant::now());
        }
        Ok(Self {
            panels: Panels::with_selection(&state.window),
            state,
            layout,
            palette: None,
            shortcut_list: None,
            shows_notifications: false,
            font_hint: FontHint::default(),
            title: String::new(),
            view_changed: None,
            system_theme: SystemTheme::start(waker())?,
            stop_signals: None,
        })
    }

    /// Closes the window without a question, with all of it saved, when the process receives a signal that ends it.
    pub fn close_on_signals(&mut self, ctx: &Context) -> Result<()> {
        let waking = ctx.clone();
        self.stop_signals = Some(StopSignals::listen(move |_| waking.request_repaint())?);
        Ok(())
    }

    /// The queue as last read.
    pub fn queue(&self) -> &[Job] {
        &self.state.queue
    }

    /// All notifications, oldest first.
    pub fn notifications(&self) -> Vec<String> {
        self.state.notifications.list().map(super::notifications::Notification::sentence).collect()
    }

    fn apply_all(&mut self, ctx: &Context, actions: Vec<Action>, now: Instant) {
        if !actions.is_empty() {
            // the result of an action is visible in the next frame
            ctx.request_repaint();
        }
        for action in actions {
            self.apply(ctx, action, now);
        }
    }
}

impl App {
    /// Draws what is above the panels: dialogs, palette, lists.
    fn dialogs_ui(&mut self, ctx: &Context, now: Instant) {
        if let Some(mut palette) = self.palette.take() {
            let (chosen, stays) = palette.ui(ctx, &self.state);
            self.palette = stays.then_some(palette);
            self.apply_all(ctx, chosen.map(Action::Command).into_iter().collect(), now);
        }
        if let Some(mut list) = self.shortcut_list.take() {
            let Changed { shortcuts, stays } = list.ui(ctx);
            self.shortcut_list = stays.then_some(list);
            if let Some(shortcuts) = shortcuts {
                let (saved, data_dir) = (shortcuts.clone(), self.state.data_dir.clone());
                self.state.saving.submit(move || saved.save(&data_dir));
                shortcuts.install(ctx);
            }
        }
        if let Some(offered) = self.state.offered.front()
            && let Some(answer) = restore_dialog::ui(ctx, offered)
        {
            self.state.use_offered(answer);
            ctx.request_repaint();
        }
        if self.shows_notifications {
            let is_known = |id| self.state.queue.iter().any(|job| job.id == id);
            let (actions, stays) = notification_list::ui(ctx, &self.state.notifications, is_known);
            self.shows_notifications = stays;
            self.apply_all(ctx, actions, now);
        }
        if quit::ui(ctx, &mut self.state) {
            self.apply_all(ctx, vec![Action::Command(Command::Cancel)], now);
            quit::close(ctx, &mut self.state);
        }
    }

    /// The commands of the keys that were pressed. A dialog takes all keys but those of the window itself; a row of the
    /// queue or a result of the gallery that has the keyboard takes its own.
    fn pressed(&self, ctx: &Context) -> Vec<Action> {
        if self.shortcut_list.as_ref().is_some_and(ShortcutList::is_recording) {
            return Vec::new();
        }
        let has_dialog = ctx.memory(|memory| memory.top_modal_layer().is_some());
        let have_keyboard = [self.panels.queue.has_keyboard(), self.panels.gallery.has_keyboard()];
        let taken = panel_keys::taken(ctx, have_keyboard);
        let is_excluded = |command: Command, shortcut: &KeyboardShortcut| {
            has_dialog && !command.is_of_window() || taken.contains(shortcut)
        };
        let pressed = shortcuts::pressed(ctx, is_excluded).into_iter();
        // letters beside a field are no mistake to report where there is no video
        let is_idle =
            |command: &Command| matches!(command, Command::Player(_)) && self.state.may(*command).is_err();
        pressed.filter(|command| !is_idle(command)).map(Action::Command).collect()
    }

    /// Shows the progress of the running job in the window's title and in the taskbar.
    fn show_progress(&mut self, ctx: &Context) {
        let progress = attention::progress(&self.state.live, &self.state.queue);
        self.state.taskbar.show(progress);
        let title = attention::title(&self.state.live, &self.state.queue);
        if title != self.title {
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }
}

impl State {
    /// Errors of the form, including those that preflight found.
    pub(super) fn problems(&self) -> Vec<Error> {
        let mut problems = self.form.problems();
        for (well, names) in
            [(InputWell::Start, ["start_image", "continue_from"]), (InputWell::End, ["end_image"; 2])]
        {
            // before what its model says of it: the model follows an image only once it was read
            if let Some(Err(error)) = self.inputs.view(well).image {
                problems.retain(|problem| problem.field_name().is_none_or(|name| !names.contains(&name)));
                problems.insert(0, error.clone().field(names[0]));
            }
        }
        if let PreflightStatus::Done(Err(error)) = self.examiner.status()
            && problems.is_empty()
            && error.field_name().is_some()
        {
            problems.push(error.clone());
        }
        problems
    }

    /// Models on this machine.
    pub(super) fn models(&self) -> &[Installed] {
        self.form.models()
    }

    /// Requests the preflight of the form, if the form is valid and preflight is enabled.
    fn examine(&mut self) {
        let form = &self.form;
        if !form.settings().generation.preflight || !form.problems().is_empty() {
            return self.examiner.forget();
        }
        let needs_preflight = form
            .model_path()
            .is_ok_and(|model| self.examiner.needs_preflight(&form.draft, &model, form.time_limit()));
        if needs_preflight && let Ok(work) = form.work() {
            self.examiner.request(work);
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        let now = Instant::now();
        if ctx.cumulative_frame_nr() == 1 {
            tracing::info!("The first frame is on the screen");
        }
        self.take_files(ctx, now);
        let commands = self.pressed(ctx);
        self.apply_all(ctx, commands, now);
        if self.stop_signals.as_ref().is_some_and(StopSignals::is_received) && self.state.quit != Quit::Now {
            tracing::info!("The window was asked to end by a signal");
            quit::close(ctx, &mut self.state);
        }
        quit::update(ctx, &mut self.state);
        self.state.is_focused = ctx.input(|input| input.viewport().focused).unwrap_or(true);
        self.state.drain(now);
        self.state.drain_pages();
        self.state.update_idle_verify(ctx, now);
        if std::mem::take(&mut self.state.wants_attention) {
            let attention = egui::UserAttentionType::Informational;
            ctx.send_viewport_cmd(egui::ViewportCommand::RequestUserAttention(attention));
        }
        self.state.measurements.set_visible(self.layout.is_shown(PanelId::Monitor));
        self.state.measurements.set_price(&self.state.form.settings().monitor);
        for said in self.state.measurements.update() {
            match said {
                Said::Done(text) => self.state.notifications.add(Tone::Good, text, None),
                Said::Alarm(error) => self.state.notifications.warning(&error, None),
                Said::Failed(error) => self.state.notifications.error(&error, None),
            }
        }
        self.state.drain_library(ctx);
        self.state.update_sweeps(ctx, self.layout.is_shown(PanelId::Sweep), now);
        self.state.forecast.update(&self.state.queue);
        self.state.examiner.drain();
        self.state.look_at_inputs(ctx);
        self.state.form.observe(now);
        self.state.examine();
        // a video that plays behind another panel stands still
        if self.layout.is_shown(PanelId::Player) || !self.state.player.screen().playing {
            self.state.player.tick(ctx, now);
        }
        if self.layout.is_shown(PanelId::Compare) {
            self.state.comparison.tick(ctx, now);
        }
        if !self.state.live.is_empty() {
            ctx.request_repaint_after(CLOCK_TICK);
        }
        self.show_progress(ctx);
        self.save_when_due(ctx, now);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let now = Instant::now();
        let mut actions = menus::ui(ui, &self.state, &self.layout);
        actions.extend(status_bar::ui(ui, &self.state, self.layout.monitor_is_line, now));
        actions.extend(frame::ui(ui, &self.state, &mut self.panels, &mut self.layout, now));
        if let Some(hint) = self.font_hint.check(ui.ctx(), &self.state.form.draft.prompt) {
            self.state.notifications.add(Tone::Warning, hint, None);
        }
        let ctx = ui.ctx().clone();
        self.apply_all(&ctx, actions, now);
        self.dialogs_ui(&ctx, now);
        if ctx.input(|input| !input.raw.hovered_files.is_empty()) {
            dropped::hint_ui(ui);
        }
    }

    fn raw_input_hook(&mut self, _ctx: &Context, input: &mut egui::RawInput) {
        // the window's own backend does not know it on every system
        input.system_theme = input.system_theme.or_else(|| self.system_theme.get());
    }

    fn auto_save_interval(&self) -> Duration {
        VIEW_SAVED
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.save_now();
    }
}
