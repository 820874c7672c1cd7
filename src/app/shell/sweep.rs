//! Carries out what the sweep panel asks for.

use std::time::Instant;

use eframe::egui::Context;

use super::app::State;
use super::layout::PanelId;
use super::notifications::Tone;
use crate::app::background::searches::SearchNotice;
use crate::app::background::sweeps::SweepNotice;
use crate::app::form::SeedMode;
use crate::app::panels::sweep::SweepAction;
use crate::core::Result;
use crate::queue::QueueCommand;
use crate::sweep::{SearchCommands, SearchStart};

/// The panel that shows what an action opens.
pub(super) fn panel_of(action: &SweepAction) -> Option<PanelId> {
    match action {
        SweepAction::Show(..) => Some(PanelId::Player),
        SweepAction::Compare(_) => Some(PanelId::Compare),
        _ => None,
    }
}

impl State {
    pub(super) fn apply_sweep(&mut self, action: SweepAction, now: Instant) -> Result<()> {
        match action {
            SweepAction::Plan(sweep) => self.sweeps.planning_mut().set_request(sweep.map(|sweep| *sweep)),
            SweepAction::Start => self.sweeps.start_planned(),
            SweepAction::Open(id) => self.sweeps.show(id),
            SweepAction::Group(verb) => {
                if let Some((record, _)) = self.sweeps.open() {
                    let id = record.id.clone();
                    self.worker.command(QueueCommand::Group { id, verb })?;
                }
            }
            SweepAction::Finish(chosen) => {
                let cells = self.sweeps.open().map(|(_, table)| table.cells.as_slice()).unwrap_or_default();
                let drafts = cells.iter().filter(|cell| cell.is_draft).filter_map(|cell| cell.job);
                let command = |job| {
                    if chosen.contains(&job) { QueueCommand::Resume(job) } else { QueueCommand::Cancel(job) }
                };
                self.worker.command(QueueCommand::Many(drafts.map(command).collect()))?;
            }
            SweepAction::Pin(place) => self.sweeps.change(|record| {
                if !record.pinned.remove(&place) {
                    record.pinned.insert(place);
                }
            }),
            SweepAction::Reference(place) => self.sweeps.change(|record| {
                record.reference = Some(place).filter(|place| record.reference.as_ref() != Some(place));
            }),
            SweepAction::Drop(place) => self.sweeps.change(|record| {
                record.dropped.insert(place);
            }),
            SweepAction::ShowDropped => self.sweeps.change(|record| record.dropped.clear()),
            SweepAction::Star(uid, stars) => self.library.rate(uid, stars),
            SweepAction::SavePreset(name, draft) => {
                self.save_draft_as_preset(&name, &draft, "Saved from a sweep")?;
            }
            SweepAction::Show(job, path) => self.player.open(path, Some(job), now),
            SweepAction::Compare(videos) => self.comparison.open(videos),
            SweepAction::Reuse(draft) => {
                self.form.draft = *draft;
                self.form.context.seed_mode = SeedMode::Fixed;
            }
            SweepAction::Export => self.sweeps.export(),
            SweepAction::ContinueSearch(id) => self.searches.go_on(&id),
        }
        Ok(())
    }

    /// Follows the form, the queue and the history; plays the cells while they are seen.
    pub(super) fn update_sweeps(&mut self, ctx: &Context, is_shown: bool, now: Instant) {
        if is_shown {
            let form = &self.form;
            let planning = self.sweeps.planning_mut();
            planning.follow(&form.draft, form.context.timeout_s, || form.sweep_base());
        }
        for notice in self.sweeps.update(&self.queue, self.library.revision(), is_shown) {
            match notice {
                SweepNotice::Submit(plan) => match self.worker.submit_all(plan.specs) {
                    Ok(answer) => {
                        self.sweeps.submitted(answer);
                        if plan.record.sweep.search.is_some() {
                            self.searches.follow(&plan.record.id, SearchStart::New);
                        }
                    }
                    Err(error) => self.report_error(&error),
                },
                SweepNotice::Exported(exported) => {
                    let text = format!("The sweep is exported: {}", exported.page.display());
                    self.notifications.add(Tone::Good, text, None);
                }
                SweepNotice::Failed(error) => self.report_error(&error),
            }
        }
        if is_shown {
            self.sweeps.play(ctx, now);
        }
        self.carry_searches_on();
    }

    /// Has the queue do what the searches need; they go on whether the panel is seen or not.
    fn carry_searches_on(&mut self) {
        if !self.form.is_scanned() {
            // their jobs could not be planned
            return;
        }
        let form = &self.form;
        for notice in self.searches.update(&self.queue, self.library.revision(), || form.search_plans()) {
            match notice {
                SearchNotice::Commands(commands) => {
                    if let Err(error) = self.command_for_search(commands) {
                        self.report_error(&error);
                    }
                }
                SearchNotice::Changed => self.sweeps.read_again(),
                SearchNotice::Failed(error) => self.report_error(&error),
            }
        }
    }

    fn command_for_search(&mut self, commands: SearchCommands) -> Result<()> {
        let SearchCommands { submit, resume, cancel } = commands;
        if !submit.is_empty() {
            self.sweeps.submitted(self.worker.submit_all(submit)?);
        }
        let resume = resume.into_iter().map(QueueCommand::Resume);
        let commands: Vec<_> = resume.chain(cancel.into_iter().map(QueueCommand::Cancel)).collect();
        if commands.is_empty() { Ok(()) } else { self.worker.command(QueueCommand::Many(commands)) }
    }
}
