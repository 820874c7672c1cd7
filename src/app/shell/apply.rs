//! Carries out the user's actions.

use std::path::PathBuf;
use std::time::Instant;

use eframe::egui::{Context, ThemePreference, ViewportCommand};

use super::action::Action;
use super::app::{App, State};
use super::command::Command;
use super::help::ShortcutList;
use super::layout::PanelId;
use super::notifications::Tone;
use super::palette::Palette;
use super::sweep::panel_of;
use crate::app::background::file_dialog;
use crate::app::background::player::saved_frame::save_frame;
use crate::app::background::restore::{Found, examine_file, is_weights};
use crate::app::panels::compare::CompareAction;
use crate::app::panels::compose::ComposeAction;
use crate::app::panels::gallery::GalleryAction;
use crate::app::panels::log::LogAction;
use crate::app::panels::monitor::MonitorAction;
use crate::app::panels::player::{PlayerAction, PlayerCommand};
use crate::app::panels::presets::PresetsAction;
use crate::app::panels::queue::QueueAction;
use crate::core::{Error, Fix, FrameCount, Kind, Result, Seed};
use crate::jobs::{JobId, JobSpec, Priority};
use crate::library::Remedy;
use crate::media::OutputTarget;
use crate::queue::QueueCommand;

impl App {
    /// Carries out one action; an error becomes a notification.
    pub(super) fn apply(&mut self, ctx: &Context, action: Action, now: Instant) {
        let state = &mut self.state;
        let done = match action {
            Action::Gallery(action) => {
                match action {
                    GalleryAction::Open(_) => self.layout.show(PanelId::Player),
                    GalleryAction::Compare(_) | GalleryAction::RankBlind(_) => {
                        self.layout.show(PanelId::Compare);
                    }
                    _ => {}
                }
                state.apply_gallery(action, now)
            }
            Action::Models(action) => state.apply_models(action),
            Action::Monitor(action) => self.apply_monitor(ctx, action, now),
            Action::Player(PlayerAction::Command(command)) => {
                self.run_command(ctx, Command::Player(command), now)
            }
            Action::Player(PlayerAction::Seek(index)) => {
                state.player.seek(index);
                Ok(())
            }
            Action::Player(PlayerAction::Speed(speed)) => {
                state.player.set_speed(speed, now);
                Ok(())
            }
            Action::Presets(action) => self.apply_presets(action),
            Action::Queue(QueueAction::ShowGallery) | Action::Compare(CompareAction::ShowGallery) => {
                self.layout.show(PanelId::Gallery);
                Ok(())
            }
            Action::Compare(action) => {
                state.apply_compare(action, now);
                Ok(())
            }
            Action::Queue(QueueAction::ShowModels) => {
                self.layout.show(PanelId::Models);
                Ok(())
            }
            Action::Queue(action) => {
                match action {
                    QueueAction::Open(..) => self.layout.show(PanelId::Player),
                    QueueAction::Compare(_) => self.layout.show(PanelId::Compare),
                    QueueAction::Fix(_) => self.layout.show(PanelId::Models),
                    _ => {}
                }
                state.apply_queue(action, now)
            }
            Action::Settings(action) => state.apply_settings(ctx, action),
            Action::Sweep(action) => {
                if let Some(panel) = panel_of(&action) {
                    self.layout.show(panel);
                }
                state.apply_sweep(action, now)
            }
            Action::Compose(ComposeAction::Command(command)) | Action::Command(command) => {
                self.run_command(ctx, command, now)
            }
            Action::Compose(action) => {
                if matches!(action, ComposeAction::Fix(Fix::Convert { .. } | Fix::Fetch(_))) {
                    self.layout.show(PanelId::Models);
                }
                state.apply_compose(action, now)
            }
            Action::ShowJob(id) | Action::Log(LogAction::ShowJob(id)) => {
                self.layout.show(PanelId::Queue);
                self.panels.queue.show_job(id);
                Ok(())
            }
            Action::Log(action) => state.apply_log(action),
            Action::DismissNotification(id) => {
                state.notifications.dismiss(id);
                Ok(())
            }
        };
        if let Err(error) = done {
            self.state.report_error(&error);
        }
    }

    /// Carries out what was asked of the monitor; its rows are kept with the window.
    fn apply_monitor(&mut self, ctx: &Context, action: MonitorAction, now: Instant) -> Result<()> {
        if let MonitorAction::Rows(rows) = &action {
            self.state.window.monitor_rows = *rows;
        }
        match self.state.measurements.apply(action)? {
            Some(remedy) => self.apply_remedy(ctx, &remedy, now),
            None => Ok(()),
        }
    }

    /// Carries out what was asked of the presets; a fetch is shown in the models panel.
    fn apply_presets(&mut self, action: PresetsAction) -> Result<()> {
        if matches!(action, PresetsAction::FetchLora(_)) {
            self.layout.show(PanelId::Models);
        }
        self.state.apply_presets(action)
    }

