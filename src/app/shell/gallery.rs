//! Carries out the gallery's actions and processes the answers of its thread.

use std::path::{Path, PathBuf};
use std::time::Instant;

use eframe::egui::Context;

use super::app::State;
use super::notifications::Tone;
use crate::app::background::library::LibraryNotice;
use crate::app::background::restore::Found;
use crate::app::form::SeedMode;
use crate::app::panels::gallery::GalleryAction;
use crate::core::{Draft, Error, Kind, Result, Seed};
use crate::library::export;
use crate::media::Format;

impl State {
    pub(super) fn apply_gallery(&mut self, action: GalleryAction, now: Instant) -> Result<()> {
        match action {
            GalleryAction::Open(path) => self.player.open(path, None, now),
            GalleryAction::Compare(paths) => self.comparison.open(paths),
            GalleryAction::RankBlind(items) => self.comparison.open_blind(items),
            GalleryAction::Reuse(draft) => {
                self.form.draft = *draft;
                // what is generated now is the same video
                self.form.context.seed_mode = SeedMode::Fixed;
            }
            GalleryAction::Remix(draft) => self.form.draft = Draft { seed: Seed::random().0, ..*draft },
            GalleryAction::ReusePrompt { prompt, negative_prompt } => {
                (self.form.draft.prompt, self.form.draft.negative_prompt) = (prompt, negative_prompt);
            }
            GalleryAction::ReuseSeed(seed) => self.set_seed(seed),
            GalleryAction::SavePreset(name, draft) => {
                self.save_draft_as_preset(&name, &draft, "Saved from a result")?;
            }
            GalleryAction::ContinueFrom(path) => self.form.continue_from(path)?,
            GalleryAction::UseAsStartImage(path) => self.use_as_image(path),
            GalleryAction::Export(path, format) => self.export(path, format)?,
            GalleryAction::Reveal(path) => open(path.parent().unwrap_or(&path))?,
            GalleryAction::OpenWith(path) => open(&path)?,
            GalleryAction::Rate { id, stars } => self.library.rate(id, stars),
            GalleryAction::Delete(outputs) => self.library.delete(outputs),
            GalleryAction::UndoDelete => self.library.restore(std::mem::take(&mut self.deleted)),
        }
        Ok(())
    }

    /// Writes a video in another format beside it; a notification shows the path.
    fn export(&mut self, path: PathBuf, format: Format) -> Result<()> {
        let task = move || export(&path, format).map_or_else(Found::Nothing, Found::Exported);
        if !self.background.submit(task) {
            return Err(Error::new(Kind::Io, "The video was not exported: too many files are being read")
                .remedy("Wait a moment, then export it again"));
        }
        self.tasks.files += 1;
        Ok(())
    }

    /// Processes the answers of the library thread.
    pub(super) fn drain_library(&mut self, ctx: &Context) {
        for notice in self.library.drain(ctx) {
            match notice {
                LibraryNotice::Deleted(outputs) => {
                    let text = match outputs.as_slice() {
                        [one] => format!("Moved to the bin: {}", one.display()),
                        more => format!("{} files were moved to the bin", more.len()),
                    };
                    self.notifications.add(Tone::Info, text, None);
                    self.deleted = outputs;
                }
                LibraryNotice::Restored => {
                    self.notifications.add(Tone::Good, "The deleted files are back", None);
                }
                LibraryNotice::Failed(error) => self.report_error(&error),
            }
        }
    }
}

/// Opens a file or folder with the system's default program.
fn open(path: &Path) -> Result<()> {
    opener::open(path).map_err(|error| {
        Error::new(Kind::Io, format!("No program opens {}", path.display()))
            .because(error)
            .remedy("Open it in the file manager")
    })
}
