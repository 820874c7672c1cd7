//! What each column shows of a job.

use std::path::Path;
use std::time::Duration;

use eframe::egui::{
    Align2, Color32, CornerRadius, FontId, Image, Label, Rect, RichText, Ui, load::SizedTexture,
};
use egui_material_icons::icons::{ICON_BROKEN_IMAGE, ICON_MOVIE};

use super::columns::{Column, Places};
use super::failure::is_failed;
use super::times::{Schedule, left};
use super::verbs;
use super::view::{QueueAction, QueueView};
use crate::app::shell::live_jobs::LiveJob;
use crate::app::theme;
use crate::app::widgets::duration::short_time;
use crate::app::widgets::icon::icon_button;
use crate::app::widgets::stage_bar::{stage_bar_ui, stage_words};
use crate::core::{Fix, Secs, counted};
use crate::jobs::{EndStatus, Job, JobState, PendingAction, Priority};

/// Height of the bar of a running job.
const BAR: f32 = 5.0;

/// One job, and what its cells need to know beside it.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    pub(super) job: &'a Job,
    /// Its place among all jobs.
    pub(super) index: usize,
    pub(super) view: &'a QueueView<'a>,
    pub(super) schedule: &'a Schedule,
    pub(super) places: &'a Places,
}

impl Cells<'_> {
    /// Draws one cell.
    pub(super) fn cell_ui(&self, ui: &mut Ui, column: Column, actions: &mut Vec<QueueAction>) {
        let draft = &self.job.spec.draft;
        match column {
            Column::Thumbnail => {}
            Column::Job => text_ui(ui, &self.job.id.to_string()),
            Column::Prompt => self.prompt_ui(ui),
            Column::Mode => text_ui(ui, &self.mode()),
            Column::Model => text_ui(ui, &self.model()),
            Column::Size => text_ui(ui, &format!("{}×{}", draft.size, draft.frames)),
            Column::Steps => text_ui(ui, &draft.steps.to_string()),
            Column::Seed => text_ui(ui, &draft.seed.to_string()),
            Column::Stage => self.stage_ui(ui, actions),
            Column::Elapsed => {
                text_ui(ui, &self.elapsed().map(short_time).unwrap_or_default());
            }
            Column::Left => self.left_ui(ui),
            Column::ReadyIn => {
                let ready = self.schedule.ready(self.job.id, self.view);
                text_ui(ui, &ready.map(short_time).unwrap_or_default());
            }
            Column::Verbs => verbs_ui(ui, self.job, actions),
        }
    }

    fn live(&self) -> Option<&LiveJob> {
        self.view.live.get(self.job.id)
    }

    fn model(&self) -> String {
        self.job.spec.model_name()
    }

    fn mode(&self) -> String {
        let spec = &self.job.spec;
        let known = self.job.ended().and_then(|ended| ended.mode).or(spec.draft.mode);
        let of_model = || {
            let model = self.view.models.iter().find(|model| model.path == spec.model)?;
            spec.draft.mode_for(model.limits.as_ref().ok()?).ok()
        };
        known.or_else(of_model).map(|mode| mode.to_string()).unwrap_or_default()
    }

    /// The prompt, and below it the settings that have no column, or what the running job says.
    fn prompt_ui(&self, ui: &mut Ui) {
        let draft = &self.job.spec.draft;
        let prompt = if draft.prompt.trim().is_empty() { "(no prompt)" } else { draft.prompt.as_str() };
        let label = Label::new(RichText::new(prompt).color(theme::tokens(ui).strong)).selectable(false);
        ui.add(label.truncate().show_tooltip_when_elided(false)).on_hover_text(prompt);
        let details = self.details();
        let note = self.live().and_then(|live| retry_words(self.job, live, self.view));
        let note = note.or_else(|| self.live()?.follower.message().map(str::to_owned));
        let text = RichText::new(note.as_deref().unwrap_or(&details)).small().weak();
        ui.add(Label::new(text).truncate().show_tooltip_when_elided(false).selectable(false)).on_hover_text(
            match note {
                Some(note) => format!("{note}\n{details}"),
                None => details,
            },
        );
        if let Some(live) = self.live()
            && !self.places.has(Column::Verbs)
        {
            ui.add_space(2.0);
            stage_bar_ui(ui, live.follower.progress(), BAR);
        }
    }

    fn details(&self) -> String {
        let draft = &self.job.spec.draft;
        let parts = [
            (Column::Job, self.job.id.to_string()),
            (Column::Model, self.model()),
            (Column::Size, format!("{}×{}", draft.size, draft.frames)),
            (Column::Steps, counted(draft.steps, "step")),
            (Column::Seed, format!("seed {}", draft.seed)),
        ];
        let rest = parts.into_iter().filter(|(column, _)| !self.places.has(*column));
        let device = draft.devices.device.as_ref().map(|device| format!("device {device}"));
        let second = draft.devices.cfg_parallel.as_ref().map(|device| format!("CFG parallel on {device}"));
        rest.map(|(_, text)| text).chain(device).chain(second).collect::<Vec<_>>().join(" · ")
    }

    /// The state; in a narrow panel also the time and what can be done.
    fn stage_ui(&self, ui: &mut Ui, actions: &mut Vec<QueueAction>) {
        let words = self.state_words();
        let text = RichText::new(&words).small().color(colour(ui, self.job));
        ui.add(Label::new(text).selectable(false).truncate().show_tooltip_when_elided(false))
            .on_hover_text(&words);
        if self.places.has(Column::Verbs) {
            if let Some(live) = self.live() {
                stage_bar_ui(ui, live.follower.progress(), BAR);
            }
            return;
        }
        self.left_ui(ui);
        verbs_ui(ui, self.job, actions);
    }

    fn state_words(&self) -> String {
        match self.live() {
            Some(live) if live.stopping => "stopping…".to_owned(),
            Some(live) if live.follower.retry().is_some() => "waiting to retry".to_owned(),
            Some(live) if live.follower.building().is_some() => "building an engine".to_owned(),
            Some(live) if self.job.pending_action.is_none() => stage_words(live.follower.progress()),
            _ => self.standing().to_owned(),
        }
    }

    /// The state in one or two words.
    pub(super) fn standing(&self) -> &'static str {
        if self.view.live.is_interrupted(self.job.id) { "interrupted" } else { standing(self.job) }
    }

    fn elapsed(&self) -> Option<Secs> {
        match self.live() {
            Some(live) => Some(Secs::from(self.view.now.saturating_duration_since(live.follower.started()))),
            None => self.job.ended()?.generation_time_s,
        }
    }

    /// The time that is left; of an ended job what it took, where that has no column.
    fn left_ui(&self, ui: &mut Ui) {
        if self.job.ended().is_some() {
            let took = self.elapsed().filter(|_| !self.places.has(Column::Elapsed));
            return text_ui(ui, &took.map(short_time).unwrap_or_default());
        }
        let left = left(self.job, self.view);
        let text = left.map_or_else(String::new, |left| match self.live() {
            Some(_) => format!("{} left", short_time(left)),
            None => format!("about {}", short_time(left)),
        });
        let text = Label::new(RichText::new(text).small())
            .selectable(false)
            .truncate()
            .show_tooltip_when_elided(false);
        let source = self.view.times.of(self.job.id).map(|estimate| estimate.to_string());
        let elapsed = self.live().and_then(|_| self.elapsed()).map(|elapsed| format!("{elapsed} so far"));
        let about = [elapsed, source].into_iter().flatten().collect::<Vec<_>>().join("\n");
        let response = ui.add(text);
        if !about.is_empty() {
            response.on_hover_text(about);
        }
    }

    /// The image of the row: the result, the live preview, or the start image.
    pub(super) fn thumbnail_ui(&self, ui: &Ui, rect: Rect) {
        let tokens = theme::tokens(ui);
        let radius = CornerRadius::same(3);
        ui.painter().rect_filled(rect, radius, tokens.card);
        let preview = self.view.preview.filter(|preview| preview.job == self.job.id);
        let texture = preview.and_then(|preview| preview.texture);
        let texture = texture.or_else(|| (self.view.thumbnail)(self.file()?));
        if let Some((id, size)) = texture {
            let scale = (rect.size() / size.max(eframe::egui::Vec2::splat(1.0))).min_elem();
            let place = Rect::from_center_size(rect.center(), size * scale);
            let image = Image::from_texture(SizedTexture::new(id, size)).corner_radius(3);
            return image.paint_at(ui, place);
        }
        let (icon, colour) = if is_failed(self.job) {
            (ICON_BROKEN_IMAGE, tokens.error)
        } else {
            (ICON_MOVIE, ui.visuals().weak_text_color())
        };
        let font = FontId::new(16.0, icon.font_family());
        ui.painter().text(rect.center(), Align2::CENTER_CENTER, icon.codepoint, font, colour);
    }

    fn file(&self) -> Option<&Path> {
        let draft = &self.job.spec.draft;
        let result = self.job.ended().and_then(|ended| ended.output.as_deref());
        result.or(draft.start_image.as_deref()).or(draft.continue_from.as_deref())
    }
}