    /// Does what the monitor recommended.
    fn apply_remedy(&mut self, ctx: &Context, remedy: &Remedy, now: Instant) -> Result<()> {
        let state = &mut self.state;
        match remedy {
            Remedy::ShowModels => self.layout.show(PanelId::Models),
            Remedy::PauseQueue => return self.run_command(ctx, Command::PauseQueue, now),
            Remedy::AllCores => {
                state.change_settings(|settings| settings.set("hardware.threads", "0"))?;
                let text = "All cores are used from the next start on (hardware.threads is 0)";
                state.notifications.add(Tone::Good, text, None);
            }
            Remedy::Fix(_) | Remedy::FewerSteps | Remedy::ShorterVideo => {
                let Some(fix) = remedy.fix(&state.form.draft) else {
                    state.notifications.add(Tone::Info, "The form already has this setting", None);
                    return Ok(());
                };
                fix.apply(&mut state.form.draft);
                state.notifications.add(Tone::Good, format!("Form changed: {fix}"), None);
            }
        }
        Ok(())
    }

    fn run_command(&mut self, ctx: &Context, command: Command, now: Instant) -> Result<()> {
        let state = &mut self.state;
        if let Err(reason) = state.may(command) {
            return Err(Error::new(Kind::Input, format!("{}: {reason}", command.text())));
        }
        match command {
            Command::Generate => state.generate(Priority::Normal, now)?,
            Command::GenerateFirst => state.generate(Priority::Urgent, now)?,
            Command::Cancel => state.cancel_running()?,
            Command::PauseQueue => state.pause_queue()?,
            Command::PreviousPrompt => {
                let earlier = state.window.prompts.previous(&state.form.draft.prompt);
                state.form.draft.prompt = earlier.unwrap_or_else(|| state.form.draft.prompt.clone());
            }
            Command::NextPrompt => {
                let later = state.window.prompts.next(&state.form.draft.prompt);
                state.form.draft.prompt = later.unwrap_or_else(|| state.form.draft.prompt.clone());
            }
            Command::Undo => state.form.undo(now),
            Command::Redo => state.form.redo(now),
            Command::ReuseSeed => state.reuse_seed(),
            Command::OpenFile => {
                let dialog = rfd::FileDialog::new().set_title("Open a file");
                state.dialogs.submit(|| file_dialog::ask(|| dialog.pick_file()));
            }
            Command::ClearEnded => state.worker.command(QueueCommand::ClearEnded)?,
            Command::EstimateAgain => state.examiner.again(),
            Command::RandomSeed => state.set_seed(Seed::random().0),
            Command::FindModels => state.scan_models(),
            Command::Player(command) => self.run_player_command(ctx, command, now)?,
            Command::ShowPanel(panel) => {
                self.layout.show(panel);
                if panel == PanelId::Compose {
                    self.panels.compose.focus_prompt();
                }
            }
            Command::MonitorLine => self.layout.toggle_monitor_line(),
            Command::ResetLayout => self.layout.reset(),
            Command::DarkTheme => state.set_theme(ctx, ThemePreference::Dark),
            Command::LightTheme => state.set_theme(ctx, ThemePreference::Light),
            Command::SystemTheme => state.set_theme(ctx, ThemePreference::System),
            Command::ZoomIn => eframe::egui::gui_zoom::zoom_in(ctx),
            Command::ZoomOut => eframe::egui::gui_zoom::zoom_out(ctx),
            Command::ZoomReset => ctx.set_zoom_factor(1.0),
            Command::FullScreen => {
                let is_full = ctx.input(|input| input.viewport().fullscreen.unwrap_or(false));
                ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
            }
            Command::Palette => self.palette = Some(Palette::new()),
            Command::Shortcuts => self.shortcut_list = Some(ShortcutList::default()),
            Command::Notifications => {
                state.notifications.mark_read();
                self.shows_notifications = true;
            }
            Command::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
        }
        Ok(())
    }

    fn run_player_command(&mut self, ctx: &Context, command: PlayerCommand, now: Instant) -> Result<()> {
        let state = &mut self.state;
        match command {
            PlayerCommand::FitFrame => self.panels.player.fit(),
            PlayerCommand::FullSizeFrame => self.panels.player.full_size(ctx.pixels_per_point()),
            PlayerCommand::CopyFrame => {
                if let Some((_, image)) = state.player.frame() {
                    ctx.copy_image(image.as_ref().clone());
                    state.notifications.add(Tone::Good, "The frame is in the clipboard", None);
                }
            }
            PlayerCommand::SaveFrame => state.save_frame()?,
            command => state.player.run(command, now),
        }
        Ok(())
    }
}

impl State {
    /// Whether a command is available now, or the reason why not.
    pub(super) fn may(&self, command: Command) -> Result<(), String> {
        let has_video = self.player.screen().frames > 0;
        match command {
            Command::Generate | Command::GenerateFirst => match self.problems().first() {
                Some(problem) => Err(format!("{problem:#}")),
                None => Ok(()),
            },
            Command::Undo if !self.form.can_undo() => Err("nothing to undo".to_owned()),
            Command::Redo if !self.form.can_redo() => Err("nothing to redo".to_owned()),
            Command::ReuseSeed if self.window.last_seed.is_none() => Err("no video was made yet".to_owned()),
            Command::Cancel if self.live.is_empty() => Err("no job runs".to_owned()),
            Command::ClearEnded if self.queue.iter().all(|entry| entry.ended().is_none()) => {
                Err("no job has ended".to_owned())
            }
            Command::Player(_) if !has_video => Err("no video is open".to_owned()),
            _ => Ok(()),
        }
    }

