//! What a person asks of the log, and its newest lines.

use std::path::PathBuf;

use super::state::PageAnswer;
use crate::app::panels::log::LogAction;
use crate::app::shell::app::State;
use crate::app::shell::notifications::Tone;
use crate::core::{Error, Kind, Result};
use crate::library::diagnostics_bundle;
use crate::store::log_lines_after;

/// Lines that the window shows.
const KEPT: usize = 2000;

impl State {
    /// Carries out what was asked of the log; showing a job is the window's.
    pub(in crate::app::shell) fn apply_log(&mut self, action: LogAction) -> Result<()> {
        match action {
            LogAction::Clear => {
                self.notifications.clear();
                self.pages.lines.clear();
            }
            LogAction::ShowJob(_) => {}
            LogAction::CollectBundle => {
                let data_dir = self.data_dir.clone();
                let secrets = self.private_texts();
                self.page_work(move || PageAnswer::Bundle(diagnostics_bundle(&data_dir, &secrets)))?;
            }
            LogAction::SaveBundle(path) => self.save_bundle(path)?,
            LogAction::DropBundle => self.pages.bundle = None,
        }
        Ok(())
    }

    fn save_bundle(&self, path: PathBuf) -> Result<()> {
        let Some(bundle) = self.pages.bundle.clone() else {
            return Err(
                Error::new(Kind::Input, "There are no diagnostics to save").remedy("Collect them first")
            );
        };
        self.page_work(move || PageAnswer::SavedBundle(bundle.save(&path).map(|()| path)))
    }

    /// Prompts in the form, in its history and in the queue.
    fn private_texts(&self) -> Vec<String> {
        let drafts = self.queue.iter().map(|job| &job.spec.draft).chain([&self.form.draft]);
        let prompts = drafts.flat_map(|draft| [draft.prompt.clone(), draft.negative_prompt.clone()]);
        prompts.chain(self.window.prompts.all().map(str::to_owned)).collect()
    }

    /// Takes in the newest lines of the log.
    pub(super) fn drain_log(&mut self) {
        for line in log_lines_after(self.pages.next_line) {
            self.pages.next_line = line.number + 1;
            if self.pages.lines.len() == KEPT {
                self.pages.lines.pop_front();
            }
            self.pages.lines.push_back(line);
        }
    }

    pub(super) fn saved_bundle(&mut self, path: &std::path::Path) {
        self.pages.bundle = None;
        let text = format!("The diagnostics are in {}", path.display());
        self.notifications.add(Tone::Good, text, None);
    }
}