fn text_ui(ui: &mut Ui, text: &str) {
    let label =
        Label::new(RichText::new(text).small()).selectable(false).truncate().show_tooltip_when_elided(false);
    let response = ui.add(label);
    if !text.is_empty() {
        response.on_hover_text(text);
    }
}

/// "Attempt 2 of 3 in 8 s: use VAE tiles of 256 px".
fn retry_words(job: &Job, live: &LiveJob, view: &QueueView<'_>) -> Option<String> {
    let retry = live.follower.retry()?;
    let wait = retry.at.saturating_duration_since(view.now);
    let fixes = job.retries.last().map(|retry| retry.fixes.iter().map(Fix::to_string));
    let fixes = fixes.map(|fixes| fixes.collect::<Vec<_>>().join(", ")).unwrap_or_default();
    let when =
        if wait > Duration::ZERO { format!(" in {:.0} s", wait.as_secs_f64().ceil()) } else { String::new() };
    Some(format!("Attempt {} of {}{when}: {fixes}", retry.attempt, retry.of))
}

/// The verbs that fit at the end of the row; all are in its menu.
fn verbs_ui(ui: &mut Ui, job: &Job, actions: &mut Vec<QueueAction>) {
    let id = job.id;
    ui.with_layout(eframe::egui::Layout::right_to_left(eframe::egui::Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 1.0;
        for verb in verbs::at_end(job).into_iter().rev() {
            if icon_button(ui, verb.icon, &format!("{} job {id}", verb.name), verb.about).clicked() {
                actions.push(verb.action);
            }
        }
    });
}