    fn apply_queue(&mut self, action: QueueAction, now: Instant) -> Result<()> {
        match action {
            QueueAction::Command(command) => self.worker.command(command)?,
            QueueAction::Cancel(id) => self.cancel(id)?,
            QueueAction::Edit(id) => {
                if let Some(entry) = self.queue.iter().find(|entry| entry.id == id) {
                    self.form.edit(entry);
                }
            }
            QueueAction::Retry(id, fix) => self.retry(id, fix.as_ref())?,
            QueueAction::Fix(fix) => self.apply_fix(&fix)?,
            QueueAction::Open(id, path) => self.player.open(path, Some(id), now),
            QueueAction::Compare(paths) => self.comparison.open(paths),
            QueueAction::Columns(columns) => self.window.queue_columns = columns,
            QueueAction::Many(actions) => return self.apply_to_many(actions, now),
            // the layout belongs to the window
            QueueAction::ShowGallery | QueueAction::ShowModels => {}
        }
        Ok(())
    }

    /// Carries out the same for several jobs; what the queue does by itself goes to it in one piece.
    fn apply_to_many(&mut self, actions: Vec<QueueAction>, now: Instant) -> Result<()> {
        let mut commands = Vec::new();
        for action in actions {
            match action {
                QueueAction::Command(command) => commands.push(command),
                // what waits is cancelled by the queue, what runs is stopped at once
                QueueAction::Cancel(id) if self.live.get(id).is_none() => {
                    commands.push(QueueCommand::Cancel(id));
                }
                action => self.apply_queue(action, now)?,
            }
        }
        if commands.is_empty() { Ok(()) } else { self.worker.command(QueueCommand::Many(commands)) }
    }

    /// Submits a job to the queue.
    pub(super) fn submit(&mut self, work: JobSpec) -> Result<()> {
        OutputTarget::parse(&work.output, FrameCount(work.draft.frames), work.existing)?;
        self.accepted.push(self.worker.submit(work)?);
        Ok(())
    }

    /// Retries an ended job with the fixes of its retries and with `fix`. The form gets the same changes if it still
    /// has the settings of that job.
    fn retry(&mut self, id: JobId, fix: Option<&Fix>) -> Result<()> {
        let Some(entry) = self.queue.iter().find(|entry| entry.id == id) else { return Ok(()) };
        let before = entry.spec.draft.clone();
        let tried = entry.retries.iter().flat_map(|retry| &retry.fixes).filter(|_| fix.is_some());
        let draft = Fix::applied(tried.chain(fix), &before);
        // steps whose result stays the same are not denoised again
        let timeout_s = entry.spec.with_fixes(fix).timeout_s;
        let work = JobSpec { latents_of: Some(entry.uid.clone()), timeout_s, ..entry.spec.clone() };
        let work = self.form.changed(&work, draft)?;
        if before == self.form.draft {
            self.form.draft = work.draft.clone();
        }
        self.submit(work)
    }

    fn cancel_running(&mut self) -> Result<()> {
        match self.live.first() {
            Some((id, _)) => self.cancel(id),
            None => Ok(()),
        }
    }

    fn cancel(&mut self, id: JobId) -> Result<()> {
        self.live.stopping(id);
        self.worker.cancel(id)
    }

    /// Opens a file: a video is shown in the player, and its settings are loaded into the form.
    pub(super) fn open_file(&mut self, path: PathBuf, now: Instant) {
        if path.extension().is_some_and(|extension| extension == "ron") {
            if let Err(error) = self.apply_presets(PresetsAction::Import(path)) {
                self.report_error(&error);
            }
            return;
        }
        if !is_weights(&path) {
            self.player.open(path.clone(), None, now);
        }
        if self.background.submit(move || examine_file(&path)) {
            self.tasks.files += 1;
        }
    }

    /// Saves the shown frame to the videos' folder; a notification shows the path.
    fn save_frame(&mut self) -> Result<()> {
        let Some((stem, image)) = self.player.frame() else { return Ok(()) };
        let folder = self.data_dir.join("outputs");
        let task = move || save_frame(&folder, &stem, &image).map_or_else(Found::Nothing, Found::SavedFrame);
        if !self.background.submit(task) {
            return Err(Error::new(Kind::Io, "The frame was not saved: too many files are being read")
                .remedy("Wait a moment, then save it again"));
        }
        self.tasks.files += 1;
        Ok(())
    }

    /// Pauses the whole queue, or resumes it.
    fn pause_queue(&self) -> Result<()> {
        let command = if self.queue_is_paused { QueueCommand::ResumeAll } else { QueueCommand::PauseAll };
        self.worker.command(command)
    }

    pub(super) fn set_theme(&mut self, ctx: &Context, theme: ThemePreference) {
        self.window.theme = theme;
        ctx.set_theme(theme);
    }
}