/// The state of a job whose program runs.
fn standing(job: &Job) -> &'static str {
    match (&job.state, job.pending_action) {
        (JobState::Queued, _) => match job.spec.priority {
            Priority::Urgent => "urgent",
            Priority::Normal => "queued",
            Priority::Low => "queued, low",
        },
        (JobState::Paused, _) => "paused",
        (JobState::Running { .. }, Some(PendingAction::Pause { keep_memory: true })) => "paused in memory",
        (JobState::Running { .. }, Some(PendingAction::Pause { keep_memory: false })) => "pausing…",
        (JobState::Running { .. }, Some(PendingAction::Cancel)) => "stopping…",
        (JobState::Running { .. }, None) => "running",
        (JobState::Ended { entry }, _) => match entry.status {
            EndStatus::Done => "done",
            EndStatus::Failed => "failed",
            EndStatus::Cancelled => "cancelled",
        },
    }
}

fn colour(ui: &Ui, job: &Job) -> Color32 {
    let tokens = theme::tokens(ui);
    match (&job.state, job.ended().map(|ended| ended.status)) {
        (_, Some(EndStatus::Done)) => tokens.good,
        (_, Some(EndStatus::Failed)) => tokens.error,
        (JobState::Queued, _) if job.spec.priority == Priority::Urgent => tokens.warning,
        (JobState::Running { .. }, _) => ui.visuals().text_color(),
        _ => ui.visuals().weak_text_color(),
    }
}
